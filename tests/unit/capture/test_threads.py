"""Explanations made at once are those made one after the other, to the bit."""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import attnviz
from attnviz import Backbone, Edit, Explanation, zoo
from attnviz.mechanisms import SE
from attnviz.zoo.memory import Memory
from tests.unit.capture.cells import editable
from tests.unit.capture.formulas import LAYERS, tensors
from tests.unit.capture.networks import Tiny, picture, seeded, tapped, untapped

THREADS, EACH = 4, 50
MODELS = ("resnet18t-se", "resnet18t-nl", "resnet18t-cbam")


@pytest.fixture(autouse=True)
def busy() -> Iterator[None]:
    """Threads take turns a thousand times as often as they would."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(interval)


def run(works: list[Callable[[], None]]) -> None:
    """All at once; the first error of any is raised."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(len(works))

    def guarded(work: Callable[[], None]) -> None:
        try:
            barrier.wait(timeout=60)
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def job(i: int) -> dict[str, Any]:
    """The i-th call: its own model, picture, target, layer and edits."""
    model_id = MODELS[i % 3]
    layer = LAYERS[model_id][i % 3]
    edits = [
        [],
        [Edit(layer, "off")],
        [Edit("*", "shuffled", seed=i)],
        [Edit(layer, "uniform"), Edit("*", "off", call=0)],
        [Edit(layer, "frozen")],
    ][i % 5]
    cam_layer = [None, None, "stage2", "stage3.0.bn1"][i % 4]
    target = [None, i % 10, (i % 10, (i + 3) % 10)][i // 3 % 3]
    return {"target": target, "cam_layer": cam_layer, "edits": edits}


def explain(i: int) -> Explanation:
    return attnviz.explain(editable(MODELS[i % 3]), picture(i % 7), **job(i))


def everything(found: Explanation) -> list[Tensor]:
    assert found.logits is not None
    assert found.cam is not None
    values = [each for r in found.attention for each in (*tensors(r.values), r.before, r.after)]
    return [found.output, found.logits, found.cam.signed, *values]


def equal(found: Explanation, expected: Explanation) -> None:
    assert found.target == expected.target
    assert [(r.layer, r.part, r.call) for r in found.attention] == [
        (r.layer, r.part, r.call) for r in expected.attention
    ]
    pairs = zip(everything(found), everything(expected), strict=True)
    assert all(torch.equal(mine, theirs) for mine, theirs in pairs)


def test_four_threads_of_fifty_explanations() -> None:
    serial = [explain(i) for i in range(THREADS * EACH)]
    found: dict[int, Explanation] = {}

    def work(thread: int) -> None:
        # Neighbors in the list are other threads': the models are always shared.
        for i in range(thread, THREADS * EACH, THREADS):
            found[i] = explain(i)

    run([lambda thread=thread: work(thread) for thread in range(THREADS)])
    for i, expected in enumerate(serial):
        equal(found[i], expected)
    assert len({tuple(e.output.flatten().tolist()) for e in serial}) > 90  # they do differ


def test_features_and_steps_at_once() -> None:
    found = [explain(i) for i in range(12)]
    layers = [e.attention[1].layer for e in found]
    expected = [(*e.features(layer), e.steps(layer)[-1].value) for e, layer in zip(found, layers, strict=True)]
    results: dict[int, tuple[Tensor, ...]] = {}

    def work(i: int) -> None:
        for _ in range(3):
            results[i] = (*found[i].features(layers[i]), found[i].steps(layers[i])[-1].value)

    run([lambda i=i: work(i) for i in range(12)])
    for i, values in enumerate(expected):
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(results[i], values, strict=True))


@pytest.mark.parametrize("layer", [None, "stage2"])
@pytest.mark.parametrize("model_id", MODELS)
def test_the_first_use_by_many(model_id: str, layer: str | None) -> None:
    """Nobody has asked this backbone anything yet, and the pictures are of three sizes."""
    sizes = [(48, 48), (33, 50), (61, 83)]
    expected = [attnviz.explain(tapped(model_id), picture(0, size), 1, layer) for size in sizes]
    backbone = attnviz.instrument(untapped(tapped(model_id)))
    found: dict[int, Explanation] = {}

    def work(i: int) -> None:
        found[i] = attnviz.explain(backbone, picture(0, sizes[i % 3]), 1, layer)

    run([lambda i=i: work(i) for i in range(9)])
    for i in range(9):
        equal(found[i], expected[i % 3])


def test_loading_at_once_gives_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "_loaded", Memory())
    ids = [card.id for card in attnviz.catalogue("embedded")][:2]
    found: dict[int, Backbone] = {}

    def work(i: int) -> None:
        found[i] = attnviz.load(ids[i % len(ids)])
        attnviz.explain(found[i], picture(0, (32, 32)))

    run([lambda i=i: work(i) for i in range(8)])
    for i in range(8):
        assert found[i] is found[i % len(ids)] is attnviz.load(ids[i % len(ids)])
    assert len({id(backbone) for backbone in found.values()}) == len(ids)


class Slow(Tiny):
    """Whoever has looked through its modules waits for the other to have looked too."""

    meeting: threading.Barrier | None = None

    def modules(self) -> Iterator[nn.Module]:
        yield from super().modules()
        if self.meeting is not None:
            with contextlib.suppress(threading.BrokenBarrierError):
                self.meeting.wait(timeout=0.5)


def test_instrumenting_at_once_is_done_once() -> None:
    """One thread gets the backbone, the other the refusal; the network has one set of hooks."""
    model = seeded(lambda: Slow(SE(8, reduction=2)))
    model.meeting = threading.Barrier(2)  # type: ignore[assignment]
    won: list[Backbone] = []
    lost: list[attnviz.AttnvizError] = []

    def work() -> None:
        try:
            won.append(attnviz.instrument(model))
        except attnviz.AttnvizError as error:
            lost.append(error)

    run([work] * 2)
    assert (len(won), len(lost)) == (1, 1)
    assert max(len(module._forward_hooks) for _, module in model.named_modules()) == 1
    won[0].close()
    assert not any(module._forward_hooks or module._forward_pre_hooks for _, module in model.named_modules())

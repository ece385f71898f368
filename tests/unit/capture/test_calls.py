"""A module that runs more than once: records by call, its features, its steps, its edits."""

from typing import Any

import pytest
import torch
from torch import Tensor

import attnviz
from attnviz import AttnvizError, Backbone, Edit
from attnviz.mechanisms import CBAM, SE, CoordinateAttention, Mechanism, NonLocal
from tests.unit.capture.formulas import FORMULAS, POINTS, rolled, seen, tensors
from tests.unit.capture.networks import Twice, picture, randomize, seeded, untapped
from tests.unit.capture.oracles import autograd_map, close_to, distance, observe

SIZE = (17, 22)
SECOND = (9, 11)
MAKE: dict[str, tuple[type[Mechanism], dict[str, Any]]] = {
    "SE": (SE, {"reduction": 2}),
    "CBAM": (CBAM, {"reduction": 2}),
    "CA": (CoordinateAttention, {}),
    "Non-Local": (NonLocal, {}),
}


def network(label: str) -> Backbone:
    mechanism, options = MAKE[label]
    return attnviz.instrument(seeded(lambda: randomize(Twice(mechanism(8, **options)), 3, SIZE)))


@pytest.mark.parametrize("label", MAKE)
def test_records_by_call(label: str) -> None:
    backbone = network(label)
    found = attnviz.explain(backbone, picture(0, SIZE)).attention
    points = POINTS[label]
    assert [(r.layer, r.part, r.call) for r in found] == [
        ("attention", part, call) for call in (0, 1) for part in points
    ]
    paths = [f"attention.{point}" for names in points.values() for point in names]
    hooks = observe(untapped(backbone), picture(0, SIZE), "attention", *paths)
    for record in found:
        raw = tuple(hooks[f"attention.{point}"][record.call][1] for point in points[record.part])
        for mine, expected in zip(tensors(record.values), seen(record.kind, raw), strict=True):
            close_to(mine, expected, 1e-6)
        assert record.before.shape == record.after.shape == (SIZE, SECOND)[record.call]
        before, after = hooks["attention"][record.call]
        close_to(record.before, before[0].abs().mean(0))
        close_to(record.after, after[0].abs().mean(0))
    for record, other in zip(found, attnviz.explain(backbone, picture(1, SIZE)).attention, strict=True):
        pairs = zip(tensors(record.values), tensors(other.values), strict=True)
        assert max(distance(mine, theirs) for mine, theirs in pairs) > 1e-3, "dead attention proves nothing"


@pytest.mark.parametrize("label", MAKE)
@pytest.mark.parametrize("call", [0, 1])
def test_features_and_steps_of_a_call(label: str, call: int) -> None:
    backbone = network(label)
    found = attnviz.explain(backbone, picture(0, SIZE))
    real = observe(untapped(backbone), picture(0, SIZE), "attention")["attention"][call]
    before, after = found.features("attention", call)
    close_to(before, real[0][0])
    close_to(after, real[1][0])
    assert torch.equal(found.steps("attention", call)[-1].value, after)
    block: Any = untapped(backbone).get_submodule("attention")
    records = [r for r in found.attention if r.call == call]
    values = {r.part: r.values.matrix() if r.kind == "affinity" else r.values for r in records}
    with torch.no_grad():
        close_to(FORMULAS[label](block, before, values)[0], after)
        moved = {part: rolled(value)[-1] for part, value in values.items()}
        assert distance(FORMULAS[label](block, before, moved)[0], after) > 1e-4


@pytest.mark.parametrize("label", MAKE)
@pytest.mark.parametrize("edited", [0, 1])
def test_an_edit_of_one_call(label: str, edited: int) -> None:
    """It stands in that call's record, features and steps, and in no other's before it."""
    backbone = network(label)
    plain = attnviz.explain(backbone, picture(0, SIZE))
    found = attnviz.explain(backbone, picture(0, SIZE), edits=[Edit("attention", "uniform", call=edited)])
    for call in (0, 1):
        before, after = found.features("attention", call)
        assert torch.equal(found.steps("attention", call)[-1].value, after)
        for record in (r for r in found.attention if r.call == call):
            close_to(record.before, before.abs().mean(0))
            close_to(record.after, after.abs().mean(0))
            flat = [t.std() for t in tensors(record.values)] if record.kind != "affinity" else []
            if record.kind == "affinity":
                flat = [record.values.matrix().std()]
            assert all(spread < 1e-6 for spread in flat) == (call == edited)
    if edited == 1:
        for mine, theirs in zip(found.attention, plain.attention, strict=True):
            same = all(torch.equal(a, b) for a, b in zip(tensors(mine.values), tensors(theirs.values), strict=True))
            assert same or mine.call == 1
    assert distance(found.output, plain.output) > 1e-5


@pytest.mark.parametrize("label", MAKE)
@pytest.mark.parametrize("call", [-1, 0, 1])
def test_the_map_of_a_call(label: str, call: int) -> None:
    backbone = network(label)
    cam = attnviz.explain(backbone, picture(0, SIZE), (1, 2), "attention", call).cam
    assert cam is not None
    assert cam.signed.shape == (SIZE if call == 0 else SECOND)
    close_to(cam.signed, autograd_map(untapped(backbone), "attention", call, picture(0, SIZE), (1, 2)))


@pytest.mark.parametrize("call", [2, -1])
def test_calls_that_were_not_made(call: int) -> None:
    found = attnviz.explain(network("SE"), picture(0, SIZE))
    for ask in (found.features, found.steps):
        with pytest.raises(AttnvizError, match=rf"call {call}; it ran 2"):
            ask("attention", call)


def test_one_module_under_two_names() -> None:
    """Its first name stands for both."""

    class TwoNames(Twice):
        def __init__(self) -> None:
            super().__init__(SE(8, reduction=2))
            self.other = self.attention

        def forward(self, x: Tensor) -> Any:
            x = self.attention(self.relu(self.bn(self.conv(x))))
            return self.fc(self.pool(self.other(self.relu(self.between(x)))).flatten(1))

    found = attnviz.explain(attnviz.instrument(seeded(TwoNames)), picture(0, SIZE)).attention
    assert [(r.layer, r.call) for r in found] == [("attention", 0), ("attention", 1)]

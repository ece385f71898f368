"""How edits combine, where they stand, what they leave alone, and which cannot be."""

import copy
import threading
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import attnviz
from attnviz import Backbone, Edit, Means
from attnviz.errors import EditError
from attnviz.mechanisms import SE, NonLocal
from tests.unit.capture.cells import check_permuted, editable, measured
from tests.unit.capture.formulas import LAYERS
from tests.unit.capture.networks import Tiny, Twice, picture, plain, randomize, seeded, tapped, untapped
from tests.unit.capture.oracles import Change, changed, close_to, distance, observe

SE_LAYER, CBAM_LAYER = "stage2.1.attention", "stage3.0.attention"


def logits(backbone: Backbone, *edits: Edit, x: Tensor | None = None) -> Tensor:
    found = attnviz.explain(backbone, picture() if x is None else x, edits=edits).logits
    assert found is not None
    return found


def forced(channel: int, value: float) -> Change:
    def change(raw: Tensor) -> Tensor:
        raw = raw.clone()
        raw[:, channel] = value
        return raw

    return change


class TestOrder:
    """Edits of one value are functions applied one after the other."""

    def test_the_last_word_is_the_last_edits(self) -> None:
        off, force = Edit(SE_LAYER, "off"), Edit(SE_LAYER, "forced", channel=2, value=0.1)
        gate = f"{SE_LAYER}.gate"
        both = changed(plain("resnet18t-se"), picture(), {gate: lambda raw: forced(2, 0.1)(torch.ones_like(raw))})
        alone = changed(plain("resnet18t-se"), picture(), {gate: torch.ones_like})
        close_to(logits(tapped("resnet18t-se"), off, force), both)
        close_to(logits(tapped("resnet18t-se"), force, off), alone)
        assert distance(both, alone) > 1e-5

    def test_a_channel_is_forced_before_or_after_the_shuffle(self) -> None:
        backbone = tapped("resnet18t-se")
        force, shuffle = Edit(SE_LAYER, "forced", channel=2, value=5.0), Edit(SE_LAYER, "shuffled")
        first = gate_of(backbone, force, shuffle)
        assert first[2] != 5
        assert (first == 5).sum() == 1
        second = gate_of(backbone, shuffle, force)
        assert second[2] == 5
        assert (second == 5).sum() == 1

    def test_parts_of_one_block(self) -> None:
        edits = (Edit(CBAM_LAYER, "off", "channel"), Edit(CBAM_LAYER, "uniform", "spatial"))
        changes: dict[str, Change] = {
            f"{CBAM_LAYER}.channel_gate": torch.ones_like,
            f"{CBAM_LAYER}.spatial_gate": lambda raw: torch.full_like(raw, float(raw.mean())),
        }
        expected = changed(plain("resnet18t-cbam"), picture(), changes)
        close_to(logits(tapped("resnet18t-cbam"), *edits), expected)
        close_to(logits(tapped("resnet18t-cbam"), *edits[::-1]), expected)

    def test_all_blocks_and_then_one(self) -> None:
        changes: dict[str, Change] = {f"{layer}.gate": torch.ones_like for layer in LAYERS["resnet18t-se"]}
        changes[f"{SE_LAYER}.gate"] = lambda raw: forced(0, 0.5)(torch.ones_like(raw))
        edits = (Edit("*", "off"), Edit(SE_LAYER, "forced", channel=0, value=0.5))
        close_to(logits(tapped("resnet18t-se"), *edits), changed(plain("resnet18t-se"), picture(), changes))

    def test_a_part_of_all_blocks(self) -> None:
        changes: dict[str, Change] = {f"{layer}.spatial_gate": torch.ones_like for layer in LAYERS["resnet18t-cbam"]}
        expected = changed(plain("resnet18t-cbam"), picture(), changes)
        close_to(logits(tapped("resnet18t-cbam"), Edit("*", "off", "spatial")), expected)

    def test_bam_off_by_its_logits(self) -> None:
        """Both logits 0: the gate is a half everywhere."""
        layer = "stage2.attention"
        edits = [Edit(layer, "off", part) for part in ("channel", "spatial")]
        found = attnviz.explain(tapped("resnet18t-bam"), picture(), edits=edits)
        gate = next(r for r in found.attention if (r.layer, r.part) == (layer, "combined"))
        assert torch.equal(gate.values, torch.full_like(gate.values, 0.5))
        before, after = found.features(layer)
        close_to(after, 1.5 * before)


def gate_of(backbone: Backbone, *edits: Edit) -> Tensor:
    (record,) = [r for r in attnviz.explain(backbone, picture(), edits=edits).attention if r.layer == SE_LAYER]
    return record.values


class TestShuffled:
    def test_seeds(self) -> None:
        backbone = tapped("resnet18t-se")
        raw = gate_of(backbone)
        once, again, other = (gate_of(backbone, Edit(SE_LAYER, "shuffled", seed=seed)) for seed in (0, 0, 1))
        assert torch.equal(once, again)
        assert not torch.equal(once, other)
        assert not torch.equal(once, raw)
        for given in (once, other):
            assert torch.equal(given.sort().values, raw.sort().values)

    def test_blocks_and_strips_have_their_own_order(self) -> None:
        raw = attnviz.explain(tapped("resnet18t-ca"), picture(0, (64, 64))).attention
        found = attnviz.explain(tapped("resnet18t-ca"), picture(0, (64, 64)), edits=[Edit(raw[0].layer, "shuffled")])
        strips = zip(raw[0].values, found.attention[0].values, strict=True)
        h, w = (check_permuted("coordinate", before[None], after[None]) for before, after in strips)
        assert h.shape == w.shape
        assert not torch.equal(h, w)

    def test_every_row_reads_the_same_other_keys(self) -> None:
        raw = attnviz.explain(tapped("resnet18t-nl"), picture()).attention[1].values.matrix()
        layer = LAYERS["resnet18t-nl"][1]
        found = attnviz.explain(tapped("resnet18t-nl"), picture(), edits=[Edit(layer, "shuffled")]).attention[1].values
        order = check_permuted("affinity", raw[None], found.matrix()[None])
        assert torch.equal(found.row((1, 2)).flatten(), raw[1 * found.query_grid[1] + 2][order])

    def test_the_global_generator_is_left_alone(self) -> None:
        before = torch.get_rng_state()
        logits(tapped("resnet18t-se"), Edit("*", "shuffled"))
        assert torch.equal(torch.get_rng_state(), before)


class TestCalls:
    """A block that runs twice."""

    def test_each_call_alone_and_both(self) -> None:
        backbone = attnviz.instrument(seeded(lambda: randomize(Twice(SE(8, reduction=2)), 1)))
        model = untapped(backbone)
        results = []
        for call in (0, 1, None):
            runs = iter((0, 1))

            def change(raw: Tensor, runs: Any = runs, call: int | None = call) -> Tensor:
                return torch.ones_like(raw) if call in (None, next(runs)) else raw

            expected = changed(model, picture(), {"attention.gate": change})
            close_to(logits(backbone, Edit("attention", "off", call=call)), expected)
            results.append(expected)
        assert min(distance(results[i], results[j]) for i, j in ((0, 1), (0, 2), (1, 2))) > 1e-5

    def test_both_calls_apart_are_both(self) -> None:
        backbone = attnviz.instrument(seeded(lambda: randomize(Twice(NonLocal(8)), 1)))
        edits, x = [Edit("attention", "uniform", call=call) for call in (0, 1)], picture(0, (13, 16))
        assert torch.equal(logits(backbone, *edits, x=x), logits(backbone, Edit("attention", "uniform"), x=x))

    def test_means_are_of_the_first_call(self) -> None:
        model = seeded(lambda: randomize(Twice(SE(8, reduction=2)), 1))
        means = attnviz.measure_means(attnviz.instrument(model), [picture(1), picture(2)])
        gates = [observe(copy.deepcopy(model), picture(i), "attention.gate")["attention.gate"][0][1] for i in (1, 2)]
        backbone = attnviz.instrument(copy.deepcopy(model), means=means)
        for call in (None, 1):
            with pytest.raises(EditError, match="first call"):
                logits(backbone, Edit("attention", "frozen", call=call))
        found = attnviz.explain(backbone, picture(), edits=[Edit("attention", "frozen", call=0)]).attention
        close_to(found[0].values, torch.cat(gates).mean(0))
        assert distance(found[1].values, found[0].values) > 1e-3

    def test_a_call_that_is_not_made_is_no_edit(self) -> None:
        for layer in (SE_LAYER, "*"):
            with pytest.raises(EditError, match="1"):
                logits(tapped("resnet18t-se"), Edit(layer, "off", call=1))


BAD: list[tuple[Any, str]] = [
    (Edit("stage9", "off"), "stage9"),
    (Edit("", "off"), "''"),
    (Edit(None, "off"), "None"),  # type: ignore[arg-type]
    (Edit(["stage1"], "off"), "stage1"),  # type: ignore[arg-type]
    (Edit("stage1", "off"), "stage1"),
    (Edit(f"{SE_LAYER}.gate", "off"), "gate"),
    (Edit(SE_LAYER, "OFF"), "OFF"),
    (Edit(SE_LAYER, None), "None"),  # type: ignore[arg-type]
    (Edit(SE_LAYER, "off", "gate"), "gate"),
    (Edit("*", "off", "spatial"), "spatial"),
    (Edit(SE_LAYER, "off", channel=1), "channel"),
    (Edit(SE_LAYER, "uniform", value=0.0), "value"),
    (Edit(SE_LAYER, "off", call=-1), "-1"),
    (Edit(SE_LAYER, "off", call=1.5), "1.5"),  # type: ignore[arg-type]
    (Edit(SE_LAYER, "off", call="0"), "'0'"),  # type: ignore[arg-type]
    (Edit(SE_LAYER, "off", call=True), "True"),
    (Edit(SE_LAYER, "forced"), "channel"),
    (Edit(SE_LAYER, "forced", channel=1), "value"),
    (Edit(SE_LAYER, "forced", value=1.0), "channel"),
    (Edit(SE_LAYER, "forced", channel=-1, value=1.0), "-1"),
    (Edit(SE_LAYER, "forced", channel=64, value=1.0), "64"),
    (Edit(SE_LAYER, "forced", channel=True, value=1.0), "channel"),
    (Edit(SE_LAYER, "forced", channel=1.0, value=1.0), "channel"),  # type: ignore[arg-type]
    (Edit(SE_LAYER, "forced", channel=1, value=float("nan")), "finite"),
    (Edit(SE_LAYER, "forced", channel=1, value=float("inf")), "finite"),
    (Edit(SE_LAYER, "forced", channel=1, value="1"), "finite"),  # type: ignore[arg-type]
    (Edit(SE_LAYER, "forced", channel=1, value=True), "finite"),
    (Edit(SE_LAYER, "forced", channel=1, value=1e300), "finite"),
    (Edit(SE_LAYER, "forced", channel=1, value=10**400), "finite"),
    (Edit(SE_LAYER, "shuffled", seed="a"), "seed"),  # type: ignore[arg-type]
    (Edit(SE_LAYER, "shuffled", seed=1.5), "seed"),  # type: ignore[arg-type]
    (Edit(SE_LAYER, "frozen"), "means"),
    ("off", "off"),
    (None, "None"),
]


@pytest.mark.parametrize(("edit", "said"), BAD, ids=repr)
@pytest.mark.parametrize("layer", [None, "stage2"])
def test_edits_that_cannot_be(edit: Any, said: str, layer: str | None) -> None:
    before = logits(tapped("resnet18t-se"))
    with pytest.raises(EditError) as caught:
        attnviz.explain(tapped("resnet18t-se"), picture(), cam_layer=layer, edits=[edit])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert torch.equal(logits(tapped("resnet18t-se")), before)


def test_a_network_without_attention_has_nothing_to_edit() -> None:
    for layer in ("*", "stage1.0"):
        with pytest.raises(EditError, match="no attention"):
            logits(tapped("resnet18t-plain"), Edit(layer, "off"))


def test_frozen_needs_means_of_that_size_shape_and_layer() -> None:
    edit = Edit(SE_LAYER, "frozen")
    with pytest.raises(EditError, match=r"61x83.*48x64"):
        logits(editable("resnet18t-se"), edit, x=picture(0, (48, 64)))
    good = measured("resnet18t-se")
    for values, said in (
        ({}, SE_LAYER),
        ({**good.values, SE_LAYER: good.values[SE_LAYER][:9]}, "9"),
        ({**good.values, SE_LAYER: good.values[SE_LAYER][:1]}, "1"),
    ):
        backbone = attnviz.instrument(untapped(tapped("resnet18t-se")), means=Means(values, good.input_size))
        with pytest.raises(EditError, match=said):
            logits(backbone, edit)


def test_means_of_pictures_of_two_sizes_or_of_none() -> None:
    with pytest.raises(attnviz.AttnvizError, match=r"61.*83.*48.*64"):
        attnviz.measure_means(tapped("resnet18t-se"), [picture(), picture(0, (48, 64))])
    with pytest.raises(attnviz.AttnvizError, match="no pictures"):
        attnviz.measure_means(tapped("resnet18t-se"), [])


@pytest.mark.parametrize(
    ("bad", "said"), [(torch.zeros(0, 3, 48, 48), r"\(0, 3, 48, 48\)"), (torch.zeros(3, 48, 48), r"\(3, 48, 48\)"),
                      (torch.full((2, 3, 48, 48), torch.nan), "no numbers")]
)  # fmt: skip
def test_means_of_what_are_no_pictures(bad: Tensor, said: str) -> None:
    with pytest.raises(attnviz.AttnvizError, match=said) as caught:
        attnviz.measure_means(tapped("resnet18t-se"), [bad])
    assert "\n" not in str(caught.value)


class Meeting(nn.Module):
    """Where passes of two threads meet, in the middle of both."""

    def __init__(self) -> None:
        super().__init__()
        self.barrier: threading.Barrier | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.barrier is not None:
            self.barrier.wait(timeout=20)
        return x


@pytest.mark.parametrize("layer", [None, "conv"])
def test_an_edit_in_one_thread_is_unseen_in_another(layer: str | None) -> None:
    model = seeded(lambda: Tiny(SE(8, reduction=2)))
    meeting = Meeting()
    model.get_submodule("attention").fc1 = nn.Sequential(meeting, model.get_submodule("attention.fc1"))
    backbone = attnviz.instrument(model)
    edits: list[tuple[Edit, ...]] = [(), (Edit("attention", "off"),), (Edit("attention", "shuffled"),)]
    alone = [attnviz.explain(backbone, picture(), 1, layer, edits=each) for each in edits]
    found: dict[int, attnviz.Explanation] = {}

    def work(i: int) -> None:
        found[i] = attnviz.explain(backbone, picture(), 1, layer, edits=edits[i])

    meeting.barrier = threading.Barrier(len(edits))
    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(edits))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, expected in enumerate(alone):
        assert torch.equal(found[i].output, expected.output)
        assert torch.equal(found[i].attention[0].values, expected.attention[0].values)
        assert found[i].cam is not None
        assert expected.cam is not None
        assert torch.equal(found[i].cam.signed, expected.cam.signed)
    assert distance(alone[0].output, alone[1].output) > 1e-5


def test_what_a_hook_of_the_users_own_does_stays() -> None:
    """An edit sees the value after the user's hooks, and leaves them where they are."""
    model = seeded(lambda: Tiny(SE(8, reduction=2)))
    handle = model.get_submodule("attention.gate").register_forward_hook(lambda _m, _a, output: output * 0.5)
    half = observe(model, picture(), "attention.gate")["attention.gate"][0][1][0]
    backbone = attnviz.instrument(model)
    assert torch.equal(attnviz.explain(backbone, picture()).attention[0].values, half)
    backbone.close()
    assert list(model.get_submodule("attention.gate")._forward_hooks) == [handle.id]

"""Records against the design's table, plain hooks on an untouched copy, and each block's own formula."""

from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

import attnviz
from attnviz import AttentionRecord, AttnvizError, Backbone, Edit, Explanation
from attnviz.capture import AffinityMap
from tests.unit.capture.formulas import (
    FORMULAS,
    LABEL,
    LAYERS,
    PARTS,
    POINTS,
    Values,
    as_points,
    rolled,
    seen,
    shapes,
    tensors,
)
from tests.unit.capture.networks import ATTENTIVE, IDS, ODD, picture, plain, tapped, untapped
from tests.unit.capture.oracles import close_to, distance, observe

CATALOGUE = [card.id for card in attnviz.catalogue("embedded") if card.mechanism]


@pytest.fixture(scope="module")
def explained() -> dict[str, Explanation]:
    return {model_id: attnviz.explain(tapped(model_id), picture()) for model_id in IDS}


@pytest.mark.parametrize("model_id", IDS)
def test_the_records_are_the_tables(explained: dict[str, Explanation], model_id: str) -> None:
    label = LABEL[model_id]
    expected = [
        (layer, part, 0, layer.split(".")[0], label, kind, role)
        for layer in LAYERS[model_id]
        for part, kind, role in PARTS[label]
    ]
    found = [(r.layer, r.part, r.call, r.stage, r.mechanism, r.kind, r.role) for r in explained[model_id].attention]
    assert found == expected


@pytest.mark.parametrize("model_id", ATTENTIVE)
def test_values_are_what_plain_hooks_see(explained: dict[str, Explanation], model_id: str) -> None:
    points = POINTS[LABEL[model_id]]
    paths = [f"{layer}.{p}" for layer in LAYERS[model_id] for names in points.values() for p in names]
    hooks = observe(plain(model_id), picture(), *paths, *LAYERS[model_id])
    for record in explained[model_id].attention:
        raw = tuple(hooks[f"{record.layer}.{point}"][0][1] for point in points[record.part])
        size = tuple(hooks[record.layer][0][0].shape[1:])
        assert size[1] != size[2]
        found = tensors(record.values)
        assert tuple(tuple(each.shape) for each in found) == shapes(record.kind, size)
        for each, expected in zip(found, seen(record.kind, raw), strict=True):
            assert each.dtype == torch.float32
            assert not each.requires_grad
            assert each.std() > 1e-3
            close_to(each, expected, 1e-6)


@pytest.mark.parametrize("model_id", ATTENTIVE)
def test_before_and_after_are_mean_magnitudes(explained: dict[str, Explanation], model_id: str) -> None:
    hooks = observe(plain(model_id), picture(), *LAYERS[model_id])
    for record in explained[model_id].attention:
        ((before, after),) = hooks[record.layer]
        close_to(record.before, before[0].abs().mean(0))
        close_to(record.after, after[0].abs().mean(0))
        assert distance(record.before, record.after) > 1e-3


@pytest.mark.parametrize("model_id", IDS)
def test_the_family_has_the_same_logits_and_output(explained: dict[str, Explanation], model_id: str) -> None:
    found = explained[model_id]
    assert found.logits is not None
    with torch.no_grad():
        close_to(found.logits, plain(model_id)(picture())[0])
        assert torch.equal(found.output, found.backbone.model(picture()))
    assert found.output.shape == (1, 10)
    probabilities = [p for _, _, p in found.top(10)]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=1e-6)
    assert found.top(1)[0][:2] == (int(found.logits.argmax()), found.backbone.classes[int(found.logits.argmax())])


@pytest.mark.parametrize("model_id", ATTENTIVE)
def test_distributions_sum_to_one(explained: dict[str, Explanation], model_id: str) -> None:
    for record in explained[model_id].attention:
        value = record.values
        match record.kind:
            case "affinity":
                total = value.matrix().sum(1)
            case "context":
                total = value.sum()[None]
            case "branch":
                total = value.sum(0)
            case _:
                continue
        assert torch.allclose(total, torch.ones_like(total), atol=1e-5)


def blocks_of(explanation: Explanation) -> dict[str, list[AttentionRecord]]:
    found: dict[str, list[AttentionRecord]] = {}
    for record in explanation.attention:
        found.setdefault(record.layer, []).append(record)
    return found


def check_formula(explanation: Explanation, copy: nn.Module) -> None:
    """Output = formula(input, attention), by hand and by ``recompose``."""
    for layer, records in blocks_of(explanation).items():
        block: Any = copy.get_submodule(layer)
        x, real = explanation.features(layer)
        values = {r.part: r.values.matrix() if r.kind == "affinity" else r.values for r in records}
        for value in _recomposed(block, x, records), _by_hand(block, records[0], x, values)[0]:
            close_to(value, real)
        for part, following in _by_hand(block, records[0], x, values)[1].items():
            close_to(following, values[part])


def check_moved(explanation: Explanation, copy: nn.Module) -> None:
    """The formula does not give the output for attention moved by one channel or position."""
    for layer, records in blocks_of(explanation).items():
        block: Any = copy.get_submodule(layer)
        x, real = explanation.features(layer)
        values = {r.part: r.values.matrix() if r.kind == "affinity" else r.values for r in records}
        for record in records:
            for moved in rolled(values[record.part]):
                output, following = _by_hand(block, record, x, values | {record.part: moved})
                away = [distance(output, real), *(distance(v, values[p]) for p, v in following.items())]
                assert max(away) > 1e-4, f"{layer}, {record.part}: moving it changes nothing"


@torch.no_grad()
def _recomposed(block: Any, x: Tensor, records: list[AttentionRecord]) -> Tensor:
    return block.recompose(x[None], {r.part: as_points(r.kind, r.values) for r in records})[0]


@torch.no_grad()
def _by_hand(block: nn.Module, record: AttentionRecord, x: Tensor, values: Values) -> tuple[Tensor, Values]:
    return FORMULAS[record.mechanism](block, x, values)


@pytest.mark.parametrize("model_id", ATTENTIVE)
def test_outputs_through_the_formula(explained: dict[str, Explanation], model_id: str) -> None:
    check_formula(explained[model_id], plain(model_id))
    check_moved(explained[model_id], plain(model_id))


@pytest.mark.parametrize("model_id", CATALOGUE)
def test_outputs_through_the_formula_in_the_catalogue(model_id: str) -> None:
    backbone = attnviz.load(model_id)
    found = attnviz.explain(backbone, picture(5, (64, 80)))
    check_formula(found, untapped(backbone))
    assert backbone.card is not None
    if backbone.card.top1 > 0.5:  # an untrained Non-Local block is the identity
        check_moved(found, untapped(backbone))


@pytest.mark.parametrize("model_id", ATTENTIVE)
def test_features_and_steps(explained: dict[str, Explanation], model_id: str) -> None:
    hooks = observe(plain(model_id), picture(), *LAYERS[model_id])
    for layer in LAYERS[model_id]:
        before, after = explained[model_id].features(layer)
        close_to(before, hooks[layer][0][0][0])
        close_to(after, hooks[layer][0][1][0])
        steps = explained[model_id].steps(layer)
        assert torch.equal(steps[-1].value, after)
        assert len({step.name for step in steps}) == len(steps) > 2
        assert all(step.formula for step in steps)
        assert all(1 <= step.value.dim() <= 3 for step in steps)


@pytest.mark.parametrize("how", ["off", "uniform", "shuffled"])
@pytest.mark.parametrize("model_id", ATTENTIVE)
def test_features_and_steps_under_edits(model_id: str, how: str) -> None:
    found = attnviz.explain(tapped(model_id), picture(), edits=[Edit("*", how)])
    for layer in LAYERS[model_id][:3]:
        before, after = found.features(layer)
        assert torch.equal(found.steps(layer)[-1].value, after)
        unedited = attnviz.explain(tapped(model_id), picture()).features(layer)[1]
        assert distance(after, unedited) > 1e-4
        record = next(r for r in found.attention if r.layer == layer)
        close_to(record.after, after.abs().mean(0))
        close_to(record.before, before.abs().mean(0))


@pytest.mark.parametrize("ask", ["features", "steps"])
def test_asking_for_what_is_not_there(explained: dict[str, Explanation], ask: str) -> None:
    for layer, call, said in (
        ("stage9", 0, "stage9"),
        ("stage1", 0, "stage1.0.attention"),
        ("stage1.0.attention", 1, "1"),
        ("stage1.0.attention", -1, "-1"),
    ):
        with pytest.raises(AttnvizError) as caught:
            getattr(explained["resnet18t-se"], ask)(layer, call)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


def test_records_can_be_looked_up(explained: dict[str, Explanation]) -> None:
    """A record is equal to itself alone; tensors have no truth to compare by."""
    records = explained["resnet18t-se"].attention
    again = attnviz.explain(tapped("resnet18t-se"), picture()).attention
    assert [records.index(record) for record in records] == list(range(8))
    assert again[0] not in records
    assert len({*records, *again}) == 16
    assert explained["resnet18t-se"] != explained["resnet18t-nl"]


def test_records_keep_no_part_of_the_network(explained: dict[str, Explanation]) -> None:
    """A record is a copy: what is done to it reaches neither the network nor the next explanation."""
    backbone: Backbone = tapped("resnet18t-nl")
    for record in attnviz.explain(backbone, picture()).attention:
        assert isinstance(record.values, AffinityMap)
        record.values.theta.zero_()
        record.before.zero_()
    again = attnviz.explain(backbone, picture())
    for record, first in zip(again.attention, explained["resnet18t-nl"].attention, strict=True):
        assert torch.equal(record.before, first.before)
        for mine, theirs in zip(tensors(record.values), tensors(first.values), strict=True):
            assert torch.equal(mine, theirs)
    assert picture().shape[2:] == ODD


@pytest.mark.parametrize("model_id", IDS)
def test_the_units_of_the_family(model_id: str) -> None:
    units = [f"stage{stage}.{i}" for stage in (1, 2, 3, 4) for i in (0, 1)]
    inside = [unit for unit in tapped(model_id).units if unit not in tapped(model_id).blocks]
    assert inside == units


def test_the_units_of_other_networks() -> None:
    units = attnviz.instrument(timm.create_model("resnet50")).units
    assert list(units) == [f"layer{i + 1}.{j}" for i, depth in enumerate((3, 4, 6, 3)) for j in range(depth)]
    inverted = attnviz.instrument(timm.create_model("mobilenetv3_small_050")).units
    assert list(inverted) == [f"blocks.{i}.{j}" for i, depth in enumerate((1, 2, 3, 2, 3, 1)) for j in range(depth)]

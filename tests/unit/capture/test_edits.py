"""Every cell of the table of edits: what it says, against plain hooks, or one line that refuses."""

from typing import Any

import pytest
import torch
from torch import Tensor

import attnviz
from attnviz import AttentionRecord, Edit
from attnviz.errors import EditError
from tests.unit.capture.cells import (
    CELLS,
    CHANNEL,
    REFUSED,
    VALUE,
    WORKING,
    Cell,
    check_permuted,
    editable,
    edited_parts,
    is_identity,
    layer_of,
    means_by_hand,
    measured,
    oracle,
    parts_of,
    points_of,
    training_set,
)
from tests.unit.capture.formulas import LABEL, LAYERS, seen, tensors
from tests.unit.capture.networks import ATTENTIVE, IDS, picture, plain, tapped
from tests.unit.capture.oracles import Change, bypassed, changed, close_to, distance


def name(cell: Cell) -> str:
    return "-".join(map(str, cell))


def edit_of(cell: Cell, **options: Any) -> Edit:
    _, part, how = cell
    if how == "forced":
        options |= {"channel": CHANNEL, "value": VALUE}
    return Edit(layer_of(cell), how, part, **options)


def keeping(changes: dict[str, Change]) -> tuple[dict[str, Change], dict[str, Tensor]]:
    """The same changes, and what each gave."""
    kept: dict[str, Tensor] = {}

    def keep(path: str, change: Change) -> Change:
        def keeps(raw: Tensor) -> Tensor:
            kept[path] = change(raw)
            return kept[path]

        return keeps

    return {path: keep(path, change) for path, change in changes.items()}, kept


def given(cell: Cell, records: tuple[AttentionRecord, ...]) -> dict[str, Tensor]:
    """The edited values that the records show, by submodule, shaped as a hook gives them."""
    found: dict[str, Tensor] = {}
    for part, kind, _ in edited_parts(cell):
        (record,) = [r for r in records if (r.layer, r.part) == (layer_of(cell), part)]
        points = points_of(LABEL[cell[0]], part)
        values = (record.values.matrix(),) if kind == "affinity" else tensors(record.values)
        for i, (point, value) in enumerate(zip(points, values, strict=True)):
            shaped = value[None, None] if kind in {"spatial", "context"} else value[None]
            if kind == "coordinate":
                shaped = value[None, :, :, None] if i == 0 else value[None, :, None, :]
            found[f"{layer_of(cell)}.{point}"] = shaped
    return found


def test_the_table_is_whole() -> None:
    """18 parts (that of the whole block counted in), five edits of each; 1 off, 2 uniform, 10 forced cannot be."""
    assert (len(CELLS), len(WORKING), len(REFUSED)) == (90, 77, 13)


@pytest.mark.parametrize("cell", WORKING, ids=name)
def test_an_edit_does_what_the_table_says(cell: Cell) -> None:
    model_id, _, how = cell
    found = attnviz.explain(editable(model_id), picture(), edits=[edit_of(cell)])
    if is_identity(cell):
        expected = bypassed(plain(model_id), picture(), layer_of(cell))
    elif how == "shuffled":
        expected = shuffled_by_hand(cell, given(cell, found.attention))
    else:
        changes, kept = keeping(oracle(cell))
        expected = changed(plain(model_id), picture(), changes)
        for path, value in given(cell, found.attention).items():
            assert torch.allclose(value, kept[path].view_as(value), rtol=0, atol=1e-5 * float(kept[path].abs().max()))
    assert found.logits is not None
    close_to(found.logits, expected)
    unedited = attnviz.explain(editable(model_id), picture()).logits
    assert unedited is not None
    assert distance(found.logits, unedited) > 1e-5


def shuffled_by_hand(cell: Cell, values: dict[str, Tensor]) -> Tensor:
    """The logits with the recorded permutations, once each is shown to be one of the true values."""
    kinds = {f"{layer_of(cell)}.{p}": k for part, k, _ in edited_parts(cell) for p in points_of(LABEL[cell[0]], part)}

    def replace(path: str) -> Change:
        def replaced(raw: Tensor) -> Tensor:
            check_permuted(kinds[path], raw, values[path].view_as(raw))
            return values[path].view_as(raw)

        return replaced

    return changed(plain(cell[0]), picture(), {path: replace(path) for path in kinds})


@pytest.mark.parametrize("cell", REFUSED, ids=name)
def test_other_edits_are_refused_in_one_line(cell: Cell) -> None:
    with pytest.raises(EditError) as caught:
        attnviz.explain(editable(cell[0]), picture(), edits=[edit_of(cell)])
    assert layer_of(cell) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model_id", IDS)
def test_no_edit_is_a_plain_pass(model_id: str) -> None:
    backbone = editable(model_id) if model_id in ATTENTIVE else tapped(model_id)
    expected = backbone.model(picture())
    assert torch.equal(backbone.run(picture())[0], expected)
    assert torch.equal(backbone.run(picture(), read=False)[0], expected)
    for layer in (None, "stage2", "stem.0"):
        assert torch.equal(attnviz.explain(backbone, picture(), cam_layer=layer).output, expected)
    if model_id in ATTENTIVE:
        attnviz.explain(backbone, picture(), edits=[Edit("*", "off")])
    assert torch.equal(backbone.model(picture()), expected)
    assert torch.equal(attnviz.explain(backbone, picture(), edits=()).output, expected)


@pytest.mark.parametrize("model_id", ATTENTIVE)
def test_every_block_off(model_id: str) -> None:
    found = attnviz.explain(editable(model_id), picture(), edits=[Edit("*", "off")]).logits
    assert found is not None
    if model_id == "resnet18t-sk":
        even = {f"{layer}.share": lambda raw: torch.full_like(raw, 0.5) for layer in LAYERS[model_id]}
        close_to(found, changed(plain(model_id), picture(), even))
    else:
        close_to(found, bypassed(plain(model_id), picture(), *LAYERS[model_id]))


def parts_in(model_id: str, part: str | None = None) -> list[tuple[str | None, str, str]]:
    """(key's end, submodule's path in the block, kind) of what an edit of the part acts on."""
    label = LABEL[model_id]
    return [
        (f"/{strip}" if kind == "coordinate" else f"/{name}" if name else "", point, kind)
        for name, kind, _ in edited_parts((model_id, part, "frozen"))
        for point, strip in zip(points_of(label, name), "hw", strict=False)
    ]


@pytest.mark.parametrize("model_id", ATTENTIVE)
def test_every_block_frozen(model_id: str) -> None:
    found = attnviz.explain(editable(model_id), picture(), edits=[Edit("*", "frozen")])
    paths = [f"{layer}.{point}" for layer in LAYERS[model_id] for _, point, _ in parts_in(model_id)]
    means = means_by_hand(model_id)
    frozen: dict[str, Change] = {path: lambda raw, mean=means[path]: mean.expand_as(raw) for path in paths}
    assert found.logits is not None
    close_to(found.logits, changed(plain(model_id), picture(), frozen))


@pytest.mark.parametrize("model_id", ATTENTIVE)
def test_means_are_means(model_id: str) -> None:
    """Measured one by one, in a batch, and by plain hooks."""
    means = measured(model_id)
    batched = attnviz.measure_means(tapped(model_id), [torch.cat(training_set()[:2]), training_set()[2]])
    assert means.input_size == batched.input_size == tuple(picture().shape[2:])
    expected: dict[str, Tensor] = {}
    for part in parts_of(model_id):
        for end, point, kind in parts_in(model_id, part):
            for layer in LAYERS[model_id]:
                raw = means_by_hand(model_id)[f"{layer}.{point}"]
                shaped = raw[0] if kind == "affinity" else raw[0].flatten(1) if kind == "coordinate" else None
                expected[layer + end] = seen(kind, (raw,))[0] if shaped is None else shaped
    assert means.values.keys() == batched.values.keys() == expected.keys()
    for key, mean in expected.items():
        close_to(means.values[key], mean)
        close_to(batched.values[key], mean, 3e-5)  # a softmax passes its logits' rounding on, times their size

"""The page's parts for networks that are none of the family: whatever attention they have, or none, or no classes."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import attnviz
from attnviz import zoo
from attnviz.equations import rescaled
from attnviz.images import crop, load_picture
from attnviz.ui import blockviews, evidenceviews, exports, matterviews, payloads, sideviews, stepviews, texts
from attnviz.ui.analysis import Analyst, View, asked_grid
from attnviz.ui.pages.inspect import NETWORK, drawn_anew
from attnviz.ui.state import State
from attnviz.zoo.embedded import normalized
from attnviz.zoo.libraries import unlisted_card
from attnviz.zoo.memory import Memory
from tests.unit.readers.blogs import First, Second
from tests.unit.readers.modules import MODULES, C, lively
from tests.unit.readers.test_papers import RECORDED
from tests.unit.ui.conftest import unpack

FORMULAS = {"SE", "CBAM", "Non-Local", "CA", "SK", "GC"}
SIZE = 64  # of the pictures; the blocks see 16 x 16


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "_loaded", Memory())


class Around(nn.Module):
    """A stem, a block, and a classifier of whatever comes out of it."""

    def __init__(self, block: nn.Module, classes: int | None = 30) -> None:
        super().__init__()
        self.stem, self.block = nn.Conv2d(3, C, 8, 4, 2), block
        with torch.no_grad():
            width = block.eval()(torch.zeros(1, C, 16, 16)).shape[1]
        self.fc = nn.Linear(width, classes) if classes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        maps = self.block(self.stem(x).relu())
        return self.fc(maps.mean((2, 3))) if isinstance(self.fc, nn.Linear) else maps


def brought(model: nn.Module, size: int = SIZE) -> str:
    """The id of a network of one's own, which sees the middle of a picture."""
    backbone = attnviz.instrument(lively(model), lambda image: preprocessed(image, size))
    backbone.card = unlisted_card("own:it", model, size, source="own", dataset="own:it", licence="ours")
    return zoo.keep(backbone)


def preprocessed(image: Any, size: int) -> Any:
    picture = crop(load_picture(image), size, size + 8)
    return normalized(picture, attnviz.catalogue("embedded")[0]), picture


def every(analyst: Analyst, model: str) -> Iterator[View]:
    """A view of each record of a network."""
    first = analyst.view(State(analyst.first.source, model))
    for record in first.explanation.attention:
        yield analyst.view(State(analyst.first.source, model, layer=record.layer, part=record.part))


@pytest.mark.parametrize("name", MODULES)
def test_every_part_of_the_page_for_every_module(analyst: Analyst, name: str) -> None:
    for view in every(analyst, brought(Around(MODULES[name]()))):
        for channel in (None, 3):
            chosen = analyst.view(State(**(view.state.payload() | {"channel": channel})))
            made = {part: make(chosen) for part, make in drawn_anew(NETWORK).items()}
            for part, value in made.items():
                assert len(json.dumps(value, allow_nan=False)) < 1_000_000, part
        record = view.record
        block = view.explanation.backbone.blocks[record.layer]
        assert payloads.rail(view)["findings"].startswith("In this network: 1 block read and verified, 0 read but")
        steps = stepviews.stepper(view)
        x, output = view.explanation.features(record.layer)
        last = unpack(steps["steps"][-1]["drawn"])
        assert np.allclose(last, output[steps["channel"]], rtol=0, atol=1e-5 * float(output.abs().max()))
        first = unpack(steps["steps"][0]["drawn"])
        assert np.array_equal(first, x[steps["channel"]] if len(x) == len(output) else x[0])
        assert bool(blockviews.formula(view)["lines"]) == (name not in RECORDED)
        if record.kind == "affinity":
            grid = block.query_grid(tuple(x.shape[1:]))
            row = blockviews.affinity(view)
            assert row["queries"] == list(grid) == payloads.attention(view)["grid"]
            assert np.array_equal(unpack(row["row"]), record.values.row(view.place))
            assert steps["position"] == list(rescaled(view.place, grid, tuple(output.shape[1:])))


def test_a_place_is_one_of_the_grid_that_is_asked(analyst: Analyst) -> None:
    """BAT reads between 4 x 4 blocks of 16 x 16 features: the fifth row is none of its queries."""
    model = brought(Around(MODULES["timm BAT"]()))
    view = analyst.view(State(analyst.first.source, model, query=(3, 2)))
    assert asked_grid(view.record) == (4, 4)
    assert tuple(view.record.after.shape) == (16, 16)
    assert stepviews.stepper(view)["position"] == [14, 10]  # the middle of that block
    assert np.array_equal(unpack(blockviews.affinity(view)["row"]), view.record.values.matrix()[14].view(4, 4))
    with pytest.raises(attnviz.AttnvizError, match="does not exist"):
        analyst.view(State(analyst.first.source, model, query=(4, 0)))


@pytest.mark.parametrize("made", [First, Second])
def test_what_no_reader_knows(analyst: Analyst, made: Any) -> None:
    """Its steps are the operations that ran, its formula its paper's; the numbers are the record's."""
    views = list(every(analyst, brought(made(), 16)))
    assert views
    for view in views:
        for part, make in drawn_anew(NETWORK).items():
            assert len(json.dumps(make(view), allow_nan=False)) < 1_000_000, part
        steps = stepviews.stepper(view)["steps"]
        inside = view.explanation.inside(view.record.layer)
        assert [step["name"] for step in steps[1:]] == [step.name for step in inside.steps]
        assert all(step["formula"].startswith("<math") for step in steps)
        for shown, step in zip(steps[1:], inside.steps, strict=True):
            assert shown["facts"]["max"] == pytest.approx(float(step.value.max()))
        formula = blockviews.formula(view)
        assert bool(formula["lines"]) == bool(view.explanation.backbone.blocks[view.record.layer].formula)
        assert (formula["none"] is None) == bool(formula["lines"])
        assert bool(formula["citation"]) == (view.record.mechanism in FORMULAS)
        figures = {figure["name"]: unpack(figure["values"]) for figure in sideviews.sides(view)["figures"]}
        assert np.array_equal(figures["before"], view.record.before)
        if view.record.kind == "affinity":
            measured = {"affinity", "project"} <= {step.name for step in inside.steps}
            assert ("not measured" in blockviews.dependence(view).get("none", "")) != measured
            assert np.array_equal(unpack(blockviews.affinity(view)["row"]), view.record.values.row(view.place))


class Positions(Around):
    """What it gives is no row of logits, and no map of scores either."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).flatten(2)


def test_a_network_without_logits(analyst: Analyst) -> None:
    view = next(every(analyst, brought(Positions(MODULES["timm SE"](), None))))
    for part, make in drawn_anew(NETWORK).items():
        assert len(json.dumps(make(view), allow_nan=False)) < 1_000_000, part
    assert evidenceviews.prediction(view)["none"] == texts.PREDICTION_NONE
    assert evidenceviews.evidence(view)["classes"] == []
    assert evidenceviews.evidence(view)["where"] is None
    assert matterviews.matter(view)["refused"] == texts.MATTER_NO_LOGITS
    assert "not one row of logits" in evidenceviews.cam(view)["empty"]


@pytest.mark.parametrize("region", [None, (0, 0, 16, 16), (3, 12, 4, 13), (2, 1, 9, 6)])
def test_a_network_that_scores_every_place(analyst: Analyst, region: Any) -> None:
    model = brought(Around(MODULES["timm SE"](), None))
    view = analyst.view(State(analyst.first.source, model, region=region))
    for part, make in drawn_anew(NETWORK).items():
        assert len(json.dumps(make(view), allow_nan=False)) < 1_000_000, part
    cam, shown, evidence = evidenceviews.cam(view), evidenceviews.prediction(view), evidenceviews.evidence(view)
    assert cam["scored"] == (16, 16)
    assert cam["region"] == region
    assert evidence["grid"] == (16, 16)
    if region is None:
        assert shown["none"] == texts.PREDICTION_PLACES
        assert cam["empty"] == texts.CAM_PLACES
        assert evidence["where"] == "Scores on 16×16 places"
        assert matterviews.matter(view)["refused"] == texts.MATTER_PLACES
        return
    top, left, bottom, right = region
    scores = view.explanation.output[0, :, top:bottom, left:right].mean((1, 2))
    assert [c["index"] for c in shown["top"]] == scores.argsort(descending=True)[:5].tolist()
    assert np.allclose(shown["top"][0]["value"], scores.softmax(0).max(), atol=1e-6)
    expected = attnviz.explain(view.explanation.backbone, view.explanation.input, region=region).cam
    assert np.array_equal(unpack(cam["map"]), expected.map)
    assert shown["where"] == evidence["where"] == {
        (0, 0, 16, 16): "Mean score of all 16×16 places",
        (3, 12, 4, 13): "Scores at row 3, column 12 of 16×16",
        (2, 1, 9, 6): "Mean score of rows 2–8, columns 1–5 of 16×16",
    }[region]  # fmt: skip
    off = matterviews.matter(view)
    edit = attnviz.Edit("block", "off")
    changed = attnviz.explain(view.explanation.backbone, view.explanation.input, view.target, edits=edit, region=region)
    assert [c["value"] for c in off["after"]["top"]] == [p for _, _, p in changed.top(5)]
    found = analyst.attribution(
        analyst.view(State(analyst.first.source, model, region=region, method="saliency")), print
    )
    assert found.map.shape == (SIZE, SIZE)
    assert f"region={region}" in exports.snippet(view)


@pytest.mark.parametrize("region", [(0, 0, 17, 4), (3, 3, 3, 9)])
def test_a_region_that_is_not_there(analyst: Analyst, region: Any) -> None:
    model = brought(Around(MODULES["timm SE"](), None))
    with pytest.raises(attnviz.AttnvizError, match="within 16 x 16"):
        analyst.view(State(analyst.first.source, model, region=region))
    with pytest.raises(attnviz.AttnvizError, match="map of scores"):
        analyst.view(State(analyst.first.source, "resnet18t-se", region=(0, 0, 1, 1)))


def test_an_unverified_block_is_marked_and_not_edited(analyst: Analyst) -> None:
    class Doubled(nn.Module):
        """timm's halo attention by name and layers, with another formula."""

        def __init__(self) -> None:
            super().__init__()
            self.halo = MODULES["timm halo attention"]()
            theirs = self.halo.forward
            self.halo.forward = lambda x: 2 * theirs(x)

        def forward(self, x: Tensor) -> Tensor:
            return self.halo(x)

    view = next(every(analyst, brought(Around(Doubled()))))
    rail = payloads.rail(view)
    assert [item["verified"] for item in rail["items"] if item["kind"] == "block"] == [False]
    assert rail["findings"] == "In this network: 0 blocks read and verified, 1 read but not verified, 0 skipped."
    assert "was read but not verified" in matterviews.matter(view)["refused"]


def test_frozen_without_means_is_refused_in_its_line(analyst: Analyst) -> None:
    model = brought(Around(MODULES["timm SE"]()))
    refused = matterviews.matter(analyst.view(State(analyst.first.source, model, how="frozen")))
    assert "no means to freeze at" in refused["refused"]
    assert refused["validation"] == []


def test_a_thousand_classes(analyst: Analyst) -> None:
    view = analyst.view(State(analyst.first.source, "random:timm:mobilenetv3_small_100.lamb_in1k", target=517))
    shown = evidenceviews.prediction(view)
    explanation = view.explanation
    assert [c["index"] for c in shown["top"]] == [index for index, _, _ in explanation.top(5)]
    assert shown["rest"] == []
    assert np.array_equal(unpack(shown["values"]), explanation.probabilities)
    assert shown["chosen"]["index"] == 517
    assert shown["chosen"]["label"] == "crane (517)"
    assert view.names[134] == "crane (134)"
    assert len(set(view.names)) == 1000
    assert evidenceviews.evidence(view)["classes"] == list(view.names)
    assert shown["certainty"] is None


def test_a_crop_is_marked_where_the_network_saw_it(analyst: Analyst) -> None:
    source = analyst.first.source
    whole = payloads.picture(analyst.view(analyst.first))
    cropped = payloads.picture(analyst.view(State(source, "random:timm:mobilenetv3_small_100.lamb_in1k")))
    assert whole["box"] == [0, 0, 1, 1]
    width, height = cropped["width"], cropped["height"]
    side = 0.875 * min(width, height)  # timm's crop of this network
    expected = [(1 - side / width) / 2, (1 - side / height) / 2, (1 + side / width) / 2, (1 + side / height) / 2]
    assert cropped["box"] == pytest.approx(expected, abs=0.005)


def test_the_longest_rail_has_small_maps(analyst: Analyst) -> None:
    view = analyst.view(State(analyst.first.source, "random:timm:seresnet50.a1_in1k"))
    rail = payloads.rail(view)
    assert sum(item["kind"] == "block" for item in rail["items"]) == 16
    assert all(max(item["thumb"]["shape"]) <= 48 for item in rail["items"] if item["kind"] == "block")
    record = view.explanation.attention[0]
    assert record.after.shape == (56, 56)
    thumb = next(item["thumb"] for item in rail["items"] if item["kind"] == "block")
    assert np.isclose(
        (unpack(thumb) / 255 * (thumb["max"] - thumb["min"]) + thumb["min"]).mean(), record.after.mean(), rtol=0.02
    )


def test_what_leaves_memory_leaves_the_shelves(analyst: Analyst, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTNVIZ_MODELS_BYTES", "1")
    first = brought(Around(MODULES["timm SE"]()))
    analyst.view(State(analyst.first.source, first))
    assert any(key[1] == first for key in analyst._shelf._values)
    analyst.view(State(analyst.first.source, brought(Around(MODULES["timm ECA"]()))))
    assert not any(key[1] == first for key in analyst._shelf._values)
    with pytest.raises(attnviz.AttnvizError, match="no longer in memory"):
        analyst.view(State(analyst.first.source, first))


def test_nothing_is_fetched_where_nobody_sees_it(analyst: Analyst) -> None:
    with pytest.raises(attnviz.AttnvizError, match="not at hand: choose it in Inspect to fetch them"):
        analyst.view(State(analyst.first.source, "timm:seresnext26ts.ch_in1k"))
    with pytest.raises(attnviz.AttnvizError, match="does not exist"):
        analyst.view(State(analyst.first.source, "timm:" + "x" * 300))


@pytest.mark.parametrize("kind", ["png", "npz", "py"])
def test_what_is_taken_away_has_a_plain_name_and_no_id_of_ones_own(analyst: Analyst, kind: str) -> None:
    model = brought(Around(MODULES["timm BAT"]()))
    made = exports.export(analyst.view(State(analyst.first.source, model, query=(3, 2))), {"kind": kind, "view": {}})
    assert made["name"] == f"attnviz-own-it-block.{kind}"
    assert model.removeprefix(zoo.OWN).encode() not in base64.b64decode(made["data"])


def test_the_snippet_names_a_class_by_index_where_its_label_is_another_s_too(analyst: Analyst) -> None:
    model = "random:timm:mobilenetv3_small_100.lamb_in1k"
    text = exports.snippet(analyst.view(State(analyst.first.source, model, target=517)))
    assert f"attnviz.load({model!r})" in text
    assert "target=517)" in text
    assert "target='zebra')" in exports.snippet(analyst.view(State(analyst.first.source, model, target=340)))


def test_a_transformer_is_read_head_by_head(analyst: Analyst) -> None:
    view = analyst.view(State(analyst.first.source, "random:timm:vit_tiny_patch16_224"))
    assert [r.part for r in view.explanation.attention[:3]] == [f"affinity head {head}" for head in range(3)]
    assert view.record.values.matrix().shape == (197, 197)
    for part, make in drawn_anew(NETWORK).items():
        assert len(json.dumps(make(view), allow_nan=False)) < 1_000_000, part
    assert stepviews.stepper(view)["none"] == texts.NO_STEPS  # tokens and a class token are no grid


def test_attention_that_is_not_read_is_no_lack_of_it(analyst: Analyst) -> None:
    view = analyst.view(State(analyst.first.source, "random:timm:mobilevit_xxs"))  # windows
    assert view.record is None
    assert payloads.attention(view)["empty"] == texts.UNREAD_ATTENTION
    assert payloads.rail(view)["skipped"]
    assert (
        payloads.attention(analyst.view(State(analyst.first.source, "resnet18t-plain")))["empty"] == texts.NO_ATTENTION
    )

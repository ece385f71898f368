"""What reaches the page is what the tensors hold."""

import json

import numpy as np
import pytest

import attnviz
from attnviz.errors import OptionError
from attnviz.mechanisms import BAM, CBAM, ECA, GC, SCSE, SE, SK, CoordinateAttention, NonLocal
from attnviz.ui import blockviews, evidenceviews, payloads, prose, stepviews, texts
from attnviz.ui.analysis import Analyst
from attnviz.ui.state import State
from tests.seeds import seed_for_run
from tests.unit.ui.conftest import unpack

MECHANISMS = [
    SE(32),
    ECA(32),
    CBAM(32),
    BAM(32),
    SK(32),
    SCSE(32),
    NonLocal(32),
    NonLocal(32, pairwise="dot_product"),
    GC(32, fusions=("channel_add", "channel_mul")),
    CoordinateAttention(32),
]


def test_floats_arrive_bit_by_bit() -> None:
    values = np.random.default_rng(seed_for_run(0)).standard_normal((3, 5), np.float32)
    packed = payloads.packed(values)
    assert np.array_equal(unpack(packed), values)
    assert (packed["min"], packed["max"]) == (values.min(), values.max())


@pytest.mark.parametrize("channel", [None, 5])
def test_the_steps_of_every_block(analyst: Analyst, channel: int | None) -> None:
    """The first step is the block's input, the last its output, each for one channel; all fit in a message."""
    for model in analyst.family:
        records = analyst.view(State(analyst.first.source, model)).explanation.attention
        for layer in dict.fromkeys(record.layer for record in records):
            view = analyst.view(State(analyst.first.source, model, layer=layer, query=(3, 1), channel=channel))
            value = stepviews.stepper(view)
            x, output = view.explanation.features(layer)
            chosen = value["channel"]
            assert channel in (None, chosen)
            assert np.array_equal(unpack(value["steps"][0]["drawn"]), x[chosen])
            assert np.array_equal(unpack(value["steps"][-1]["drawn"]), output[chosen])
            steps = view.explanation.steps(layer)
            assert [step["name"] for step in value["steps"][1:]] == [step.name for step in steps]
            for shown, step in zip(value["steps"][1:], steps, strict=True):
                assert shown["shape"] == " × ".join(map(str, step.value.shape))
                assert shown["facts"]["max"] == float(step.value.max())
            assert value["steps"][-1]["live"].startswith("<math")
            assert len(json.dumps(value)) < 1_000_000
        if not records:
            assert stepviews.stepper(analyst.view(State(analyst.first.source, model))) is None


def test_the_scale_that_blocks_share(analyst: Analyst) -> None:
    view = analyst.view(State(analyst.first.source, "resnet18t-cbam", layer="stage1.0.attention", part="spatial"))
    maps = [r.values for r in view.explanation.attention if r.part == "spatial"]
    ends = [min(float(m.min()) for m in maps), max(float(m.max()) for m in maps)]
    assert payloads.attention(view)["shared"] == ends


@pytest.mark.parametrize("patch", [{"channel": 9999}, {"query": (9999, 0)}, {"query": (0, 9999)}])
def test_a_step_that_is_not_there(analyst: Analyst, patch: dict) -> None:
    with pytest.raises(OptionError, match="does not exist"):
        stepviews.stepper(analyst.view(State(analyst.first.source, analyst.first.model, **patch)))


def test_eight_bits_are_right_to_a_step() -> None:
    values = np.random.default_rng(seed_for_run(0)).standard_normal((30, 50), np.float32)
    packed = payloads.packed(values, bits=8)
    back = packed["min"] + unpack(packed) / 255 * (packed["max"] - packed["min"])
    assert np.abs(back - values).max() <= (packed["max"] - packed["min"]) / 255
    assert not unpack(payloads.packed(np.ones((2, 2)), bits=8)).any()


def test_every_block_of_every_model_as_its_tensors(analyst: Analyst) -> None:
    for model in analyst.family:
        first = analyst.view(State(analyst.first.source, model))
        for record in first.explanation.attention:
            view = analyst.view(State(analyst.first.source, model, layer=record.layer, part=record.part))
            assert view.record.layer == record.layer
            shown, values = payloads.attention(view), view.record.values
            match record.kind:
                case "spatial" | "context":
                    assert np.array_equal(unpack(shown["map"]), values.numpy())
                case "volume":
                    assert np.array_equal(unpack(shown["volume"]), values.numpy())
                case "coordinate":
                    assert np.array_equal(unpack(shown["h"]), values.h.numpy())
                    assert np.array_equal(unpack(shown["w"]), values.w.numpy())
                case "affinity":
                    assert np.array_equal(unpack(shown["affinity"]["theta"]), values.theta.numpy())
                    pinned = blockviews.affinity(view)
                    assert np.array_equal(unpack(pinned["row"]), values.row(tuple(pinned["query"])).numpy())
                case "channel":
                    assert np.array_equal(unpack(blockviews.channels(view)["values"]), values.numpy())
                    assert np.array_equal(unpack(shown["map"]), view.record.after.numpy())
                case "branch":
                    assert np.array_equal(unpack(blockviews.branches(view)["values"]), values.numpy())


def test_grad_cam_is_not_rescaled(analyst: Analyst) -> None:
    view = analyst.view(analyst.first)
    assert np.array_equal(unpack(evidenceviews.cam(view)["map"]), view.explanation.cam.map.numpy())


def test_the_prediction_lists_every_class(analyst: Analyst) -> None:
    view = analyst.view(analyst.first)
    shown = evidenceviews.prediction(view)
    classes = [*shown["top"], *shown["rest"]]
    assert sorted(c["index"] for c in classes) == list(range(len(view.card.classes)))
    assert [c["value"] for c in classes] == sorted((c["value"] for c in classes), reverse=True)


@pytest.mark.parametrize("block", MECHANISMS, ids=lambda block: block.label)
def test_every_part_has_its_words_and_every_formula_its_mathml(block: attnviz.mechanisms.Mechanism) -> None:
    for part in block.parts:
        assert prose.SEES[part.kind, part.role]
        assert prose.DOES_NOT_MEAN[part.kind]
        assert texts.ROLE_NAMES[part.role]
    lines = blockviews.mathml(block.formula)
    assert lines
    assert all(line.startswith("<math") for line in lines)


def test_the_certainty_in_words() -> None:
    known = list(np.linspace(0.1, 0.9, 101))
    other = list(np.linspace(0.1, 0.5, 101))
    card = attnviz.catalogue("embedded")[0]
    with_quantiles = type(card)(**{**vars(card), "metrics": {"certainty": {"known": known, "other": other}}})
    said = evidenceviews.certainty(with_quantiles, 0.26)
    assert said.startswith("About 1 in 5 photos of the ten classes get no more certainty than this one (26.0%);")
    assert "about 3 in 5 photos of other things get at least as much" in said
    assert evidenceviews.certainty(with_quantiles, 0.95).startswith("More than 99 in 100 photos of the ten")
    assert "fewer than 1 in 100 photos of other things" in evidenceviews.certainty(with_quantiles, 0.95)
    assert evidenceviews.certainty(type(card)(**{**vars(card), "metrics": {}}), 0.5) is None


def test_certainty_where_quantiles_are_tied() -> None:
    """Half of the photos are at exactly 1: a photo at 1 has all of them at or under it, and half at or over."""
    quantiles = [*np.linspace(0.2, 1, 51), *[1.0] * 50]
    assert evidenceviews.share_below(quantiles, 1.0, or_equal=True) == 1
    assert evidenceviews.share_below(quantiles, 1.0, or_equal=False) == pytest.approx(0.5)
    assert evidenceviews.share_below(quantiles, 0.1, or_equal=True) == 0


def test_shares_are_never_rounded_to_all_or_nothing() -> None:
    assert payloads.percent(0.0004) == "under 0.1%"
    assert payloads.percent(0.9997) == "over 99.9%"
    assert payloads.percent(0.5) == "50.0%"
    assert payloads.percent(0) == "0.0%"

"""Compare: a row is what the network's own explanation says; the table is the cards'."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import attnviz
from attnviz.errors import OptionError
from attnviz.ui import compareviews
from attnviz.ui.analysis import Analyst
from attnviz.ui.pages.compare import asked
from attnviz.ui.state import State
from tests.unit.ui.conftest import unpack

CARDS = attnviz.catalogue("embedded")


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
@pytest.mark.parametrize("stage", compareviews.STAGES)
def test_a_row(analyst: Analyst, card: attnviz.ModelCard, stage: str) -> None:
    view = analyst.view(State(analyst.first.source, card.id, target=2))
    row = compareviews.network(view, stage)
    explanation = view.explanation
    assert row["prediction"]["value"] == explanation.top(1)[0][2]
    assert row["class"] == card.classes[2]
    assert np.array_equal(unpack(row["cam"]), explanation.cam.map)
    assert 0 < row["milliseconds"] < 60_000
    before = [r for r in explanation.attention if r.stage <= stage]
    if not before:
        assert row["attention"] is None
        return
    assert row["attention"]["layer"] == before[-1].layer
    shown, block = unpack(row["attention"]["map"]), [r for r in before if r.layer == before[-1].layer]
    spatial = [r for r in block if r.kind in ("spatial", "context")]
    if any(r.kind == "volume" for r in block):
        (volume,) = (r for r in block if r.kind == "volume")
        assert np.allclose(shown, volume.values.mean(0), atol=1e-6)
    elif spatial:
        assert np.array_equal(shown, spatial[0].values)
    elif block[0].kind == "coordinate":
        product = torch.einsum("ch,cw->hw", *block[0].values) / len(block[0].values.h)
        assert np.allclose(shown, product, atol=1e-6)
    else:
        assert np.array_equal(shown, block[0].after)


def test_the_table_is_the_cards() -> None:
    for card, row in zip(CARDS, compareviews.table(CARDS), strict=True):
        pointing = card.metrics["pointing"]["grad_cam"]["share"]
        found = [row[name]["value"] for name in ("top1", "params", "macs", "pointing")]
        assert found == [card.top1, card.params, card.macs, pointing]
        low, high = (f"{100 * end:.1f}" for end in card.top1_interval)
        assert row["top1"]["text"] == f"{100 * card.top1:.1f}% ({low} to {high}%)"


def test_recipes_are_told_apart() -> None:
    other = replace(CARDS[0], id="other", recipe_group="another recipe", metrics={})
    rows = compareviews.table([CARDS[0], other, *CARDS[1:]])
    assert [row["id"] for row in rows] == [*(card.id for card in CARDS), "other"]
    assert rows[-1]["pointing"] is None


@pytest.mark.parametrize(
    "data", [None, {}, {"stage": "stage9"}, {"stage": ["stage1"]}, {"stage": "stage1", "target": "x"}]
)
def test_junk_is_refused(data: object) -> None:
    with pytest.raises(OptionError):
        asked(data, State("example:a", "m"))


def test_the_center_that_pointing_is_read_beside() -> None:
    counts = {card.metrics["pointing"]["center"]["count"] for card in CARDS}
    assert counts == {203}
    assert compareviews.center(CARDS) == "81.9%"
    assert compareviews.center([]) == "?"

"""Parts side by side: each is its tensor, and the ratio is what the block did."""

import numpy as np
import pytest

import attnviz
from attnviz.errors import OptionError
from attnviz.ui import sideviews
from attnviz.ui.analysis import Analyst
from attnviz.ui.state import State
from tests.unit.ui.conftest import unpack

CARDS = [card for card in attnviz.catalogue("embedded") if card.mechanism]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_the_figures_of_a_block(analyst: Analyst, card: attnviz.ModelCard) -> None:
    view = analyst.view(State(analyst.first.source, card.id))
    value = sideviews.sides(view)
    found = {figure["name"]: unpack(figure["values"]) for figure in value["figures"]}
    record = view.record
    before, after = view.explanation.features(record.layer)
    assert np.allclose(found["before"], before.abs().mean(0), atol=1e-6)
    assert np.allclose(found["after"], after.abs().mean(0), atol=1e-6)
    strong = found["before"] > 1e-6  # the ratio is of float32 values, each rounded to 6e-8 of itself
    assert np.allclose((found["ratio"] * found["before"])[strong], found["after"][strong], rtol=1e-6, atol=0)
    for part in view.block:
        if part.kind in ("spatial", "context"):
            assert np.array_equal(found[part.part], part.values)
        if part.kind == "channel":
            assert np.array_equal(found[part.part or "attention"], np.sort(part.values)[::-1])
    ends = {figure["name"]: (figure.get("low"), figure.get("high")) for figure in value["figures"]}
    assert ends["before"] == ends["after"]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_a_channel_before_and_after_the_block(analyst: Analyst, card: attnviz.ModelCard) -> None:
    view = analyst.view(State(analyst.first.source, card.id, channel=5))
    found = {figure["name"]: unpack(figure["values"]) for figure in sideviews.sides(view)["figures"]}
    before, after = view.explanation.features(view.record.layer)
    assert np.array_equal(found["before"], before[5])
    assert np.array_equal(found["after"], after[5])
    mean = sideviews.sides(analyst.view(State(analyst.first.source, card.id)))
    assert np.array_equal(found["ratio"], unpack(mean["figures"][-1]["values"]))
    with pytest.raises(OptionError, match="channel"):
        sideviews.sides(analyst.view(State(analyst.first.source, card.id, channel=100_000)))


def test_nothing_in_is_nothing_out() -> None:
    before, after = np.float32([[0, 2], [4, 1]]), np.float32([[0, 1], [4, 3]])
    assert sideviews.ratio(before, after).tolist() == [[0, 0.5], [1, 3]]


def test_gc_beside_the_mean_row_of_non_local(analyst: Analyst) -> None:
    view = analyst.view(State(analyst.first.source, "resnet18t-gc", layer="stage3.1.attention"))
    found = {figure["name"]: unpack(figure["values"]) for figure in sideviews.sides(view)["figures"]}
    other = analyst.view(State(analyst.first.source, "resnet18t-nl", layer="stage3.1.attention"))
    rows = np.stack([other.record.values.row(q).numpy() for q in range(13 * 13)])
    assert np.allclose(found["non_local"], rows.mean(0), atol=1e-6)
    assert found["context"].sum() == pytest.approx(1, abs=1e-5)

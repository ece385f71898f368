"""Does it matter: what the page is told is what an edited pass gives."""

import numpy as np
import pytest

import attnviz
from attnviz import Edit
from attnviz.ui import matterviews
from attnviz.ui.analysis import Analyst
from attnviz.ui.state import HOWS, State
from tests.unit.ui.conftest import unpack

CARDS = [card for card in attnviz.catalogue("embedded") if card.mechanism]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("scope", ["block", "all"])
def test_before_and_after(analyst: Analyst, card: attnviz.ModelCard, how: str, scope: str) -> None:
    view = analyst.view(State(analyst.first.source, card.id, target=3, how=how, scope=scope))
    value = matterviews.matter(view)
    layer = view.record.layer if scope == "block" else "*"
    path = analyst.examples[analyst.first.source.partition(":")[2]].path
    backbone = attnviz.load(card.id)
    for side, edits in (("before", ()), ("after", [Edit(layer, how)])):
        expected = attnviz.explain(backbone, path, 3, edits=edits)
        assert [(row["index"], row["value"]) for row in value[side]["top"]] == [(i, p) for i, _, p in expected.top(5)]
        assert value[side]["target"] == 3
        if expected.cam.positive:
            assert np.array_equal(unpack(value[side]["cam"]), expected.cam.map)
        else:
            assert value[side]["cam"] is None
    assert value["refused"] is None
    shares = {entry["name"]: entry["value"] for entry in value["validation"]}
    metrics = {name: card.metrics[name]["share"] for name in ("top1", "off", "frozen")}
    assert shares == metrics


def test_what_cannot_be_is_said_in_a_line(analyst: Analyst, monkeypatch: pytest.MonkeyPatch) -> None:
    view = analyst.view(State(analyst.first.source, CARDS[0].id, how="frozen"))
    monkeypatch.setattr(view.explanation.backbone, "means", None)
    value = matterviews.matter(view)
    assert value["after"] is None
    assert "no means" in value["refused"]
    assert "\n" not in value["refused"]


def test_the_sentence(analyst: Analyst) -> None:
    value = matterviews.matter(analyst.view(State(analyst.first.source, CARDS[0].id, how="off", scope="all")))
    first, then = (value[side]["top"][0]["label"] for side in ("before", "after"))
    assert value["words"].startswith(f"{first}: {value['before']['top'][0]['percent']} as it is")
    assert (f"stays {first}" in value["words"]) == (first == then)
    assert (f"from {first} to {then}" in value["words"]) == (first != then)

"""A link makes the round trip; junk in it is named and falls back; an upload is never in it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gradio.utils import get_upload_folder
from PIL import Image

from attnviz.ui import links
from attnviz.ui.analysis import Analyst
from attnviz.ui.state import State


def states(analyst: Analyst) -> list[State]:
    last = f"example:{list(analyst.examples)[-1]}"
    cbam = State(
        last, "resnet18t-cbam", 4, "stage2.1.attention", "spatial", (3, 20), 17, "frozen", "all", 7, "occlusion"
    )
    deep = replace(cbam, against=None, how="shuffled", cam_layer="stage3.0")
    return [analyst.first, cbam, deep, State(last, "resnet18t-se", channel=0)]


@pytest.mark.parametrize("number", range(4))
def test_the_round_trip(analyst: Analyst, number: int) -> None:
    view = analyst.view(states(analyst)[number])
    found, lost = links.read(links.write(view), analyst.first, analyst)
    assert found.state == view.state
    assert lost == []


def test_a_link_reads_as_words(analyst: Analyst) -> None:
    view = analyst.view(states(analyst)[1])
    labels = view.card.classes
    assert links.write(view) == {
        "example": list(analyst.examples)[-1], "model": "resnet18t-cbam", "block": "stage2.1.attention",
        "part": "spatial", "class": labels[4], "against": labels[7], "evidence": "occlusion", "at": "3,20",
        "channel": "17", "edit": "frozen", "scope": "all",
    }  # fmt: skip


def test_an_upload_is_never_in_it(analyst: Analyst) -> None:
    folder = Path(get_upload_folder()) / "test"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "secret name.png"
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(path)
    found = links.write(analyst.view(State(f"upload:{path}", "resnet18t-se")))
    assert found["example"] == links.UPLOAD
    assert not any("secret" in value or "/" in value for value in found.values())
    view, lost = links.read({"example": f"upload:{path}", "source": f"upload:{path}"}, analyst.first, analyst)
    assert view.state.source == analyst.first.source
    assert lost == ["example"]
    view, lost = links.read(found, analyst.first, analyst)
    assert view.state.source == analyst.first.source
    assert "uploaded" in links.regret(found, lost)
    assert "(example" not in links.regret(found, lost)
    assert links.regret({"model": "x"}, ["model"]).startswith("The link asks for what is not here (model)")
    assert links.regret({}, []) == ""


@pytest.mark.parametrize(
    ("given", "lost"),
    [
        ({"model": "nobody"}, ["model"]),
        ({"block": "stage9.attention"}, ["block"]),
        ({"block": "stage1.0.attention", "part": "temporal"}, ["part"]),
        ({"class": "zebra"}, ["class"]),
        ({"camlayer": "stage9"}, ["camlayer"]),
        ({"region": "0,0,1,1"}, ["region"]),
        ({"region": "0,0,1"}, ["region"]),
        ({"against": "../../etc"}, ["against"]),
        ({"at": "99999,0"}, ["at"]),
        ({"at": "-1,0"}, ["at"]),
        ({"at": "1"}, ["at"]),
        ({"channel": "99999"}, ["channel"]),
        ({"channel": "x"}, ["channel"]),
        ({"edit": "explode", "scope": "x", "evidence": "lime"}, ["edit", "scope", "evidence"]),
        ({"example": ["a"], "model": {"a": 1}}, ["example", "model"]),
        ({"somebody's": "own", "utm_source": "x"}, []),
    ],
)
def test_junk_is_named_and_falls_back(analyst: Analyst, given: dict, lost: list[str]) -> None:
    view, found = links.read(given, analyst.first, analyst)
    assert found == lost
    first = analyst.view(analyst.first).state
    assert replace(view.state, layer=first.layer, part=first.part, query=first.query) == first


def test_what_is_right_beside_junk_stands(analyst: Analyst) -> None:
    view, lost = links.read({"model": "resnet18t-se", "class": "zebra", "channel": "5"}, analyst.first, analyst)
    assert (view.state.model, view.state.channel, view.state.target) == ("resnet18t-se", 5, None)
    assert lost == ["class"]

"""What comes from a browser is checked; what is kept is bounded."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gradio.utils import get_upload_folder
from PIL import Image

from attnviz.errors import AttnvizError, OptionError, PictureError
from attnviz.ui.analysis import Analyst
from attnviz.ui.examples import examples
from attnviz.ui.pages.inspect import PANELS, drawn_anew
from attnviz.ui.shelf import Shelf
from attnviz.ui.state import CHANGES, FIELDS, State, changes, forgotten, serial

FIRST = State("example:a", "m")


def test_a_state_makes_the_round_trip() -> None:
    state = State("example:a", "m", 3, "stage1.0.attention", "spatial", (4, 5), 7, "frozen", "all")
    state = replace(state, cam_layer="stage3", region=(0, 1, 2, 3))
    data = state.payload() | {"query": [4, 5], "region": [0, 1, 2, 3]}
    assert State.read(data, FIRST) == state
    assert State.read({}, FIRST) == FIRST


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {"source": 3},
        {"source": "x" * 5000},
        {"model": ["m"]},
        {"target": "1"},
        {"target": True},
        {"target": -1},
        {"target": 1.5},
        {"query": [1]},
        {"query": [1, "2"]},
        {"query": {"0": 1}},
        {"layer": {}},
        {"part": 1},
        {"channel": "3"},
        {"channel": -1},
        {"cam_layer": 3},
        {"region": [0, 0, 1]},
        {"region": [0, 0, 1, "2"]},
        {"region": [0, 0, -1, 2]},
        {"how": "explode"},
        {"how": ["off"]},
        {"scope": "everything"},
    ],
)
def test_other_types_are_refused(data: object) -> None:
    with pytest.raises(OptionError):
        State.read(data, FIRST)


def test_what_changed_and_its_number() -> None:
    assert changes({"changes": ["how", "query", "how"]}) == ("how", "query")
    for data in ({"changes": ["__class__"]}, {"changes": "model"}, {"changes": [["how"]]}, {"changes": []}, None, {}):
        with pytest.raises(OptionError):
            changes(data)
    assert serial({"serial": 7}) == 7
    assert [serial(data) for data in ({"serial": "7"}, {"serial": -1}, None, [])] == [0, 0, 0, 0]


def test_the_shelf_is_bounded_and_expires() -> None:
    now = [0.0]
    shelf: Shelf[str] = Shelf(2, 10, lambda: now[0])
    for key in "abc":
        shelf.put(key, key)
    assert shelf.get("a") is None
    assert shelf.get("b") == "b"
    shelf.put("d", "d")
    assert shelf.get("c") is None
    assert shelf.find(lambda key: key == "b") == ("b", "b")
    now[0] = 11
    assert shelf.get("b") is None
    assert len(shelf) == 0


def test_what_holds_the_same_picture_is_as_old() -> None:
    now = [0.0]
    shelf: Shelf[str] = Shelf(9, 10, lambda: now[0])
    shelf.put("a", "a")
    now[0] = 9
    shelf.put("b", "b", as_old_as="a")
    shelf.put("c", "c", as_old_as="gone")
    now[0] = 11
    assert [shelf.get(key) for key in "abc"] == [None, None, "c"]


def test_the_shelf_is_swept_though_nobody_comes() -> None:
    shelf: Shelf[str] = Shelf(9, 0.1)
    shelf.put("a", "a")
    time.sleep(0.06)
    shelf.put("b", "b")
    assert len(shelf) == 2
    end = time.monotonic() + 10
    while len(shelf) and time.monotonic() < end:
        time.sleep(0.02)
    assert len(shelf) == 0


@pytest.mark.parametrize(
    "source",
    [
        "upload:/etc/hostname",
        "upload:relative.png",
        "upload:a\0b",
        "upload:" + "x" * 4000,
        "upload:\ud800",
        "example:none",
        "file:/etc/hostname",
        "example:../x",
        "x",
    ],
)
def test_no_file_outside_the_upload_folder_is_opened(analyst: Analyst, source: str) -> None:
    with pytest.raises(OptionError):
        analyst.view(State(source, analyst.first.model))


def test_an_upload_that_was_deleted_says_so(analyst: Analyst, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with pytest.raises(PictureError, match="choose it again"):
        analyst.view(State(f"upload:{tmp_path}/a/b.png", analyst.first.model))
    with pytest.raises(OptionError):
        analyst.view(State(f"upload:{tmp_path}/../etc/hostname", analyst.first.model))


@pytest.mark.parametrize("patch", [{"model": "nobody"}, {"target": 10}])
def test_what_is_not_there_is_refused(analyst: Analyst, patch: dict) -> None:
    with pytest.raises(OptionError):
        analyst.view(State(**(analyst.first.payload() | patch)))


def test_a_large_picture_is_not_kept_whole(analyst: Analyst, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    Image.fromarray(np.zeros((1500, 3000, 3), np.uint8)).save(tmp_path / "large.png")
    view = analyst.view(State(f"upload:{tmp_path}/large.png", analyst.first.model))
    assert view.explanation.picture.original.size == (1024, 512)
    assert view.explanation.picture.box == (0, 0, 1024, 512)


def test_another_class_keeps_the_picture_and_its_pass(analyst: Analyst) -> None:
    first = analyst.view(analyst.first)
    again = analyst.view(State(analyst.first.source, analyst.first.model, target=0))
    assert again.explanation.target == 0
    assert again.explanation.picture is first.explanation.picture


def test_a_block_is_kept_across_models(analyst: Analyst) -> None:
    state = State(analyst.first.source, "resnet18t-se", layer="stage2.0.attention")
    assert analyst.view(state).state.layer == "stage2.0.attention"
    assert analyst.view(State(state.source, "resnet18t-bam", layer=state.layer)).state.layer == "stage2.attention"
    assert analyst.view(State(state.source, "resnet18t-plain", layer=state.layer)).record is None


def test_examples_of_a_lecturer(tmp_path: Path) -> None:
    with pytest.raises(AttnvizError, match="no such folder"):
        examples(tmp_path / "none")
    Image.new("RGB", (8, 8)).save(tmp_path / "my_dog.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    first = examples(tmp_path)[0]
    assert (first.label, first.origin) == ("My dog", "own")
    (tmp_path / "broken.png").write_text("not a picture")
    with pytest.raises(PictureError, match=r"broken\.png"):
        examples(tmp_path)


def test_a_file_s_name_is_shown_as_it_was(analyst: Analyst) -> None:
    folder = Path(get_upload_folder()) / "names"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "a%22b\u202egnp.png"
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(path)
    assert analyst.view(State(f"upload:{path}", "resnet18t-se")).name == 'a"bgnp.png'


def test_every_panel_depends_on_fields_that_there_are() -> None:
    for panel in PANELS.values():
        assert set(panel.fields) <= FIELDS.keys()
        assert {"source", "model"} <= set(panel.fields)  # with another picture or network everything is another
    assert {field for panel in PANELS.values() for field in panel.fields} == FIELDS.keys()


def test_what_is_drawn_anew_follows_from_what_panels_depend_on() -> None:
    assert drawn_anew(["channel"]).keys() == {"attention", "channels", "sides", "stepper"}
    assert drawn_anew(["how"]).keys() == drawn_anew(["scope"]).keys() == {"matter"}
    assert drawn_anew(["source"]).keys() == PANELS.keys()
    assert drawn_anew(["export"]) == {}


def test_a_field_is_forgotten_for_others_that_there_are() -> None:
    rules = forgotten()
    assert rules.keys() == {"target", "against", "region", "cam_layer", "query", "channel"}
    assert {other for others in rules.values() for other in others} <= {*CHANGES}
    assert len({field.link for field in FIELDS.values()}) == len(FIELDS)

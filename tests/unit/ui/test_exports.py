"""What is taken away: files that open, arrays that are the tensors, code that makes them again."""

import base64
import os
import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import timm
from PIL import Image
from safetensors.torch import save_file

import attnviz
from attnviz import zoo
from attnviz.attribution import Attribution
from attnviz.errors import OptionError
from attnviz.render.figures import overview
from attnviz.ui import exports
from attnviz.ui.analysis import Analyst, View
from attnviz.ui.examples import examples
from attnviz.ui.pages.compare import compared
from attnviz.ui.state import State
from attnviz.zoo import own

LAYER = "stage3.1.attention"


@pytest.fixture
def view(analyst: Analyst) -> View:
    return analyst.view(State(analyst.first.source, "resnet18t-cbam", 4, LAYER, "spatial", against=7))


def data(view: View, kind: str, settings: object = None, found: Attribution | None = None) -> bytes:
    made = exports.export(view, {"kind": kind, "view": settings}, found)
    assert made["name"] == f"attnviz-resnet18t-cbam-{LAYER}.{kind}"
    return base64.b64decode(made["data"])


def test_a_picture_and_a_document(view: View) -> None:
    with Image.open(BytesIO(data(view, "png"))) as image:
        assert image.size[0] > 1500
    assert data(view, "pdf").startswith(b"%PDF")


def test_a_drawing_says_what_it_is_of(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matplotlib.rcParams", {**__import__("matplotlib").rcParams, "svg.fonttype": "none"})
    root = ElementTree.fromstring(data(view, "svg", {"scale": "absolute", "map": "magma", "strength": 0.5}))
    text = " ".join(root.itertext())
    for part in ("resnet18t-cbam", LAYER, "church against gas pump", f"attnviz {attnviz.__version__}", "torch", "208"):
        assert part in text


def test_the_page_s_way_of_drawing(view: View) -> None:
    style = exports.style(view, {"map": "magma", "strength": 0.25, "smooth": False, "scale": "absolute"})
    assert (style.colors, style.strength, style.smooth, style.limits) == ("magma", 0.25, False, (0.0, 1.0))
    shared = exports.style(view, {"scale": "shared"}).limits
    maps = [record.values for record in view.explanation.attention if record.part == "spatial"]
    assert shared == (min(float(m.min()) for m in maps), max(float(m.max()) for m in maps))
    assert exports.style(view, {"strength": 10**400}).strength == 1
    for strength in ("a", float("nan"), float("inf"), None, [1]):
        junk = exports.style(view, {"map": "../x", "strength": strength, "smooth": 3, "scale": []})
        assert (junk.colors, junk.strength, junk.smooth, junk.limits) == ("viridis", 0.65, True, None)


def test_arrays(view: View) -> None:
    arrays = np.load(BytesIO(data(view, "npz")))
    expected = view.explanation.arrays()
    off = attnviz.explain(view.explanation.backbone, view.explanation.input, (4, 7), edits=attnviz.Edit(LAYER, "off"))
    expected |= {f"edited/{name}": values for name, values in off.arrays().items()}
    assert set(arrays) == set(expected)
    assert all(np.array_equal(arrays[name], expected[name]) for name in arrays)


@pytest.mark.parametrize("number", [0, -1])
def test_the_code_makes_the_same_arrays(analyst: Analyst, tmp_path: Path, number: int) -> None:
    source = f"example:{list(analyst.examples)[number]}"
    state = State(source, "resnet18t-cbam", 4, LAYER, "spatial", against=7, method="saliency")
    view = analyst.view(replace(state, cam_layer=[None, "stage2.1"][number]))
    made = run(data(view, "py"), tmp_path)
    found = analyst.attribution(view, lambda _: None)
    expected = np.load(BytesIO(data(view, "npz", found=found)))
    np.testing.assert_array_equal(expected["saliency"], found.values)
    check(made, expected)


def run(code: bytes, folder: Path) -> Any:
    """The arrays that exported code makes in a process of its own."""
    (folder / "made.py").write_bytes(code)
    root = Path(attnviz.__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "made.py"], cwd=folder, env=environment, check=True, capture_output=True)
    return np.load(folder / "attnviz-export.npz")


def check(made: Any, expected: Any) -> None:
    assert set(made) == set(expected)
    for name in made:
        if expected[name].dtype.kind == "f":
            atol = 1e-5 * max(np.abs(expected[name]).max(), 1)
            np.testing.assert_allclose(made[name], expected[name], atol=atol)
        else:
            assert made[name] == expected[name]


def taken(analyst: Analyst, kind: str, stage: str = "stage3") -> bytes:
    views = [analyst.view(State(analyst.first.source, model)) for model in analyst.family]
    made = exports.export_all(views, {"kind": kind, "stage": stage})
    assert made["name"] == f"attnviz-compare-{stage}.{kind}"
    return base64.b64decode(made["data"])


def test_every_network_at_once(analyst: Analyst, tmp_path: Path) -> None:
    expected = np.load(BytesIO(taken(analyst, "npz")))
    for model in analyst.family:
        explanation = attnviz.explain(attnviz.load(model), analyst.examples[analyst.first.source.split(":")[1]].path)
        np.testing.assert_array_equal(expected[f"{model}/cam"], explanation.cam.signed)
    check(run(taken(analyst, "py"), tmp_path), expected)


def test_the_networks_that_are_chosen_each_for_the_class_that_it_knows(analyst: Analyst, tmp_path: Path) -> None:
    small = "random:timm:mobilenetv3_small_100.lamb_in1k"
    models = [small, "resnet18t-se", "random:resnet18t-se"]
    views = compared(analyst, State(analyst.first.source, "resnet18t-cbam", 4), models)  # a church; ImageNet knows it
    files = {kind: exports.export_all(views, {"kind": kind, "stage": "stage2"})["data"] for kind in ("npz", "py")}
    expected = np.load(BytesIO(base64.b64decode(files["npz"])))
    path = analyst.examples[analyst.first.source.split(":")[1]].path
    for model in models:
        explanation = attnviz.explain(attnviz.load(model), path, 497 if model == small else 4)
        np.testing.assert_array_equal(expected[f"{model}/cam"], explanation.cam.signed)
    assert {name.split("/")[0] for name in expected} == set(models)
    check(run(base64.b64decode(files["py"]), tmp_path), expected)


def test_two_networks_of_ones_own_are_told_apart(analyst: Analyst, tmp_path: Path) -> None:
    ids = []
    for classes in (3, 5):
        save_file(timm.create_model("test_resnet", num_classes=classes).state_dict(), tmp_path / "mine.safetensors")
        ids.append(zoo.keep(own.from_file("test_resnet", tmp_path / "mine.safetensors")))
    views = [analyst.view(State(analyst.first.source, model)) for model in (*ids, "resnet18t-se")]
    arrays = np.load(BytesIO(base64.b64decode(exports.export_all(views, {"kind": "npz", "stage": "stage2"})["data"])))
    for name, view in zip(("own:test_resnet", "own:test_resnet (2)", "resnet18t-se"), views, strict=True):
        np.testing.assert_array_equal(arrays[f"{name}/cam"], view.explanation.cam.signed)
    code = exports.snippet_all(views)
    compile(code, "made.py", "exec")
    assert "'own:test_resnet (2)': own.from_file('test_resnet', \"WEIGHTS.safetensors\")," in code
    assert not any(each.removeprefix(zoo.OWN) in code for each in ids)


def test_the_code_brings_a_network_of_ones_own_as_it_was_brought(analyst: Analyst, tmp_path: Path) -> None:
    """Once its owner has filled in where it lies, it makes the same arrays."""
    save_file(timm.create_model("test_resnet", num_classes=3).state_dict(), tmp_path / "WEIGHTS.safetensors")
    (tmp_path / "PATH.py").write_text(
        "import torch\nfrom torch import nn\ntorch.manual_seed(0)\n"
        "model = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))\n"
    )
    brought = (own.from_file("test_resnet", tmp_path / "WEIGHTS.safetensors"), own.from_code(tmp_path / "PATH.py"))
    for backbone in brought:
        view = analyst.view(State(analyst.first.source, zoo.keep(backbone)))
        made = exports.export(view, {"kind": "py", "view": None})
        expected = np.load(BytesIO(base64.b64decode(exports.export(view, {"kind": "npz", "view": None})["data"])))
        check(run(base64.b64decode(made["data"]), tmp_path), expected)
    code = exports.snippet_all([analyst.view(State(analyst.first.source, zoo.keep(each))) for each in brought])
    assert "'own:PATH.py': own.from_code(\"PATH.py\")," in code


def test_a_drawing_of_every_network(analyst: Analyst, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matplotlib.rcParams", {**__import__("matplotlib").rcParams, "svg.fonttype": "none"})
    text = " ".join(ElementTree.fromstring(taken(analyst, "svg", "stage2")).itertext())
    for part in ("Non-Local", "stage2.1.attention", "no attention", "Grad-CAM: church", "CBAM spatial gate", "208"):
        assert part in text
    with pytest.raises(OptionError, match="stage"):
        taken(analyst, "png", "stage9")


def test_a_picture_of_ones_own_is_named_by_its_file(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "the_dog-2.png")
    analyst = Analyst(examples(tmp_path))
    assert "picture = 'the_dog-2.png'  # " in exports.snippet(analyst.view(analyst.first))


def test_evidence_by_another_method_is_drawn_as_it_is(analyst: Analyst, view: View) -> None:
    found = analyst.attribution(replace(view, state=replace(view.state, method="saliency")), lambda _: None)
    drawing = data(view, "svg", found=found)
    figure = overview(view.explanation, view.record, None, ("Saliency", found.map.numpy()))
    np.testing.assert_array_equal(figure.axes[2].images[-1].get_array(), found.map)
    assert drawing != data(view, "svg")


def test_an_uploads_path_is_not_in_the_code(analyst: Analyst) -> None:
    from gradio.utils import get_upload_folder

    folder = Path(get_upload_folder()) / "x"
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(folder / "mine.png")
    code = exports.snippet(analyst.view(State(f"upload:{folder / 'mine.png'}", "resnet18t-se")))
    assert "picture = 'mine.png'  # " in code
    assert str(folder) not in code
    compile(code, "made.py", "exec")


@pytest.mark.parametrize("asked", [{"kind": "exe"}, None, {"kind": ["png"]}, {"kind": "../png"}, "png", {}])
def test_other_kinds_are_refused(view: View, asked: object) -> None:
    with pytest.raises(OptionError, match="does not exist"):
        exports.export(view, asked)

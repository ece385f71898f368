"""What comes with the project: cards, weights, means; and refusals in one line."""

import copy
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import attnviz
from attnviz.backbones import VARIANTS, build
from attnviz.errors import ModelError, ShapeError
from attnviz.stock import embedded_cards
from attnviz.zoo import assets
from attnviz.zoo.embedded import load_embedded

ROOT = Path(__file__).resolve().parents[3]
KEPT = {".py", ".js", ".css", ".json"}
IDS = [card.id for card in attnviz.catalogue("embedded")]


def test_all_ten_are_there() -> None:
    assert list(VARIANTS) == IDS
    assert len(IDS) == 10


@pytest.mark.parametrize("model_id", IDS)
def test_card(model_id: str) -> None:
    card = next(card for card in attnviz.catalogue("embedded") if card.id == model_id)
    weights, means = (assets() / "weights" / f"{model_id}{suffix}" for suffix in (".safetensors", ".means.safetensors"))
    model = build(model_id)
    assert card.params == sum(p.numel() for p in model.parameters())
    assert card.size_bytes == weights.stat().st_size < 9e6
    assert weights.stat().st_size + (means.stat().st_size if card.mechanism else 0) < 9e6
    assert card.top1_interval[0] < card.top1 < card.top1_interval[1]
    assert card.top1 >= 0.88
    assert len(card.classes) == 10
    assert {"top1", "pointing", "certainty"} <= card.metrics.keys()
    if model_id != "resnet18t-plain":
        assert {"off", "frozen", "liveness", "alive"} <= card.metrics.keys()
        assert card.metrics["alive"].keys() == attnviz.load(model_id).blocks.keys()
        assert sum(card.metrics["alive"].values()) * 2 >= len(card.metrics["alive"])
        assert card.metrics["frozen"]["interval"][1] < card.top1_interval[0]
    for quantiles in card.metrics["certainty"].values():
        assert len(quantiles) == 101
        assert quantiles == sorted(quantiles)


def test_everything_fits() -> None:
    assert sum(path.stat().st_size for path in (assets() / "weights").iterdir()) < 64e6


@pytest.mark.parametrize("model_id", IDS)
def test_weights_are_what_the_file_says(model_id: str) -> None:
    state = attnviz.load(model_id).model.state_dict()
    for name, value in load_file(assets() / "weights" / f"{model_id}.safetensors").items():
        assert value.dtype is torch.float16
        assert torch.equal(state[name], value.float())


@pytest.mark.parametrize("model_id", [i for i in IDS if i != "resnet18t-plain"])
def test_frozen_at_the_means_of_the_file(model_id: str) -> None:
    backbone = attnviz.load(model_id)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8))
    frozen = attnviz.explain(backbone, image, edits=[attnviz.Edit("*", "frozen")])
    assert backbone.means is not None
    checked = 0
    for record in frozen.attention:
        if isinstance(record.values, torch.Tensor) and backbone.blocks[record.layer].part(record.part).touches:
            key = "/".join(filter(None, (record.layer, record.part)))
            assert torch.equal(record.values, backbone.means.values[key])
            checked += 1
    assert checked or model_id in ("resnet18t-ca", "resnet18t-nl")


def test_loading_twice_gives_the_same_object() -> None:
    assert attnviz.load(IDS[0]) is attnviz.load(IDS[0])


def test_loading_inside_inference_mode_gives_a_network_like_any_other() -> None:
    with torch.inference_mode():
        backbone = load_embedded(embedded_cards()[0], "cpu")
    x = torch.randn(1, 3, 64, 64)
    plain = attnviz.explain(attnviz.load(IDS[0]), x, cam_layer="stage3")
    assert torch.equal(attnviz.explain(backbone, x, cam_layer="stage3").cam.signed, plain.cam.signed)


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(
        ModelError, match=r"^no model 'resnet18t-kk' in the catalogue; the nearest are .*resnet18t-sk"
    ) as caught:
        attnviz.load("resnet18t-kk")
    assert "\n" not in str(caught.value)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    card = embedded_cards()[0]
    state = load_file(assets() / "weights" / f"{card.id}.safetensors")
    state["fc.extra"] = torch.zeros(1)
    del state["fc.bias"]
    save_file(state, tmp_path / f"{card.id}.safetensors")
    with pytest.raises(ModelError, match="do not fit its network"):
        load_embedded(card, "cpu", tmp_path)


def test_weights_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="missing") as caught:
        load_embedded(embedded_cards()[0], "cpu", tmp_path)
    assert str(tmp_path) not in str(caught.value)


def test_a_network_without_a_card_is_not_ready(tmp_path: Path) -> None:
    for path in (assets() / "weights").glob("resnet18t-*"):
        shutil.copy(path, tmp_path)
    assert [card.id for card in embedded_cards(tmp_path)] == IDS
    (tmp_path / f"{IDS[0]}.json").unlink()
    assert [card.id for card in embedded_cards(tmp_path)] == IDS[1:]


def test_an_installed_wheel_carries_the_assets(tmp_path: Path) -> None:
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns(".*", "runs", "tests", "build", "screenshots", "__pycache__")
    shutil.copytree(ROOT, source, ignore=ignored)
    pip = [sys.executable, "-m", "pip", "--quiet"]
    target = tmp_path / "installed"
    subprocess.run(
        [*pip, "install", "--no-deps", "--no-build-isolation", "--target", str(target), str(source)], check=True
    )
    code = (
        f"import attnviz; print(attnviz.__file__); print(attnviz.load({IDS[0]!r}));"
        "from attnviz.ui.pages import read; print(len(read.guide()), len(read.papers()))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(target), "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout.startswith(str(target))
    assert IDS[0] in found.stdout
    assert found.stdout.split()[-1] == "9"
    for folder in ("ui", "scenes", "stock", "render", "training"):
        here = {path.relative_to(ROOT) for path in (ROOT / "attnviz" / folder).rglob("*.*") if path.suffix in KEPT}
        assert here
        assert all((target / path).is_file() for path in here)


def test_what_cannot_be_loaded_is_one_line() -> None:
    for bad in ([], None, 3, b"resnet18t-se"):
        with pytest.raises(ModelError, match="a model's id is a text"):
            attnviz.load(bad)
    for device in ("nowhere", *([] if torch.cuda.is_available() else ["cuda"])):
        with pytest.raises(ModelError, match=f"resnet18t-se cannot go to device '{device}': ") as caught:
            attnviz.load("resnet18t-se", device)
        assert "\n" not in str(caught.value)


def test_a_process_s_defaults_do_not_change_the_network() -> None:
    card = next(card for card in attnviz.catalogue("embedded") if card.id == "resnet18t-eca")
    try:
        torch.set_default_dtype(torch.float64)
        backbone = load_embedded(card, "cpu")
    finally:
        torch.set_default_dtype(torch.float32)
    assert {tensor.dtype for tensor in backbone.model.parameters()} == {torch.float32}
    with torch.device("meta"):
        backbone = load_embedded(card, "cpu")
    assert not any(tensor.is_meta for tensor in (*backbone.model.parameters(), *backbone.model.buffers()))


def test_a_backbone_is_not_copied() -> None:
    backbone = attnviz.load("resnet18t-se")
    for copied in (copy.deepcopy, pickle.dumps):
        with pytest.raises(ModelError, match="cannot be copied or pickled"):
            copied(backbone)


def test_pictures_of_other_channels_are_refused() -> None:
    with pytest.raises(ShapeError, match="resnet18t-se takes pictures of 3 channels, not 1"):
        attnviz.explain(attnviz.load("resnet18t-se"), torch.zeros(1, 1, 208, 208))

"""Figures hold the tensors that they show, with their scales; what is saved can be read back."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import attnviz
from attnviz.backbones import VARIANTS
from attnviz.capture import AffinityMap, Coordinate
from attnviz.images import squash
from attnviz.render.colors import DIVERGING
from attnviz.render.figures import Style
from tests.unit.capture.networks import family

MECHANISMS = [model_id for model_id in VARIANTS if model_id != "resnet18t-plain"]


def explained(model_id: str, box: tuple[int, int, int, int] | None = None) -> attnviz.Explanation:
    def preprocess(image: Image.Image) -> tuple[torch.Tensor, attnviz.Picture]:
        picture = squash(image.crop(box) if box else image, 64)
        picture = replace(picture, original=image, box=box or picture.box)
        return torch.from_numpy(np.array(picture.seen)).permute(2, 0, 1)[None] / 128 - 1, picture

    backbone = attnviz.instrument(family(model_id), preprocess, [f"class {i}" for i in range(10)])
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    return attnviz.explain(backbone, Image.fromarray(pixels))


@pytest.mark.parametrize("model_id", MECHANISMS)
def test_every_record_is_drawn_as_it_is(model_id: str) -> None:
    explanation = explained(model_id)
    for record in explanation.attention[-3:]:
        figure = explanation.figure(record)
        _, attention, cam, *bars = figure.axes
        assert record.layer in attention.get_title()
        np.testing.assert_array_equal(cam.images[-1].get_array(), explanation.cam.map.numpy())
        high = explanation.cam.map.max().item()  # evidence is drawn from zero
        assert [label.get_text() for label in bars[-1].get_yticklabels()] == ["0", f"{high:.3g}"]
        values = record.values
        if isinstance(values, AffinityMap):
            middle = tuple(n // 2 for n in values.query_grid)
            np.testing.assert_array_equal(attention.images[-1].get_array(), values.row(middle).numpy())
        elif isinstance(values, Coordinate):
            shape = (values.h.shape[1], values.w.shape[1])
            assert attention.images[-1].get_array().shape == shape
        elif values.dim() == 1:
            heights = [bar.get_height() for bar in attention.patches]
            np.testing.assert_allclose(heights, np.sort(values.numpy())[::-1])


def test_maps_lie_on_what_the_network_saw() -> None:
    explanation = explained("resnet18t-nl", (20, 10, 60, 50))
    figure = explanation.figure(explanation.attention[0], Style(query=(0, 0)))
    photo, attention, cam = figure.axes[:3]
    assert photo.images[0].get_extent() == pytest.approx([-0.5, 89.5, 59.5, -0.5])
    for axes in (attention, cam):
        assert axes.images[0].get_extent() == [0, 90, 60, 0]
        assert axes.images[-1].get_extent() == [20, 60, 50, 10]
        assert (axes.get_xlim(), axes.get_ylim()) == ((0, 90), (60, 0))
    rows, columns = explanation.attention[0].values.query_grid
    *links, ring = attention.lines
    row = explanation.attention[0].values.row((0, 0))
    for link, key in zip(links, row.flatten().topk(5).indices.tolist(), strict=True):
        i, j = divmod(key, columns)
        end = (20 + (j + 0.5) * 40 / columns, 10 + (i + 0.5) * 40 / rows)
        assert (link.get_xdata()[1], link.get_ydata()[1]) == pytest.approx(end)
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (20 + 20 / columns, 10 + 20 / rows)


@pytest.mark.parametrize("model_id", ["resnet18t-plain", "resnet18t-nl", "resnet18t-ca"])
def test_what_is_saved_can_be_read_back(model_id: str, tmp_path: Path) -> None:
    explanation = explained(model_id)
    folder = explanation.save(tmp_path / "out")
    arrays = np.load(folder / "arrays.npz")
    np.testing.assert_array_equal(arrays["logits"], explanation.logits.numpy())
    np.testing.assert_array_equal(arrays["cam"], explanation.cam.signed.numpy())
    for record in explanation.attention:
        if isinstance(record.values, Coordinate):
            np.testing.assert_array_equal(arrays[f"{record.layer}/h"], record.values.h.numpy())
        if isinstance(record.values, AffinityMap):
            np.testing.assert_array_equal(arrays[f"{record.layer}/phi"], record.values.phi.numpy())
    about = json.loads((folder / "explanation.json").read_text())
    assert about["target"] == explanation.target
    assert len(about["attention"]) == len(explanation.attention)
    with Image.open(folder / "figure.png") as figure:
        assert figure.size[0] > 1000


def test_a_style_is_kept() -> None:
    explanation = explained("resnet18t-bam")
    logits, gate = (next(r for r in explanation.attention if r.part == part) for part in ("spatial", "combined"))
    style = Style(colors="magma", strength=0.3, smooth=False, limits=(0.0, 1.0))
    _, attention, *_ = explanation.figure(gate, style).axes
    image = attention.images[-1]
    drawn = (image.get_cmap().name, image.get_alpha(), image.get_interpolation(), image.get_clim())
    assert drawn == ("magma", 0.3, "nearest", (0, 1))
    _, attention, *_ = explanation.figure(logits).axes
    most = logits.values.abs().max().item()
    if logits.values.min() < 0:
        assert attention.images[-1].get_clim() == pytest.approx((-most, most))
        assert attention.images[-1].get_cmap().name == DIVERGING


def test_a_query_is_drawn_and_named() -> None:
    explanation = explained("resnet18t-nl")
    record = explanation.attention[0]
    _, attention, *_ = explanation.figure(record, Style(query=(2, 5))).axes
    assert "query (2, 5)" in attention.get_title()
    np.testing.assert_array_equal(attention.images[-1].get_array(), record.values.row((2, 5)).numpy())

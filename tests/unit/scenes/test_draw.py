"""Every scene as its callers get it: the same one again, at the size, and with the object where they asked for it."""

from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules

import numpy as np
import pytest
from PIL import Image

from attnviz import scenes
from attnviz.errors import OptionError
from attnviz.scenes import SCENES, Scene, draw
from attnviz.training.data import CLASSES

SIZE = (96, 72)

every_scene = pytest.mark.parametrize("name", SCENES)


@lru_cache
def drawn(
    name: str,
    seed: int = 0,
    scale: float = 1.0,
    center: tuple[float, float] | None = None,
) -> Scene:
    return draw(name, size=SIZE, seed=seed, scale=scale, center=center)


def same(a: Image.Image, b: Image.Image) -> bool:
    return np.array_equal(np.asarray(a), np.asarray(b))


def centroid(mask: np.ndarray) -> np.ndarray:
    """In pixels, (x, y)."""
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5])


def middle(mask: np.ndarray) -> np.ndarray:
    """Of the tightest box, in pixels, (x, y)."""
    rows, columns = np.nonzero(mask)
    return np.array([columns.min() + columns.max() + 1, rows.min() + rows.max() + 1]) / 2


def test_every_subject_s_scenes_can_be_drawn() -> None:
    modules = [import_module(f"attnviz.scenes.{found.name}") for found in iter_modules(scenes.__path__)]
    assert {name for module in modules for name in getattr(module, "SCENES", ())} == set(SCENES)


@every_scene
def test_a_scene_is_an_rgb_picture_with_a_mask_and_one_of_the_ten_classes(name: str) -> None:
    scene = drawn(name)
    assert scene.image.mode == "RGB"
    assert scene.image.size == SIZE
    assert scene.mask.shape == SIZE[::-1]
    assert scene.mask.dtype == np.bool_
    assert scene.label in CLASSES.values()


@every_scene
def test_the_same_seed_draws_the_same_scene_and_another_seed_another_one(name: str) -> None:
    again = draw(name, size=SIZE)
    assert same(drawn(name).image, again.image)
    assert np.array_equal(drawn(name).mask, again.mask)
    assert not same(drawn(name).image, drawn(name, seed=1).image)


@every_scene
def test_the_whole_object_fits_the_picture(name: str) -> None:
    mask = drawn(name).mask
    border = np.ones_like(mask)
    border[1:-1, 1:-1] = False
    assert not (mask & border).any()
    assert 0.03 < mask.mean() < 0.6


@every_scene
def test_the_picture_is_lit_and_has_detail(name: str) -> None:
    pixels = np.asarray(drawn(name).image, float)
    assert 30 < pixels.mean() < 220
    assert pixels.std() > 20


@every_scene
def test_center_and_scale_place_the_object(name: str) -> None:
    whole, half = drawn(name, center=(0.5, 0.5)).mask, drawn(name, scale=0.5, center=(0.5, 0.5)).mask
    assert half.sum() / whole.sum() == pytest.approx(0.25, rel=0.12)
    moved = drawn(name, scale=0.5, center=(0.625, 0.375)).mask  # by (12, -9) pixels
    assert middle(moved) == pytest.approx((60, 27), abs=2.5)
    assert centroid(moved) - centroid(half) == pytest.approx((12, -9), abs=0.1)
    assert moved.sum() == pytest.approx(half.sum(), rel=0.02)


def test_beyond_the_picture_there_is_no_object() -> None:
    scene = draw("striped parachute", size=(24, 18), center=(-3, 0.5))
    assert not scene.mask.any()
    assert scene.image.size == (24, 18)


@pytest.mark.parametrize("size", [(1, 1), (7, 40), (64, 64), (200, 40)])
def test_the_size_may_be_any(size: tuple[int, int]) -> None:
    scene = draw("red gas pump", size=size)
    assert scene.image.size == size
    assert scene.mask.shape == size[::-1]


def test_the_mask_is_where_the_object_is() -> None:
    scene = drawn("golf ball on grass")
    pixels = np.asarray(scene.image, float)
    green = pixels[..., 1] - pixels[..., 2]  # the ball is white, the grass is not
    assert np.median(green[scene.mask]) < 20
    assert np.median(green[~scene.mask]) > 50


def test_a_masked_ball_is_a_disc() -> None:
    mask = draw("golf ball on grass", size=(160, 120), scale=0.8).mask
    rows, columns = np.nonzero(mask)
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=2)
    assert mask.sum() == pytest.approx(np.pi / 4 * (np.ptp(rows) + 1) ** 2, rel=0.05)


def test_the_mask_is_the_same_at_another_resolution() -> None:
    small, large = (draw("white church", size=size).mask for size in ((80, 60), (160, 120)))
    shrunk = large.reshape(60, 2, 80, 2).mean((1, 3)) >= 0.5
    assert (small & shrunk).sum() / (small | shrunk).sum() > 0.93


def test_a_small_ball_is_a_ball_at_two_fifths() -> None:
    small, large = drawn("small golf ball").mask, drawn("golf ball on grass").mask
    assert small.sum() / large.sum() == pytest.approx(0.16, rel=0.12)
    assert middle(small)[0] == pytest.approx(0.68 * SIZE[0], abs=1.5)


@pytest.mark.parametrize("name", ["", "Golf ball on grass", "tench", "two\nlines"])
def test_no_other_names(name: str) -> None:
    with pytest.raises(OptionError) as raised:
        draw(name)
    line = str(raised.value)
    assert "\n" not in line
    assert repr(name) in line
    assert all(known in line for known in SCENES)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"size": (0, 10)}, r"size is \(0, 10\); .*at least 1"),
        ({"size": (10.0, 10)}, r"size is \(10\.0, 10\); .*whole numbers"),
        ({"size": (10, 10, 3)}, "width and height"),
        ({"seed": -1}, "seed is -1; .*at least 0"),
        ({"seed": 0.5}, "seed is 0.5; .*whole number"),
        ({"scale": 0}, "scale is 0; .*above 0"),
        ({"scale": -1.0}, "scale is -1.0"),
        ({"scale": float("nan")}, "scale is nan"),
        ({"center": (0.5, float("inf"))}, "center is .*finite"),
    ],
)
def test_no_other_options(options: dict, line: str) -> None:
    with pytest.raises(OptionError, match=line):
        draw("white church", **options)

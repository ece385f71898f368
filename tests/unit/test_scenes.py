"""Drawn scenes: the same for a seed, of the size asked for, their object where and as large as asked for."""

import numpy as np
import pytest

from attnviz.errors import OptionError
from attnviz.scenes import SCENES, Scene, draw
from attnviz.scenes.shapes import Paint, ball, box, rod

SIZE = (96, 72)
PAINT = Paint((0.5, 0.5, 0.5))
ORIGIN = np.zeros(3, np.float32)
LABELS = {
    "cassette player",
    "chain saw",
    "church",
    "English springer",
    "French horn",
    "garbage truck",
    "gas pump",
    "golf ball",
    "parachute",
    "tench",
}


def middle(scene: Scene) -> tuple[float, float]:
    """The middle of the box around the mask, in shares of width and height."""
    rows, columns = np.nonzero(scene.mask)
    height, width = scene.mask.shape
    return (columns.min() + columns.max() + 1) / 2 / width, (rows.min() + rows.max() + 1) / 2 / height


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_is_an_rgb_picture_with_a_mask_and_one_of_the_ten_labels(name: str) -> None:
    scene = draw(name, size=SIZE)
    assert (scene.image.mode, scene.image.size) == ("RGB", SIZE)
    assert (scene.mask.dtype, scene.mask.shape) == (np.dtype(bool), SIZE[::-1])
    assert scene.label in LABELS
    assert 0.02 < scene.mask.mean() < 0.6


@pytest.mark.parametrize("name", SCENES)
def test_the_seed_decides_the_picture(name: str) -> None:
    first, again, other = (np.asarray(draw(name, size=SIZE, seed=seed).image) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", SCENES)
def test_the_picture_is_lit_and_has_detail(name: str) -> None:
    pixels = np.asarray(draw(name, size=SIZE).image, np.float32)
    assert 30 < pixels.mean() < 220
    assert pixels.std() > 20


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (64, 64), (50, 90), (200, 40)])
def test_any_size_is_honored(size: tuple[int, int]) -> None:
    scene = draw("golf ball on grass", size=size)
    assert scene.image.size == size
    assert scene.mask.shape == size[::-1]


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("center", [(0.5, 0.5), (0.35, 0.4), (0.7, 0.6)])
def test_the_object_lies_around_the_center(name: str, center: tuple[float, float]) -> None:
    assert middle(draw(name, size=(160, 120), scale=0.5, center=center)) == pytest.approx(center, abs=0.03)


@pytest.mark.parametrize("name", SCENES)
def test_the_area_grows_with_the_square_of_the_scale(name: str) -> None:
    areas = [draw(name, size=(200, 150), scale=scale, center=(0.5, 0.5)).mask.mean() for scale in (0.45, 0.9)]
    assert areas[1] / areas[0] == pytest.approx(4, rel=0.08)


def test_the_masked_golf_ball_is_a_disc_of_white_on_green() -> None:
    scene = draw("golf ball on grass", size=(160, 120), scale=0.8)
    red, green, blue = np.moveaxis(np.asarray(scene.image, np.float32), -1, 0)
    rows, columns = np.nonzero(scene.mask)
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=2)
    assert scene.mask.sum() == pytest.approx(np.pi / 4 * (np.ptp(rows) + 1) ** 2, rel=0.05)
    assert blue[scene.mask].mean() > 150
    assert (green - blue)[~scene.mask].mean() > 40
    assert (red - blue)[scene.mask].mean() < 25


def test_the_mask_is_the_same_at_another_resolution() -> None:
    small, large = (draw("white church", size=size).mask for size in ((80, 60), (160, 120)))
    shrunk = large.reshape(60, 2, 80, 2).mean((1, 3)) >= 0.5
    assert (small & shrunk).sum() / (small | shrunk).sum() > 0.93


def test_a_scene_without_a_center_has_its_own() -> None:
    assert middle(draw("small golf ball", size=(160, 120)))[0] > 0.6
    assert middle(draw("small golf ball", size=(160, 120), center=(0.3, 0.5)))[0] == pytest.approx(0.3, abs=0.03)


def test_an_object_outside_the_picture_leaves_an_empty_mask() -> None:
    assert not draw("striped parachute", size=SIZE, center=(-3.0, 0.5)).mask.any()


def test_a_wrong_name_is_refused_in_one_line_that_lists_the_names() -> None:
    with pytest.raises(OptionError) as error:
        draw("unicorn")
    assert "'unicorn'" in str(error.value)
    assert "\n" not in str(error.value)
    assert all(name in str(error.value) for name in SCENES)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
def test_a_scale_that_cannot_be_is_refused(scale: float) -> None:
    with pytest.raises(OptionError):
        draw("golf ball on grass", scale=scale)


def test_a_size_that_cannot_be_is_refused() -> None:
    with pytest.raises(OptionError):
        draw("golf ball on grass", size=(0, 10))


def test_rays_meet_a_ball_where_geometry_says() -> None:
    shape = ball((0, 0, -5), (2, 2, 2), PAINT)
    rays = np.asarray([[0, 0, -1], [0.3, 0, -1], [0, 1, -1]], np.float32)
    expected = [3, (10 - np.sqrt(100 - 4 * 1.09 * 21)) / (2 * 1.09), np.inf]
    np.testing.assert_allclose(shape.hit(ORIGIN, rays), expected, rtol=1e-4)
    np.testing.assert_allclose(shape.normal(np.asarray([[0, 0, -3]], np.float32)), [[0, 0, 1]], atol=1e-5)


def test_rays_meet_a_box_where_slabs_say() -> None:
    low, high = np.asarray([-1, -2, -6], np.float32), np.asarray([1, 0.5, -4], np.float32)
    rays = np.asarray(np.random.default_rng(0).normal(size=(500, 3)) * [0.3, 0.3, 0.1] - [0, 0, 1], np.float32)
    edges = np.sort(np.stack([low / rays, high / rays]), 0)
    near, far = edges[0].max(1), edges[1].min(1)
    expected = np.where((near < far) & (near > 0), near, np.inf)
    np.testing.assert_allclose(box(low, high, PAINT).hit(ORIGIN, rays), expected, rtol=1e-4)


def test_points_where_rays_meet_a_rod_lie_on_it() -> None:
    start, end, radius = np.asarray([-1, 0.5, -4], np.float32), np.asarray([2, 1, -6], np.float32), 0.4
    rays = np.asarray(np.random.default_rng(0).normal(size=(4000, 3)) * 0.3 - [0, -0.15, 1], np.float32)
    found = rod(start, end, radius, PAINT).hit(ORIGIN, rays)
    points = found[np.isfinite(found)][:, None] * rays[np.isfinite(found)]
    length = np.linalg.norm(end - start)
    axis = (end - start) / length
    along = (points - start) @ axis
    off = np.linalg.norm(points - start - along[:, None] * axis, axis=1)
    assert len(points) > 300
    side = (np.abs(off - radius) < 1e-3) & (along > -1e-3) & (along < length + 1e-3)
    caps = (np.minimum(np.abs(along), np.abs(along - length)) < 1e-3) & (off < radius + 1e-3)
    assert (side | caps).all()


def test_rays_that_start_behind_a_shape_miss_it() -> None:
    for shape in (ball((0, 0, 0), (1, 1, 1), PAINT), box((-1, -1, -1), (1, 1, 1), PAINT)):
        assert np.isinf(shape.hit(np.asarray([0, 0, -3], np.float32), np.asarray([[0, 0, -1]], np.float32))).all()

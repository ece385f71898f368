"""What the camera sees, and where shadows fall, against geometry done by hand."""

import numpy as np
import pytest

from attnviz.scenes.backdrops import Sky, Wall, arched, ground, lettered
from attnviz.scenes.camera import FINE, View
from attnviz.scenes.finishing import toned
from attnviz.scenes.noise import MEDIUM, ROUGH, SMOOTH, Noise
from attnviz.scenes.raycaster import Hits, cast, clear, light_up
from attnviz.scenes.shapes import Paint, Shape, ball, box
from attnviz.scenes.stage import Shot, Stage
from attnviz.scenes.tones import light_for, shown
from attnviz.scenes.vectors import Array, Color, f32, unit

GRAY = Paint((0.5, 0.5, 0.5), gloss=0.0)
SIZE = (48, 36)


def black(directions: Array) -> Array:
    return np.zeros_like(directions)


def lawn() -> Shape:
    return ground(lambda points: np.full_like(points, 0.5))


def seen(stage: Stage, shot: Shot) -> tuple[View, Hits, Array]:
    view = View.framing(stage.main, shot, SIZE, shot.place)
    hits = cast(view, stage.main + stage.props)
    return view, hits, light_up(stage, shot, view, hits, Noise(0))


@pytest.mark.parametrize("yaw", [-40, 0, 90])
@pytest.mark.parametrize("pitch", [-20, 0, 60])
def test_the_outline_fills_its_share_around_the_center(yaw: float, pitch: float) -> None:
    main = [box((1, 0, 0), (3, 1, 1), GRAY), ball((0, 2, 1), 0.5, GRAY)]
    view = View.framing(main, Shot(yaw=yaw, pitch=pitch, fill=0.5), SIZE, (0.4, 0.7))
    index = cast(view, main).index
    rows, columns = np.nonzero(index >= 0)
    width, height = np.ptp(columns) + 1, np.ptp(rows) + 1
    assert max(width / view.size[0], height / view.size[1]) == pytest.approx(0.5, abs=0.03)
    assert (columns.min() + columns.max() + 1) / 2 == pytest.approx(0.4 * view.size[0], abs=2)
    assert (rows.min() + rows.max() + 1) / 2 == pytest.approx(0.7 * view.size[1], abs=2)


def test_yaw_walks_to_the_right_and_pitch_looks_down() -> None:
    main = [ball((0, 1, 0), 1, GRAY)]
    view = View.framing(main, Shot(yaw=90, pitch=0, distance=7), SIZE, (0.5, 0.5))
    assert view.origin == pytest.approx((7, 1, 0), abs=1e-2)
    assert view.axes == pytest.approx(np.array([(0, 0, -1), (0, 1, 0), (-1, 0, 0)]), abs=1e-6)
    above = View.framing(main, Shot(yaw=0, pitch=30, distance=8), SIZE, (0.5, 0.5))
    assert above.origin == pytest.approx((0, 1 + 8 * 0.5, 8 * 0.75**0.5), abs=1e-2)


def test_depths_are_those_along_the_view() -> None:
    main = [box((-1, -1, -1), (1, 1, 1), GRAY)]
    view = View.framing(main, Shot(pitch=0, distance=5), SIZE, (0.5, 0.5))
    hits = cast(view, main)
    assert hits.depth.shape == hits.index.shape == (SIZE[1] * FINE, SIZE[0] * FINE)
    assert hits.depth[hits.index == 0] == pytest.approx(4, abs=1e-4)  # the whole front face
    assert np.isinf(hits.depth[hits.index < 0]).all()
    assert hits.index[0, 0] == -1


def test_the_nearer_shape_hides_the_farther_one() -> None:
    far, near = box((-2, -2, -2), (2, 2, -1), GRAY), ball((0, 0, 2), 1, GRAY)
    view = View.framing([far, near], Shot(pitch=0), SIZE, (0.5, 0.5))
    index = cast(view, [far, near]).index
    middle = (index.shape[0] // 2, index.shape[1] // 2)
    assert index[middle] == 1
    assert (index == 0).any()
    assert np.array_equal(cast(view, [near, far]).index, np.select([index == 1, index == 0], [0, 1], -1))


@pytest.mark.parametrize("yaw", [-70, -30, 0, 25])
def test_no_window_cuts_anything_off(yaw: float) -> None:
    """Even of a curb that reaches behind the camera."""
    main = [ball((0, 1, 0), 1, GRAY)]
    curb = box((-60, 0, -2.9), (60, 0.5, -2.6), GRAY)
    view = View.framing(main, Shot(yaw=yaw, distance=9), SIZE, (0.3, 0.6))
    rays = view.rays(*np.meshgrid(np.arange(view.size[0]), np.arange(view.size[1])))
    for shape in [*main, curb]:
        anywhere = shape.hit(view.origin, rays.reshape(-1, 3)).reshape(rays.shape[:2])
        assert np.array_equal(cast(view, [shape]).depth, anywhere)
        assert np.isfinite(anywhere).any()


def test_a_post_throws_its_shadow_away_from_the_sun() -> None:
    post = box((-0.1, 0, -0.1), (0.1, 2, 0.1), GRAY)
    toward = unit(f32([(1, 1, 0)]))
    dark = [(-0.2, 0, 0), (-1, 0, 0.05), (-2.05, 0, -0.09)]
    lit = [(-2.15, 0, 0), (-1, 0, 0.15), (0.2, 0, 0), (1, 0, 0)]
    free = clear(f32(dark + lit), np.repeat(toward, len(dark + lit), 0), [post, lawn()])
    assert free.tolist() == [False] * len(dark) + [True] * len(lit)


@pytest.mark.parametrize("yaw", [0, 50])
def test_a_floating_ball_throws_an_ellipse_on_the_ground(yaw: float) -> None:
    """A ball of radius 1, 3 above ground, the sun at 45 degrees: an ellipse of radii 2^0.5 and 1 around x = -3."""
    stage = Stage([ball((0, 3, 0), 1, GRAY)], [lawn()], black)
    shot = Shot(yaw=yaw, pitch=50, distance=12, fill=0.25, sun=(1, 1, 0), softness=0, skylight=(0, 0, 0))
    view, hits, light = seen(stage, shot)
    x, _, z = (view.origin + hits.depth[..., None] * hits.rays)[hits.index == 1].T
    away = np.hypot((x + 3) / 2**0.5, z)
    bright = light[hits.index == 1].mean(1)
    dark, lit = bright[away < 0.95], bright[away > 1.05]
    assert len(dark) > 50
    assert len(lit) > 1000
    assert dark.max() < 0.5 * lit.min()


def test_sunlight_goes_with_the_cosine() -> None:
    """Two roofs' slopes toward a sun in the zenith, flat and at 60 degrees; no other light."""
    flat = box((-6, 0, -1), (-4, 1, 1), GRAY)
    steep = box((0, 0, -1), (4, 3**0.5 * 2, 1), GRAY, top=(2, 2, -1, 1))
    none = (0.0, 0.0, 0.0)
    shot = Shot(pitch=20, distance=20, sun=(0, 1, 0), softness=0, skylight=none, bounce=none)
    view, hits, light = seen(Stage([flat, steep], [], black), shot)
    _, y, _ = np.moveaxis(view.origin + hits.depth[..., None] * hits.rays, -1, 0)
    on_flat = light[(hits.index == 0) & (y > 0.999)]
    assert len(on_flat) > 20
    expected = 0.5**2.2 * np.array(shot.sunlight)
    assert np.median(on_flat, axis=0) == pytest.approx(expected, rel=0.02)
    above = View.framing([steep], Shot(pitch=89, distance=20), SIZE, (0.5, 0.5))
    hits = cast(above, [steep])
    light = light_up(Stage([steep], [], black), shot, above, hits, Noise(0))
    assert np.median(light[hits.index == 0], axis=0) == pytest.approx(expected / 2, rel=0.02)


@pytest.mark.parametrize("color", [(0.0, 0.25, 1.0), (0.98, 0.5, 0.02)])
def test_what_nothing_covers_shows_the_backdrop_in_its_colors(color: Color) -> None:
    stage = Stage([ball((0, 0, 0), 1, GRAY)], [], lambda directions: np.broadcast_to(f32(color), directions.shape))
    _, hits, light = seen(stage, Shot())
    assert (hits.index < 0).any()
    pixels = np.asarray(toned(light))[hits.index < 0]
    assert np.abs(pixels - 255 * np.array(color)).max() <= 1


def test_more_light_shows_brighter_up_to_white() -> None:
    light = np.linspace(0, 10, 200)
    colors = shown(light)
    assert (np.diff(colors) >= 0).all()
    assert (colors[0], colors[-1]) == (0, 1)
    dim = light < 6**0.5  # more is white
    assert light_for(colors[dim]) == pytest.approx(light[dim], abs=1e-6)


def test_metal_mirrors_a_dark_rim_below_a_bright_sky() -> None:
    """A ball of metal whose upper half mirrors the sky and whose lower half the ground, seen from the front."""
    metal = Paint((0.9, 0.9, 0.9), gloss=0.8, metal=1.0)
    none = (0.0, 0.0, 0.0)
    shot = Shot(pitch=0, fill=0.9, sunlight=none, softness=0)
    view, hits, light = seen(Stage([ball((0, 0, 0), 1, metal)], [], black), shot)
    column = light[:, view.size[0] // 2].mean(1)
    points = (view.origin + hits.depth[..., None] * hits.rays)[:, view.size[0] // 2]
    middle = (hits.index[:, view.size[0] // 2] == 0) & (np.abs(points[:, 1]) < 0.4)
    height = 2 * points[middle, 1] * points[middle, 2]  # of what is mirrored, nearly
    bright = column[middle]
    rim, above, below = bright[np.abs(height + 0.1) < 0.06], bright[height > 0.12], bright[height < -0.35]
    assert rim.max() < 0.5 * below.min()
    assert rim.max() < 0.25 * above.min()


def test_clouds_fade_out_toward_the_horizon() -> None:
    turn = np.linspace(0, 2 * np.pi, 400)

    def unevenness(rise: float) -> float:
        colors = Sky(Noise(0), clouds=0.6)(unit(f32(np.stack([np.cos(turn), np.full(400, rise), np.sin(turn)], 1))))
        return float(colors.std(0).max())

    assert unevenness(0.0) == pytest.approx(0, abs=1e-4)
    assert unevenness(0.02) < unevenness(0.2)


def test_a_wall_goes_from_one_color_to_the_other() -> None:
    wall = Wall(Noise(0), low=(0.1, 0.2, 0.3), high=(0.5, 0.6, 0.7))
    below, ahead, above = wall(f32([(0, -0.8, -0.6), (0, 0, -1), (0, 0.8, -0.6)]))
    assert below == pytest.approx((0.1, 0.2, 0.3))
    assert above == pytest.approx((0.5, 0.6, 0.7))
    assert (below < ahead).all()
    assert (ahead < above).all()


@pytest.mark.parametrize("power", [ROUGH, MEDIUM, SMOOTH])
def test_noise_is_smooth_between_0_and_1_and_repeats(power: float) -> None:
    noise = Noise(3)
    u, v = np.random.default_rng(0).random((2, 1000))
    values = noise(u, v, power)
    assert values.min() >= 0
    assert values.max() <= 1
    assert values.mean() == pytest.approx(0.5, abs=0.05)
    assert noise(u + 1, v - 2, power) == pytest.approx(values, abs=1e-3)
    assert noise(u + 1e-6, v, power) == pytest.approx(values, abs=1e-2)
    assert np.array_equal(Noise(3)(u, v, power), values)


def test_rougher_noise_has_more_of_the_fine() -> None:
    noise, u = Noise(0), np.linspace(0, 1, 2000)
    wiggles = [np.abs(np.diff(noise(u, np.zeros_like(u), power))).sum() for power in (ROUGH, MEDIUM, SMOOTH)]
    assert wiggles[0] > wiggles[1] > wiggles[2]


def test_a_pointed_window() -> None:
    u = f32([0, 0.9, 1.1, 0, 0, 0, 0.9])
    v = f32([1, 1, 1, -0.1, 3.6, 3.8, 3.6])
    assert arched(u, v, 1.0, 0.0, 2.0).tolist() == [True, True, False, False, True, False, False]


def test_letters_lie_in_their_box() -> None:
    x, y = (grid.ravel() for grid in np.meshgrid(np.linspace(0, 4, 81), np.linspace(0, 4, 81)))
    ink = lettered("L", x, y, left=1, bottom=2, width=1, height=1.5)
    assert (x[ink].min(), x[ink].max()) == pytest.approx((1.1, 1.9), abs=0.15)  # some space on either side
    assert (y[ink].min(), y[ink].max()) == pytest.approx((2, 3.5), abs=0.1)
    assert not ink[(x > 1.5) & (y > 2.75)].any()  # an L is empty at the top right
    assert ink[(x > 1.3) & (x < 1.8) & (np.abs(y - 2.05) < 0.03)].all()  # and full at the bottom

"""Rays on shapes at depths and normals worked out by hand."""

import numpy as np
import pytest

from attnviz.scenes.shapes import Paint, Shape, ball, box, cone, rod, tube
from attnviz.scenes.vectors import f32, fibonacci, unit

GRAY = Paint((0.5, 0.5, 0.5))
BALL = ball((0, 0, 0), 1, GRAY)
BOX = box((-1, -1, -1), (1, 1, 1), GRAY)
ROD = rod((-1, 0, 0), (1, 0, 0), 0.5, GRAY)  # along x
FUNNEL = cone((0, 0, 0), (2, 0, 0), 1, 3, GRAY)
WEDGE = box((-2, 0, -1), (2, 2, 1), GRAY, top=(0, 0, -1, 1))  # a roof with a ridge at (0, 2)

MISS = float("inf")
DIAGONAL = 0.5**0.5


def depth(shape: Shape, origin: tuple[float, float, float], ray: tuple[float, float, float]) -> float:
    (found,) = shape.hit(f32(origin), f32([ray]))
    return float(found)


@pytest.mark.parametrize(
    ("shape", "origin", "ray", "expected"),
    [
        (BALL, (0, 0, 5), (0, 0, -1), 4),
        (BALL, (0, 0, 5), (0, 0, -2), 2),  # the ray's length is the unit
        (BALL, (0.6, 0, 5), (0, 0, -1), 4.2),
        (BALL, (0, -0.8, 5), (0, 0, -1), 4.4),
        (BALL, (1.01, 0, 5), (0, 0, -1), MISS),
        (BALL, (0, 0, 5), (0, 0, 1), MISS),  # behind
        (BALL, (0, 0, 0), (0, 0, 1), MISS),  # from inside
        (ball((1, 2, 3), (2, 1, 0.5), GRAY), (1, 2, 5), (0, 0, -1), 1.5),
        (ball((1, 2, 3), (2, 1, 0.5), GRAY), (5, 2, 3), (-1, 0, 0), 2),
        (BOX, (0, 0, 5), (0, 0, -1), 4),
        (BOX, (0.99, -0.99, 5), (0, 0, -1), 4),
        (BOX, (0, 5, 0), (0, -1, 0), 4),
        (BOX, (-3, -2, 0), (1, 1, 0), 2),  # at (-1, 0)
        (BOX, (-3, -0.5, 0), (1, 1, 0), MISS),
        (BOX, (0, 0, 0), (1, 0, 0), MISS),  # from inside
        (ROD, (0, 0, 5), (0, 0, -1), 4.5),
        (ROD, (0.9, 0.3, 5), (0, 0, -1), 4.6),
        (ROD, (1.1, 0, 5), (0, 0, -1), MISS),
        (ROD, (5, 0.3, 0.3), (-1, 0, 0), 4),  # on its end, along its axis
        (ROD, (5, 0.4, 0.4), (-1, 0, 0), MISS),
        (WEDGE, (1, 5, 0), (0, -1, 0), 4),
        (WEDGE, (3, 1, 0), (-1, 0, 0), 2),
        (WEDGE, (3, 1.99, 0.5), (-1, 0, 0), 2.99),
    ],
)
def test_depths(
    shape: Shape, origin: tuple[float, float, float], ray: tuple[float, float, float], expected: float
) -> None:
    assert depth(shape, origin, ray) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("beside", [-1.5, 1.5])
def test_rays_along_a_face_outside_of_it_miss(axis: int, beside: float) -> None:
    for ahead in {0, 1, 2} - {axis}:
        origin, ray = np.zeros(3), np.zeros(3)
        origin[axis], origin[ahead], ray[ahead] = beside, -5, 1
        assert depth(BOX, tuple(origin), tuple(ray)) == MISS


@pytest.mark.parametrize(
    ("shape", "point", "expected"),
    [
        (BALL, (0.6, 0, 0.8), (0.6, 0, 0.8)),
        (BALL, (0, -1, 0), (0, -1, 0)),
        (ball((0, 0, 0), (2, 1, 1), GRAY), (2 * DIAGONAL, DIAGONAL, 0), (1 / 5**0.5, 2 / 5**0.5, 0)),
        (BOX, (0.2, 0.3, 1), (0, 0, 1)),
        (BOX, (-1, 0.3, 0.5), (-1, 0, 0)),
        (BOX, (1, 1, 0), (DIAGONAL, DIAGONAL, 0)),  # on an edge: between its faces
        (ROD, (0, 0.3, 0.4), (0, 0.6, 0.8)),
        (ROD, (1, 0.1, 0), (1, 0, 0)),
        (WEDGE, (1, 1, 0), (DIAGONAL, DIAGONAL, 0)),
        (WEDGE, (0.5, 0.5, -1), (0, 0, -1)),
    ],
)
def test_normals(shape: Shape, point: tuple[float, float, float], expected: tuple[float, float, float]) -> None:
    assert shape.normal(f32([point]))[0] == pytest.approx(expected, abs=1e-4)


def test_bevels_blend_the_normals_of_faces_only_near_an_edge() -> None:
    tilt = BOX.normal(f32([(1 - away, 0, 1) for away in (0.0, 0.02, 0.2)]))[:, 0]
    assert tilt == pytest.approx((DIAGONAL, np.exp(-1) / np.hypot(np.exp(-1), 1), 0), abs=1e-3)


def test_a_rod_s_rim_is_beveled_by_its_distance() -> None:
    tilt = ROD.normal(f32([(1, 0.5 - away, 0) for away in (0.0, 0.02, 0.2)]))[:, 1]
    assert tilt == pytest.approx((DIAGONAL, np.exp(-1) / np.hypot(np.exp(-1), 1), 0), abs=1e-3)


def test_random_rays_meet_a_ball_where_the_formula_says() -> None:
    rng = np.random.default_rng(0)
    center, radius = np.array([0.5, -1, 2]), 1.5
    origins, rays = rng.normal(size=(10000, 3)) * 4, rng.normal(size=(10000, 3))
    b, square = ((origins - center) * rays).sum(1), (rays**2).sum(1)
    inner = b**2 - square * (((origins - center) ** 2).sum(1) - radius**2)
    expected = np.where(inner > 0, (-b - np.sqrt(np.maximum(inner, 0))) / square, np.inf)
    expected[expected < 0] = np.inf
    found = ball(center, radius, GRAY).hit(f32(origins), f32(rays))
    certain = np.abs(inner) > 1e-2  # 32 bits decide about the others as they like
    assert np.isfinite(expected).sum() > 150
    assert found[certain] == pytest.approx(expected[certain], rel=1e-3)


def test_random_rays_meet_a_box_where_slabs_say() -> None:
    low, high = f32((-1, -2, -6)), f32((1, 0.5, -4))
    rays = f32(np.random.default_rng(0).normal(size=(500, 3)) * (0.3, 0.3, 0.1) - (0, 0, 1))
    edges = np.sort(np.stack([low / rays, high / rays]), 0)
    near, far = edges[0].max(1), edges[1].min(1)
    expected = np.where((near < far) & (near > 0), near, np.inf)
    assert np.isfinite(expected).sum() > 100
    assert box(low, high, GRAY).hit(f32((0, 0, 0)), rays) == pytest.approx(expected, rel=1e-4)


def test_points_where_random_rays_meet_a_rod_lie_on_it() -> None:
    start, end, radius = f32((-1, 0.5, -4)), f32((2, 1, -6)), 0.4
    rays = f32(np.random.default_rng(0).normal(size=(4000, 3)) * 0.3 - (0, -0.15, 1))
    found = rod(start, end, radius, GRAY).hit(f32((0, 0, 0)), rays)
    points = found[np.isfinite(found)][:, None] * rays[np.isfinite(found)]
    length = np.linalg.norm(end - start)
    along = (points - start) @ unit(end - start)
    off = np.linalg.norm(points - start - along[:, None] * unit(end - start), axis=1)
    side = (np.abs(off - radius) < 1e-3) & (along > -1e-3) & (along < length + 1e-3)
    caps = (np.minimum(np.abs(along), np.abs(along - length)) < 1e-3) & (off < radius + 1e-3)
    assert len(points) > 300
    assert (side | caps).all()


def test_a_cone_is_an_open_shell_that_widens_from_start_to_end() -> None:
    """Its radius, by hand: the hyperboloid's waist, 0.2, lies 0.96^0.5 before the start, at x = 0."""
    radii = [5 - depth(FUNNEL, (x, 0, 5), (0, 0, -1)) for x in (0, 1, 2)]
    assert radii == pytest.approx([(0.04 + (0.96**0.5 + x) ** 2) ** 0.5 for x in (0, 1, 2)], rel=1e-4)
    assert radii == pytest.approx([1, 2, 3], rel=0.01)
    assert depth(FUNNEL, (-0.1, 0, 5), (0, 0, -1)) == depth(FUNNEL, (2.1, 0, 5), (0, 0, -1)) == MISS
    assert depth(FUNNEL, (9, 0, 0), (-1, 0, 0)) == MISS  # through both ends
    assert depth(FUNNEL, (1, 0, 0), (0, 0, 1)) == pytest.approx(radii[1], rel=1e-4)  # from inside
    assert depth(FUNNEL, (5, 0, 2), (-1, 0, 0)) == pytest.approx(4, abs=0.02)  # into its mouth
    assert depth(FUNNEL, (-5, 0, 2), (1, 0, 0)) == pytest.approx(6, abs=0.02)  # from behind
    normal = FUNNEL.normal(f32([(1, 0, radii[1])]))[0]
    assert normal == pytest.approx((-DIAGONAL, 0, DIAGONAL), abs=0.01)


def test_a_shell_is_met_from_inside_and_only_where_it_is_kept() -> None:
    bowl = ball((0, 0, 0), 1, GRAY, keep=lambda points: points[:, 1] < 0)
    assert depth(bowl, (0, 5, 0), (0, -1, 0)) == pytest.approx(6)  # through the open top onto the bottom
    assert depth(bowl, (0, -5, 0), (0, 1, 0)) == pytest.approx(4)
    assert depth(bowl, (0, 0, 0), (0, -1, 0)) == pytest.approx(1)
    assert depth(bowl, (0, 0, 0), (0, 1, 0)) == MISS
    assert depth(bowl, (0, 0.5, 5), (0, 0, -1)) == MISS
    assert (bowl.outline[:, 1] < 0).all()


def test_the_ground_is_met_from_above_and_has_no_end() -> None:
    ground = Shape(GRAY, planes=[((0, 3, 0), (0, 0.5, 0))])
    assert not ground.bounded
    assert depth(ground, (7, 2.5, 7), (0, -1, 0)) == pytest.approx(2)
    assert depth(ground, (0, 2.5, 0), (1000, -1, 0)) == pytest.approx(2)
    assert depth(ground, (0, 2.5, 0), (1, 0, 0)) == MISS
    assert depth(ground, (0, 2.5, 0), (0, 1, 0)) == MISS
    assert ground.normal(f32([(3, 0.5, 3)]))[0] == pytest.approx((0, 1, 0))


@pytest.mark.parametrize("shape", [BALL, BOX, ROD, WEDGE, FUNNEL])
def test_no_ray_outside_the_reach_meets_a_shape(shape: Shape) -> None:
    sides = fibonacci(200)
    origins = shape.middle + 1.02 * shape.reach * sides
    past = unit(f32(np.cross(sides, sides[::-1] + f32((0.1, 0.2, 0.3)))))  # along the sphere of the reach
    assert np.isinf(shape.hit(f32(origins), past)).all()
    if not shape.keep:
        assert np.isfinite(shape.hit(f32(origins), shape.middle - origins)).all()


def test_a_tube_leads_from_its_first_point_to_its_last() -> None:
    parts = tube([(0, 0, 0), (0, 2, 0), (3, 2, 0)], 0.1, GRAY, 12)
    assert len(parts) == 12
    assert depth(parts[0], (0, 0.05, 5), (0, 0, -1)) == pytest.approx(4.9, abs=1e-2)
    assert depth(parts[-1], (2.95, 2, 5), (0, 0, -1)) == pytest.approx(4.9, abs=1e-2)
    assert depth(parts[0], (0, -0.1, 5), (0, 0, -1)) == depth(parts[-1], (3.1, 2, 5), (0, 0, -1)) == MISS
    middles = np.array([part.middle for part in parts])
    steps = np.linalg.norm(np.diff(middles, axis=0), axis=1)
    assert steps.max() < 0.55  # no gaps, no jumps
    assert middles[:, 1].max() <= 2.01


def test_fibonacci_points_are_spread_evenly() -> None:
    points = fibonacci(500)
    assert points.shape == (500, 3)
    assert np.linalg.norm(points, axis=1) == pytest.approx(1, abs=1e-5)
    assert points.mean(0) == pytest.approx((0, 0, 0), abs=0.01)
    assert points.T @ points / 500 == pytest.approx(np.eye(3) / 3, abs=0.01)
    closeness = points @ points.T - 3 * np.eye(500)
    nearest = np.arccos(np.clip(closeness.max(1), -1, 1))
    share = (4 * np.pi / 500) ** 0.5  # the side of a square that is one point's share of the sphere
    assert nearest.min() > 0.75 * share
    assert nearest.max() < 1.1 * share

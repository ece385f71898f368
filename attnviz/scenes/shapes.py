"""Convex shapes that rays can meet, and their paints. The axes: x to the right, y up, z toward a camera of yaw 0."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from attnviz.scenes.vectors import Array, Color, f32, fibonacci, unit

NEAREST = 1e-3  # what lies nearer to a ray's start does not count as met
WAIST = 0.2  # of a cone's hyperboloid, in shares of its narrow end's radius
OVERLAP = 0.02  # of a cone at either end, in shares of its length

Coloring = Callable[[Array], Array]  # points (N, 3), or directions, -> their sRGB colors (N, 3)
Bump = Callable[[Array, Array], Array]  # points and unit normals -> bent unit normals; (N, 3) each


@dataclass(frozen=True)
class Paint:
    """What a surface looks like.

    Attributes:
        color: in sRGB, the same everywhere or a function of the points.
        gloss: the share of light that is mirrored when seen from straight ahead, 0..1.
        sharp: how small the sun's highlight is: the exponent of its falloff.
        metal: how much the mirrored light takes on the color, and the rest disappears, 0..1.
        bump: bends the normals, where the surface is not as smooth as its shape.
    """

    color: Color | Coloring
    gloss: float = 0.04
    sharp: float = 60.0
    metal: float = 0.0
    bump: Bump | None = None


class Shape:
    """The points that lie behind all planes and inside the quadric, as far as there are any.

    Args:
        paint: what its surface looks like.
        outline: points (N, 3) whose convex hull contains the shape; none: it is unbounded and throws no shadow.
        planes: pairs of a normal, which points outward and may have any length, and a point on the plane.
        quadric: a center c (3,) and a symmetric matrix M (3, 3): inside is (p - c) . M (p - c) <= 1.
        bevel: over which distance the shading of neighboring faces blends.
        keep: makes the shape a shell, seen from inside too, of which only those points (N, 3) are there for which it
            is true, (N,).
    """

    def __init__(
        self,
        paint: Paint,
        outline: ArrayLike = (),
        planes: Iterable[tuple[ArrayLike, ArrayLike]] = (),
        quadric: tuple[ArrayLike, ArrayLike] | None = None,
        bevel: float = 0.02,
        keep: Callable[[Array], Array] | None = None,
    ) -> None:
        self.paint, self.bevel, self.keep = paint, bevel, keep
        pairs = [(unit(f32(normal)), f32(point)) for normal, point in planes]
        self.normals = f32([normal for normal, _ in pairs]).reshape(-1, 3)
        self.offsets = f32([normal @ point for normal, point in pairs])
        self.quadric = (f32(quadric[0]), f32(quadric[1])) if quadric else None
        self.outline = f32(outline).reshape(-1, 3)
        self.bounded = len(self.outline) > 0
        self.middle = self.outline.mean(0) if self.bounded else np.zeros(3, np.float32)
        self.reach = float(np.linalg.norm(self.outline - self.middle, axis=1).max(initial=0))

    def hit(self, origin: Array, rays: Array) -> Array:
        """How far along rays the shape is first met: (N,), in lengths of each ray.

        It is inf where it is not met, and where a ray starts inside a shape that is not a shell.

        Args:
            origin: where the rays start, (3,) or (N, 3).
            rays: their directions (N, 3), of any length.
        """
        near, far = np.full(len(rays), -np.inf, np.float32), np.full(len(rays), np.inf, np.float32)
        if len(self.normals):
            near, far = self._behind_planes(origin, rays)
        if self.quadric:
            enters, leaves = self._inside_quadric(*self.quadric, origin, rays)
            near, far = np.maximum(near, enters), np.minimum(far, leaves)
        meets = near < far
        front = meets & (near > NEAREST)
        if not self.keep:
            return np.where(front, near, np.inf)
        front &= self.keep(origin + np.where(front, near, 0)[:, None] * rays)
        back = meets & (far > NEAREST)
        back &= self.keep(origin + np.where(back, far, 0)[:, None] * rays)
        return np.where(front, near, np.where(back, far, np.inf))

    def _behind_planes(self, origin: Array, rays: Array) -> tuple[Array, Array]:
        """Where rays enter and leave the space behind all planes, (N,) each; a miss leaves before it enters."""
        facing = rays @ self.normals.T
        depth = self.offsets - origin @ self.normals.T
        along = facing == 0
        distance = depth / np.where(along, 1, facing)
        enters = np.where(facing < 0, distance, -np.inf).max(1)
        enters[(along & (depth < 0)).any(1)] = np.inf  # never behind that plane
        leaves = np.where(facing > 0, distance, np.inf).min(1)
        return enters, leaves

    @staticmethod
    def _inside_quadric(center: Array, matrix: Array, origin: Array, rays: Array) -> tuple[Array, Array]:
        """Where rays enter and leave the quadric, (N,) each: the roots of a t^2 + 2 b t + c; a miss enters at inf."""
        offset, bent = origin - center, rays @ matrix
        a = (bent * rays).sum(-1) + 1e-9  # along a rod's axis it would be 0
        b = (bent * offset).sum(-1)
        c = (offset @ matrix * offset).sum(-1) - 1
        inner = b * b - a * c
        root = np.sqrt(np.maximum(inner, 0)) / np.abs(a)
        return np.where(inner > 0, -b / a - root, np.inf), -b / a + root

    def normal(self, points: Array) -> Array:
        """The outward unit normals (N, 3) at points (N, 3) of the surface, blended where faces meet."""
        total = np.zeros(points.shape, np.float32)
        if len(self.normals):
            height = points @ self.normals.T - self.offsets
            total += self._weight(height) @ self.normals
        if self.quadric:
            center, matrix = self.quadric
            offset = points - center
            bent = offset @ matrix
            size = np.linalg.norm(bent, axis=-1, keepdims=True)
            level = np.sqrt(np.maximum((offset * bent).sum(-1, keepdims=True), 1e-9))
            total += self._weight((level - 1) * level / size) * bent / size
        return unit(total)

    def _weight(self, height: Array) -> Array:
        """What a face at this height above points, 0 or less, counts in their normals."""
        return np.exp(np.clip(height / self.bevel, -50, 0))


def ball(center: ArrayLike, radii: ArrayLike, paint: Paint, keep: Callable[[Array], Array] | None = None) -> Shape:
    """A ball (one radius), an ellipsoid (three), or with ``keep`` a part of its shell."""
    outline = fibonacci(300) * f32(radii) + f32(center)
    if keep:
        outline = outline[keep(outline)]
    matrix = np.diag(1 / (f32(radii) * np.ones(3)) ** 2)
    return Shape(paint, outline, quadric=(center, matrix), keep=keep)


def box(
    low: ArrayLike,
    high: ArrayLike,
    paint: Paint,
    top: tuple[float, float, float, float] | None = None,
    bevel: float = 0.02,
) -> Shape:
    """A box between two corners; its upper face may be another rectangle, even a line or a point: (x0, x1, z0, z1)."""
    (x0, y0, z0), (x1, y1, z1) = f32(low), f32(high)
    u0, u1, w0, w1 = top or (x0, x1, z0, z1)
    rise = y1 - y0
    planes = [
        ((-rise, u0 - x0, 0), (x0, y0, 0)),
        ((rise, x1 - u1, 0), (x1, y0, 0)),
        ((0, w0 - z0, -rise), (0, y0, z0)),
        ((0, z1 - w1, rise), (0, y0, z1)),
        ((0, 1, 0), (0, y1, 0)),
        ((0, -1, 0), (0, y0, 0)),
    ]
    foot = [(x, y0, z) for x in (x0, x1) for z in (z0, z1)]
    head = [(x, y1, z) for x in (u0, u1) for z in (w0, w1)]
    return Shape(paint, foot + head, planes, bevel=bevel)


def rod(start: ArrayLike, end: ArrayLike, radius: float, paint: Paint, bevel: float = 0.02) -> Shape:
    """A cylinder from the middle of one end to that of the other."""
    a, b = f32(start), f32(end)
    axis = unit(b - a)
    rim = radius * unit(np.cross(axis, fibonacci(40)))
    matrix = (np.eye(3) - np.outer(axis, axis)) / radius**2
    return Shape(paint, np.concatenate([a + rim, b + rim]), [(axis, b), (-axis, a)], ((a + b) / 2, matrix), bevel)


def cone(start: ArrayLike, end: ArrayLike, narrow: float, wide: float, paint: Paint) -> Shape:
    """A shell around the line from start to end, open at both, whose radius grows from ``narrow`` to ``wide``.

    It is a piece of a hyperboloid with a thin waist, so a bit slimmer toward its wide end than a cone, and sticks out
    a bit at both ends, so that pieces of a longer one overlap. ``narrow`` is above 0 and less than ``wide``.
    """
    a, b, waist = f32(start), f32(end), WAIST * narrow
    length, axis = float(np.linalg.norm(b - a)), unit(b - a)
    slope, out = (wide - narrow) / length, OVERLAP * (b - a)
    center = a - axis * np.sqrt(narrow**2 - waist**2) / slope
    matrix = (np.eye(3) - (1 + slope**2) * np.outer(axis, axis)) / waist**2
    rim = unit(np.cross(axis, fibonacci(60)))
    outline = np.concatenate([a - out + narrow * rim, b + out + (wide + OVERLAP * (wide - narrow)) * rim])

    def between(points: Array) -> Array:
        return np.abs((points - a) @ axis / length - 0.5) < 0.5 + OVERLAP

    return Shape(paint, outline, quadric=(center, matrix), keep=between)


def tube(points: ArrayLike, radius: float, paint: Paint, count: int = 24) -> list[Shape]:
    """A hose of ``count`` rods, along a smooth curve from the first point to the last; points is (N, 3)."""
    knots = f32(points)
    at, knot = np.linspace(0, len(knots) - 1, count + 1), np.arange(len(knots))
    line = np.stack([np.interp(at, knot, knots[:, axis]) for axis in range(3)], 1)
    for _ in range(max(1, count // len(knots))):
        line[1:-1] = (line[:-2] + 2 * line[1:-1] + line[2:]) / 4
    overlap = 0.35 * radius * unit(np.diff(line, axis=0))
    return [rod(a - o, b + o, radius, paint, 1e-3) for a, b, o in zip(line[:-1], line[1:], overlap, strict=True)]

"""Convex shapes that rays can meet, their paints, and noise."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import pi
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
Color = tuple[float, float, float]


@dataclass(frozen=True)
class Paint:
    """Color (sRGB; one, or a function of points), share mirrored, the highlight's sharpness, bumps of the normal."""

    color: Color | Callable[[Array], Array]
    gloss: float = 0.04
    sharp: float = 60.0
    metal: float = 0.0
    bump: Callable[[Array, Array], Array] | None = None


def f32(values: ArrayLike) -> Array:
    return np.asarray(values, np.float32)


def unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def mix(a: ArrayLike, b: ArrayLike, share: Array) -> Array:
    return f32(a) + (f32(b) - f32(a)) * share[..., None]


def fibonacci(count: int) -> Array:
    """Points spread evenly over the unit sphere: (count, 3)."""
    height = 1 - (2 * np.arange(count) + 1) / count
    turn, ring = np.arange(count) * pi * (3 - 5**0.5), np.sqrt(1 - height**2)
    return f32(np.stack([ring * np.cos(turn), height, ring * np.sin(turn)], 1))


class Shape:
    """The points with normals . p <= offsets and (p - center)' quadric (p - center) <= 1; no outline: unbounded.

    ``bevel`` softens the edges' shading; ``keep`` makes it a shell of which only some points are there.
    """

    def __init__(
        self,
        paint: Paint,
        outline: ArrayLike = (),
        planes: Iterable[tuple[ArrayLike, ArrayLike]] = (),  # (normal, a point on the plane)
        quadric: tuple[ArrayLike, ArrayLike] | None = None,  # (center, matrix)
        bevel: float = 0.02,
        keep: Callable[[Array], Array] | None = None,
    ) -> None:
        self.paint, self.bevel, self.keep, self.outline = paint, bevel, keep, f32(outline).reshape(-1, 3)
        pairs = [(unit(f32(normal)), f32(point)) for normal, point in planes]
        self.normals = f32([normal for normal, _ in pairs]).reshape(-1, 3)
        self.offsets = f32([normal @ point for normal, point in pairs])
        self.quadric = (f32(quadric[0]), f32(quadric[1])) if quadric else None
        self.middle = self.outline.mean(0) if len(self.outline) else np.zeros(3, np.float32)
        self.reach = float(np.linalg.norm(self.outline - self.middle, axis=1).max(initial=0))

    def hit(self, origin: Array, rays: Array) -> Array:
        """Where the rays (N, 3) from origin, (3,) or (N, 3), first meet the shape; inf where they do not."""
        near, far = np.full(len(rays), -np.inf, np.float32), np.full(len(rays), np.inf, np.float32)
        if len(self.normals):
            facing = rays @ self.normals.T
            reach = (self.offsets - origin @ self.normals.T) / np.where(facing == 0, 1e-9, facing)
            near, far = np.where(facing < 0, reach, -np.inf).max(1), np.where(facing > 0, reach, np.inf).min(1)
        if self.quadric:
            offset, bent = origin - self.quadric[0], rays @ self.quadric[1]
            a, b = (bent * rays).sum(-1) + 1e-9, (bent * offset).sum(-1)
            inner = b * b - a * ((offset @ self.quadric[1] * offset).sum(-1) - 1)
            root = np.sqrt(np.maximum(inner, 0)) / np.abs(a)
            near = np.where(inner > 0, np.maximum(near, -b / a - root), np.inf)
            far = np.minimum(far, -b / a + root)
        if self.keep:
            far = np.where((near < far) & (far > 1e-3) & self.keep(origin + far[:, None] * rays), far, np.inf)
            return np.where((near < far) & (near > 1e-3) & self.keep(origin + near[:, None] * rays), near, far)
        return np.where((near < far) & (near > 1e-3), near, np.inf)

    def normal(self, points: Array) -> Array:
        """The softened, unit normals at points (N, 3) of the surface."""
        total = np.zeros(points.shape, np.float32)
        if len(self.normals):
            total += np.exp(np.clip((points @ self.normals.T - self.offsets) / self.bevel, -50, 0)) @ self.normals
        if self.quadric:
            bent = (points - self.quadric[0]) @ self.quadric[1]
            level = np.sqrt(np.maximum(((points - self.quadric[0]) * bent).sum(-1, keepdims=True), 1e-9))
            size = np.linalg.norm(bent, axis=-1, keepdims=True)
            total += np.exp(np.clip((level - 1) * level / size / self.bevel, -50, 0)) * bent / size
        return unit(total)


def ball(center: ArrayLike, radii: ArrayLike, paint: Paint, keep: Callable[[Array], Array] | None = None) -> Shape:
    """A ball, an ellipsoid, or with ``keep`` a part of its shell."""
    around = fibonacci(300) * f32(radii) + f32(center)
    matrix = np.diag(1 / (f32(radii) * np.ones(3)) ** 2)
    return Shape(paint, around[keep(around)] if keep else around, quadric=(center, matrix), keep=keep)


def box(
    low: ArrayLike, high: ArrayLike, paint: Paint, top: tuple[float, ...] | None = None, bevel: float = 0.02
) -> Shape:
    """A box between two corners whose upper face may be another rectangle: top = (x0, x1, z0, z1)."""
    (x0, y0, z0), (x1, y1, z1) = f32(low), f32(high)
    u0, u1, w0, w1 = top or (x0, x1, z0, z1)
    rise = y1 - y0
    sides = [((-rise, u0 - x0, 0), (x0, y0, 0)), ((rise, x1 - u1, 0), (x1, y0, 0))]
    sides += [((0, w0 - z0, -rise), (0, y0, z0)), ((0, z1 - w1, rise), (0, y0, z1))]
    corners = [(x, y0, z) for x in (x0, x1) for z in (z0, z1)] + [(x, y1, z) for x in (u0, u1) for z in (w0, w1)]
    return Shape(paint, corners, [*sides, ((0, 1, 0), (0, y1, 0)), ((0, -1, 0), (0, y0, 0))], bevel=bevel)


def rod(start: ArrayLike, end: ArrayLike, radius: float, paint: Paint, bevel: float = 0.02) -> Shape:
    """A cylinder from start to end."""
    a, b = f32(start), f32(end)
    axis = unit(b - a)
    around = np.concatenate([end + radius * unit(np.cross(axis, fibonacci(40))) for end in (a, b)])
    matrix = (np.eye(3) - np.outer(axis, axis)) / radius**2
    return Shape(paint, around, [(axis, b), (-axis, a)], ((a + b) / 2, matrix), bevel)


def tube(points: ArrayLike, radius: float, paint: Paint, count: int = 24) -> list[Shape]:
    """A hose along a smooth curve through the points."""
    knots = f32(points)
    place, at = np.linspace(0, len(knots) - 1, count + 1), np.arange(len(knots))
    line = np.stack([np.interp(place, at, knots[:, i]) for i in range(3)], 1)
    for _ in range(max(1, count // len(knots))):
        line[1:-1] = (line[:-2] + 2 * line[1:-1] + line[2:]) / 4
    reach = 0.35 * radius * unit(np.diff(line, axis=0))
    return [rod(a - r, b + r, radius, paint, 1e-3) for a, b, r in zip(line[:-1], line[1:], reach, strict=True)]


class Noise:
    """Random numbers of a scene, and tiles of 1/f noise, about 0..1, looked up anywhere."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        fx, fy = np.meshgrid(np.fft.rfftfreq(512), np.fft.fftfreq(512))
        fall = np.hypot(fx, fy)
        fall[0, 0] = np.inf
        white = np.fft.rfft2(self.rng.standard_normal((512, 512)))
        tiles = {falloff: np.fft.irfft2(white / fall**falloff) for falloff in (0.8, 1.2, 1.7)}
        self.tiles = {k: np.clip(0.5 + 0.2 * t / t.std(), 0, 1).astype(np.float32) for k, t in tiles.items()}

    def __call__(self, u: Array, v: Array, falloff: float = 1.2) -> Array:
        """The tile's value at (u, v), one tile a unit, interpolated."""
        tile, (x, y) = self.tiles[falloff], (np.asarray(u * 512), np.asarray(v * 512))
        i, j = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
        f, g = (x - i).astype(np.float32), (y - j).astype(np.float32)
        i0, i1, j0, j1 = i & 511, (i + 1) & 511, j & 511, (j + 1) & 511
        low = tile[j0, i0] * (1 - f) + tile[j0, i1] * f
        return low * (1 - g) + (tile[j1, i0] * (1 - f) + tile[j1, i1] * f) * g

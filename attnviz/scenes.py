"""Scenes drawn by a small ray caster in NumPy and Pillow: nobody's photos, and where the object lies is known."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import cos, pi, radians, sin
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from attnviz.errors import OptionError

Array = NDArray[Any]
Color = tuple[float, float, float]
FINE = 2  # rays a pixel, along each side


@dataclass(frozen=True)
class Scene:
    """A drawn picture (RGB), the mask (H, W) of its main object, and the label of its class."""

    image: Image.Image
    mask: NDArray[np.bool_]
    label: str


@dataclass(frozen=True)
class Paint:
    """Color (sRGB; one, or a function of points), share mirrored, the highlight's sharpness, bumps of the normal."""

    color: Color | Callable[[Array], Array]
    gloss: float = 0.04
    sharp: float = 60.0
    metal: float = 0.0
    bump: Callable[[Array, Array], Array] | None = None


def _f(values: ArrayLike) -> Array:
    return np.asarray(values, np.float32)


def _unit(vectors: Array) -> Array:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _mix(a: ArrayLike, b: ArrayLike, share: Array) -> Array:
    return _f(a) + (_f(b) - _f(a)) * share[..., None]


def fibonacci(count: int) -> Array:
    """Points spread evenly over the unit sphere: (count, 3)."""
    height = 1 - (2 * np.arange(count) + 1) / count
    turn, ring = np.arange(count) * pi * (3 - 5**0.5), np.sqrt(1 - height**2)
    return _f(np.stack([ring * np.cos(turn), height, ring * np.sin(turn)], 1))


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
        self.paint, self.bevel, self.keep, self.outline = paint, bevel, keep, _f(outline).reshape(-1, 3)
        pairs = [(_unit(_f(normal)), _f(point)) for normal, point in planes]
        self.normals = _f([normal for normal, _ in pairs]).reshape(-1, 3)
        self.offsets = _f([normal @ point for normal, point in pairs])
        self.quadric = (_f(quadric[0]), _f(quadric[1])) if quadric else None
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
        return _unit(total)


def ball(center: ArrayLike, radii: ArrayLike, paint: Paint, keep: Callable[[Array], Array] | None = None) -> Shape:
    """A ball, an ellipsoid, or with ``keep`` a part of its shell."""
    around = fibonacci(300) * _f(radii) + _f(center)
    matrix = np.diag(1 / (_f(radii) * np.ones(3)) ** 2)
    return Shape(paint, around[keep(around)] if keep else around, quadric=(center, matrix), keep=keep)


def box(
    low: ArrayLike, high: ArrayLike, paint: Paint, top: tuple[float, ...] | None = None, bevel: float = 0.02
) -> Shape:
    """A box between two corners whose upper face may be another rectangle: top = (x0, x1, z0, z1)."""
    (x0, y0, z0), (x1, y1, z1) = _f(low), _f(high)
    u0, u1, w0, w1 = top or (x0, x1, z0, z1)
    rise = y1 - y0
    sides = [((-rise, u0 - x0, 0), (x0, y0, 0)), ((rise, x1 - u1, 0), (x1, y0, 0))]
    sides += [((0, w0 - z0, -rise), (0, y0, z0)), ((0, z1 - w1, rise), (0, y0, z1))]
    corners = [(x, y0, z) for x in (x0, x1) for z in (z0, z1)] + [(x, y1, z) for x in (u0, u1) for z in (w0, w1)]
    return Shape(paint, corners, [*sides, ((0, 1, 0), (0, y1, 0)), ((0, -1, 0), (0, y0, 0))], bevel=bevel)


def rod(start: ArrayLike, end: ArrayLike, radius: float, paint: Paint, bevel: float = 0.02) -> Shape:
    """A cylinder from start to end."""
    a, b = _f(start), _f(end)
    axis = _unit(b - a)
    around = np.concatenate([end + radius * _unit(np.cross(axis, fibonacci(40))) for end in (a, b)])
    matrix = (np.eye(3) - np.outer(axis, axis)) / radius**2
    return Shape(paint, around, [(axis, b), (-axis, a)], ((a + b) / 2, matrix), bevel)


def tube(points: ArrayLike, radius: float, paint: Paint, count: int = 24) -> list[Shape]:
    """A hose along a smooth curve through the points."""
    knots = _f(points)
    place, at = np.linspace(0, len(knots) - 1, count + 1), np.arange(len(knots))
    line = np.stack([np.interp(place, at, knots[:, i]) for i in range(3)], 1)
    for _ in range(max(1, count // len(knots))):
        line[1:-1] = (line[:-2] + 2 * line[1:-1] + line[2:]) / 4
    reach = 0.35 * radius * _unit(np.diff(line, axis=0))
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


@dataclass
class Stage:
    """What a scene shows, and how: colors are sRGB, sizes in its own units, angles in degrees."""

    main: list[Shape]
    props: list[Shape]
    backdrop: Callable[[Array], Array]  # unit directions (N, 3) -> colors
    sun: tuple[float, float, float] = (-0.5, 0.8, 0.6)
    sunlight: Color = (2.6, 2.45, 2.15)
    skylight: Color = (0.75, 0.88, 1.05)
    bounce: Color = (0.30, 0.30, 0.25)
    softness: float = 0.04
    yaw: float = 0.0
    pitch: float = 12.0
    distance: float = 10.0
    fill: float = 0.62
    place: tuple[float, float] = (0.5, 0.5)
    size: float = 1.0
    blades: int = 0
    blade: float = 0.3
    blur: float = 0.0


@dataclass(frozen=True)
class View:
    """A pinhole camera: where it stands, its axes (right, up, forward), and how it maps to fine pixels."""

    origin: Array
    axes: Array
    zoom: float
    shift: tuple[float, float]
    size: tuple[int, int]

    @classmethod
    def framing(cls, stage: Stage, size: tuple[int, int], scale: float, center: tuple[float, float]) -> "View":
        """The view in which the main object's outline fills its share of the picture around center."""
        yaw, pitch = radians(stage.yaw), radians(stage.pitch)
        forward = _f([-sin(yaw) * cos(pitch), -sin(pitch), -cos(yaw) * cos(pitch)])
        right = _f([cos(yaw), 0, -sin(yaw)])
        axes = np.stack([right, np.cross(right, forward), forward])
        outline = np.concatenate([shape.outline for shape in stage.main])
        origin = (outline.min(0) + outline.max(0)) / 2 - stage.distance * forward
        seen = (outline - origin) @ axes.T
        low, high = (f(seen[:, :2] / seen[:, 2:], axis=0) for f in (np.min, np.max))
        width, height = size[0] * FINE, size[1] * FINE
        zoom = scale * stage.fill * min(width / (high - low)[0], height / (high - low)[1])
        middle = (low + high) / 2 * zoom
        return cls(origin, axes, zoom, (center[0] * width - middle[0], center[1] * height + middle[1]), (width, height))

    def rays(self, x: Array, y: Array) -> Array:
        """Rays through fine pixels, one unit forward each."""
        right, up = (x + 0.5 - self.shift[0]) / self.zoom, (self.shift[1] - y - 0.5) / self.zoom
        return _f(np.stack([right, up, np.ones_like(right)], -1) @ self.axes)

    def window(self, shape: Shape) -> tuple[slice, slice]:
        """The rows and columns that the shape may cover."""
        width, height = self.size
        if not len(shape.outline):
            return slice(0, height), slice(0, width)
        seen = (shape.outline - self.origin) @ self.axes.T
        x, y = (seen[:, :2] / seen[:, 2:] * self.zoom * [1, -1] + self.shift).T
        pad = 0.02 * max(np.ptp(x), np.ptp(y)) + 2
        (left, right), (top, bottom) = (np.clip([v.min() - pad, v.max() + pad], 0, n) for v, n in ((x, width), (y, height)))
        return slice(int(top), int(bottom)), slice(int(left), int(right))


def _cast(view: View, shapes: list[Shape]) -> tuple[Array, Array, Array]:
    """Rays (H, W, 3), and for each its depth and the index of the shape that it meets first, or -1."""
    width, height = view.size
    rays = view.rays(*np.meshgrid(np.arange(width), np.arange(height)))
    depth, index = np.full((height, width), np.inf, np.float32), np.full((height, width), -1, np.int16)
    for i, shape in enumerate(shapes):
        window = view.window(shape)
        found = shape.hit(view.origin, rays[window].reshape(-1, 3)).reshape(depth[window].shape)
        closer = found < depth[window]
        depth[window][closer], index[window][closer] = found[closer], i
    return rays, depth, index


def _clear(points: Array, toward: Array, shapes: list[Shape]) -> Array:
    """Whether nothing stands between points (N, 3) and what lies in the unit directions (N, 3)."""
    clear = np.ones(len(points), bool)
    along, square = (points * toward).sum(1), (points * points).sum(1)
    for shape in shapes:
        if shape.reach:
            ahead = toward @ shape.middle - along
            apart = square - 2 * (points @ shape.middle) + shape.middle @ shape.middle - ahead**2
            near = np.flatnonzero((apart < shape.reach**2) & (ahead > -shape.reach) & clear)
            clear[near] = np.isinf(shape.hit(points[near], toward[near]))
    return clear


def _ambient(points: Array, normals: Array, index: Array, shapes: list[Shape], noise: Noise) -> Array:
    """The share of the sky that points on the fine grid see, (H, W): a few rays at every pixel, smoothed."""
    coarse = (slice(FINE // 2, None, FINE), slice(FINE // 2, None, FINE))
    hit = index[coarse] >= 0
    start, normal, total = points[coarse][hit], normals[coarse][hit], np.zeros(hit.shape, np.float32)
    for _ in range(3):
        toward = _unit(normal + _unit(noise.rng.standard_normal(normal.shape).astype(np.float32)))
        total[hit] += _clear(start + 0.01 * normal, toward, shapes) / 3
    blurred = [
        np.asarray(Image.fromarray((255 * v).astype(np.uint8)).filter(ImageFilter.GaussianBlur(2.5))) / 255
        for v in (total, hit.astype(np.float32))
    ]
    return np.repeat(np.repeat(blurred[0] / np.maximum(blurred[1], 0.02), FINE, 0), FINE, 1).astype(np.float32)


def _light(stage: Stage, view: View, noise: Noise) -> tuple[Array, Array, Array]:
    """The lit picture on the fine grid, linear (H, W, 3), with depths and shapes' indices."""
    shapes = stage.main + stage.props
    rays, depth, index = _cast(view, shapes)
    eye = _unit(rays)
    image = stage.backdrop(eye.reshape(-1, 3)).reshape(rays.shape) ** 2.2
    points = view.origin + np.where(np.isfinite(depth), depth, 0)[..., None] * rays
    normals, looks = np.zeros_like(rays), np.zeros((*index.shape, 6), np.float32)
    for i in np.unique(index[index >= 0]):
        here, paint = index == i, shapes[i].paint
        at, normal = points[here], shapes[i].normal(points[here])
        color = paint.color(at) if callable(paint.color) else np.broadcast_to(_f(paint.color), at.shape)
        normal = paint.bump(at, normal) if paint.bump else normal
        away = (shapes[i].normal(at) * eye[here]).sum(1) > 0
        normals[here] = np.where(away[:, None], -normal, normal)
        looks[here, :3] = np.clip(color, 0.01, 1) ** 2.2
        looks[here, 3:] = paint.gloss, paint.sharp, paint.metal
    hit = index >= 0
    sky = _ambient(points, normals, index, shapes, noise)[hit]
    image[hit] = _shade(stage, points[hit], normals[hit], eye[hit], looks[hit], sky, noise, shapes)
    return image, depth, index


def _shade(
    stage: Stage, points: Array, normal: Array, eye: Array, looks: Array, sky: Array, noise: Noise, shapes: list[Shape]
) -> Array:
    """Light from sun and sky, matt and mirrored, at points (N, 3) that see ``sky`` of the sky."""
    spread = stage.softness * noise.rng.standard_normal(points.shape).astype(np.float32)
    sun = _unit(_unit(_f(stage.sun)) + spread)
    facing = np.maximum((normal * sun).sum(1), 0)
    lit = np.flatnonzero(facing > 0)
    facing[lit] *= _clear(points[lit] + 0.01 * normal[lit], sun[lit], shapes)
    color, gloss, sharp, metal = looks[:, :3], looks[:, 3:4], looks[:, 4], looks[:, 5:]
    light = facing[:, None] * _f(stage.sunlight)
    around = _mix(stage.bounce, stage.skylight, 0.5 + 0.5 * normal[:, 1]) * (0.15 + 0.85 * sky[:, None])
    mirrored = eye - 2 * (eye * normal).sum(1, keepdims=True) * normal
    skyward = np.clip(0.5 + 4 * mirrored[:, 1], 0, 1)
    glint = np.maximum((mirrored * _unit(_f(stage.sun))).sum(1), 0) ** sharp * (facing > 0)
    seen = _mix(_f(stage.bounce) * 0.7, stage.skylight, skyward) * (0.3 + 0.7 * sky[:, None])
    share = gloss + (1 - gloss) * (1 - np.abs((eye * normal).sum(1, keepdims=True))) ** 5 * np.minimum(1, 8 * gloss)
    tint = _f(1) + (color - 1) * metal
    matt = color * (light + around) * (1 - metal)
    return matt * (1 - share) + tint * (share * seen + (0.3 + metal) * glint[:, None] * _f(stage.sunlight) * np.sqrt(share))


def _grow(image: Image.Image, stage: Stage, view: View, depth: Array, index: Array, noise: Noise) -> None:
    """Draws blades of grass from the ground up, far to near, each in the color of the ground that it stands on."""
    (width, height), rng, ground = view.size, noise.rng, len(stage.main)
    roots = rng.random((stage.blades, 2)) * [width, 1.25 * height]
    rays = view.rays(roots[:, 0], roots[:, 1])
    far = -view.origin[1] / np.minimum(rays[:, 1], -1e-4)
    pixels, canvas = np.asarray(image), ImageDraw.Draw(image)
    for i in np.argsort(-far):
        x, y = roots[i]
        row, column = min(int(y), height - 1), int(x)
        if y < height and index[row, column] != ground or far[i] > 5 * stage.distance or rays[i, 1] > 0:
            continue
        tall = stage.blade * view.zoom / far[i] * (0.5 + rng.random())
        bend, wide = tall * 0.6 * rng.standard_normal(), max(1.2, 0.045 * tall)
        gain = 0.75 + 0.75 * rng.random()
        hue = np.clip(pixels[row, column] * gain * (1 + 0.12 * rng.standard_normal(), 1.04, 0.8), 0, 255)
        middle, tip = (x + 0.3 * bend, y - 0.6 * tall), (x + bend, y - tall)
        left, right = (middle[0] - 0.7 * wide, middle[1]), (middle[0] + 0.7 * wide, middle[1])
        canvas.polygon([(x - wide, y), left, tip, right, (x + wide, y)], fill=tuple(int(v) for v in hue))


def _finish(image: Image.Image, stage: Stage, view: View, depth: Array, noise: Noise) -> Image.Image:
    """Blur away from the object, then to pixels, a darker rim and grain."""
    if stage.blur:
        away = stage.blur * view.zoom / stage.distance * np.abs(1 - stage.distance / depth)
        for low, high in ((0, 2), (2, 6), (6, 16)):
            share = np.clip((away - low) / (high - low), 0, 1)
            mask = Image.fromarray((255 * share).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1 + low))
            image = Image.composite(image.filter(ImageFilter.GaussianBlur(high)), image, mask)
    size = (view.size[0] // FINE, view.size[1] // FINE)
    pixels = np.asarray(image.resize(size, Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(0.4)), np.float32)
    x, y = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]))
    grain = noise.rng.standard_normal((size[1], size[0], 1)) * 2.2
    return Image.fromarray(np.clip(pixels * (1 - 0.1 * (x * x + y * y))[..., None] + grain, 0, 255).astype(np.uint8))


def draw(
    name: str,
    *,
    size: tuple[int, int] = (480, 360),
    seed: int = 0,
    scale: float = 1.0,
    center: tuple[float, float] | None = None,
) -> Scene:
    """Draws a scene of SCENES, the same one for the same seed.

    Args:
        name: one of SCENES.
        size: width and height in pixels.
        seed: decides everything that is random.
        scale: multiplies the main object's size, which by itself fits the picture.
        center: where the middle of the main object lies, in shares of width and height; None: where the scene has it.

    Raises OptionError with the names there are.
    """
    if name not in SCENES:
        raise OptionError(f"no scene {name!r}; there are {', '.join(SCENES)}")
    label, build, options = SCENES[name]
    noise = Noise(seed)
    stage = build(noise, **options)
    view = View.framing(stage, size, scale * stage.size, center or stage.place)
    light, depth, index = _light(stage, view, noise)
    toned = 255 * (light * (1 + light / 6) / (1 + light)) ** (1 / 2.2)
    image = Image.fromarray(np.clip(toned, 0, 255).astype(np.uint8))
    if stage.blades:
        _grow(image, stage, view, depth, index, noise)
    mask = (index >= 0) & (index < len(stage.main))
    share = mask.reshape(size[1], FINE, size[0], FINE).mean((1, 3))
    return Scene(_finish(image, stage, view, depth, noise), share >= 0.5, label)


def _ground(color: Callable[[Array], Array] | Color, height: float = 0.0, gloss: float = 0.0) -> Shape:
    return Shape(Paint(color, gloss), planes=[((0, 1, 0), (0, height, 0))])


def _grass(noise: Noise, unit: float = 1.0) -> Callable[[Array], Array]:
    def color(p: Array) -> Array:
        x, z = p[:, 0] / unit, p[:, 2] / unit
        patch, fine = noise(x / 30, z / 30, 1.7), noise(x / 4 + 0.3, z / 4, 0.8)
        return _mix(_mix((0.20, 0.31, 0.08), (0.42, 0.53, 0.16), patch), (0.62, 0.62, 0.30), 0.9 * (fine - 0.4)) * (
            0.55 + 0.9 * fine[:, None]
        )

    return color


def _sky(noise: Noise, clouds: float = 0.5, trees: float = 0.0) -> Callable[[Array], Array]:
    """A blue sky with clouds, and trees that reach up to about an angle's tangent."""
    u, v = noise.rng.random(2)

    def color(d: Array) -> Array:
        up = np.maximum(d[:, 1], 0)
        blue = _mix((0.74, 0.83, 0.91), (0.27, 0.48, 0.77), np.sqrt(up))
        x, z = d[:, 0] / (up + 0.35), d[:, 2] / (up + 0.35)
        cloud = noise(x / 2.2 + u, z / 2.2 + v, 1.7) * 0.8 + 0.2 * noise(x / 0.6 + v, z / 0.6, 1.2)
        white = np.clip((cloud - 0.85 + 0.6 * clouds) * 3.0, 0, 1)
        shade = 0.99 - 0.16 * np.clip(cloud - 0.45, 0, 1)[:, None]
        sky = _mix(blue, (0.97, 0.97, 0.98) * shade, white**1.3)
        if not trees:
            return sky
        turn, rise = np.arctan2(d[:, 0], -d[:, 2]), d[:, 1] / np.hypot(d[:, 0], d[:, 2])
        line = trees * (0.35 + 1.1 * noise(turn * 0.9 + u, turn * 0 + v, 1.2))
        leaf = noise(turn * 2.5 + u, rise * 2.5, 0.8) * 0.65 + 0.35 * noise(turn * 0.8, rise * 0.9 + v, 1.2)
        green = _mix((0.05, 0.09, 0.04), (0.40, 0.50, 0.22), np.clip(leaf * 1.5 - 0.35, 0, 1))
        return np.where((rise < line * (0.8 + 0.4 * leaf))[:, None], green, sky)

    return color


def _golf_ball(noise: Noise, **options: Any) -> Stage:
    pits = fibonacci(332) @ np.linalg.qr(noise.rng.standard_normal((3, 3)))[0].astype(np.float32)

    def dimples(p: Array, n: Array) -> Array:
        nearest = np.argmax(n @ pits.T, 1)
        off = n - pits[nearest]
        r = np.linalg.norm(off, axis=1, keepdims=True) / 0.098
        return _unit(n + 5.5 * off * np.clip(1 - r**4, 0, 1))

    paint = Paint((0.93, 0.93, 0.92), 0.05, 50, bump=dimples)
    return Stage([ball((0, 0.93, 0), 1, paint)], [_ground(_grass(noise, 0.8))], _sky(noise, 0.5, 0.2), **options)


def _parachute(noise: Noise, colors: Iterable[Color], **options: Any) -> Stage:
    gores, palette = 20, _f(list(colors))

    def turn(p: Array) -> Array:
        return (np.arctan2(p[:, 2], p[:, 0]) / (2 * pi) * gores) % gores

    def cloth(p: Array) -> Array:
        wave = noise(turn(p) / 40, p[:, 1] / 6, 1.7)[:, None]
        return palette[turn(p).astype(int) % len(palette)] * (0.8 + 0.4 * wave)

    def bulge(p: Array, n: Array) -> Array:
        side = np.stack([-p[:, 2], 0 * p[:, 0], p[:, 0]], 1) / np.maximum(np.hypot(p[:, 0], p[:, 2]), 0.05)[:, None]
        return _unit(n + 0.9 * side * (turn(p) % 1 - 0.5)[:, None])

    def rim(p: Array) -> Array:
        return p[:, 1] > 0.12 + 0.22 * np.abs(turn(p) % 1 - 0.5) ** 2

    canopy = ball((0, 0, 0), (2.2, 1.5, 2.2), Paint(cloth, 0.02, 12, bump=bulge), rim)
    angles = 2 * pi * np.arange(gores) / gores
    line, suit, dark = Paint((0.75, 0.75, 0.75)), Paint((0.16, 0.18, 0.24)), Paint((0.10, 0.09, 0.09))
    lines = [rod((2.19 * cos(a), 0.17, 2.19 * sin(a)), (0.12 * cos(a), -3.2, 0.12 * sin(a)), 0.012, line) for a in angles]
    body = [ball((0, -3.75, 0), (0.2, 0.36, 0.17), suit), ball((0, -3.28, 0), (0.13, 0.15, 0.13), Paint((0.8, 0.2, 0.1), 0.06))]
    body.append(ball((0, -3.65, -0.18), (0.17, 0.28, 0.13), dark))
    for s in (-1, 1):
        body += tube([(0.17 * s, -3.5, 0), (0.33 * s, -3.25, 0.05), (0.13 * s, -2.95, 0.05)], 0.06, suit, 6)
        body += tube([(0.1 * s, -4.0, 0), (0.16 * s, -4.4, 0.18), (0.18 * s, -4.85, 0.02)], 0.085, suit, 6)
        body.append(ball((0.18 * s, -4.93, 0.07), (0.08, 0.07, 0.14), dark))
    return Stage([canopy, *lines, *body], [], _sky(noise, **options.pop("air", {})), **options)



def _arch(u: Array, v: Array, wide: float, low: float, high: float) -> Array:
    """Whether (u, v) lies in a pointed window of half width ``wide`` that springs at ``high``."""
    return (np.abs(u) < wide) & (v > low) & ((v < high) | (np.hypot(u, (v - high) * 0.6) < wide))


def _lettering(text: str, size: int = 64) -> Callable[[Array, Array], Array]:
    """Whether (u, v), both 0..1 over the text's box, v upwards, lies on a letter."""
    font = ImageFont.load_default(size)
    left, top, right, bottom = (int(v) for v in font.getbbox(text))
    image = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(image).text((-left, -top), text, 255, font)
    ink = np.asarray(image) > 127

    def covered(u: Array, v: Array) -> Array:
        inside = (u > 0) & (u < 1) & (v > 0) & (v < 1)
        rows, columns = ((1 - v) * ink.shape[0]).astype(int), (u * ink.shape[1]).astype(int)
        return inside & ink[np.clip(rows, 0, ink.shape[0] - 1), np.clip(columns, 0, ink.shape[1] - 1)]

    return covered


def _bush(noise: Noise, center: ArrayLike, radii: ArrayLike) -> list[Shape]:
    """A tree's crown or a bush: two ragged shells of leaves."""
    u = float(noise.rng.random())

    def leaves(p: Array) -> Array:
        n = noise((p[:, 0] + p[:, 2]) / 7 + u, (p[:, 1] - 0.4 * p[:, 2]) / 7, 0.8)
        return _mix((0.07, 0.13, 0.04), (0.42, 0.53, 0.2), np.clip(2.2 * n - 0.6, 0, 1))

    def there(p: Array) -> Array:
        return noise((p[:, 0] + 0.7 * p[:, 2]) / 5 + u, (p[:, 1] + 0.3 * p[:, 2]) / 5, 1.2) > 0.47

    def ragged(p: Array, n: Array) -> Array:
        bumps = [noise(p[:, i] / 3 + u, p[:, (i + 1) % 3] / 3, 1.2) - 0.5 for i in range(3)]
        return _unit(n + 2.0 * np.stack(bumps, 1))

    paint = Paint(leaves, 0.0, bump=ragged)
    return [ball(center, _f(radii) * s, paint, there) for s in (1.0, 0.88, 0.75)]


def _church(noise: Noise, stone: Color, slate: Color, **options: Any) -> Stage:
    def boards(p: Array) -> Array:
        worn = 0.9 + 0.2 * noise(p[:, 0] / 6 + p[:, 2] / 6, p[:, 1] / 6, 1.2)
        return _f(stone) * (worn - 0.1 * ((p[:, 1] * 3.2) % 1 < 0.14))[:, None]

    def glazed(p: Array, u: Array, wide: float, low: float, high: float) -> Array:
        v = p[:, 1]
        bars = (np.abs(u) < 0.04) | ((v - low) % 0.7 < 0.07)
        color = np.where(_arch(u, v, wide + 0.14, low - 0.14, high)[:, None], _f(stone) * 1.06, boards(p))
        glass = _mix((0.10, 0.12, 0.17), (0.35, 0.43, 0.52), noise(u / 3, v / 4, 1.7))
        return np.where(_arch(u, v, wide, low, high)[:, None], np.where(bars[:, None], _f(stone) * 0.9, glass), color)

    def nave(p: Array) -> Array:
        front = p[:, 2] > 2.98
        return glazed(p, np.where(front, np.abs(p[:, 0]) - 2.15, (p[:, 2] + 8.6) % 2.4 - 1.2), 0.42, 1.5, 3.4)

    def tower(p: Array) -> Array:
        front = p[:, 2] > 5.58
        color = glazed(p, np.where(front, p[:, 0], p[:, 2] - 4.3), 0.36, 5.6, 7.2)
        door = front & _arch(p[:, 0], p[:, 1], 0.75, 0, 2.3)
        wood = _f((0.36, 0.16, 0.09)) * (1 - 0.4 * ((p[:, 0] * 5) % 1 < 0.1))[:, None]
        color = np.where((front & _arch(p[:, 0], p[:, 1], 0.95, 0, 2.4))[:, None], _f(stone) * 1.05, color)
        return np.where(door[:, None], wood, color)

    def belfry(p: Array) -> Array:
        u = np.where(p[:, 2] > 5.3, p[:, 0], p[:, 2] - 4.3)
        louver = _f((0.2, 0.2, 0.22)) * (0.6 + 0.9 * ((p[:, 1] * 5) % 1))[:, None]
        return np.where(_arch(u, p[:, 1], 0.4, 9.7, 10.7)[:, None], louver, boards(p))

    def tiles(p: Array) -> Array:
        row = np.floor(p[:, 1] * 4)
        n = noise(p[:, 2] * 0.05 + p[:, 0] * 0.05 + row * 0.37, row * 0.11, 0.8)
        return _f(slate) * (0.6 + 0.8 * n - 0.25 * ((p[:, 1] * 4) % 1 < 0.2))[:, None]

    def roof(p: Array) -> Array:
        return np.where((p[:, 2] > 3.2)[:, None], boards(p), tiles(p))

    wall, shingle, gilt = Paint(boards), Paint(roof), Paint((0.85, 0.7, 0.35), 0.3, metal=0.6)
    trim = Paint(tuple(0.97 * v for v in stone))
    main = [box((-3, 0, -9), (3, 5, 3), Paint(nave)), box((-3.5, 4.9, -9.3), (3.5, 8.3, 3.25), shingle, (0, 0, -9.3, 3.25))]
    main += [box((-1.3, 0, 3), (1.3, 9, 5.6), Paint(tower)), box((-1.5, 9, 2.8), (1.5, 9.3, 5.8), trim)]
    main += [box((-1.05, 9.3, 3.25), (1.05, 11.3, 5.35), Paint(belfry)), box((-1.25, 11.3, 3.05), (1.25, 11.5, 5.55), trim)]
    main += [box((-1.15, 11.5, 3.15), (1.15, 16.5, 5.45), Paint(tiles), (0, 0, 4.3, 4.3))]
    main += [box((-0.06, 16.3, 4.24), (0.06, 17.9, 4.36), gilt), box((-0.42, 17.2, 4.24), (0.42, 17.33, 4.36), gilt)]
    step = Paint((0.62, 0.6, 0.57))
    main += [box((-1.4, 0, 5.6), (1.4, 0.35, 6.6), step), box((-1.7, 0, 6.6), (1.7, 0.17, 7.4), step)]

    def lawn(p: Array) -> Array:
        path = np.clip(6 - 5 * np.abs(p[:, 0] + 0.03 * (p[:, 2] - 6) ** 1), 0, 1) * (p[:, 2] > 6)
        gravel = _mix((0.50, 0.46, 0.40), (0.75, 0.71, 0.64), noise(p[:, 0] / 5, p[:, 2] / 5, 0.8))
        return np.where((path > 0.5)[:, None], gravel, _grass(noise, 4.0)(p))

    props = [_ground(lawn), *_bush(noise, (-8, 3.2, -5), (3.2, 3.6, 3)), *_bush(noise, (8.5, 2.6, -9), (2.6, 3.2, 2.6))]
    props += [rod((-8, 0, -5), (-8, 3, -5), 0.35, Paint((0.25, 0.18, 0.12)))]
    props += [s for x in (-2.3, 2.3) for s in _bush(noise, (x, 0.45, 3.9), (0.7, 0.7, 0.6))]
    return Stage(main, props, _sky(noise, 0.5, 0.22), **options)


def _gas_pump(noise: Noise, body: Color, **options: Any) -> Stage:
    price, gallons, brand = _lettering("14.27"), _lettering("03.581"), _lettering("GASOLINE")

    def face(p: Array) -> Array:
        x, y = p[:, 0], p[:, 1]
        color = np.broadcast_to(_f((0.93, 0.92, 0.88)), p.shape)
        window = (np.abs(x) < 0.24) & (y > 1.42) & (y < 1.68)
        color = np.where(window[:, None], _f((0.06, 0.06, 0.07)), color)
        digits = price((x + 0.19) / 0.38, (y - 1.57) / 0.085) | gallons((x + 0.19) / 0.38, (y - 1.455) / 0.085)
        color = np.where(digits[:, None], _f((0.95, 0.93, 0.85)), color)
        dial = (np.abs(x) < 0.24) & (y > 1.08) & (y < 1.36)
        color = np.where((dial & (np.abs(np.abs(x) - 0.24) < 0.012))[:, None], 0.2, color)
        color = np.where(brand((x + 0.23) / 0.46, (y - 1.18) / 0.09)[:, None], _f(body), color)
        small = (np.abs(x) < 0.2) & (y > 0.95) & (y < 1.08) & (y * 40 % 1 < 0.4) & (noise(x * 2, np.floor(y * 40) / 9) > 0.45)
        return np.where(small[:, None], 0.25, color)

    red, white = Paint(body, 0.07, 90), Paint(face, 0.06, 120)
    chrome, rubber = Paint((0.75, 0.76, 0.78), 0.5, 60, 0.8), Paint((0.05, 0.05, 0.055), 0.05, 20)
    cap = Paint((0.9, 0.9, 0.88), 0.06, 80)

    def glass(p: Array) -> Array:
        ink = globe((p[:, 0] + 0.2) / 0.4, (p[:, 1] - 2.11) / 0.15)
        ring = np.abs(np.hypot(p[:, 0], p[:, 1] - 2.185) - 0.235) < 0.02
        return np.where((ink | ring)[:, None], _f(body), _f((0.95, 0.94, 0.9)))

    globe = _lettering("GAS")
    main = [box((-0.42, 0.0, -0.3), (0.42, 0.14, 0.3), Paint((0.12, 0.12, 0.13), 0.05))]
    main += [box((-0.4, 0.14, -0.27), (0.4, 1.82, 0.27), red, (-0.38, 0.38, -0.25, 0.25), 0.035)]
    main += [box((-0.36, 1.82, -0.23), (0.36, 1.9, 0.23), cap, (-0.27, 0.27, -0.16, 0.16), 0.03)]
    main += [box((-0.31, 0.92, 0.2), (0.31, 1.74, 0.285), chrome, bevel=0.01)]
    main += [box((-0.29, 0.94, 0.2), (0.29, 1.72, 0.292), white, bevel=0.008)]
    main += [box((-0.3, 0.25, 0.2), (0.3, 0.86, 0.282), Paint((0.92, 0.91, 0.87), 0.06, 80), bevel=0.01)]
    main += [ball((0, 2.185, 0), (0.29, 0.29, 0.12), Paint(glass, 0.08, 120)), rod((0, 1.88, 0), (0, 1.95, 0), 0.1, chrome)]
    main += tube([(0.38, 1.5, 0), (0.62, 1.6, 0.02), (0.74, 1.1, 0.05), (0.72, 0.3, 0.12), (0.6, 0.22, 0.16), (0.56, 0.7, 0.16), (0.5, 1.12, 0.12)], 0.026, rubber, 32)
    main += [box((0.38, 0.95, 0.02), (0.47, 1.35, 0.2), chrome, bevel=0.02)]
    main += tube([(0.5, 1.1, 0.12), (0.52, 1.22, 0.13), (0.54, 1.34, 0.2), (0.5, 1.36, 0.3)], 0.034, chrome, 8)
    main += tube([(0.54, 1.06, 0.14), (0.6, 1.14, 0.2), (0.57, 1.28, 0.24)], 0.014, rubber, 6)

    def concrete(p: Array) -> Array:
        n = 0.6 * noise(p[:, 0] / 3, p[:, 2] / 3, 1.2) + 0.4 * noise(p[:, 0] / 1.1, p[:, 2] / 1.1, 0.8)
        seam = (np.abs(p[:, 0] - 1.3) < 0.012) | (np.abs(p[:, 2] + 1.1) < 0.012)
        return _mix((0.36, 0.35, 0.33), (0.66, 0.64, 0.6), n) * np.where(seam, 0.55, 1)[:, None]

    props = [_ground(concrete), box((-1.0, -0.1, -0.7), (1.0, 0.0, 0.7), Paint((0.6, 0.58, 0.5)))]
    return Stage(main, props, _sky(noise, 0.5, 0.3), **options)


GOLF = {"yaw": 20.0, "pitch": 17.0, "distance": 9.0, "fill": 0.62, "blades": 6000, "blade": 0.42, "blur": 0.05}
SCENES: dict[str, tuple[str, Callable[..., Stage], dict[str, Any]]] = {
    "golf ball on grass": ("golf ball", _golf_ball, GOLF),
    "small golf ball": ("golf ball", _golf_ball, GOLF | {"size": 0.4, "place": (0.68, 0.6), "blades": 12000}),
    "striped parachute": (
        "parachute",
        _parachute,
        {"colors": [(0.85, 0.12, 0.1), (0.95, 0.94, 0.9)], "pitch": -18.0, "yaw": 15.0, "distance": 16.0, "fill": 0.9},
    ),
    "white church": ("church", _church, {"stone": (0.9, 0.89, 0.86), "slate": (0.32, 0.33, 0.36), "yaw": 32.0, "pitch": -7.0, "distance": 42.0, "fill": 0.88, "sun": (0.35, 0.6, 0.8)}),
    "red gas pump": ("gas pump", _gas_pump, {"body": (0.78, 0.08, 0.07), "yaw": 25.0, "pitch": 5.0, "distance": 5.5, "fill": 0.86, "blur": 0.02, "sun": (0.5, 0.8, 0.8)}),
}

"""A small ray caster: sun and sky on convex shapes, from a pinhole camera."""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from attnviz.scenes.shapes import Array, Color, Noise, Shape, f32, mix, unit

FINE = 2  # rays a pixel, along each side


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
        forward = f32([-sin(yaw) * cos(pitch), -sin(pitch), -cos(yaw) * cos(pitch)])
        right = f32([cos(yaw), 0, -sin(yaw)])
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
        return f32(np.stack([right, up, np.ones_like(right)], -1) @ self.axes)

    def window(self, shape: Shape) -> tuple[slice, slice]:
        """The rows and columns that the shape may cover."""
        width, height = self.size
        if not len(shape.outline):
            return slice(0, height), slice(0, width)
        seen = (shape.outline - self.origin) @ self.axes.T
        x, y = (seen[:, :2] / seen[:, 2:] * self.zoom * [1, -1] + self.shift).T
        pad = 0.02 * max(np.ptp(x), np.ptp(y)) + 2
        (left, right), (top, bottom) = (
            np.clip([v.min() - pad, v.max() + pad], 0, n) for v, n in ((x, width), (y, height))
        )
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
        toward = unit(normal + unit(noise.rng.standard_normal(normal.shape).astype(np.float32)))
        total[hit] += _clear(start + 0.01 * normal, toward, shapes) / 3
    blurred = [
        np.asarray(Image.fromarray((255 * v).astype(np.uint8)).filter(ImageFilter.GaussianBlur(2.5))) / 255
        for v in (total, hit.astype(np.float32))
    ]
    return np.repeat(np.repeat(blurred[0] / np.maximum(blurred[1], 0.02), FINE, 0), FINE, 1).astype(np.float32)


def light_up(stage: Stage, view: View, noise: Noise) -> tuple[Array, Array, Array]:
    """The lit picture on the fine grid, linear (H, W, 3), with depths and shapes' indices."""
    shapes = stage.main + stage.props
    rays, depth, index = _cast(view, shapes)
    eye = unit(rays)
    image = stage.backdrop(eye.reshape(-1, 3)).reshape(rays.shape) ** 2.2
    points = view.origin + np.where(np.isfinite(depth), depth, 0)[..., None] * rays
    normals, looks = np.zeros_like(rays), np.zeros((*index.shape, 6), np.float32)
    for i in np.unique(index[index >= 0]):
        here, paint = index == i, shapes[i].paint
        at, normal = points[here], shapes[i].normal(points[here])
        color = paint.color(at) if callable(paint.color) else np.broadcast_to(f32(paint.color), at.shape)
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
    sun = unit(unit(f32(stage.sun)) + spread)
    facing = np.maximum((normal * sun).sum(1), 0)
    lit = np.flatnonzero(facing > 0)
    facing[lit] *= _clear(points[lit] + 0.01 * normal[lit], sun[lit], shapes)
    color, gloss, sharp, metal = looks[:, :3], looks[:, 3:4], looks[:, 4], looks[:, 5:]
    light = facing[:, None] * f32(stage.sunlight)
    around = mix(stage.bounce, stage.skylight, 0.5 + 0.5 * normal[:, 1]) * (0.15 + 0.85 * sky[:, None])
    mirrored = eye - 2 * (eye * normal).sum(1, keepdims=True) * normal
    skyward = np.clip(0.5 + 4 * mirrored[:, 1], 0, 1)
    glint = np.maximum((mirrored * unit(f32(stage.sun))).sum(1), 0) ** sharp * (facing > 0)
    seen = mix(f32(stage.bounce) * 0.7, stage.skylight, skyward) * (0.3 + 0.7 * sky[:, None])
    share = gloss + (1 - gloss) * (1 - np.abs((eye * normal).sum(1, keepdims=True))) ** 5 * np.minimum(1, 8 * gloss)
    tint = f32(1) + (color - 1) * metal
    matt = color * (light + around) * (1 - metal)
    return matt * (1 - share) + tint * (
        share * seen + (0.3 + metal) * glint[:, None] * f32(stage.sunlight) * np.sqrt(share)
    )


def grow(image: Image.Image, stage: Stage, view: View, index: Array, noise: Noise) -> None:
    """Draws blades of grass from the ground up, far to near, each in the color of the ground that it stands on."""
    (width, height), rng, ground = view.size, noise.rng, len(stage.main)
    roots = rng.random((stage.blades, 2)) * [width, 1.25 * height]
    rays = view.rays(roots[:, 0], roots[:, 1])
    far = -view.origin[1] / np.minimum(rays[:, 1], -1e-4)
    pixels, canvas = np.asarray(image), ImageDraw.Draw(image)
    for i in np.argsort(-far):
        x, y = roots[i]
        row, column = min(int(y), height - 1), int(x)
        if (y < height and index[row, column] != ground) or far[i] > 5 * stage.distance or rays[i, 1] > 0:
            continue
        tall = stage.blade * view.zoom / far[i] * (0.5 + rng.random())
        bend, wide = tall * 0.6 * rng.standard_normal(), max(1.2, 0.045 * tall)
        gain = 0.75 + 0.75 * rng.random()
        hue = np.clip(pixels[row, column] * gain * (1 + 0.12 * rng.standard_normal(), 1.04, 0.8), 0, 255)
        middle, tip = (x + 0.3 * bend, y - 0.6 * tall), (x + bend, y - tall)
        left, right = (middle[0] - 0.7 * wide, middle[1]), (middle[0] + 0.7 * wide, middle[1])
        canvas.polygon([(x - wide, y), left, tip, right, (x + wide, y)], fill=tuple(int(v) for v in hue))


def finish(image: Image.Image, stage: Stage, view: View, depth: Array, noise: Noise) -> Image.Image:
    """Blur away from the object, then to pixels, a darker rim and grain."""
    if stage.blur:
        away = np.clip((depth / stage.distance - 1.15) * 2, 0, 1)
        image.putalpha(Image.fromarray((255 * away).astype(np.uint8)))
        far = image.convert("RGBa").filter(ImageFilter.GaussianBlur(stage.blur * FINE)).convert("RGBA").convert("RGB")
        image = Image.composite(far, image.convert("RGB"), image.getchannel("A"))
    size = (view.size[0] // FINE, view.size[1] // FINE)
    pixels = np.asarray(image.resize(size, Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(0.4)), np.float32)
    x, y = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]))
    grain = noise.rng.standard_normal((size[1], size[0], 1)) * 1.5
    return Image.fromarray(np.clip(pixels * (1 - 0.1 * (x * x + y * y))[..., None] + grain, 0, 255).astype(np.uint8))

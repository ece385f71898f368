"""A small ray caster: the light of sun and sky on convex shapes, as a camera sees it."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from attnviz.scenes.camera import FINE, View
from attnviz.scenes.noise import Noise
from attnviz.scenes.shapes import Shape
from attnviz.scenes.stage import Shot, Stage
from attnviz.scenes.tones import GAMMA, light_for
from attnviz.scenes.vectors import Array, dot, f32, mix, unit

LIFT = 0.01  # how far above a surface the rays to sun and sky start
SKY_RAYS = 3  # a pixel
SKY_BLUR = 2.5  # pixels
HEIGHTS = (-1.0, -0.4, -0.1, 0.15, 0.4, 0.7, 1.0)  # of unit directions that a surface mirrors
HORIZON = (1.3, 0.9, 0.2, 1.6, 1.2, 0.5, 0.9)  # how bright it is there: a dark rim below a bright sky makes it shine


@dataclass(frozen=True)
class Hits:
    """What the ray through every fine pixel meets.

    Attributes:
        rays: (H, W, 3), one unit forward each.
        depth: how far along its ray, so also how far forward, (H, W); inf where nothing is met.
        index: which of the shapes, (H, W); -1 where nothing is met.
    """

    rays: Array
    depth: Array
    index: Array


@dataclass(frozen=True)
class Surface:
    """What the N rays that meet something meet, row by row.

    Attributes:
        points: (N, 3).
        eye: the unit directions from the camera, (N, 3).
        normal: unit normals on the side that is seen, (N, 3).
        color: linear, (N, 3).
        gloss: as in Paint, (N, 1); so are ``sharp`` and ``metal``.
    """

    points: Array
    eye: Array
    normal: Array
    color: Array
    gloss: Array
    sharp: Array
    metal: Array


def cast(view: View, shapes: list[Shape]) -> Hits:
    """What of the shapes is seen."""
    width, height = view.size
    rays = view.rays(*np.meshgrid(np.arange(width), np.arange(height)))
    depth, index = np.full((height, width), np.inf, np.float32), np.full((height, width), -1, np.int16)
    for i, shape in enumerate(shapes):
        window = view.window(shape)
        found = shape.hit(view.origin, rays[window].reshape(-1, 3)).reshape(depth[window].shape)
        closer = found < depth[window]
        depth[window][closer], index[window][closer] = found[closer], i
    return Hits(rays, depth, index)


def light_up(stage: Stage, shot: Shot, view: View, hits: Hits, noise: Noise) -> Array:
    """The lit picture, linear, on the fine grid: (H, W, 3). ``hits`` are those of the main object and the props.

    The backdrop is as bright as it takes to show it in its own colors.
    """
    shapes = stage.main + stage.props
    eye, hit = unit(hits.rays), hits.index >= 0
    image = light_for(stage.backdrop(eye.reshape(-1, 3)).reshape(eye.shape))
    surface = _surface(view.origin, hits, eye[hit], shapes)
    sky = _sky_seen(surface, hit, shapes, noise)
    image[hit] = _shade(shot, surface, sky, shapes, noise)
    return image


def _surface(origin: Array, hits: Hits, eye: Array, shapes: list[Shape]) -> Surface:
    """The painted surface at the hits, which the unit directions ``eye`` see."""
    hit = hits.index >= 0
    points, owner = origin + hits.depth[hit][:, None] * hits.rays[hit], hits.index[hit]
    normals, colors = np.zeros_like(points), np.zeros_like(points)
    for i in np.unique(owner):
        here, paint = owner == i, shapes[i].paint
        at, normal = points[here], shapes[i].normal(points[here])
        bent = paint.bump(at, normal) if paint.bump else normal
        normals[here] = np.where(dot(normal, eye[here]) > 0, -bent, bent)
        color = paint.color(at) if callable(paint.color) else np.broadcast_to(f32(paint.color), at.shape)
        colors[here] = np.clip(color, 0.01, 1) ** GAMMA
    looks = f32([(shape.paint.gloss, shape.paint.sharp, shape.paint.metal) for shape in shapes])[owner]
    return Surface(points, eye, normals, colors, looks[:, :1], looks[:, 1:2], looks[:, 2:])


def clear(points: Array, toward: Array, shapes: list[Shape]) -> Array:
    """Whether no bounded shape stands between points (N, 3) and what lies in the unit directions (N, 3): (N,)."""
    free = np.ones(len(points), bool)
    along, square = (points * toward).sum(1), (points * points).sum(1)
    for shape in shapes:
        if shape.bounded:
            ahead = toward @ shape.middle - along
            apart = square - 2 * (points @ shape.middle) + shape.middle @ shape.middle - ahead**2  # squared
            near = np.flatnonzero((apart < shape.reach**2) & (ahead > -shape.reach) & free)
            free[near] = np.isinf(shape.hit(points[near], toward[near]))
    return free


def _sky_seen(surface: Surface, hit: Array, shapes: list[Shape], noise: Noise) -> Array:
    """The share of the sky that the surface sees, (N, 1): a few random rays a pixel, smoothed.

    ``hit`` says where on the fine grid the surface is seen, (H, W).
    """
    one_a_pixel = np.zeros(hit.shape, bool)
    one_a_pixel[FINE // 2 :: FINE, FINE // 2 :: FINE] = True
    chosen, known = one_a_pixel[hit], hit[FINE // 2 :: FINE, FINE // 2 :: FINE]
    normal, share = surface.normal[chosen], np.zeros(known.shape, np.float32)
    start = surface.points[chosen] + LIFT * normal
    for _ in range(SKY_RAYS):
        toward = unit(normal + unit(f32(noise.rng.standard_normal(normal.shape))))
        share[known] += clear(start, toward, shapes) / SKY_RAYS
    smooth = _blurred(share) / np.maximum(_blurred(known), 0.02)
    return np.repeat(np.repeat(smooth, FINE, 0), FINE, 1)[hit][:, None].astype(np.float32)


def _blurred(shares: Array) -> Array:
    """Shares (H, W) in 256 steps, blurred."""
    steps = Image.fromarray((255 * shares.astype(np.float32)).astype(np.uint8))
    return np.asarray(steps.filter(ImageFilter.GaussianBlur(SKY_BLUR))) / 255


def _shade(shot: Shot, surface: Surface, sky: Array, shapes: list[Shape], noise: Noise) -> Array:
    """The light from sun and sky, matt and mirrored, off the surface, which sees ``sky`` (N, 1) of the sky: (N, 3)."""
    normal, eye, gloss, metal = surface.normal, surface.eye, surface.gloss, surface.metal
    facing = _sunlit(shot, surface, shapes, noise)
    around = mix(shot.bounce, shot.skylight, 0.5 + 0.5 * normal[:, 1]) * (0.15 + 0.85 * sky)
    matt = surface.color * (facing * f32(shot.sunlight) + around) * (1 - metal)

    mirrored = eye - 2 * dot(eye, normal) * normal
    seen = _surroundings(shot, mirrored[:, 1]) * (0.3 + 0.7 * sky)
    glint = np.maximum((mirrored * unit(f32(shot.sun))).sum(1, keepdims=True), 0) ** surface.sharp * (facing > 0)
    grazing = (1 - np.abs(dot(eye, normal))) ** 5
    share = gloss + (1 - gloss) * grazing * np.minimum(1, 8 * gloss)
    tint = f32(1) + (surface.color - 1) * metal
    highlight = (0.3 + metal) * glint * f32(shot.sunlight) * np.sqrt(share)
    return matt * (1 - share) + tint * (share * seen + highlight)


def _surroundings(shot: Shot, height: Array) -> Array:
    """The light from unit directions of these heights (N,) that glossy surfaces mirror: (N, 3)."""
    skyward = np.clip(0.5 + 5 * height, 0, 1)
    return mix(shot.bounce, shot.skylight, skyward) * f32(np.interp(height, HEIGHTS, HORIZON))[:, None]


def _sunlit(shot: Shot, surface: Surface, shapes: list[Shape], noise: Noise) -> Array:
    """How much the surface faces the sun, (N, 1): 0 in a shadow, 1 where it shines on it from straight above."""
    spread = shot.softness * f32(noise.rng.standard_normal(surface.normal.shape))
    sun = unit(unit(f32(shot.sun)) + spread)
    facing = np.maximum(dot(surface.normal, sun), 0)
    lit = np.flatnonzero(facing > 0)
    start = surface.points[lit] + LIFT * surface.normal[lit]
    facing[lit, 0] *= clear(start, sun[lit], shapes)
    return facing

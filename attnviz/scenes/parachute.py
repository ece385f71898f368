"""A striped and a blue parachute in the sky, and who hangs from it."""

from collections.abc import Sequence
from functools import partial
from math import cos, pi, sin

import numpy as np

from attnviz.scenes.backdrops import Sky
from attnviz.scenes.noise import SMOOTH, Noise
from attnviz.scenes.shapes import Paint, Shape, ball, rod, tube
from attnviz.scenes.stage import Recipe, Shot, Stage
from attnviz.scenes.vectors import Array, Color, f32, unit

GORES = 20  # the canopy's strips, and its lines
RED: Color = (0.85, 0.12, 0.1)
WHITE: Color = (0.95, 0.94, 0.9)
BLUE: Color = (0.1, 0.25, 0.7)
YELLOW: Color = (0.95, 0.8, 0.1)

LINE = Paint((0.75, 0.75, 0.75))
SUIT = Paint((0.16, 0.18, 0.24))
DARK = Paint((0.10, 0.09, 0.09))
HELMET = Paint((0.8, 0.2, 0.1), gloss=0.06)

SHOT = Shot(yaw=15.0, pitch=-18.0, distance=16.0, fill=0.9)


def parachute(noise: Noise, colors: Sequence[Color]) -> Stage:
    """A round canopy of radius 2.2 around the origin, its gores in turning colors, and a person below it."""
    return Stage([_canopy(noise, colors), *_lines(), *_person()], [], Sky(noise))


def _gore(points: Array) -> Array:
    """Around the canopy in gores, (N,): the whole part is which one, the rest where in it."""
    return (np.arctan2(points[:, 2], points[:, 0]) / (2 * pi) * GORES) % GORES


def _above_rim(points: Array) -> Array:
    """The rim hangs lowest in the middle of a gore."""
    return points[:, 1] > 0.12 + 0.22 * (_gore(points) % 1 - 0.5) ** 2


def _bulging(points: Array, normals: Array) -> Array:
    """Every gore is blown up."""
    x, _, z = points.T
    around = np.stack([-z, np.zeros_like(x), x], 1) / np.maximum(np.hypot(x, z), 0.05)[:, None]
    return unit(normals + 0.9 * around * (_gore(points) % 1 - 0.5)[:, None])


def _canopy(noise: Noise, colors: Sequence[Color]) -> Shape:
    palette = f32(colors)

    def cloth(points: Array) -> Array:
        gore = _gore(points)
        wave = noise(gore / 40, points[:, 1] / 6, SMOOTH)
        return palette[gore.astype(int) % len(palette)] * (0.8 + 0.4 * wave[:, None])

    return ball((0, 0, 0), (2.2, 1.5, 2.2), Paint(cloth, 0.02, 12, bump=_bulging), keep=_above_rim)


def _lines() -> list[Shape]:
    """From the seams at the rim to a ring above the person."""
    turns = 2 * pi * np.arange(GORES) / GORES
    return [rod((2.19 * cos(a), 0.17, 2.19 * sin(a)), (0.12 * cos(a), -3.2, 0.12 * sin(a)), 0.012, LINE) for a in turns]


def _person() -> list[Shape]:
    """Trunk, helmet and pack, then on each side an arm up to the lines, a leg and a boot."""
    parts = [
        ball((0, -3.75, 0), (0.2, 0.36, 0.17), SUIT),
        ball((0, -3.28, 0), (0.13, 0.15, 0.13), HELMET),
        ball((0, -3.65, -0.18), (0.17, 0.28, 0.13), DARK),
    ]
    for side in (-1, 1):
        arm = [(0.17 * side, -3.5, 0), (0.33 * side, -3.25, 0.05), (0.13 * side, -2.95, 0.05)]
        leg = [(0.1 * side, -4.0, 0), (0.16 * side, -4.4, 0.18), (0.18 * side, -4.85, 0.02)]
        parts += tube(arm, 0.06, SUIT, 6)
        parts += tube(leg, 0.085, SUIT, 6)
        parts.append(ball((0.18 * side, -4.93, 0.07), (0.08, 0.07, 0.14), DARK))
    return parts


SCENES = {
    "striped parachute": Recipe("parachute", partial(parachute, colors=[RED, WHITE]), SHOT),
    "blue parachute": Recipe("parachute", partial(parachute, colors=[BLUE, YELLOW, WHITE]), SHOT),
}

"""A silver cassette player with a radio, on a wooden table."""

from dataclasses import dataclass

import numpy as np

from attnviz.scenes.backdrops import Wall, ground, lettered
from attnviz.scenes.noise import MEDIUM, ROUGH, Noise
from attnviz.scenes.shapes import Paint, Shape, box, rod, tube
from attnviz.scenes.stage import Recipe, Shot, Stage
from attnviz.scenes.vectors import Array, Color, f32, mix, over, within

SILVER: Color = (0.74, 0.75, 0.77)
REELS = 0.92  # their height; they lie 0.24 to the left and right of the middle

CHROME = Paint((0.78, 0.79, 0.8), 0.5, 50, 0.7)
BLACK = Paint((0.06, 0.06, 0.065), 0.06, 40)
RED = Paint((0.75, 0.12, 0.1), gloss=0.1)

SHOT = Shot(
    yaw=14.0,
    pitch=12.0,
    distance=11.0,
    fill=0.8,
    sun=(-0.4, 0.9, 0.9),
    sunlight=(1.9, 1.8, 1.65),
    softness=0.12,
)


def cassette_player(noise: Noise) -> Stage:
    """A player some 4.4 wide, its front toward z, in a room; the unit is the decimeter."""
    paints = _Paints(noise)
    main = [*_case(paints), *_speakers(paints), *_keys(), *_handle(), *_feet()]
    room = Wall(noise, low=(0.80, 0.77, 0.70), high=(0.62, 0.60, 0.56))
    return Stage(main, [ground(paints.wood, gloss=0.05)], room)


@dataclass(frozen=True)
class _Paints:
    """The colors of points (N, 3)."""

    noise: Noise

    def front(self, points: Array) -> Array:
        """Brushed metal, the radio's dial with its scale and pointer, and a name."""
        x, y, _ = points.T
        color = f32(SILVER) * (0.94 + 0.12 * self.noise(x / 1.5, y / 9, ROUGH))[:, None]
        dial = within(x, -1.95, 1.95) & within(y, 1.88, 2.22)
        ticks = within(x, -1.6, 1.6) & within(y, 1.93, 2.0) & (x * 12 % 1 < 0.2)
        scale = lettered("88    92    96    100    104    108", x, y, left=-1.6, bottom=2.05, width=3.2, height=0.11)
        name = lettered("STEREO CASSETTE", x, y, left=-0.55, bottom=1.58, width=1.1, height=0.1)
        color = over(color, dial, (0.07, 0.07, 0.09))
        color = over(color, scale | ticks, (0.95, 0.75, 0.4))
        color = over(color, dial & (np.abs(x - 0.37) < 0.02), (0.95, 0.15, 0.1))
        return over(color, name, 0.12)

    def grille(self, points: Array) -> Array:
        """Round holes in staggered columns."""
        x, y = points[:, 0] * 16, points[:, 1] * 16
        stagger = 0.5 * (np.floor(x) % 2)
        holes = np.hypot(x % 1 - 0.5, (y + stagger) % 1 - 0.5) < 0.34
        return over(np.broadcast_to(f32((0.24, 0.24, 0.26)), points.shape), holes, 0.02)

    def door(self, points: Array) -> Array:
        """The cassette behind the door: its label with a stripe and a window, and two toothed reels."""
        x, y, _ = points.T
        label = within(x, -0.5, 0.5) & within(y, 0.66, 1.3)
        window = within(x, -0.36, 0.36) & (np.abs(y - REELS) < 0.14)
        across, up = np.abs(x) - 0.24, y - REELS
        away, turn = np.hypot(across, up), np.arctan2(up, across)
        color = np.broadcast_to(f32((0.1, 0.1, 0.115)), points.shape)
        color = over(color, label, (0.86, 0.83, 0.74))
        color = over(color, label & within(y, 1.08, 1.14), (0.75, 0.2, 0.12))
        color = over(color, window, (0.2, 0.15, 0.12))
        color = over(color, away < 0.115, (0.93, 0.93, 0.9))
        return over(color, away < 0.06 + 0.018 * np.cos(6 * turn), 0.04)

    def wood(self, points: Array) -> Array:
        """Wavy grain, and dark gaps between planks."""
        x, _, z = points.T
        grain = self.noise(x / 14 + 0.02 * np.sin(z * 2), z / 1.5, MEDIUM)
        gap = (z + 0.3) % 1.6 < 0.03
        return mix((0.32, 0.18, 0.09), (0.62, 0.41, 0.23), grain) * np.where(gap, 0.5, 1)[:, None]


def _case(paints: _Paints) -> list[Shape]:
    """The case, and the cassette's door in its frame."""
    return [
        box((-2.2, 0.05, -0.5), (2.2, 2.4, 0.5), Paint(paints.front, 0.1, 30), bevel=0.06),
        box((-0.72, 0.5, 0.4), (0.72, 1.46, 0.54), BLACK),
        box((-0.64, 0.58, 0.4), (0.64, 1.4, 0.56), Paint(paints.door, 0.09, 200)),
    ]


def _speakers(paints: _Paints) -> list[Shape]:
    """A chrome ring and a grille, left and right."""
    grille = Paint(paints.grille, gloss=0.03)
    parts = []
    for x in (-1.42, 1.42):
        parts.append(rod((x, 0.95, 0.4), (x, 0.95, 0.56), 0.68, CHROME, 0.03))
        parts.append(rod((x, 0.95, 0.4), (x, 0.95, 0.575), 0.6, grille))
    return parts


def _keys() -> list[Shape]:
    """Six keys below the door, the first of them red, and three knobs on top."""
    paints = [RED] + 5 * [CHROME]
    keys = [
        box((-0.7 + 0.24 * i, 0.2, 0.4), (-0.5 + 0.24 * i, 0.4, 0.66), paint, bevel=0.03)
        for i, paint in enumerate(paints)
    ]
    return keys + [rod((x, 2.4, 0.1), (x, 2.5, 0.1), 0.14, CHROME) for x in (0.9, 1.3, 1.7)]


def _handle() -> list[Shape]:
    """A straight grip on two bent ends."""
    parts = [rod((-1.8, 3.05, -0.1), (1.8, 3.05, -0.1), 0.1, BLACK)]
    for side in (-1, 1):
        bend = [(2.0, 2.2), (2.0, 2.95), (1.97, 3.03), (1.88, 3.05), (1.75, 3.05)]
        parts += tube([(side * x, y, -0.1) for x, y in bend], 0.1, BLACK, 6)
    return parts


def _feet() -> list[Shape]:
    return [box((x - 0.25, 0, -0.3), (x + 0.25, 0.06, 0.3), BLACK) for x in (-1.7, 1.7)]


SCENES = {"cassette player": Recipe("cassette player", cassette_player, SHOT)}

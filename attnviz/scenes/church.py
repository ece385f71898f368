"""A white and a stone church with a steeple, on a lawn."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from attnviz.scenes.backdrops import Grass, Rough, Sky, arched, ground
from attnviz.scenes.noise import MEDIUM, ROUGH, SMOOTH, Noise
from attnviz.scenes.shapes import Paint, Shape, box
from attnviz.scenes.stage import Recipe, Shot, Stage
from attnviz.scenes.vectors import Array, Color, f32, mix, over, shaded

WHITE: Color = (0.9, 0.89, 0.86)
SLATE: Color = (0.32, 0.33, 0.36)
SANDSTONE: Color = (0.66, 0.58, 0.46)
TERRACOTTA: Color = (0.45, 0.22, 0.16)
NAVE_FRONT, TOWER_FRONT = 3.0, 5.6  # z of the faces toward the door
TOWER_MIDDLE = 4.3  # z

SHOT = Shot(yaw=50.0, pitch=-9.0, distance=42.0, fill=0.93, sun=(0.35, 0.6, 0.8))


def church(noise: Noise, stone: Color, tile: Color) -> Stage:
    """A church some 18 m high, its door toward z, before trees; the unit is the meter."""
    gravel = Rough(noise, (0.50, 0.46, 0.40), (0.75, 0.71, 0.64))
    paints = _Paints(noise, stone, tile, gravel, Grass(noise, 4.0, dull=0.4))
    main = [*_nave(paints), *_tower(paints), *_steeple(paints), *_steps()]
    return Stage(main, [ground(paints.lawn)], Sky(noise, trees=0.14))


@dataclass(frozen=True)
class _Paints:
    """The colors of points (N, 3)."""

    noise: Noise
    stone: Color
    tile: Color
    gravel: Rough
    grass: Grass

    def courses(self, points: Array) -> Array:
        """Worn courses of stone, with a dark line between any two."""
        x, y, z = points.T
        worn = 0.9 + 0.2 * self.noise(x / 6 + z / 6, y / 6, MEDIUM)
        gap = (y * 3.2) % 1 < 0.14
        return f32(self.stone) * (worn - 0.1 * gap)[:, None]

    def windowed(self, points: Array, u: Array, half: float, low: float, high: float) -> Array:
        """Courses with framed, barred, pointed windows; ``u`` runs across the wall, 0 in the middle of a window."""
        v = points[:, 1]
        bars = (np.abs(u) < 0.04) | ((v - low) % 0.7 < 0.07)
        glass = mix((0.10, 0.12, 0.17), (0.35, 0.43, 0.52), self.noise(u / 3, v / 4, SMOOTH))
        framed = over(self.courses(points), arched(u, v, half + 0.14, low - 0.14, high), f32(self.stone) * 1.06)
        return over(framed, arched(u, v, half, low, high), over(glass, bars, f32(self.stone) * 0.9))

    def nave(self, points: Array) -> Array:
        """Two windows beside the tower, and a row of them along each side."""
        x, _, z = points.T
        front = z > NAVE_FRONT - 0.02
        across = np.where(front, np.abs(x) - 2.15, (z + 8.6) % 2.4 - 1.2)
        return self.windowed(points, across, 0.42, 1.5, 3.4)

    def tower(self, points: Array) -> Array:
        """A window on each side, and below the front one a wooden door."""
        x, y, z = points.T
        front = z > TOWER_FRONT - 0.02
        color = self.windowed(points, np.where(front, x, z - TOWER_MIDDLE), 0.36, 5.6, 7.2)
        wood = f32((0.36, 0.16, 0.09)) * (1 - 0.4 * ((x * 5) % 1 < 0.1))[:, None]
        framed = over(color, front & arched(x, y, 0.95, 0, 2.4), f32(self.stone) * 1.05)
        return over(framed, front & arched(x, y, 0.75, 0, 2.3), wood)

    def belfry(self, points: Array) -> Array:
        """A louver on each side."""
        x, y, z = points.T
        across = np.where(z > 5.3, x, z - TOWER_MIDDLE)
        slats = f32((0.2, 0.2, 0.22)) * (0.6 + 0.9 * ((y * 5) % 1))[:, None]
        return over(self.courses(points), arched(across, y, 0.4, 9.7, 10.7), slats)

    def tiles(self, points: Array) -> Array:
        """Rows of tiles, each row worn in its own way."""
        x, y, z = points.T
        row = np.floor(y * 4)
        worn = self.noise(z * 0.05 + x * 0.05 + row * 0.37, row * 0.11, ROUGH)
        gap = (y * 4) % 1 < 0.2
        return f32(self.tile) * (0.6 + 0.8 * worn - 0.25 * gap)[:, None]

    def roof(self, points: Array) -> Array:
        """Tiles, and courses on the gable."""
        return over(self.tiles(points), points[:, 2] > 3.2, self.courses(points))

    def lawn(self, points: Array) -> Array:
        """Grass, and a gravel path to the door."""
        x, _, z = points.T
        path = (z > 6) & (np.abs(x + 0.03 * (z - 6)) < 1.1)
        return over(self.grass(points), path, self.gravel(points))


def _nave(paints: _Paints) -> list[Shape]:
    """The walls, and a roof whose top is a ridge."""
    return [
        box((-3, 0, -9), (3, 5, NAVE_FRONT), Paint(paints.nave)),
        box((-3.5, 4.9, -9.3), (3.5, 8.3, 3.25), Paint(paints.roof), top=(0, 0, -9.3, 3.25)),
    ]


def _tower(paints: _Paints) -> list[Shape]:
    """Tower and belfry, each with a cornice on it."""
    trim = Paint(shaded(paints.stone, 0.97))
    return [
        box((-1.3, 0, 3), (1.3, 9, TOWER_FRONT), Paint(paints.tower)),
        box((-1.5, 9, 2.8), (1.5, 9.3, 5.8), trim),
        box((-1.05, 9.3, 3.25), (1.05, 11.3, 5.35), Paint(paints.belfry)),
        box((-1.25, 11.3, 3.05), (1.25, 11.5, 5.55), trim),
    ]


def _steeple(paints: _Paints) -> list[Shape]:
    """A pointed steeple with a gilt cross."""
    gilt = Paint((0.85, 0.7, 0.35), gloss=0.3, metal=0.6)
    return [
        box((-1.15, 11.5, 3.15), (1.15, 16.5, 5.45), Paint(paints.tiles), top=(0, 0, TOWER_MIDDLE, TOWER_MIDDLE)),
        box((-0.06, 16.3, 4.24), (0.06, 17.9, 4.36), gilt),
        box((-0.42, 17.2, 4.24), (0.42, 17.33, 4.36), gilt),
    ]


def _steps() -> list[Shape]:
    """Two steps up to the door."""
    paint = Paint((0.62, 0.6, 0.57))
    return [
        box((-1.4, 0, TOWER_FRONT), (1.4, 0.35, 6.6), paint),
        box((-1.7, 0, 6.6), (1.7, 0.17, 7.4), paint),
    ]


SCENES = {
    "white church": Recipe("church", partial(church, stone=WHITE, tile=SLATE), SHOT),
    "stone church": Recipe("church", partial(church, stone=SANDSTONE, tile=TERRACOTTA), SHOT),
}

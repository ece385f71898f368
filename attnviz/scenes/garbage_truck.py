"""A green garbage truck on a road."""

from dataclasses import dataclass

import numpy as np

from attnviz.scenes.backdrops import Grass, Rough, Sky, ground, lettered
from attnviz.scenes.noise import MEDIUM, SMOOTH, Noise
from attnviz.scenes.shapes import Paint, Shape, box, rod
from attnviz.scenes.stage import Recipe, Shot, Stage
from attnviz.scenes.vectors import Array, Color, f32, mix, over, shaded, within

GREEN: Color = (0.1, 0.42, 0.2)
CREAM: Color = (0.93, 0.93, 0.9)
ROADSIDE = -2.6  # z beyond which the road ends

BODY = Paint(GREEN, gloss=0.06)
HOPPER = Paint(shaded(GREEN, 0.9), gloss=0.06)
DARK = Paint((0.09, 0.09, 0.1), 0.04, 20)
STEEL = Paint((0.62, 0.63, 0.64), 0.3, 40, 0.5)
TIRE = Paint((0.07, 0.07, 0.075), 0.03, 20)
HUB = Paint((0.55, 0.55, 0.56), 0.2, 40, 0.3)
LAMP = Paint((0.95, 0.95, 0.9), gloss=0.3)
BEACON = Paint((0.9, 0.5, 0.1), gloss=0.1)
CURB = Paint((0.6, 0.59, 0.56))

SHOT = Shot(yaw=-30.0, pitch=4.0, distance=18.0, fill=0.9, sun=(-0.3, 0.8, 0.8))


def garbage_truck(noise: Noise) -> Stage:
    """A truck some 10 m long that faces x, before trees; the unit is the meter."""
    asphalt = Rough(noise, (0.22, 0.22, 0.23), (0.52, 0.52, 0.51), 2.7)
    paints = _Paints(noise, asphalt, Grass(noise, 3.0, dull=0.3))
    main = [*_tank(paints), *_ribs(), *_rear(), *_cab(paints), *_wheels(), *_attachments()]
    curb = box((-60, 0, -2.9), (60, 0.14, ROADSIDE), CURB)
    return Stage(main, [ground(paints.road), curb], Sky(noise, trees=0.25))


@dataclass(frozen=True)
class _Paints:
    """The colors of points (N, 3)."""

    noise: Noise
    asphalt: Rough
    grass: Grass

    def tank(self, points: Array) -> Array:
        """Worn green, with the owner's name on both sides."""
        x, y, z = points.T
        worn = 0.85 + 0.3 * self.noise(x / 9, y / 6, MEDIUM)
        name = lettered("CITY WASTE", x, y, left=-2.7, bottom=2.2, width=3.1, height=0.55)
        return over(f32(GREEN) * worn[:, None], name & (np.abs(z) > 1.08), CREAM)

    def cab(self, points: Array) -> Array:
        """White, with windows in front and on the side toward z, a grille, and the seams of the door."""
        x, y, z = points.T
        side = (z > 1.1) & within(x, 2.3, 3.3)
        windshield = within(z, -1.05, 1.05) & (x > 3.2)
        glass = within(y, 2.0, 2.85) & (side | windshield)
        pane = mix((0.05, 0.06, 0.08), (0.38, 0.45, 0.5), self.noise(x / 4 + y / 5, z / 4, SMOOTH))
        grille = within(z, -0.7, 0.7) & (x > 3.4) & within(y, 1.0, 1.65) & ((y * 11) % 1 < 0.6)
        seam = (z > 1.1) & ((np.abs(x - 2.2) < 0.02) | (np.abs(x - 3.4) < 0.02)) & (y > 1.1)
        white = np.broadcast_to(f32((0.9, 0.9, 0.88)), points.shape)
        return over(over(white, grille | seam, 0.09), glass, pane)

    def road(self, points: Array) -> Array:
        """Asphalt with a dashed line, and grass beside it."""
        x, _, z = points.T
        dash = (np.abs(z - 4.2) < 0.08) & (x % 4 < 2.6)
        marked = over(self.asphalt(points), dash, (0.9, 0.88, 0.8))
        return over(marked, z < ROADSIDE, self.grass(points))


def _tank(paints: _Paints) -> list[Shape]:
    """The chassis, and the tank on it."""
    return [
        box((-4.0, 0.75, -0.5), (3.4, 1.05, 0.5), DARK),
        box((-4.0, 1.05, -1.22), (1.7, 3.55, 1.22), Paint(paints.tank, 0.06), top=(-4, 1.7, -1.1, 1.1), bevel=0.04),
    ]


def _ribs() -> list[Shape]:
    """Four ribs around the tank and a rail along its foot."""
    ribs = [
        box((x, 1.05, -1.3), (x + 0.12, 3.57, 1.3), BODY, top=(x, x + 0.12, -1.17, 1.17))
        for x in (-3.95, -3.05, 0.55, 1.55)
    ]
    return [*ribs, box((-4.0, 1.0, -1.3), (1.7, 1.2, 1.3), BODY)]


def _rear() -> list[Shape]:
    """The hopper, its sill, and the hydraulics that lift it."""
    return [
        box((-5.7, 1.0, -1.2), (-4.05, 3.75, 1.2), HOPPER, top=(-4.7, -4.05, -1.1, 1.1), bevel=0.04),
        box((-5.9, 0.75, -1.1), (-4.6, 1.5, 1.1), DARK, top=(-5.7, -4.6, -1.1, 1.1)),
        box((-4.1, 2.55, 1.15), (-3.9, 3.6, 1.35), STEEL),
        rod((-5.35, 1.6, 1.27), (-4.2, 3.3, 1.2), 0.07, STEEL),
    ]


def _cab(paints: _Paints) -> list[Shape]:
    """The lower and the upper cab, its bumper, beacon and lamps."""
    paint = Paint(paints.cab, 0.07, 90)
    return [
        box((2.0, 0.65, -1.18), (3.6, 1.9, 1.18), paint, bevel=0.05),
        box((2.0, 1.9, -1.18), (3.6, 3.05, 1.18), paint, top=(2.0, 3.3, -1.08, 1.08), bevel=0.05),
        box((3.5, 0.5, -1.2), (3.75, 0.85, 1.2), STEEL),
        box((2.3, 3.0, -0.7), (2.7, 3.15, 0.7), BEACON),
        *(rod((3.58, 1.1, z), (3.64, 1.1, z), 0.15, LAMP) for z in (-0.92, 0.92)),
    ]


def _wheels() -> list[Shape]:
    """Three axles."""
    return [part for x in (-3.4, -2.2, 2.75) for z, side in ((-1.15, -1), (1.2, 1)) for part in _wheel(x, z, side)]


def _wheel(x: float, z: float, side: int, radius: float = 0.55) -> list[Shape]:
    """A wheel on an axle along z; its outer face, toward ``side`` (1 or -1), lies at z."""
    return [
        rod((x, radius, z - 0.35 * side), (x, radius, z), radius, TIRE, 0.06),
        rod((x, radius, z - 0.1 * side), (x, radius, z + 0.01 * side), 0.55 * radius, HUB, 0.03),
        rod((x, radius, z), (x, radius, z + 0.06 * side), 0.22 * radius, HUB, 0.03),
    ]


def _attachments() -> list[Shape]:
    """Exhaust pipe, fuel tank and mirror."""
    return [
        rod((1.85, 1.0, 0.95), (1.85, 3.7, 0.95), 0.08, STEEL),
        box((-1.2, 0.55, 0.7), (0.4, 0.98, 1.15), DARK),
        box((3.1, 1.9, 1.25), (3.25, 2.6, 1.5), DARK),
    ]


SCENES = {"garbage truck": Recipe("garbage truck", garbage_truck, SHOT)}

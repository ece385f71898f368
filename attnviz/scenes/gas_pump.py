"""An old red gas pump on concrete."""

from dataclasses import dataclass

import numpy as np

from attnviz.scenes.backdrops import Rough, Sky, ground, lettered
from attnviz.scenes.noise import Noise
from attnviz.scenes.shapes import Paint, Shape, ball, box, rod, tube
from attnviz.scenes.stage import Recipe, Shot, Stage
from attnviz.scenes.vectors import Array, Color, f32, over, within

RED: Color = (0.78, 0.08, 0.07)
CREAM: Color = (0.93, 0.92, 0.88)
IVORY: Color = (0.95, 0.93, 0.85)
INK: Color = (0.06, 0.06, 0.07)
GLOBE = 2.185  # the height of its middle
DISC = 0.555  # the same of the disc on the panel

ENAMEL = Paint(RED, 0.07, 90)
CAP = Paint((0.9, 0.9, 0.88), 0.06, 80)
CHROME = Paint((0.75, 0.76, 0.78), 0.5, 60, 0.8)
RUBBER = Paint((0.05, 0.05, 0.055), 0.05, 20)
PLINTH = Paint((0.12, 0.12, 0.13), 0.05)

SHOT = Shot(yaw=25.0, pitch=4.0, distance=5.5, fill=0.93, sun=(0.5, 0.8, 0.8), blur=1.5)


def gas_pump(noise: Noise) -> Stage:
    """A pump some 2.5 m high, its face toward z, before trees; the unit is the meter."""
    paints = _Paints(Rough(noise, (0.36, 0.35, 0.33), (0.66, 0.64, 0.6)))
    main = [*_cabinet(paints), *_globe(paints), *_hose()]
    return Stage(main, [ground(paints.slabs)], Sky(noise, trees=0.3))


@dataclass(frozen=True)
class _Paints:
    """The colors of points (N, 3)."""

    concrete: Rough

    def face(self, points: Array) -> Array:
        """A window with the price and the gallons, the brand below it, a warning and the price of a gallon."""
        x, y, _ = points.T
        window = within(x, -0.24, 0.24) & within(y, 1.42, 1.68)
        price = lettered("14.27", x, y, left=-0.19, bottom=1.57, width=0.38, height=0.085)
        gallons = lettered("03.581", x, y, left=-0.19, bottom=1.455, width=0.38, height=0.085)
        caption = lettered("TOTAL SALE  -  GALLONS", x, y, left=-0.22, bottom=1.36, width=0.44, height=0.03)
        brand = lettered("GASOLINE", x, y, left=-0.23, bottom=1.2, width=0.46, height=0.09)
        warning = lettered("CONTAINS LEAD", x, y, left=-0.18, bottom=1.06, width=0.36, height=0.04)
        rate = lettered("32.9", x, y, left=-0.12, bottom=0.97, width=0.24, height=0.06)
        color = np.broadcast_to(f32(CREAM), points.shape)
        color = over(color, window | caption | warning | rate, INK)
        return over(over(color, price | gallons, IVORY), brand, RED)

    def panel(self, points: Array) -> Array:
        """The brand's number on a disc."""
        x, y, _ = points.T
        disc = np.hypot(x, y - DISC) < 0.2
        number = lettered("66", x, y, left=-0.11, bottom=0.47, width=0.22, height=0.17)
        return over(np.broadcast_to(f32(CREAM), points.shape), disc & ~number, RED)

    def globe(self, points: Array) -> Array:
        """GAS in a ring."""
        x, y, _ = points.T
        text = lettered("GAS", x, y, left=-0.19, bottom=2.11, width=0.38, height=0.15)
        ring = np.abs(np.hypot(x, y - GLOBE) - 0.23) < 0.02
        return over(np.broadcast_to(f32(IVORY), points.shape), text | ring, RED)

    def slabs(self, points: Array) -> Array:
        """Slabs of concrete with two seams in sight."""
        x, _, z = points.T
        seam = (np.abs(x - 1.3) < 0.012) | (np.abs(z + 1.1) < 0.012)
        return over(self.concrete(points), seam, 0.25)


def _cabinet(paints: _Paints) -> list[Shape]:
    """The plinth, the body and its cap, then on its front a chrome frame, the face in it and a panel."""
    return [
        box((-0.42, 0.0, -0.3), (0.42, 0.14, 0.3), PLINTH),
        box((-0.4, 0.14, -0.27), (0.4, 1.82, 0.27), ENAMEL, top=(-0.38, 0.38, -0.25, 0.25), bevel=0.035),
        box((-0.36, 1.82, -0.23), (0.36, 1.9, 0.23), CAP, top=(-0.27, 0.27, -0.16, 0.16), bevel=0.03),
        box((-0.31, 0.92, 0.2), (0.31, 1.74, 0.285), CHROME, bevel=0.01),
        box((-0.29, 0.94, 0.2), (0.29, 1.72, 0.292), Paint(paints.face, 0.06, 120), bevel=0.008),
        box((-0.3, 0.25, 0.2), (0.3, 0.86, 0.282), Paint(paints.panel, 0.06, 80), bevel=0.01),
    ]


def _globe(paints: _Paints) -> list[Shape]:
    """A flat glass globe on a short neck."""
    return [
        ball((0, GLOBE, 0), (0.29, 0.29, 0.12), Paint(paints.globe, 0.08, 120)),
        rod((0, 1.88, 0), (0, 1.95, 0), 0.1, CHROME),
    ]


def _hose() -> list[Shape]:
    """The hose from the pump's side down and up again to the nozzle, which hangs in its holder."""
    hose = [
        (0.38, 1.5, 0),
        (0.62, 1.6, 0.02),
        (0.74, 1.1, 0.05),
        (0.72, 0.3, 0.12),
        (0.6, 0.22, 0.16),
        (0.56, 0.7, 0.16),
        (0.5, 1.12, 0.12),
    ]
    spout = [(0.5, 1.1, 0.12), (0.52, 1.22, 0.13), (0.54, 1.34, 0.2), (0.5, 1.36, 0.3)]
    guard = [(0.54, 1.06, 0.14), (0.6, 1.14, 0.2), (0.57, 1.28, 0.24)]
    return [
        *tube(hose, 0.026, RUBBER, 32),
        box((0.38, 0.95, 0.02), (0.47, 1.35, 0.2), CHROME),
        *tube(spout, 0.034, CHROME, 8),
        *tube(guard, 0.014, RUBBER, 6),
    ]


SCENES = {"red gas pump": Recipe("gas pump", gas_pump, SHOT)}

"""An orange chain saw on concrete."""

import numpy as np

from attnviz.scenes.backdrops import Rough, Sky, ground, lettered
from attnviz.scenes.noise import Noise
from attnviz.scenes.shapes import Paint, Shape, box, rod, tube
from attnviz.scenes.stage import Recipe, Shot, Stage
from attnviz.scenes.vectors import Array, f32, over

LINKS = 0.19  # from one link of the chain to the next
TIP = 3.3  # x around which the bar's end is round

ORANGE = Paint((0.9, 0.36, 0.06), 0.07)
DARK = Paint((0.09, 0.09, 0.1), 0.05, 30)
STEEL = Paint((0.62, 0.63, 0.64), 0.3, 40, 0.5)
CHROME = Paint((0.75, 0.76, 0.78), 0.5, 60, 0.8)

SHOT = Shot(yaw=40.0, pitch=24.0, distance=10.0, fill=0.9, sun=(-0.3, 0.9, 0.7))


def chain_saw(noise: Noise) -> Stage:
    """A saw some 5.5 long that points to x and stands upright, before trees; the unit is the decimeter."""
    main = [*_motor(), *_cover(), *_handles(), *_bar(), *_links()]
    floor = ground(Rough(noise, (0.46, 0.45, 0.42), (0.76, 0.74, 0.70)))
    return Stage(main, [floor], Sky(noise, clouds=0.4, trees=0.25))


def _named(points: Array) -> Array:
    """The bar's steel, with the maker's name."""
    x, y, _ = points.T
    name = lettered("TIMBER 45", x, y, left=1.2, bottom=0.55, width=1.2, height=0.21)
    return over(np.broadcast_to(f32((0.78, 0.78, 0.76)), points.shape), name, 0.06)


def _linked(points: Array) -> Array:
    """The chain's links, dark and light in turns."""
    x, y, _ = points.T
    return over(np.broadcast_to(f32((0.2, 0.2, 0.2)), points.shape), (x + y) * 5 % 1 < 0.5, 0.5)


def _motor() -> list[Shape]:
    """The motor's housing, the air filter on it and the sole below it."""
    return [
        box((-1.0, 0.3, -0.36), (0.55, 1.0, 0.36), ORANGE, top=(-0.95, 0.5, -0.34, 0.34), bevel=0.08),
        box((-0.85, 1.0, -0.3), (0.25, 1.3, 0.3), ORANGE, top=(-0.7, 0.05, -0.22, 0.22), bevel=0.06),
        box((-1.05, 0.16, -0.32), (0.5, 0.34, 0.32), DARK, bevel=0.05),
    ]


def _cover() -> list[Shape]:
    """Toward z: the starter's drum with its hub, and the clutch cover with its nut."""
    return [
        rod((-0.5, 0.68, 0.34), (-0.5, 0.68, 0.44), 0.27, DARK),
        rod((-0.5, 0.68, 0.4), (-0.5, 0.68, 0.46), 0.1, STEEL),
        box((0.05, 0.35, 0.3), (0.85, 0.9, 0.42), DARK, top=(0.15, 0.75, 0.3, 0.42), bevel=0.05),
        rod((0.32, 0.62, 0.38), (0.32, 0.62, 0.47), 0.07, CHROME),
    ]


def _handles() -> list[Shape]:
    """The front handle, a bow across the motor; the rear handle, a loop; and the hand guard."""
    bow = [
        (-0.1, 0.35, 0.45),
        (-0.02, 1.2, 0.5),
        (0.02, 1.72, 0.42),
        (0.02, 1.8, 0),
        (0.02, 1.72, -0.4),
        (-0.05, 0.9, -0.42),
    ]
    loop = [
        (-0.9, 1.0, 0),
        (-1.4, 1.12, 0),
        (-1.95, 0.95, 0),
        (-2.1, 0.6, 0),
        (-1.95, 0.28, 0),
        (-1.4, 0.2, 0),
        (-0.9, 0.25, 0),
    ]
    guard = box((0.36, 1.1, -0.38), (0.44, 1.85, 0.38), DARK, top=(0.4, 0.5, -0.3, 0.3), bevel=0.04)
    return [*tube(bow, 0.065, DARK, 14), *tube(loop, 0.1, DARK, 18), guard]


def _bar() -> list[Shape]:
    """The guide bar, and the chain's inner edge around it; both are straight up to a round end."""
    chain, bar = Paint(_linked, 0.2, 40, 0.4), Paint(_named, 0.25, 40, 0.3)
    return [
        box((0.6, 0.38, -0.03), (TIP, 0.92, 0.03), chain),
        rod((TIP, 0.65, -0.03), (TIP, 0.65, 0.03), 0.27, chain),
        box((0.6, 0.43, -0.035), (TIP, 0.87, 0.035), bar),
        rod((TIP, 0.65, -0.035), (TIP, 0.65, 0.035), 0.22, bar),
    ]


def _links() -> list[Shape]:
    """The chain's cutters, above and below the bar."""
    return [
        box((x, y, -0.05), (x + 0.11, y + 0.07, 0.05), STEEL) for x in np.arange(0.75, TIP, LINKS) for y in (0.9, 0.33)
    ]


SCENES = {"chain saw": Recipe("chain saw", chain_saw, SHOT)}

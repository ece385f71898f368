"""A gas pump, a garbage truck and a cassette player."""

from typing import Any

import numpy as np

from attnviz.scenes.backdrops import grass, ground, lettering, sky
from attnviz.scenes.raycaster import Stage
from attnviz.scenes.shapes import Array, Color, Noise, Paint, Shape, ball, box, f32, mix, rod, tube


def gas_pump(noise: Noise, body: Color, **options: Any) -> Stage:
    price, gallons, brand = lettering("14.27"), lettering("03.581"), lettering("GASOLINE")

    def face(p: Array) -> Array:
        x, y = p[:, 0], p[:, 1]
        color = np.broadcast_to(f32((0.93, 0.92, 0.88)), p.shape)
        window = (np.abs(x) < 0.24) & (y > 1.42) & (y < 1.68)
        color = np.where(window[:, None], f32((0.06, 0.06, 0.07)), color)
        digits = price((x + 0.19) / 0.38, (y - 1.57) / 0.085) | gallons((x + 0.19) / 0.38, (y - 1.455) / 0.085)
        color = np.where(digits[:, None], f32((0.95, 0.93, 0.85)), color)
        dial = (np.abs(x) < 0.24) & (y > 1.08) & (y < 1.36)
        color = np.where((dial & (np.abs(np.abs(x) - 0.24) < 0.012))[:, None], 0.2, color)
        color = np.where(brand((x + 0.23) / 0.46, (y - 1.18) / 0.09)[:, None], f32(body), color)
        small = (
            (np.abs(x) < 0.2)
            & (y > 0.95)
            & (y < 1.08)
            & (y * 40 % 1 < 0.4)
            & (noise(x * 2, np.floor(y * 40) / 9) > 0.45)
        )
        return np.where(small[:, None], 0.25, color)

    red, white = Paint(body, 0.07, 90), Paint(face, 0.06, 120)
    chrome, rubber = Paint((0.75, 0.76, 0.78), 0.5, 60, 0.8), Paint((0.05, 0.05, 0.055), 0.05, 20)
    cap = Paint((0.9, 0.9, 0.88), 0.06, 80)

    def glass(p: Array) -> Array:
        ink = globe((p[:, 0] + 0.2) / 0.4, (p[:, 1] - 2.11) / 0.15)
        ring = np.abs(np.hypot(p[:, 0], p[:, 1] - 2.185) - 0.235) < 0.02
        return np.where((ink | ring)[:, None], f32(body), f32((0.95, 0.94, 0.9)))

    globe = lettering("GAS")
    main = [box((-0.42, 0.0, -0.3), (0.42, 0.14, 0.3), Paint((0.12, 0.12, 0.13), 0.05))]
    main += [box((-0.4, 0.14, -0.27), (0.4, 1.82, 0.27), red, (-0.38, 0.38, -0.25, 0.25), 0.035)]
    main += [box((-0.36, 1.82, -0.23), (0.36, 1.9, 0.23), cap, (-0.27, 0.27, -0.16, 0.16), 0.03)]
    main += [box((-0.31, 0.92, 0.2), (0.31, 1.74, 0.285), chrome, bevel=0.01)]
    main += [box((-0.29, 0.94, 0.2), (0.29, 1.72, 0.292), white, bevel=0.008)]
    main += [box((-0.3, 0.25, 0.2), (0.3, 0.86, 0.282), Paint((0.92, 0.91, 0.87), 0.06, 80), bevel=0.01)]
    main += [
        ball((0, 2.185, 0), (0.29, 0.29, 0.12), Paint(glass, 0.08, 120)),
        rod((0, 1.88, 0), (0, 1.95, 0), 0.1, chrome),
    ]
    main += tube(
        [
            (0.38, 1.5, 0),
            (0.62, 1.6, 0.02),
            (0.74, 1.1, 0.05),
            (0.72, 0.3, 0.12),
            (0.6, 0.22, 0.16),
            (0.56, 0.7, 0.16),
            (0.5, 1.12, 0.12),
        ],
        0.026,
        rubber,
        32,
    )
    main += [box((0.38, 0.95, 0.02), (0.47, 1.35, 0.2), chrome, bevel=0.02)]
    main += tube([(0.5, 1.1, 0.12), (0.52, 1.22, 0.13), (0.54, 1.34, 0.2), (0.5, 1.36, 0.3)], 0.034, chrome, 8)
    main += tube([(0.54, 1.06, 0.14), (0.6, 1.14, 0.2), (0.57, 1.28, 0.24)], 0.014, rubber, 6)

    def concrete(p: Array) -> Array:
        n = 0.6 * noise(p[:, 0] / 3, p[:, 2] / 3, 1.2) + 0.4 * noise(p[:, 0] / 1.1, p[:, 2] / 1.1, 0.8)
        seam = (np.abs(p[:, 0] - 1.3) < 0.012) | (np.abs(p[:, 2] + 1.1) < 0.012)
        return mix((0.36, 0.35, 0.33), (0.66, 0.64, 0.6), n) * np.where(seam, 0.55, 1)[:, None]

    props = [ground(concrete), box((-1.0, -0.1, -0.7), (1.0, 0.0, 0.7), Paint((0.6, 0.58, 0.5)))]
    return Stage(main, props, sky(noise, 0.5, 0.3), **options)


def _wheel(x: float, z: float, radius: float, side: int = 1) -> list[Shape]:
    """A wheel on an axle along z whose outer face lies at z."""
    rubber, steel = Paint((0.07, 0.07, 0.075), 0.03, 20), Paint((0.55, 0.55, 0.56), 0.2, 40, 0.3)
    parts = [rod((x, radius, z - 0.35 * side), (x, radius, z), radius, rubber, 0.06)]
    parts += [rod((x, radius, z - 0.1 * side), (x, radius, z + 0.01 * side), 0.55 * radius, steel, 0.03)]
    return [*parts, rod((x, radius, z), (x, radius, z + 0.06 * side), 0.22 * radius, steel, 0.03)]


def garbage_truck(noise: Noise, body: Color, **options: Any) -> Stage:
    name = lettering("CITY WASTE")

    def side(p: Array) -> Array:
        worn = 0.85 + 0.3 * noise(p[:, 0] / 9, p[:, 1] / 6, 1.2)
        ink = name((p[:, 0] + 2.9) / 3.4, (p[:, 1] - 2.2) / 0.55) & (np.abs(p[:, 2]) > 1.08)
        return np.where(ink[:, None], f32((0.93, 0.93, 0.9)), f32(body) * worn[:, None])

    def cab(p: Array) -> Array:
        x, y, z = p.T
        glass = (y > 2.0) & (y < 2.85) & (((z > 1.1) & (x > 2.3) & (x < 3.3)) | ((np.abs(z) < 1.05) & (x > 3.2)))
        grille = (np.abs(z) < 0.7) & (x > 3.4) & (y > 1.0) & (y < 1.65) & ((y * 11) % 1 < 0.6)
        seam = (z > 1.1) & ((np.abs(x - 2.2) < 0.02) | (np.abs(x - 3.4) < 0.02)) & (y > 1.1)
        pane = mix((0.05, 0.06, 0.08), (0.38, 0.45, 0.5), noise(x / 4 + y / 5, z / 4, 1.7))
        return np.where(glass[:, None], pane, np.where((grille | seam)[:, None], 0.09, f32((0.9, 0.9, 0.88))))

    paint, white = Paint(side, 0.06, 60), Paint(cab, 0.07, 90)
    dark, steel = Paint((0.09, 0.09, 0.1), 0.04, 20), Paint((0.62, 0.63, 0.64), 0.3, 40, 0.5)
    main = [
        box((-4.0, 0.75, -0.5), (3.4, 1.05, 0.5), dark),
        box((-4.0, 1.05, -1.22), (1.7, 3.55, 1.22), paint, (-4, 1.7, -1.1, 1.1), 0.04),
    ]
    main += [
        box(
            (-5.7, 1.0, -1.2),
            (-4.05, 3.75, 1.2),
            Paint(tuple(0.9 * v for v in body), 0.06),
            (-4.7, -4.05, -1.1, 1.1),
            0.04,
        )
    ]
    main += [box((-5.9, 0.75, -1.1), (-4.6, 1.5, 1.1), dark, (-5.7, -4.6, -1.1, 1.1))]
    main += [
        box((x, 1.05, -1.3), (x + 0.12, 3.57, 1.3), Paint(body, 0.06), (x, x + 0.12, -1.17, 1.17))
        for x in (-3.95, -3.05, 0.55, 1.55)
    ]
    main += [
        box((-4.0, 1.0, -1.3), (1.7, 1.2, 1.3), Paint(body, 0.06)),
        box((-4.1, 2.55, 1.15), (-3.9, 3.6, 1.35), steel),
    ]
    main += [
        rod((-5.35, 1.6, 1.27), (-4.2, 3.3, 1.2), 0.07, steel),
        rod((1.85, 1.0, 0.95), (1.85, 3.7, 0.95), 0.08, steel),
    ]
    main += [
        box((2.0, 0.65, -1.18), (3.6, 1.9, 1.18), white, bevel=0.05),
        box((2.0, 1.9, -1.18), (3.6, 3.05, 1.18), white, (2.0, 3.3, -1.08, 1.08), 0.05),
    ]
    main += [
        box((3.5, 0.5, -1.2), (3.75, 0.85, 1.2), steel),
        box((2.3, 3.0, -0.7), (2.7, 3.15, 0.7), Paint((0.9, 0.5, 0.1), 0.1)),
    ]
    main += [rod((3.58, 1.1, z), (3.64, 1.1, z), 0.15, Paint((0.95, 0.95, 0.9), 0.3)) for z in (-0.92, 0.92)]
    main += [part for x in (-3.4, -2.2, 2.75) for z in (-1.15, 1.2) for part in _wheel(x, z, 0.55, 1 if z > 0 else -1)]
    main += [box((-1.2, 0.55, 0.7), (0.4, 0.98, 1.15), dark), box((3.1, 1.9, 1.25), (3.25, 2.6, 1.5), dark)]

    def road(p: Array) -> Array:
        n = 0.5 * noise(p[:, 0] / 8, p[:, 2] / 8, 1.2) + 0.5 * noise(p[:, 0] / 3, p[:, 2] / 3, 0.8)
        asphalt = mix((0.22, 0.22, 0.23), (0.52, 0.52, 0.51), n)
        line = (np.abs(p[:, 2] - 4.2) < 0.08) & (p[:, 0] % 4 < 2.6)
        asphalt = np.where(line[:, None], f32((0.9, 0.88, 0.8)), asphalt)
        return np.where((p[:, 2] < -2.6)[:, None], grass(noise, 3.0)(p), asphalt)

    kerb = box((-60, 0, -2.9), (60, 0.14, -2.6), Paint((0.6, 0.59, 0.56)))
    return Stage(main, [ground(road), kerb], sky(noise, 0.5, 0.3), **options)


def cassette_player(noise: Noise, body: Color, **options: Any) -> Stage:
    brand, scale = lettering("STEREO CASSETTE"), lettering("88  92  96  100  104  108")

    def front(p: Array) -> Array:
        x, y = p[:, 0], p[:, 1]
        color = f32(body) * (0.94 + 0.12 * noise(x / 1.5, y / 9, 0.8))[:, None]
        dial = (np.abs(x) < 1.95) & (y > 1.88) & (y < 2.22)
        color = np.where(dial[:, None], f32((0.07, 0.07, 0.09)), color)
        ticks = dial & ((y > 1.93) & (y < 2.0) & (np.abs(x) < 1.6) & (x * 12 % 1 < 0.2))
        color = np.where((scale((x + 1.6) / 3.2, (y - 2.05) / 0.11) | ticks)[:, None], f32((0.95, 0.75, 0.4)), color)
        color = np.where((dial & (np.abs(x - 0.37) < 0.02))[:, None], f32((0.95, 0.15, 0.1)), color)
        return np.where(brand((x + 0.55) / 1.1, (y - 1.58) / 0.1)[:, None], 0.12, color)

    def grille(p: Array) -> Array:
        x, y = p[:, 0] * 16, p[:, 1] * 16
        hole = np.hypot(x % 1 - 0.5, (y + 0.5 * (np.floor(x) % 2)) % 1 - 0.5) < 0.34
        return np.where(hole[:, None], 0.02, f32((0.24, 0.24, 0.26)))

    def door(p: Array) -> Array:
        x, y = p[:, 0], p[:, 1]
        color = np.broadcast_to(f32((0.1, 0.1, 0.115)), p.shape)
        label = (np.abs(x) < 0.5) & (y > 0.66) & (y < 1.3)
        color = np.where(label[:, None], f32((0.86, 0.83, 0.74)), color)
        stripe = label & (y > 1.08) & (y < 1.14)
        color = np.where(stripe[:, None], f32((0.75, 0.2, 0.12)), color)
        window = (np.abs(x) < 0.36) & (np.abs(y - 0.92) < 0.14)
        color = np.where(window[:, None], f32((0.2, 0.15, 0.12)), color)
        r, turn = np.hypot(np.abs(x) - 0.24, y - 0.92), np.arctan2(y - 0.92, np.abs(x) - 0.24)
        color = np.where((r < 0.115)[:, None], f32((0.93, 0.93, 0.9)), color)
        return np.where((r < 0.06 + 0.018 * np.cos(6 * turn))[:, None], 0.04, color)

    silver, chrome = Paint(front, 0.1, 30), Paint((0.78, 0.79, 0.8), 0.5, 50, 0.7)
    black = Paint((0.06, 0.06, 0.065), 0.06, 40)
    main = [
        box((-2.2, 0.05, -0.5), (2.2, 2.4, 0.5), silver, bevel=0.06),
        box((-0.72, 0.5, 0.4), (0.72, 1.46, 0.54), black, bevel=0.02),
    ]
    main += [box((-0.64, 0.58, 0.4), (0.64, 1.4, 0.56), Paint(door, 0.09, 200), bevel=0.02)]
    for x in (-1.42, 1.42):
        main += [
            rod((x, 0.95, 0.4), (x, 0.95, 0.56), 0.68, chrome, 0.03),
            rod((x, 0.95, 0.4), (x, 0.95, 0.575), 0.6, Paint(grille, 0.03), 0.02),
        ]
    main += [
        box(
            (-0.7 + 0.24 * i, 0.2, 0.4),
            (-0.5 + 0.24 * i, 0.4, 0.66),
            chrome if i else Paint((0.75, 0.12, 0.1), 0.1),
            bevel=0.03,
        )
        for i in range(6)
    ]
    main += [rod((x, 2.4, 0.1), (x, 2.5, 0.1), 0.14, chrome) for x in (0.9, 1.3, 1.7)]
    main += tube(
        [
            (-2.0, 2.2, -0.1),
            (-2.0, 2.95, -0.1),
            (-1.8, 3.05, -0.1),
            (0, 3.05, -0.1),
            (1.8, 3.05, -0.1),
            (2.0, 2.95, -0.1),
            (2.0, 2.2, -0.1),
        ],
        0.1,
        black,
        36,
    )
    main += [box((x - 0.25, 0, -0.3), (x + 0.25, 0.06, 0.3), black) for x in (-1.7, 1.7)]

    def wood(p: Array) -> Array:
        n = noise(p[:, 0] / 14 + 0.02 * np.sin(p[:, 2] * 2), p[:, 2] / 1.5, 1.2)
        plank = (p[:, 2] + 0.3) % 1.6 < 0.03
        return mix((0.32, 0.18, 0.09), (0.62, 0.41, 0.23), n) * np.where(plank, 0.5, 1)[:, None]

    def room(d: Array) -> Array:
        return mix(
            (0.80, 0.77, 0.70),
            (0.62, 0.60, 0.56),
            np.clip(d[:, 1] * 2 + 0.6, 0, 1) + 0.1 * noise(d[:, 0], d[:, 1], 1.7),
        )

    return Stage(main, [ground(wood, gloss=0.05)], room, **options)

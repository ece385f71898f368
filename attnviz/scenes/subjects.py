"""A golf ball, a parachute and a church."""

from collections.abc import Iterable
from math import cos, pi, sin
from typing import Any

import numpy as np

from attnviz.scenes.backdrops import arch, grass, ground, sky
from attnviz.scenes.raycaster import Stage
from attnviz.scenes.shapes import Array, Color, Noise, Paint, ball, box, f32, fibonacci, mix, rod, tube, unit


def golf_ball(noise: Noise, **options: Any) -> Stage:
    pits = fibonacci(332) @ np.linalg.qr(noise.rng.standard_normal((3, 3)))[0].astype(np.float32)

    def dimples(p: Array, n: Array) -> Array:
        nearest = np.argmax(n @ pits.T, 1)
        off = n - pits[nearest]
        r = np.linalg.norm(off, axis=1, keepdims=True) / 0.098
        return unit(n - 4.5 * off * np.clip(1 - r**4, 0, 1))

    paint = Paint((0.93, 0.93, 0.92), 0.05, 50, bump=dimples)
    return Stage([ball((0, 0.93, 0), 1, paint)], [ground(grass(noise, 0.8))], sky(noise, 0.5, 0.2), **options)


def parachute(noise: Noise, colors: Iterable[Color], **options: Any) -> Stage:
    gores, palette = 20, f32(list(colors))

    def turn(p: Array) -> Array:
        return (np.arctan2(p[:, 2], p[:, 0]) / (2 * pi) * gores) % gores

    def cloth(p: Array) -> Array:
        wave = noise(turn(p) / 40, p[:, 1] / 6, 1.7)[:, None]
        return palette[turn(p).astype(int) % len(palette)] * (0.8 + 0.4 * wave)

    def bulge(p: Array, n: Array) -> Array:
        side = np.stack([-p[:, 2], 0 * p[:, 0], p[:, 0]], 1) / np.maximum(np.hypot(p[:, 0], p[:, 2]), 0.05)[:, None]
        return unit(n + 0.9 * side * (turn(p) % 1 - 0.5)[:, None])

    def rim(p: Array) -> Array:
        return p[:, 1] > 0.12 + 0.22 * np.abs(turn(p) % 1 - 0.5) ** 2

    canopy = ball((0, 0, 0), (2.2, 1.5, 2.2), Paint(cloth, 0.02, 12, bump=bulge), rim)
    angles = 2 * pi * np.arange(gores) / gores
    line, suit, dark = Paint((0.75, 0.75, 0.75)), Paint((0.16, 0.18, 0.24)), Paint((0.10, 0.09, 0.09))
    lines = [
        rod((2.19 * cos(a), 0.17, 2.19 * sin(a)), (0.12 * cos(a), -3.2, 0.12 * sin(a)), 0.012, line) for a in angles
    ]
    body = [
        ball((0, -3.75, 0), (0.2, 0.36, 0.17), suit),
        ball((0, -3.28, 0), (0.13, 0.15, 0.13), Paint((0.8, 0.2, 0.1), 0.06)),
    ]
    body.append(ball((0, -3.65, -0.18), (0.17, 0.28, 0.13), dark))
    for s in (-1, 1):
        body += tube([(0.17 * s, -3.5, 0), (0.33 * s, -3.25, 0.05), (0.13 * s, -2.95, 0.05)], 0.06, suit, 6)
        body += tube([(0.1 * s, -4.0, 0), (0.16 * s, -4.4, 0.18), (0.18 * s, -4.85, 0.02)], 0.085, suit, 6)
        body.append(ball((0.18 * s, -4.93, 0.07), (0.08, 0.07, 0.14), dark))
    return Stage([canopy, *lines, *body], [], sky(noise, **options.pop("air", {})), **options)


def church(noise: Noise, stone: Color, slate: Color, dull=0.4, sky=(0.5, 0.22), **options: Any) -> Stage:
    def boards(p: Array) -> Array:
        worn = 0.9 + 0.2 * noise(p[:, 0] / 6 + p[:, 2] / 6, p[:, 1] / 6, 1.2)
        return f32(stone) * (worn - 0.1 * ((p[:, 1] * 3.2) % 1 < 0.14))[:, None]

    def glazed(p: Array, u: Array, wide: float, low: float, high: float) -> Array:
        v = p[:, 1]
        bars = (np.abs(u) < 0.04) | ((v - low) % 0.7 < 0.07)
        color = np.where(arch(u, v, wide + 0.14, low - 0.14, high)[:, None], f32(stone) * 1.06, boards(p))
        glass = mix((0.10, 0.12, 0.17), (0.35, 0.43, 0.52), noise(u / 3, v / 4, 1.7))
        return np.where(arch(u, v, wide, low, high)[:, None], np.where(bars[:, None], f32(stone) * 0.9, glass), color)

    def nave(p: Array) -> Array:
        front = p[:, 2] > 2.98
        return glazed(p, np.where(front, np.abs(p[:, 0]) - 2.15, (p[:, 2] + 8.6) % 2.4 - 1.2), 0.42, 1.5, 3.4)

    def tower(p: Array) -> Array:
        front = p[:, 2] > 5.58
        color = glazed(p, np.where(front, p[:, 0], p[:, 2] - 4.3), 0.36, 5.6, 7.2)
        door = front & arch(p[:, 0], p[:, 1], 0.75, 0, 2.3)
        wood = f32((0.36, 0.16, 0.09)) * (1 - 0.4 * ((p[:, 0] * 5) % 1 < 0.1))[:, None]
        color = np.where((front & arch(p[:, 0], p[:, 1], 0.95, 0, 2.4))[:, None], f32(stone) * 1.05, color)
        return np.where(door[:, None], wood, color)

    def belfry(p: Array) -> Array:
        u = np.where(p[:, 2] > 5.3, p[:, 0], p[:, 2] - 4.3)
        louver = f32((0.2, 0.2, 0.22)) * (0.6 + 0.9 * ((p[:, 1] * 5) % 1))[:, None]
        return np.where(arch(u, p[:, 1], 0.4, 9.7, 10.7)[:, None], louver, boards(p))

    def tiles(p: Array) -> Array:
        row = np.floor(p[:, 1] * 4)
        n = noise(p[:, 2] * 0.05 + p[:, 0] * 0.05 + row * 0.37, row * 0.11, 0.8)
        return f32(slate) * (0.6 + 0.8 * n - 0.25 * ((p[:, 1] * 4) % 1 < 0.2))[:, None]

    def roof(p: Array) -> Array:
        return np.where((p[:, 2] > 3.2)[:, None], boards(p), tiles(p))

    wall, shingle, gilt = Paint(boards), Paint(roof), Paint((0.85, 0.7, 0.35), 0.3, metal=0.6)
    trim = Paint(tuple(0.97 * v for v in stone))
    main = [
        box((-3, 0, -9), (3, 5, 3), Paint(nave)),
        box((-3.5, 4.9, -9.3), (3.5, 8.3, 3.25), shingle, (0, 0, -9.3, 3.25)),
    ]
    main += [box((-1.3, 0, 3), (1.3, 9, 5.6), Paint(tower)), box((-1.5, 9, 2.8), (1.5, 9.3, 5.8), trim)]
    main += [
        box((-1.05, 9.3, 3.25), (1.05, 11.3, 5.35), Paint(belfry)),
        box((-1.25, 11.3, 3.05), (1.25, 11.5, 5.55), trim),
    ]
    main += [box((-1.15, 11.5, 3.15), (1.15, 16.5, 5.45), Paint(tiles), (0, 0, 4.3, 4.3))]
    main += [box((-0.06, 16.3, 4.24), (0.06, 17.9, 4.36), gilt), box((-0.42, 17.2, 4.24), (0.42, 17.33, 4.36), gilt)]
    step = Paint((0.62, 0.6, 0.57))
    main += [box((-1.4, 0, 5.6), (1.4, 0.35, 6.6), step), box((-1.7, 0, 6.6), (1.7, 0.17, 7.4), step)]

    def lawn(p: Array) -> Array:
        path = np.clip(6 - 5 * np.abs(p[:, 0] + 0.03 * (p[:, 2] - 6) ** 1), 0, 1) * (p[:, 2] > 6)
        gravel = mix((0.50, 0.46, 0.40), (0.75, 0.71, 0.64), noise(p[:, 0] / 5, p[:, 2] / 5, 0.8))
        return np.where((path > 0.5)[:, None], gravel, grass(noise, 4.0, dull)(p))

    props = [ground(lawn)]
    return Stage(main, props, sky(noise, *sky), **options)

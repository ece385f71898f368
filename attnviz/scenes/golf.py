"""A golf ball on grass."""

from dataclasses import replace

import numpy as np

from attnviz.scenes.backdrops import Grass, Sky, ground
from attnviz.scenes.noise import Noise
from attnviz.scenes.shapes import Bump, Paint, ball
from attnviz.scenes.stage import Recipe, Shot, Stage
from attnviz.scenes.vectors import Array, f32, fibonacci, unit

DIMPLES = 332
DIMPLE = 0.098  # a dimple's radius; the ball's is 1
SINKS = 0.07  # how deep the ball lies in the ground

NEAR = Shot(yaw=20.0, pitch=17.0, distance=9.0, fill=0.62, sun=(-0.7, 0.6, 0.4), blades=6000, blade=0.42, blur=3.0)
FAR = replace(NEAR, fill=0.248, place=(0.68, 0.6), blades=12000)


def golf_ball(noise: Noise) -> Stage:
    """A white ball of radius 1 on a lawn before trees."""
    paint = Paint((0.93, 0.93, 0.92), gloss=0.05, sharp=50, bump=_dimples(noise))
    return Stage([ball((0, 1 - SINKS, 0), 1, paint)], [ground(Grass(noise, 0.8))], Sky(noise, trees=0.2))


def _dimples(noise: Noise) -> Bump:
    """Round pits all over a ball, turned at random."""
    turned, _ = np.linalg.qr(noise.rng.standard_normal((3, 3)))
    pits = fibonacci(DIMPLES) @ f32(turned)

    def bump(_points: Array, normals: Array) -> Array:
        nearest = pits[np.argmax(normals @ pits.T, 1)]
        off = normals - nearest
        away = np.linalg.norm(off, axis=1, keepdims=True) / DIMPLE
        return unit(normals - 4.5 * off * np.clip(1 - away**4, 0, 1))

    return bump


SCENES = {
    "golf ball on grass": Recipe("golf ball", golf_ball, NEAR),
    "small golf ball": Recipe("golf ball", golf_ball, FAR),
}

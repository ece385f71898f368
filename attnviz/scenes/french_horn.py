"""A brass French horn before a red cloth."""

from dataclasses import replace
from functools import partial

import numpy as np

from attnviz.scenes.backdrops import Wall
from attnviz.scenes.noise import Noise
from attnviz.scenes.shapes import Paint, Shape, cone, rod, tube
from attnviz.scenes.stage import Recipe, Shot, Stage
from attnviz.scenes.vectors import Array, unit

VALVES = (-0.32, 0.0, 0.32)  # their x
TURNS = ((1.0, 0.0), (0.88, 0.11), (0.77, -0.05))  # the tube's: radius around the z axis, and z
BELL_TURN = (1.13, 0.05)  # the same of the bell's neck
STRAIGHT = 0.72  # the share of the bell, from its neck on, after which it leaves the turn

BRASS = Paint((0.87, 0.66, 0.28), 0.85, 60, 0.95)
CHROME = Paint((0.75, 0.76, 0.78), 0.5, 60, 0.8)

SHOT = Shot(yaw=34.0, pitch=8.0, distance=9.0, fill=0.92, sun=(-0.4, 0.8, 0.9))


def french_horn(noise: Noise) -> Stage:
    """A horn whose tube winds around the z axis at a radius of some 1, its bell below on the right."""
    cloth = Wall(noise, low=(0.33, 0.07, 0.07), high=(0.5, 0.15, 0.12))
    return Stage([*_valves(), *_slides(), *_mouthpiece(), *_turns(), *_bell()], [], cloth)


def _ringed(radius: float, z: float, points: Array, _normals: Array) -> Array:
    """The normals of a smooth ring around the z axis, in place of those of the pieces that it is made of."""
    middle = np.concatenate([radius * unit(points[:, :2]), np.full((len(points), 1), z)], 1)
    return unit(points - middle)


def _valves() -> list[Shape]:
    """Three rotors with chrome caps."""
    return [
        part
        for x in VALVES
        for part in (
            rod((x, -0.1, 0.05), (x, 0.2, 0.32), 0.14, BRASS),
            rod((x, 0.2, 0.32), (x, 0.24, 0.36), 0.09, CHROME),
        )
    ]


def _slides() -> list[Shape]:
    """A loop of tube below each valve, and two bows above them."""
    loops = [
        [(-0.4, 0, 0.2), (-0.42, -0.5, 0.2), (-0.32, -0.62, 0.2), (-0.22, -0.5, 0.2), (-0.24, 0, 0.2)],
        [(-0.08, 0, 0.2), (-0.1, -0.45, 0.25), (0, -0.55, 0.25), (0.1, -0.45, 0.25), (0.08, 0, 0.2)],
        [(0.24, 0, 0.2), (0.22, -0.4, 0.3), (0.32, -0.5, 0.3), (0.42, -0.4, 0.3), (0.4, 0, 0.2)],
        [(-0.7, 0.3, 0.1), (-0.3, 0.55, 0.2), (0.3, 0.55, 0.2), (0.7, 0.3, 0.1)],
        [(-0.75, 0.1, 0.15), (-0.45, 0.3, 0.25), (0.45, 0.3, 0.25), (0.75, 0.1, 0.15)],
    ]
    return [part for loop in loops for part in tube(loop, 0.05, BRASS, 12)]


def _mouthpiece() -> list[Shape]:
    """The pipe that leads to it, and the mouthpiece."""
    pipe = [(0.4, 0.92, 0.05), (0.1, 1.2, 0.15), (-0.6, 1.3, 0.25), (-1.5, 1.25, 0.35)]
    return [*tube(pipe, 0.042, BRASS, 14), rod(pipe[-1], (-1.66, 1.24, 0.37), 0.075, CHROME)]


def _turns() -> list[Shape]:
    """Three turns of tube."""
    angles = np.linspace(0, 2 * np.pi, 33)
    parts = []
    for radius, z in TURNS:
        circle = np.stack([radius * np.cos(angles), radius * np.sin(angles), np.full_like(angles, z)], 1)
        parts += tube(circle, 0.06, replace(BRASS, bump=partial(_ringed, radius, z)), 48)
    return parts


def _bell() -> list[Shape]:
    """Cones, ever wider, half around the horn and then straight on, toward the camera a little."""
    radius, z = BELL_TURN
    along = np.linspace(0, 1, 32)
    bend = np.radians(70 + 175 * np.minimum(along / STRAIGHT, 1))
    out = 2.3 * np.maximum(along - STRAIGHT, 0) / (1 - STRAIGHT)
    x = radius * np.cos(bend) - out * np.sin(bend[-1])
    y = radius * np.sin(bend) + out * np.cos(bend[-1])
    path = np.stack([x, y, z + 0.12 * out], 1)
    radii = 0.06 + 0.12 * along**2 + 0.8 * (np.maximum(along - 0.45, 0) / 0.55) ** 3.2
    neck = replace(BRASS, bump=partial(_ringed, radius, z))
    return [
        cone(path[i], path[i + 1], radii[i], radii[i + 1], neck if along[i] < STRAIGHT - 0.02 else BRASS)
        for i in range(len(path) - 1)
    ]


SCENES = {"French horn": Recipe("French horn", french_horn, SHOT)}

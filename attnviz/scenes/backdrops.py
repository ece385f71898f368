"""Grounds, skies and patterns that scenes share."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from attnviz.scenes.noise import MEDIUM, ROUGH, SMOOTH, Noise
from attnviz.scenes.shapes import Coloring, Paint, Shape
from attnviz.scenes.vectors import Array, Color, mix, over

LETTERS = 64  # pixels, the size of a text's stencil


def ground(color: Coloring, gloss: float = 0.0) -> Shape:
    """All that lies at height 0 or below."""
    return Shape(Paint(color, gloss), planes=[((0, 1, 0), (0, 0, 0))])


class Grass:
    """A mown lawn's color; ``unit`` scales its pattern, ``dull`` (0..1) dries it out."""

    def __init__(self, noise: Noise, unit: float, dull: float = 0.0) -> None:
        self._noise, self._unit, self._dull = noise, unit, dull

    def __call__(self, points: Array) -> Array:
        x, z = points[:, 0] / self._unit, points[:, 2] / self._unit
        patch, fine = self._noise(x / 30, z / 30, SMOOTH), self._noise(x / 4 + 0.3, z / 4, ROUGH)
        green = mix((0.18, 0.28, 0.08), (0.36, 0.47, 0.16), patch)
        green = mix(green, (0.60, 0.60, 0.32), 0.9 * (fine - 0.4))
        dried = mix(green, (0.40, 0.37, 0.25), np.full_like(patch, self._dull))
        return dried * (0.55 + 0.9 * fine[:, None])


class Rough:
    """Concrete, asphalt or gravel: two colors mixed in stains and grain; ``unit`` scales its pattern."""

    def __init__(self, noise: Noise, dark: Color, light: Color, unit: float = 1.0) -> None:
        self._noise, self._dark, self._light, self._unit = noise, dark, light, unit

    def __call__(self, points: Array) -> Array:
        x, z = points[:, 0] / self._unit, points[:, 2] / self._unit
        stains, grain = self._noise(x / 3, z / 3, MEDIUM), self._noise(x / 1.1, z / 1.1, ROUGH)
        return mix(self._dark, self._light, 0.55 * stains + 0.45 * grain)


class Wall:
    """A plain wall or cloth all around, out of focus, one color below and another above."""

    def __init__(self, noise: Noise, low: Color, high: Color) -> None:
        self._noise, self._low, self._high = noise, low, high

    def __call__(self, directions: Array) -> Array:
        x, y, _ = directions.T
        stains = 0.2 * (self._noise(x, y, SMOOTH) - 0.5)
        return mix(self._low, self._high, np.clip(2 * y + 0.6 + stains, 0, 1))


class Sky:
    """A blue sky with clouds (0..1: how many), before which trees reach up to about an angle's tangent (0: none)."""

    def __init__(self, noise: Noise, clouds: float = 0.5, trees: float = 0.0) -> None:
        self._noise, self._clouds, self._trees = noise, clouds, trees
        self._u, self._v = noise.rng.random(2)

    def __call__(self, directions: Array) -> Array:
        air = self._air(directions)
        return self._wooded(directions, air) if self._trees else air

    def _air(self, directions: Array) -> Array:
        """Blue, paler toward the horizon, with clouds on a ceiling that fade out there."""
        up = np.maximum(directions[:, 1], 0)
        blue = mix((0.72, 0.84, 0.94), (0.22, 0.46, 0.80), up**0.6)
        x, z = directions[:, 0] / (up + 0.3), directions[:, 2] / (up + 0.3)
        banks = self._noise(x / 2.5 + self._u, z / 2.5 + self._v, SMOOTH)
        cloud = banks * 0.85 + 0.15 * self._noise(x / 0.7 + self._v, z / 0.7, MEDIUM)
        cover = np.clip((cloud - 0.95 + self._clouds) * 2.5, 0, np.minimum(8 * up, 1))
        return mix(blue, (0.98, 0.98, 0.98), cover**1.2)

    def _wooded(self, directions: Array, air: Array) -> Array:
        """A wood all around: leaves, lighter toward the treetops."""
        x, y, z = directions.T
        turn, rise = np.arctan2(x, -z), y / np.hypot(x, z)
        treetops = self._noise(turn * 0.6 + self._u, np.full(len(turn), self._v), SMOOTH)
        line = self._trees * (0.35 + 1.1 * treetops)
        leaf = self._noise(turn * 2.5 + self._u, rise * 2.5, ROUGH) * 0.6
        leaf = leaf + 0.4 * self._noise(turn * 0.8, rise * 0.9 + self._v, MEDIUM)
        lit = np.clip(2.2 * leaf - 0.85 + 0.5 * np.clip(rise / line, 0, 1), 0, 1)
        green = mix((0.05, 0.09, 0.05), (0.42, 0.50, 0.24), lit)
        return over(air, rise < line * (0.6 + 0.8 * leaf), green)


def arched(u: Array, v: Array, half: float, low: float, high: float) -> Array:
    """Whether (u, v) lies in a pointed window of this half width around u = 0, upright from ``low`` to ``high``."""
    upright = (np.abs(u) < half) & (v > low) & (v < high)
    pointed = (np.abs(u) < half) & (v > low) & (np.hypot(u, (v - high) * 0.6) < half)
    return upright | pointed


def lettered(text: str, u: Array, v: Array, left: float, bottom: float, width: float, height: float) -> Array:
    """Whether (u, v), v upward, lies on a letter of a text whose box is given."""
    ink = _ink(text)
    across, up = (u - left) / width, (v - bottom) / height
    inside = (across > 0) & (across < 1) & (up > 0) & (up < 1)
    row = np.clip(((1 - up) * ink.shape[0]).astype(int), 0, ink.shape[0] - 1)
    column = np.clip((across * ink.shape[1]).astype(int), 0, ink.shape[1] - 1)
    return inside & ink[row, column]


@lru_cache
def _ink(text: str) -> Array:
    """Where a text's box is inked: (H, W)."""
    font = ImageFont.load_default(LETTERS)
    left, top, right, bottom = (int(edge) for edge in font.getbbox(text))
    image = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(image).text((-left, -top), text, 255, font)
    ink = np.asarray(image) > 127
    ink.flags.writeable = False
    return ink

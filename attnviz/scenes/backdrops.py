"""Grounds, skies and patterns that scenes share."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from attnviz.scenes.shapes import Array, Color, Noise, Paint, Shape, mix


def ground(color: Callable[[Array], Array] | Color, height: float = 0.0, gloss: float = 0.0) -> Shape:
    return Shape(Paint(color, gloss), planes=[((0, 1, 0), (0, height, 0))])


def grass(noise: Noise, unit: float = 1.0, dull: float = 0.0) -> Callable[[Array], Array]:
    def color(p: Array) -> Array:
        x, z = p[:, 0] / unit, p[:, 2] / unit
        patch, fine = noise(x / 30, z / 30, 1.7), noise(x / 4 + 0.3, z / 4, 0.8)
        green = mix(mix((0.18, 0.28, 0.08), (0.36, 0.47, 0.16), patch), (0.60, 0.60, 0.32), 0.9 * (fine - 0.4))
        return mix(green, (0.40, 0.37, 0.25), dull + 0 * patch) * (0.55 + 0.9 * fine[:, None])

    return color


def sky(noise: Noise, clouds: float = 0.5, trees: float = 0.0) -> Callable[[Array], Array]:
    """A blue sky with clouds, and trees that reach up to about an angle's tangent."""
    u, v = noise.rng.random(2)

    def color(d: Array) -> Array:
        up = np.maximum(d[:, 1], 0)
        blue = mix((0.72, 0.84, 0.94), (0.22, 0.46, 0.80), up**0.6)
        x, z = d[:, 0] / (up + 0.3), d[:, 2] / (up + 0.3)
        cloud = noise(x / 2.5 + u, z / 2.5 + v, 1.7) * 0.85 + 0.15 * noise(x / 0.7 + v, z / 0.7, 1.2)
        sky = mix(blue, (1.0, 1.0, 1.0), np.clip((cloud - 0.95 + clouds) * 2.5, 0, 1) ** 1.2)
        if not trees:
            return sky
        turn, rise = np.arctan2(d[:, 0], -d[:, 2]), d[:, 1] / np.hypot(d[:, 0], d[:, 2])
        line = trees * (0.35 + 1.1 * noise(turn * 0.6 + u, turn * 0 + v, 1.7))
        leaf = noise(turn * 2.5 + u, rise * 2.5, 0.8) * 0.6 + 0.4 * noise(turn * 0.8, rise * 0.9 + v, 1.2)
        lit = np.clip(2.2 * leaf - 0.85 + 0.5 * np.clip(rise / line, 0, 1), 0, 1)
        green = mix((0.05, 0.09, 0.05), (0.42, 0.50, 0.24), lit)
        return np.where((rise < line * (0.6 + 0.8 * leaf))[:, None], green, sky)

    return color


def arch(u: Array, v: Array, wide: float, low: float, high: float) -> Array:
    """Whether (u, v) lies in a pointed window of half width ``wide`` that springs at ``high``."""
    return (np.abs(u) < wide) & (v > low) & ((v < high) | (np.hypot(u, (v - high) * 0.6) < wide))


def lettering(text: str, size: int = 64) -> Callable[[Array, Array], Array]:
    """Whether (u, v), both 0..1 over the text's box, v upwards, lies on a letter."""
    font = ImageFont.load_default(size)
    left, top, right, bottom = (int(v) for v in font.getbbox(text))
    image = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(image).text((-left, -top), text, 255, font)
    ink = np.asarray(image) > 127

    def covered(u: Array, v: Array) -> Array:
        inside = (u > 0) & (u < 1) & (v > 0) & (v < 1)
        rows, columns = ((1 - v) * ink.shape[0]).astype(int), (u * ink.shape[1]).astype(int)
        return inside & ink[np.clip(rows, 0, ink.shape[0] - 1), np.clip(columns, 0, ink.shape[1] - 1)]

    return covered

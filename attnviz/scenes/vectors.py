"""Arrays of points, directions and colors: 32-bit floats, the last axis the three parts."""

from math import pi
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
Color = tuple[float, float, float]  # sRGB, 0..1 each

GOLDEN_ANGLE = pi * (3 - 5**0.5)


def f32(values: ArrayLike) -> Array:
    return np.asarray(values, np.float32)


def dot(a: Array, b: Array) -> Array:
    """The inner products of vectors (N, 3): (N, 1)."""
    return (a * b).sum(1, keepdims=True)


def unit(vectors: Array) -> Array:
    """The vectors (..., 3) at length 1; those of no length stay as they are."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def mix(a: ArrayLike, b: ArrayLike, share: Array) -> Array:
    """From a (share 0) to b (share 1), colors (3,) or (N, 3) by shares (N,): (N, 3)."""
    return f32(a) + (f32(b) - f32(a)) * share[..., None]


def over(colors: Array, mask: Array, ink: Array | Color | float) -> Array:
    """The colors (N, 3) with ``ink`` in place of those where the mask (N,) holds; a number is a gray."""
    return np.where(mask[:, None], ink if isinstance(ink, np.ndarray) else f32(ink), colors)


def shaded(color: Color, gain: float) -> Color:
    """The color made darker or, by a gain above 1, lighter."""
    red, green, blue = color
    return gain * red, gain * green, gain * blue


def within(values: Array, low: float, high: float) -> Array:
    return (values > low) & (values < high)


def fibonacci(count: int) -> Array:
    """Points spread evenly over the unit sphere, on a spiral from its top to its bottom: (count, 3)."""
    steps = np.arange(count)
    height = 1 - (2 * steps + 1) / count
    ring, turn = np.sqrt(1 - height**2), steps * GOLDEN_ANGLE
    return f32(np.stack([ring * np.cos(turn), height, ring * np.sin(turn)], 1))

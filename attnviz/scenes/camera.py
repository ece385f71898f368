"""A pinhole camera whose picture is a grid of fine pixels, several to a pixel."""

from dataclasses import dataclass
from math import cos, radians, sin
from typing import Self

import numpy as np

from attnviz.scenes.shapes import Shape
from attnviz.scenes.stage import Shot
from attnviz.scenes.vectors import Array, f32

FINE = 2  # fine pixels, and so rays, a pixel along each side


@dataclass(frozen=True)
class View:
    """Where the camera stands, where it looks, and how that maps to fine pixels.

    Attributes:
        origin: the pinhole, (3,).
        axes: the unit directions right, up and forward, (3, 3).
        zoom: fine pixels for what is one unit wide one unit ahead.
        shift: the fine pixel straight ahead, (x, y), which need not lie in the picture.
        size: width and height in fine pixels.
    """

    origin: Array
    axes: Array
    zoom: float
    shift: tuple[float, float]
    size: tuple[int, int]

    @classmethod
    def framing(cls, main: list[Shape], shot: Shot, size: tuple[int, int], center: tuple[float, float]) -> Self:
        """The view of a shot in which the main object fills its share of a picture of ``size`` pixels.

        The middle of the object's outline lies at ``center``, in shares of width and height from the top left.
        """
        yaw, pitch = radians(shot.yaw), radians(shot.pitch)
        forward = f32([-sin(yaw) * cos(pitch), -sin(pitch), -cos(yaw) * cos(pitch)])
        right = f32([cos(yaw), 0, -sin(yaw)])
        axes = np.stack([right, np.cross(right, forward), forward])
        outline = np.concatenate([shape.outline for shape in main])
        origin = (outline.min(0) + outline.max(0)) / 2 - shot.distance * forward
        seen = (outline - origin) @ axes.T
        flat = seen[:, :2] / seen[:, 2:]
        low, high = flat.min(0), flat.max(0)
        width, height = size[0] * FINE, size[1] * FINE
        zoom = shot.fill * min(width / (high - low)[0], height / (high - low)[1])
        middle = (low + high) / 2 * zoom
        return cls(origin, axes, zoom, (center[0] * width - middle[0], center[1] * height + middle[1]), (width, height))

    def rays(self, x: Array, y: Array) -> Array:
        """The rays (..., 3) through fine pixels (x, y), arrays of any one shape; each reaches one unit forward."""
        right, up = (x + 0.5 - self.shift[0]) / self.zoom, (self.shift[1] - y - 0.5) / self.zoom
        return f32(np.stack([right, up, np.ones_like(right)], -1) @ self.axes)

    def window(self, shape: Shape) -> tuple[slice, slice]:
        """Rows and columns of fine pixels beyond which the shape is not seen."""
        width, height = self.size
        seen = (shape.outline - self.origin) @ self.axes.T
        if not shape.bounded or seen[:, 2].min() <= 0:  # what reaches behind the camera may cover anything
            return slice(0, height), slice(0, width)
        x, y = (seen[:, :2] / seen[:, 2:] * self.zoom * [1, -1] + self.shift).T
        margin = 0.02 * max(np.ptp(x), np.ptp(y)) + 2
        left, right = np.clip([x.min() - margin, x.max() + margin], 0, width)
        top, bottom = np.clip([y.min() - margin, y.max() + margin], 0, height)
        return slice(int(top), int(bottom)), slice(int(left), int(right))

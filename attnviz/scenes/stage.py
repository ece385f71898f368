"""What a scene consists of, and how it is shot."""

from collections.abc import Callable
from dataclasses import dataclass

from attnviz.scenes.noise import Noise
from attnviz.scenes.shapes import Coloring, Shape
from attnviz.scenes.vectors import Color


@dataclass(frozen=True)
class Stage:
    """What stands there, in units of the scene's own; the ground lies at height 0.

    Attributes:
        main: the shapes of the main object.
        props: the other shapes; the ground, if there is one, is the first.
        backdrop: the colors of what lies behind them all, for unit directions (N, 3).
    """

    main: list[Shape]
    props: list[Shape]
    backdrop: Coloring


@dataclass(frozen=True)
class Shot:
    """Camera, light and grass.

    Attributes:
        yaw: how far the camera walks around the object to its right (toward positive x), in degrees.
        pitch: how far the camera looks down on it, in degrees.
        distance: from the camera to the object's middle, in the scene's units.
        fill: the share of the picture's width or height, whichever is tighter, that the object takes.
        place: where the object's middle lies, in shares of width and height from the top left.
        sun: the direction to the sun, of any length.
        sunlight: linear red, green and blue of the sun; so are ``skylight``, from above, and ``bounce``, from below.
        softness: how far the sun's rays spread, as a standard deviation of its unit direction: soft edges of shadows.
        blades: how many blades of grass are tried; none: 0.
        blade: their middle length, in the scene's units.
        blur: the radius, in pixels, by which what lies far behind the object is blurred.
    """

    yaw: float = 0.0
    pitch: float = 12.0
    distance: float = 10.0
    fill: float = 0.62
    place: tuple[float, float] = (0.5, 0.5)
    sun: tuple[float, float, float] = (-0.5, 0.8, 0.6)
    sunlight: Color = (2.6, 2.45, 2.15)
    skylight: Color = (0.75, 0.88, 1.05)
    bounce: Color = (0.30, 0.30, 0.25)
    softness: float = 0.04
    blades: int = 0
    blade: float = 0.3
    blur: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """A scene that can be drawn: the label of its class, what stands there for some noise, and how it is shot."""

    label: str
    build: Callable[[Noise], Stage]
    shot: Shot

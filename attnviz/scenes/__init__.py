"""Scenes drawn by a small ray caster in NumPy and Pillow: nobody's photos, and where the object lies is known."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attnviz.errors import OptionError
from attnviz.scenes.machines import cassette_player, garbage_truck, gas_pump
from attnviz.scenes.raycaster import FINE, Stage, View, finish, grow, light_up
from attnviz.scenes.shapes import Noise
from attnviz.scenes.subjects import church, golf_ball, parachute

__all__ = ["SCENES", "Scene", "draw"]


@dataclass(frozen=True)
class Scene:
    """A drawn picture (RGB), the mask (H, W) of its main object, and the label of its class."""

    image: Image.Image
    mask: NDArray[np.bool_]
    label: str


GOLF = {
    "yaw": 20.0,
    "pitch": 17.0,
    "distance": 9.0,
    "fill": 0.62,
    "blades": 6000,
    "blade": 0.42,
    "blur": 3,
    "sun": (-0.7, 0.6, 0.4),
}
SCENES: dict[str, tuple[str, Callable[..., Stage], dict[str, Any]]] = {
    "golf ball on grass": ("golf ball", golf_ball, GOLF),
    "small golf ball": ("golf ball", golf_ball, GOLF | {"size": 0.4, "place": (0.68, 0.6), "blades": 12000}),
    "striped parachute": (
        "parachute",
        parachute,
        {"colors": [(0.85, 0.12, 0.1), (0.95, 0.94, 0.9)], "pitch": -18.0, "yaw": 15.0, "distance": 16.0, "fill": 0.9},
    ),
    "white church": (
        "church",
        church,
        {
            "stone": (0.9, 0.89, 0.86),
            "slate": (0.32, 0.33, 0.36),
            "yaw": 32.0,
            "pitch": -7.0,
            "distance": 42.0,
            "fill": 0.88,
            "sun": (0.35, 0.6, 0.8),
        },
    ),
    "red gas pump": (
        "gas pump",
        gas_pump,
        {
            "body": (0.78, 0.08, 0.07),
            "yaw": 25.0,
            "pitch": 5.0,
            "distance": 5.5,
            "fill": 0.86,
            "blur": 1.5,
            "sun": (0.5, 0.8, 0.8),
        },
    ),
    "garbage truck": (
        "garbage truck",
        garbage_truck,
        {"body": (0.1, 0.42, 0.2), "yaw": -30.0, "pitch": 4.0, "distance": 18.0, "fill": 0.9, "sun": (-0.3, 0.8, 0.8)},
    ),
    "cassette player": (
        "cassette player",
        cassette_player,
        {
            "body": (0.74, 0.75, 0.77),
            "yaw": 14.0,
            "pitch": 12.0,
            "distance": 11.0,
            "fill": 0.8,
            "sun": (-0.4, 0.9, 0.9),
            "softness": 0.12,
            "sunlight": (1.8, 1.7, 1.55),
        },
    ),
}


def draw(
    name: str,
    *,
    size: tuple[int, int] = (480, 360),
    seed: int = 0,
    scale: float = 1.0,
    center: tuple[float, float] | None = None,
) -> Scene:
    """Draws a scene of SCENES, the same one for the same seed.

    Args:
        name: one of SCENES.
        size: width and height in pixels.
        seed: decides everything that is random.
        scale: multiplies the main object's size, which by itself fits the picture.
        center: where the middle of the main object lies, in shares of width and height; None: where the scene has it.

    Raises OptionError with the names there are.
    """
    if name not in SCENES:
        raise OptionError(f"no scene {name!r}; there are {', '.join(SCENES)}")
    label, build, options = SCENES[name]
    noise = Noise(seed)
    stage = build(noise, **options)
    view = View.framing(stage, size, scale * stage.size, center or stage.place)
    light, depth, index = light_up(stage, view, noise)
    toned = 255 * (light * (1 + light / 6) / (1 + light)) ** (1 / 2.2)
    image = Image.fromarray(np.clip(toned, 0, 255).astype(np.uint8))
    if stage.blades:
        grow(image, stage, view, index, noise)
    mask = (index >= 0) & (index < len(stage.main))
    share = mask.reshape(size[1], FINE, size[0], FINE).mean((1, 3))
    return Scene(finish(image, stage, view, depth, noise), share >= 0.5, label)

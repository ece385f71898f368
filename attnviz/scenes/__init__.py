"""Scenes drawn by a small ray caster in NumPy and Pillow: nobody's photos, and where the object lies is known."""

from dataclasses import dataclass, replace
from math import isfinite

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attnviz.errors import OptionError
from attnviz.scenes import cassette_player, chain_saw, church, french_horn, garbage_truck, gas_pump, golf, parachute
from attnviz.scenes.camera import FINE, View
from attnviz.scenes.finishing import blurred_behind, developed, grow, toned
from attnviz.scenes.noise import Noise
from attnviz.scenes.raycaster import cast, light_up
from attnviz.scenes.stage import Recipe

__all__ = ["SCENES", "Scene", "draw"]

_ORDER = (
    "white church",
    "red gas pump",
    "garbage truck",
    "cassette player",
    "chain saw",
    "golf ball on grass",
    "small golf ball",
    "striped parachute",
    "French horn",
    "stone church",
    "blue parachute",
)
_SUBJECTS = (cassette_player, chain_saw, church, french_horn, garbage_truck, gas_pump, golf, parachute)
_RECIPES = {name: recipe for subject in _SUBJECTS for name, recipe in subject.SCENES.items()}

SCENES: dict[str, Recipe] = {name: _RECIPES[name] for name in _ORDER}


@dataclass(frozen=True)
class Scene:
    """A drawn picture and what is in it.

    Attributes:
        image: RGB.
        mask: (H, W), true where at least half of a pixel shows the main object; blades of grass before it count as it.
        label: the name of its class, one of Imagenette's ten.
    """

    image: Image.Image
    mask: NDArray[np.bool_]
    label: str


def draw(
    name: str,
    *,
    size: tuple[int, int] = (480, 360),
    seed: int = 0,
    scale: float = 1.0,
    center: tuple[float, float] | None = None,
) -> Scene:
    """Draws a scene of SCENES, the same one for the same arguments.

    Args:
        name: one of SCENES.
        size: width and height in pixels, whole numbers from 1 on.
        seed: decides everything that is random; a whole number from 0 on.
        scale: multiplies the main object's width and height, which at 1 fit the picture; finite and above 0.
        center: where the middle of the main object lies, in shares of width and height from the top left, beyond 0..1
            outside the picture; None: where the scene has it.

    Raises:
        OptionError: what cannot be, in one line; for a name, with the names there are.
    """
    if name not in SCENES:
        raise OptionError(f"there is no scene {name!r}; there are {', '.join(SCENES)}")
    _check(size, seed, scale, center or (0.5, 0.5))
    recipe, noise = SCENES[name], Noise(seed)
    stage = recipe.build(noise)
    shot = replace(recipe.shot, fill=scale * recipe.shot.fill)
    view = View.framing(stage.main, shot, size, center or shot.place)
    hits = cast(view, stage.main + stage.props)
    image = toned(light_up(stage, shot, view, hits, noise))
    if shot.blades:
        grow(image, shot, view, hits.index == len(stage.main), noise)
    if shot.blur:
        image = blurred_behind(image, hits.depth, shot)
    main = (hits.index >= 0) & (hits.index < len(stage.main))
    share = main.reshape(size[1], FINE, size[0], FINE).mean((1, 3))
    return Scene(developed(image, noise), share >= 0.5, recipe.label)


def _check(size: tuple[int, int], seed: int, scale: float, center: tuple[float, float]) -> None:
    if len(size) != 2 or not all(isinstance(side, int) and side >= 1 for side in size):
        raise OptionError(f"size is {size!r}; it must be width and height, whole numbers of pixels, at least 1 each")
    if not isinstance(seed, int) or seed < 0:
        raise OptionError(f"seed is {seed!r}; it must be a whole number, at least 0")
    if not (isfinite(scale) and scale > 0):
        raise OptionError(f"scale is {scale!r}; it must be finite and above 0")
    if len(center) != 2 or not all(isfinite(share) for share in center):
        raise OptionError(f"center is {center!r}; it must be two finite shares, of width and height")

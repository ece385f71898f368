"""How bright linear light looks in a picture, and back."""

import numpy as np

from attnviz.scenes.vectors import Array

GAMMA = 2.2  # linear light is sRGB to this power, nearly


def shown(light: Array) -> Array:
    """The sRGB colors, 0..1, in which a picture shows linear light of any strength: bright parts are compressed."""
    return np.clip(light * (1 + light / 6) / (1 + light), 0, 1) ** (1 / GAMMA)


def light_for(colors: Array) -> Array:
    """The linear light that a picture shows in these sRGB colors; they are clipped to 0..1."""
    tone = np.clip(colors, 0, 1) ** GAMMA
    return 3 * (tone - 1 + np.sqrt((1 - tone) ** 2 + 2 * tone / 3))

"""Color maps as tables of 256 colors, for canvases and figures alike."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

SEQUENTIAL = ("viridis", "cividis", "magma")
DIVERGING = "coolwarm"  # for signed values, with zero in its middle


@cache
def table(name: str) -> NDArray[np.uint8]:
    """A matplotlib color map as 256 sRGB colors, (256, 3)."""
    from matplotlib import colormaps

    colors = colormaps[name](np.arange(256), bytes=True)
    return np.ascontiguousarray(colors[:, :3], dtype=np.uint8)


def tables() -> dict[str, NDArray[np.uint8]]:
    """Every table the pages use, by name."""
    return {name: table(name) for name in (*SEQUENTIAL, DIVERGING)}

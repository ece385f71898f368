"""What is random in a scene."""

import numpy as np

from attnviz.scenes.vectors import Array

SIDE = 512  # of a tile, in samples; a power of two
ROUGH, MEDIUM, SMOOTH = 0.8, 1.2, 1.7  # how fast a tile's frequencies fall off: 1/f to this power


class Noise:
    """The random numbers of a scene (``rng``), and tiles of 1/f noise, 0..1 with mean 0.5, that repeat forever."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        frequency = np.hypot(*np.meshgrid(np.fft.rfftfreq(SIDE), np.fft.fftfreq(SIDE)))
        frequency[0, 0] = np.inf  # no mean
        white = np.fft.rfft2(self.rng.standard_normal((SIDE, SIDE)))
        self._tiles = {power: _tile(white / frequency**power) for power in (ROUGH, MEDIUM, SMOOTH)}

    def __call__(self, u: Array, v: Array, power: float) -> Array:
        """The values at (u, v), arrays (N,) whose unit is one tile, interpolated; power: ROUGH, MEDIUM or SMOOTH."""
        tile, x, y = self._tiles[power], u * SIDE, v * SIDE
        column, row = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
        across, down = (x - column).astype(np.float32), (y - row).astype(np.float32)
        left, right, top, bottom = column % SIDE, (column + 1) % SIDE, row % SIDE, (row + 1) % SIDE
        upper = tile[top, left] * (1 - across) + tile[top, right] * across
        lower = tile[bottom, left] * (1 - across) + tile[bottom, right] * across
        return upper * (1 - down) + lower * down


def _tile(spectrum: Array) -> Array:
    tile = np.fft.irfft2(spectrum)
    return np.clip(0.5 + 0.2 * tile / tile.std(), 0, 1).astype(np.float32)

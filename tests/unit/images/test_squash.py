"""What the network gets of a picture."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from attnviz.errors import OptionError, PictureError
from attnviz.images import Picture, load_picture, squash
from tests.unit.images.pictures import (
    noise,
    spelled,
    values,
)


class TestSquash:
    def test_the_whole_picture(self) -> None:
        picture = load_picture(np.full((30, 70, 3), (10, 20, 30), np.uint8))
        result = squash(picture, 8)
        assert isinstance(result, Picture)
        assert result.original is picture
        assert result.box == (0, 0, 70, 30)
        assert (result.seen.mode, result.seen.size) == ("RGB", (8, 8))
        assert set(values(result.seen)) == {(10, 20, 30)}

    def test_nothing_is_cropped(self) -> None:
        """Quarters of four colors stay quarters, whatever the aspect ratio."""
        colors = spelled("ab cd")
        for height, width in ((40, 400), (400, 40), (64, 64)):
            seen = np.asarray(squash(load_picture(colors.repeat(height // 2, 0).repeat(width // 2, 1)), 16).seen, int)
            assert np.array_equal(seen[3::8, 3::8], colors)

    def test_antialiased(self) -> None:
        """Stripes much finer than the result become their mean; without antialiasing some would be 0 or 255."""
        stripes = np.tile(np.array([0, 255], np.uint8), (64, 512))
        seen = np.asarray(squash(load_picture(stripes), 32).seen, int)
        assert np.abs(seen - 127.5).max() <= 2

    def test_as_training_did(self) -> None:
        picture = noise(50)
        expected = picture.resize((224, 224), Image.Resampling.BICUBIC)
        assert np.array_equal(squash(picture, 224).seen, expected)
        assert np.array_equal(squash(picture, 50).seen, picture)

    def test_extremes(self) -> None:
        assert squash(Image.new("RGB", (60000, 1), "red"), 4).seen.getpixel((3, 3)) == (255, 0, 0)
        assert squash(Image.new("RGB", (1, 1), "red"), 224).seen.getpixel((200, 3)) == (255, 0, 0)

    @pytest.mark.parametrize("size", [0, -1, 2.5, None])
    def test_sizes_that_cannot_be(self, size: Any) -> None:
        with pytest.raises(OptionError, match="at least 1"):
            squash(Image.new("RGB", (2, 2)), size)

    def test_other_modes(self) -> None:
        with pytest.raises(PictureError, match="mode is RGBA"):
            squash(Image.new("RGBA", (2, 2)), 2)

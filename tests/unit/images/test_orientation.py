"""Pictures that were stored turned or mirrored."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from attnviz.images import FORMATS, load_picture
from tests.unit.images.pictures import (
    LOSSLESS,
    encoded,
    spelled,
)

# what "abc def" as stored shows, by the EXIF standard: 6, for one, has its row 0 on the right and its column 0 on top
UPRIGHT = {
    1: "abc def",
    2: "cba fed",
    3: "fed cba",
    4: "def abc",
    5: "ad be cf",
    6: "da eb fc",
    7: "fc eb da",
    8: "cf be ad",
}


class TestOrientation:
    @staticmethod
    def exif(orientation: Any) -> Image.Exif:
        exif = Image.Exif()
        exif[0x0112] = orientation
        return exif

    @pytest.mark.parametrize("orientation", UPRIGHT)
    @pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
    def test_files(self, orientation: int, format: str) -> None:  # noqa: A002
        stored = Image.fromarray(spelled("abc def"))
        data = encoded(stored, format, exif=self.exif(orientation), **LOSSLESS[format])
        assert np.array_equal(load_picture(data), spelled(UPRIGHT[orientation]))
        with Image.open(BytesIO(data)) as lazy:
            assert np.array_equal(load_picture(lazy), spelled(UPRIGHT[orientation]))

    @pytest.mark.parametrize("orientation", UPRIGHT)
    @pytest.mark.parametrize("format", [name for name in ("JPEG", "AVIF") if name in FORMATS])
    def test_lossy_files(self, orientation: int, format: str) -> None:  # noqa: A002
        stored = Image.fromarray(spelled("abc def").repeat(16, 0).repeat(16, 1))
        picture = load_picture(encoded(stored, format, exif=self.exif(orientation), quality=95))
        centers = np.asarray(picture, int)[8::16, 8::16]
        assert centers.shape == spelled(UPRIGHT[orientation]).shape
        assert np.abs(centers - spelled(UPRIGHT[orientation])).max() < 12

    @pytest.mark.parametrize("orientation", UPRIGHT)
    def test_pil_images(self, orientation: int) -> None:
        set_in_memory, in_info = Image.fromarray(spelled("abc def")), Image.fromarray(spelled("abc def"))
        set_in_memory.getexif()[0x0112] = orientation
        in_info.info["exif"] = self.exif(orientation).tobytes()
        for image in (set_in_memory, in_info):
            picture = load_picture(image)
            assert np.array_equal(picture, spelled(UPRIGHT[orientation]))
            assert np.array_equal(load_picture(picture), picture), "an upright picture is not turned again"
            assert np.array_equal(image, spelled("abc def"))
            assert image.getexif()[0x0112] == orientation

    @pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "I;16"])
    def test_in_other_modes(self, mode: str) -> None:
        image = Image.new(mode, (3, 2))
        image.info["exif"] = self.exif(6).tobytes()
        assert load_picture(image).size == (2, 3)

    @pytest.mark.parametrize("exif", [b"", b"Exif\0\0", b"garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", "text", 5])
    def test_damaged_exif_counts_as_none(self, exif: Any) -> None:
        image = Image.fromarray(spelled("abc def"))
        image.info["exif"] = exif
        assert np.array_equal(load_picture(image), spelled("abc def"))

    @pytest.mark.parametrize("orientation", [0, 9, 65535])
    def test_orientations_that_are_none(self, orientation: int) -> None:
        data = encoded(Image.fromarray(spelled("abc def")), exif=self.exif(orientation))
        assert np.array_equal(load_picture(data), spelled("abc def"))

"""Every way of storing a color, against pixel values worked out by hand."""

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from attnviz.images import load_picture
from tests.unit.images.pictures import (
    encoded,
    gray_tiff,
    grays,
    png,
    refusal,
    values,
)


class TestModes:
    def test_one_bit(self) -> None:
        data = png(9, 1, 1, 0, bytes([0, 0b10110000, 0b10000000]))
        assert grays(load_picture(data)) == [255, 0, 255, 255, 0, 0, 0, 0, 255]
        with Image.open(BytesIO(data)) as image:
            assert image.mode == "1"
            assert grays(load_picture(image)) == [255, 0, 255, 255, 0, 0, 0, 0, 255]

    def test_gray(self) -> None:
        assert grays(load_picture(encoded(Image.fromarray(np.array([[0, 7, 255]], np.uint8))))) == [0, 7, 255]

    @pytest.mark.parametrize("source", ["file", "image"])
    def test_gray_with_alpha(self, source: str) -> None:
        image = Image.new("LA", (3, 1))
        for x, pixel in enumerate(((0, 255), (0, 128), (90, 0))):
            image.putpixel((x, 0), pixel)
        # 0 * 128/255 + 255 * 127/255 = 127
        assert grays(load_picture(encoded(image) if source == "file" else image)) == [0, 127, 255]

    @pytest.mark.parametrize("format", [None, "PNG", "WEBP", "TIFF"])
    def test_rgba_on_white(self, format: str | None) -> None:  # noqa: A002
        pixels = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 100, 200, 51]]], np.uint8)
        image = Image.fromarray(pixels)
        options = {"lossless": True, "exact": True} if format == "WEBP" else {}
        # 51/255 = 0.2: 0.2 * (0, 100, 200) + 0.8 * 255 = (204, 224, 244)
        expected = [(255, 0, 0), (255, 255, 255), (204, 224, 244)]
        assert values(load_picture(encoded(image, format, **options) if format else image)) == expected

    def test_premultiplied(self) -> None:
        image = Image.new("RGBA", (1, 1), (0, 100, 200, 51)).convert("RGBa")
        assert values(load_picture(image)) == [(204, 224, 244)]
        assert grays(load_picture(Image.new("LA", (1, 1), (0, 128)).convert("La"))) == [127]

    def test_palette(self) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([10, 20, 30, 40, 50, 60])
        image.putpixel((1, 0), 1)
        for source in (image, encoded(image), encoded(image, "GIF"), encoded(image, "BMP")):
            assert values(load_picture(source)) == [(10, 20, 30), (40, 50, 60)]

    @pytest.mark.parametrize("hidden", [bytes([255, 0, 51]), 1])
    def test_palette_with_transparency(self, hidden: bytes | int) -> None:
        image = Image.new("P", (3, 1))
        image.putpalette([10, 20, 30, 40, 50, 60, 0, 100, 200])
        image.putpixel((1, 0), 1)
        image.putpixel((2, 0), 2)
        last = (204, 224, 244) if isinstance(hidden, bytes) else (0, 100, 200)
        file = encoded(image, transparency=hidden)
        image.info["transparency"] = hidden
        for source in (image, file):
            assert values(load_picture(source)) == [(10, 20, 30), (255, 255, 255), last]
        assert values(load_picture(image)) == [(10, 20, 30), (255, 255, 255), last], "twice the same"

    def test_gif_with_transparency(self) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([10, 20, 30, 40, 50, 60])
        image.putpixel((1, 0), 1)
        data = encoded(image, "GIF", transparency=1)
        assert values(load_picture(data)) == [(10, 20, 30), (255, 255, 255)]

    def test_palette_with_alpha(self) -> None:
        alpha = Image.fromarray(np.array([[255, 0]], np.uint8))
        image = Image.new("P", (2, 1))
        image.putpalette([10, 20, 30])
        image = image.convert("PA")
        image.putalpha(alpha)
        assert values(load_picture(image)) == [(10, 20, 30), (255, 255, 255)]
        colors = Image.new("P", (2, 1))
        colors.putpalette([10, 20, 30, 255, 0, 100, 200, 51], "RGBA")
        colors.putpixel((1, 0), 1)
        assert values(load_picture(colors)) == [(10, 20, 30), (204, 224, 244)]

    def test_rgb_with_a_hidden_color(self) -> None:
        rows = bytes([0, 1, 2, 3, 9, 8, 7])
        data = png(2, 1, 8, 2, rows, (b"tRNS", struct.pack(">3H", 9, 8, 7)))
        assert values(load_picture(data)) == [(1, 2, 3), (255, 255, 255)]

    def test_16_bit_rgb_with_a_hidden_color(self) -> None:
        rows = b"\0" + struct.pack(">6H", 0, 0x1234, 65535, 0x0A00, 0x0B00, 0x0C00)
        data = png(2, 1, 16, 2, rows, (b"tRNS", struct.pack(">3H", 0, 0x1234, 65535)))
        assert values(load_picture(data)) == [(255, 255, 255), (10, 11, 12)]

    @pytest.mark.parametrize(("depth", "row", "expected"), [(1, 0b01000000, [0, 255]), (2, 0b01100000, [85, 170]),
                                                            (4, 0x3E, [51, 238]), (8, None, [5, 6])])  # fmt: skip
    def test_gray_with_a_hidden_level(self, depth: int, row: int | None, expected: list[int]) -> None:
        """Levels of 1, 2, 4 bits are scaled by 255, 85, 17; either of two levels is hidden in its turn."""
        rows = bytes([0, 5, 6]) if row is None else bytes([0, row])
        scale = 255 // (2**depth - 1)
        for i, level in enumerate(expected):
            data = png(2, 1, depth, 0, rows, (b"tRNS", struct.pack(">H", level // scale)))
            shown = [255 if j == i else other for j, other in enumerate(expected)]
            assert grays(load_picture(data)) == shown

    @pytest.mark.parametrize("kind", ["TIFF", "JPEG", "image"])
    def test_cmyk(self, kind: str) -> None:
        image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # no cyan, all magenta and yellow: red
        picture = load_picture(image if kind == "image" else encoded(image, kind))
        assert np.abs(np.asarray(picture, int) - (255, 0, 0)).max() <= (4 if kind == "JPEG" else 0)
        assert values(load_picture(Image.new("CMYK", (1, 1), (0, 0, 0, 255)))) == [(0, 0, 0)]

    def test_other_color_spaces(self) -> None:
        assert values(load_picture(Image.new("HSV", (1, 1), (0, 255, 255)))) == [(255, 0, 0)]
        assert values(load_picture(Image.new("RGBX", (1, 1), (1, 2, 3, 0)))) == [(1, 2, 3)]
        assert values(load_picture(Image.new("YCbCr", (1, 1), (50, 128, 128)))) == [(50, 50, 50)]
        (white,) = values(load_picture(Image.new("LAB", (1, 1), (255, 128, 128))))
        assert min(white) >= 254


class TestSixteenBits:
    LEVELS = (0, 128, 129, 385, 386, 25700, 65407, 65535)
    SCALED = (0, 0, 1, 1, 2, 100, 255, 255)  # level / 257: 0.498 is 0, 0.502 is 1, 65407 / 257 = 254.502 is 255

    @pytest.mark.parametrize("mode", ["I", "I;16", "I;16B", "I;16L"])
    def test_modes(self, mode: str) -> None:
        image = Image.new(mode, (8, 1))
        for x, level in enumerate(self.LEVELS):
            image.putpixel((x, 0), level)
        assert grays(load_picture(image)) == list(self.SCALED)

    def test_png(self) -> None:
        rows = b"\0" + struct.pack(">8H", *self.LEVELS)
        assert grays(load_picture(png(8, 1, 16, 0, rows))) == list(self.SCALED)

    def test_png_with_a_hidden_level(self) -> None:
        data = png(3, 1, 16, 0, b"\0" + struct.pack(">3H", 25700, 25701, 0), (b"tRNS", struct.pack(">H", 25700)))
        assert grays(load_picture(data)) == [255, 100, 0]

    @pytest.mark.parametrize("order", "<>")
    def test_tiff(self, order: str) -> None:
        pixels = struct.pack(f"{order}8H", *self.LEVELS)
        assert grays(load_picture(gray_tiff(16, 1, pixels, 8, order))) == list(self.SCALED)

    def test_tiff_where_white_is_zero(self) -> None:
        pixels = struct.pack("<3H", 0, 25700, 65535)
        assert grays(load_picture(gray_tiff(16, 0, pixels, 3))) == [255, 155, 0]

    def test_tiff_of_12_bits(self) -> None:
        pixels = bytes([0x00, 0x0F, 0xFF, 0x80, 0x00, 0x00])  # 0x000, 0xFFF, 0x800, 0x000
        assert grays(load_picture(gray_tiff(12, 1, pixels, 4))) == [0, 255, 128, 0]

    @pytest.mark.parametrize("level", [-1, 65536])
    def test_levels_out_of_range(self, level: int) -> None:
        image = Image.new("I", (2, 1), 3)
        image.putpixel((1, 0), level)
        assert f"{min(3, level)}..{max(3, level)}; they must be in 0..65535" in refusal(image)

    def test_floats(self) -> None:
        image = Image.fromarray(np.array([[0, 0.5, 1]], np.float32))
        assert image.mode == "F"
        for source in (image, encoded(image, "TIFF")):
            assert grays(load_picture(source)) == [0, 128, 255]
        assert "3..200; floats must be in 0..1" in refusal(Image.fromarray(np.array([[3, 200]], np.float32)))

"""Small, thin and enormous pictures."""

import struct
import tracemalloc
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from attnviz.images import MAX_PIXELS, load_picture
from tests.unit.images.pictures import (
    encoded,
    grays,
    huge,
    noise,
    png,
    refusal,
    tiff,
    values,
)


# Pillow's warnings of large pictures are errors; what another test left open may be collected during these.
@pytest.mark.filterwarnings("error", "default::ResourceWarning", "default::pytest.PytestUnraisableExceptionWarning")
class TestSize:
    def test_one_pixel(self) -> None:
        assert values(load_picture(encoded(Image.new("RGB", (1, 1), (9, 8, 7))))) == [(9, 8, 7)]

    @pytest.mark.parametrize("size", [(60000, 1), (1, 60000)])
    @pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
    def test_extreme_aspect(self, size: tuple[int, int], format: str) -> None:  # noqa: A002
        picture = load_picture(encoded(Image.new("L", size, 77), format))
        assert picture.size == size
        assert set(grays(picture)) == {77}

    def test_the_cap_to_the_pixel(self) -> None:
        assert load_picture(encoded(Image.new("L", (10, 10))), max_pixels=100).size == (10, 10)
        line = refusal(encoded(Image.new("L", (101, 1))), max_pixels=100)
        assert "101 x 1 = 101 pixels; the limit is 100" in line
        assert "the limit is 100" in refusal(Image.new("L", (101, 1)), max_pixels=100)
        assert "the limit is 100" in refusal(np.zeros((101, 1)), max_pixels=100)

    @pytest.mark.usefixtures("undecodable")
    @pytest.mark.parametrize("side", [7072, 10000, 20000])  # 7071 x 7071 is the last square under the cap
    def test_bombs_are_refused_before_they_are_decoded(self, side: int) -> None:
        data = huge(side)
        assert len(data) < 60_000
        tracemalloc.start()
        line = refusal(data)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert f"= {side * side:,} pixels; the limit is 50,000,000" in line
        assert peak < 2_000_000

    @pytest.mark.usefixtures("undecodable")
    def test_a_lazy_pil_bomb(self) -> None:
        with pytest.warns(Image.DecompressionBombWarning):
            image = Image.open(BytesIO(huge(10000)))
        assert "100,000,000 pixels" in refusal(image)

    @pytest.mark.usefixtures("undecodable")
    def test_webp_and_gif_bombs(self) -> None:
        frames = {"save_all": True, "append_images": [noise(4)], "lossless": True}
        data = bytearray(encoded(Image.new("RGB", (4, 4)), "WEBP", **frames))
        assert data[12:16] == b"VP8X"
        data[24:30] = (15999).to_bytes(3, "little") * 2
        assert "16000 x 16000" in refusal(bytes(data))
        data = bytearray(encoded(Image.new("L", (4, 4)), "GIF"))
        data[6:10] = struct.pack("<HH", 60000, 60000)
        assert "60000 x 60000" in refusal(bytes(data))

    @pytest.mark.usefixtures("undecodable")
    def test_a_small_tiff_in_an_enormous_tile(self) -> None:
        body = zlib.compress(bytes(1000))
        tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: 20000, 323: 20000, 324: 0, 325: len(body)}
        assert "tiles of 400,000,000 pixels" in refusal(tiff(tags, body))

    def test_tiles_of_the_usual_size(self) -> None:
        tags = {256: 2, 257: 1, 258: 8, 259: 1, 262: 1, 277: 1, 322: 16, 323: 16, 324: 0, 325: 256}
        assert grays(load_picture(tiff(tags, bytes(range(256))), max_pixels=2)) == [0, 1]

    @pytest.mark.parametrize("limit", [None, 3, 10**9])
    def test_pillows_own_limit_changes_nothing(self, monkeypatch: pytest.MonkeyPatch, limit: int | None) -> None:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        for format_ in ("PNG", "JPEG", "WEBP", "GIF", "BMP"):
            assert load_picture(encoded(noise(), format_)).size == (32, 32)
        assert "the limit is 50,000,000" in refusal(huge(10000))
        assert limit == Image.MAX_IMAGE_PIXELS

    def test_no_pixels(self) -> None:
        assert "no pixels" in refusal(Image.new("RGB", (0, 5)))
        refusal(png(0, 5, 8, 0, b""))

    def test_default_cap(self) -> None:
        assert MAX_PIXELS == 50_000_000

"""Every picture that a loader must survive, against pixel values worked out by hand."""

import os
import random
import struct
import tracemalloc
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from attnviz.errors import AttnvizError, OptionError, PictureError
from attnviz.images import FORMATS, MAX_BYTES, MAX_PIXELS, Picture, load_picture, squash

LETTERS = {
    "a": (255, 0, 0),
    "b": (0, 255, 0),
    "c": (0, 0, 255),
    "d": (0, 0, 0),
    "e": (255, 255, 255),
    "f": (90, 60, 30),
}
LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True}, "GIF": {}, "BMP": {}, "TIFF": {}}


def spelled(text: str) -> np.ndarray:
    """ "abc def" -> the array (2, 3, 3) of these colors."""
    return np.array([[LETTERS[letter] for letter in row] for row in text.split()], np.uint8)


def values(picture: Image.Image) -> list[Any]:
    """The picture's pixels, row by row."""
    assert picture.mode == "RGB"
    return [tuple(pixel) for pixel in np.asarray(picture).reshape(-1, 3).tolist()]


def grays(picture: Image.Image) -> list[int]:
    assert all(r == g == b for r, g, b in values(picture))
    return [r for r, _, _ in values(picture)]


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:  # noqa: A002
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def noise(side: int = 32, mode: str = "RGB") -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)).convert(mode)


def png(width: int, height: int, depth: int, kind: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG by its specification; `kind` is 0 for gray, 2 for RGB, 3 for a palette; `rows` with their filter bytes."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )


def tiff(tags: dict[int, int], pixels: bytes, order: str = "<") -> bytes:
    """A TIFF of one strip or tile by its specification; the tag of the offset (273 or 324) is filled in."""
    start = 8 + 2 + 12 * len(tags) + 4
    short, long = f"{order}HHIHH", f"{order}HHII"
    entries = b""
    for tag, value in sorted(tags.items()):
        value = start if tag in (273, 324) else value
        entries += struct.pack(short, tag, 3, 1, value, 0) if value < 65536 else struct.pack(long, tag, 4, 1, value)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    return head + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + pixels


def gray_tiff(bits: int, photometric: int, pixels: bytes, width: int, order: str = "<") -> bytes:
    tags = {256: width, 257: 1, 258: bits, 259: 1, 262: photometric, 273: 0, 277: 1, 278: 1, 279: len(pixels)}
    return tiff(tags, pixels, order)


def huge(side: int) -> bytes:
    """A 1-bit PNG of side x side pixels that is small as a file."""
    return png(side, side, 1, 0, bytes((side // 8 + 2) * side))


def refusal(source: Any, **options: Any) -> str:
    """The line with which a source is refused."""
    with pytest.raises(PictureError) as caught:
        load_picture(source, **options)
    line = str(caught.value)
    assert isinstance(caught.value, AttnvizError)
    assert line
    assert line.splitlines() == [line]
    assert "/" not in line
    assert "Traceback" not in line
    return line


@pytest.fixture
def undecodable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding fails the test."""

    def load(self: Image.Image) -> None:
        pytest.fail("the pixels were decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)


class TestSources:
    def test_path_and_bytes(self, tmp_path: Path) -> None:
        file = tmp_path / "picture.png"
        file.write_bytes(encoded(Image.fromarray(spelled("abc def"))))
        for source in (file, str(file), file.read_bytes()):
            assert np.array_equal(load_picture(source), spelled("abc def"))

    @pytest.mark.parametrize("format", LOSSLESS)
    def test_lossless_formats(self, format: str) -> None:  # noqa: A002
        data = encoded(Image.fromarray(spelled("abc def")), format, **LOSSLESS[format])
        assert np.array_equal(load_picture(data), spelled("abc def"))

    @pytest.mark.parametrize("format", [name for name in ("JPEG", "AVIF") if name in FORMATS])
    def test_lossy_formats(self, format: str) -> None:  # noqa: A002
        picture = load_picture(encoded(Image.new("RGB", (16, 8), (200, 100, 50)), format, quality=95))
        assert picture.size == (16, 8)
        assert np.abs(np.asarray(picture, int) - (200, 100, 50)).max() <= 4

    def test_the_name_of_a_file_says_nothing(self, tmp_path: Path) -> None:
        file = tmp_path / "picture.gif"
        file.write_bytes(encoded(Image.new("RGB", (1, 1), (1, 2, 3))))
        assert values(load_picture(file)) == [(1, 2, 3)]

    def test_no_handle_stays_open(self, tmp_path: Path) -> None:
        file = tmp_path / "many.gif"
        encoded_frames = [Image.new("L", (2, 2), level) for level in range(3)]
        encoded_frames[0].save(file, save_all=True, append_images=encoded_frames[1:])
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        picture = load_picture(file)
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
        assert type(picture) is Image.Image

    @pytest.mark.parametrize("source", [None, "", b""])
    def test_nothing(self, source: Any) -> None:
        assert "there is no picture" in refusal(source)

    @pytest.mark.parametrize("source", [3, 1.5, [[0]], {}, object(), bytearray(b"x"), np.float32(1), Image])
    def test_other_types(self, source: Any) -> None:
        line = refusal(source)
        assert f"a {type(source).__name__} is not a picture" in line
        assert "path" in line
        assert "uint16" in line


class TestRefusedFiles:
    def test_missing(self, tmp_path: Path) -> None:
        assert "does not exist" in refusal(tmp_path / "none.png")

    def test_folder(self, tmp_path: Path) -> None:
        assert "folder" in refusal(tmp_path)
        assert "folder" in refusal(Path())

    def test_pipe_and_device(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.png")
        assert "regular file" in refusal(tmp_path / "pipe.png")
        assert "regular file" in refusal("/dev/zero")

    def test_zero_bytes(self, tmp_path: Path) -> None:
        (tmp_path / "empty.png").touch()
        assert "0 bytes" in refusal(tmp_path / "empty.png")

    @pytest.mark.parametrize(
        "error", [PermissionError(13, "denied", "/secret/x"), OSError(5, "I/O error", "/secret/x")]
    )
    def test_unreadable(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
        file = tmp_path / "picture.png"
        file.write_bytes(huge(8))

        def open_(*_: Any, **__: Any) -> None:
            raise error

        monkeypatch.setattr(Path, "open", open_)
        assert "read" in refusal(file)

    @pytest.mark.parametrize("path", ["a\0b.png", "x" * 5000, "\udcff\ud800.png"])
    def test_paths_that_cannot_be(self, path: str) -> None:
        assert "file" in refusal(path)

    @pytest.mark.parametrize("url", ["data:image/png;base64,iVBORw0KGgo=", "https://example.org/a.png", "http://a"])
    def test_urls(self, url: str) -> None:
        line = refusal(url)
        assert "URL" in line
        assert "example" not in line

    def test_too_many_bytes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "large.png"
        with file.open("wb") as stream:
            stream.truncate(MAX_BYTES + 1)
        monkeypatch.setattr(Path, "open", lambda *_, **__: pytest.fail("the file was opened"))
        assert "20,000,001 bytes; the limit is 20,000,000" in refusal(file)
        assert "the limit is 20,000,000" in refusal(bytes(MAX_BYTES + 1))

    def test_exactly_the_limit_of_bytes(self) -> None:
        data = encoded(Image.new("RGB", (1, 1), (1, 2, 3)))
        assert values(load_picture(data + bytes(MAX_BYTES - len(data)))) == [(1, 2, 3)]

    @pytest.mark.parametrize(
        ("data", "what"),
        [
            (b"<!doctype html><html><body>hello</body></html>", "web page"),
            (b"\xef\xbb\xbf  <html></html>", "web page"),
            (b'<?xml version="1.0"?><!-- x --><svg xmlns="http://www.w3.org/2000/svg"></svg>', "SVG"),
            (b"just some text", "not a picture"),
            (b"\0", "not a picture"),
            (b"%!PS-Adobe-3.0 EPSF-3.0", "not a picture"),
            (b"8BPS\0\1" + bytes(40), "not a picture"),
            (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        ],
    )
    def test_not_a_picture(self, tmp_path: Path, data: bytes, what: str) -> None:
        file = tmp_path / "picture.png"
        file.write_bytes(data)
        for source in (file, data):
            line = refusal(source)
            assert what in line
            assert "PNG, JPEG, WEBP, GIF, BMP, TIFF" in line

    def test_other_formats_of_pillow(self) -> None:
        for format_ in ("PPM", "ICO", "TGA", "PCX", "JPEG2000"):
            assert "formats" in refusal(encoded(noise(), format_))

    @pytest.mark.parametrize("format", FORMATS)
    @pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
    def test_truncated(self, format: str, part: float) -> None:  # noqa: A002
        data = encoded(noise(64), format)
        assert "damaged, cut short" in refusal(data[: int(part * len(data))])

    @pytest.mark.parametrize("format", FORMATS)
    def test_signature_alone(self, format: str) -> None:  # noqa: A002
        refusal(encoded(noise(), format)[:16])

    def test_out_of_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def load(self: Image.Image) -> None:
            raise MemoryError

        monkeypatch.setattr(ImageFile.ImageFile, "load", load)
        assert "not enough memory" in refusal(huge(8))

    def test_the_loading_error_is_kept_for_developers_without_a_path(self, tmp_path: Path) -> None:
        file = tmp_path / "cut.png"
        file.write_bytes(encoded(noise())[:200])
        with pytest.raises(PictureError) as caught:
            load_picture(file)
        assert caught.value.__cause__ is not None
        assert str(tmp_path) not in repr(caught.value.__cause__)


@pytest.mark.filterwarnings("error")
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


class TestAnimations:
    def test_200_frames(self) -> None:
        frames = [Image.new("RGB", (8, 8), (255 - level, level, 0)) for level in range(200)]
        data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
        assert Image.open(BytesIO(data)).n_frames == 200
        assert set(values(load_picture(data))) == {(255, 0, 0)}

    @pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
    def test_frame_0_of_others(self, format: str) -> None:  # noqa: A002
        frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
        data = encoded(frames[0], format, save_all=True, append_images=frames[1:], **LOSSLESS[format])
        assert set(values(load_picture(data))) == {(255, 0, 0)}

    def test_a_pil_animation_is_taken_where_it_stands(self) -> None:
        frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
        image = Image.open(BytesIO(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])))
        image.seek(1)
        assert set(values(load_picture(image))) == {(0, 0, 255)}
        assert image.tell() == 1


class TestPilImages:
    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "I;16"])
    def test_left_as_it_was(self, mode: str) -> None:
        image = (
            noise(8, "P").convert("PA") if mode == "PA" else noise(8, "L" if mode == "I;16" else "RGB").convert(mode)
        )
        image.info.update(transparency=bytes([0, 99]) if mode == "P" else 0, note="kept") if mode in "LP" else None
        before = self.state(image)
        load_picture(image)
        assert self.state(image) == before

    @staticmethod
    def state(image: Image.Image) -> tuple[Any, ...]:
        palette = image.getpalette("RGBA") if image.mode in ("P", "PA") else None
        return image.mode, image.size, image.tobytes(), dict(image.info), palette

    def test_the_result_is_fresh(self) -> None:
        image = Image.new("RGB", (2, 2), (1, 2, 3))
        image.info["icc_profile"] = b"profile"
        picture = load_picture(image)
        picture.putpixel((0, 0), (9, 9, 9))
        assert image.getpixel((0, 0)) == (1, 2, 3)
        assert not picture.info
        assert not dict(picture.getexif())

    def test_lazy_and_truncated(self) -> None:
        data = encoded(noise(64), "JPEG")
        assert "cut short" in refusal(Image.open(BytesIO(data[: len(data) // 2])))

    def test_closed(self) -> None:
        with Image.open(BytesIO(encoded(noise(8), "TIFF"))) as image:
            pass
        assert "closed" in refusal(image)

    def test_nonsense_in_its_info(self) -> None:
        image = Image.new("RGB", (2, 2))
        image.info["transparency"] = "red"
        refusal(image)


class TestArrays:
    @pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1)])
    def test_gray(self, shape: tuple[int, ...]) -> None:
        for array, expected in (
            (np.array([0, 7, 255], np.uint8), [0, 7, 255]),
            (np.array([0, 25700, 65535], np.uint16), [0, 100, 255]),
            (np.array([0, 25700, 65535], ">u2"), [0, 100, 255]),
            (np.array([False, True, False]), [0, 255, 0]),
            (np.array([0, 0.5, 1], np.float64), [0, 128, 255]),
            (np.array([0, 0.5, 1], np.float32), [0, 128, 255]),
            (np.array([0, 0.5, 1], np.float16), [0, 128, 255]),
        ):
            picture = load_picture(array.reshape(shape))
            assert picture.size == (3, 1)
            assert grays(picture) == expected

    def test_rgb(self) -> None:
        assert np.array_equal(load_picture(spelled("abc def")), spelled("abc def"))
        assert values(load_picture(np.array([[[0.0, 1.0, 0.2]]]))) == [(0, 255, 51)]
        assert values(load_picture(np.array([[[0, 65535, 257]]], np.uint16))) == [(0, 255, 1)]

    def test_rgba_on_white(self) -> None:
        eight = np.array([[[0, 100, 200, 51]]], np.uint8)
        for array in (eight, eight.astype(np.uint16) * 257, eight / 255):
            assert values(load_picture(array)) == [(204, 224, 244)]
        assert values(load_picture(np.array([[[True, False, False, False]]]))) == [(255, 255, 255)]

    def test_strided_and_read_only(self) -> None:
        array = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
        array.flags.writeable = False
        assert np.array_equal(load_picture(array[::-1, ::2, ::-1]), array[::-1, ::2, ::-1])
        assert np.array_equal(load_picture(np.asfortranarray(array)), array)

    def test_the_array_is_not_shared(self) -> None:
        array = np.zeros((2, 2, 3), np.uint8)
        load_picture(array).putpixel((0, 0), (9, 9, 9))
        assert not array.any()

    def test_extreme_aspect(self) -> None:
        assert load_picture(np.zeros((1, 60000), np.uint8)).size == (60000, 1)

    @pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0, 3), (4, 0, 4)])
    def test_zero_size(self, shape: tuple[int, ...]) -> None:
        assert "no pixels" in refusal(np.zeros(shape, np.uint8))

    @pytest.mark.parametrize("shape", [(), (5,), (2, 2, 2), (3, 8, 8), (1, 2, 2, 3), (2, 2, 0), (2, 2, 5)])
    def test_other_shapes(self, shape: tuple[int, ...]) -> None:
        line = refusal(np.zeros(shape, np.uint8))
        assert str(shape) in line
        assert "(H, W, 3)" in line

    @pytest.mark.parametrize(
        "dtype", ["int8", "int16", "int32", "int64", "uint32", "uint64", "complex64", "O", "U1", "S1"]
    )
    def test_other_types(self, dtype: str) -> None:
        assert f"an array of {np.zeros(1, dtype).dtype}" in refusal(np.zeros((2, 2), dtype))

    @pytest.mark.parametrize(
        ("value", "found"), [(-0.25, "-0.25..0.5"), (1.5, "0.5..1.5"), (255, "0.5..255"), (1 + 1e-6, "0.5..1.000001")]
    )
    def test_floats_out_of_range(self, value: float, found: str) -> None:
        assert f"values are in {found}; floats must be in 0..1" in refusal(np.array([[0.5, value]]))

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_not_finite(self, value: float, dtype: type) -> None:
        line = refusal(np.array([[0.5, value]], dtype))
        assert "nan" in line or "inf" in line


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


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format", FORMATS)
def test_mutated_files_give_a_picture_or_a_line(format: str) -> None:  # noqa: A002
    rng = random.Random(f"mutations of {format}")
    modes = {"JPEG": ("RGB", "L", "CMYK"), "WEBP": ("RGB", "RGBA"), "BMP": ("RGB", "P", "1"), "AVIF": ("RGB",)}
    originals = [encoded(noise(24, mode), format) for mode in modes.get(format, ("RGB", "P", "L", "1"))]
    lines: list[str] = []
    for _ in range(300):
        data = bytearray(rng.choice(originals))
        for _ in range(rng.choice((1, 1, 2, 4, 16))):
            at = rng.randrange(min(len(data), rng.choice((64, len(data)))))
            match rng.randrange(5):
                case 0:
                    data[at] = rng.randrange(256)
                case 1:
                    data[at] ^= 1 << rng.randrange(8)
                case 2:
                    data[at : at + 4] = rng.choice((bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\1"))
                case 3:
                    del data[at : at + rng.randrange(1, 9)]
                case _:
                    data[at:at] = rng.randbytes(rng.randrange(1, 9))
            data = data or bytearray(1)
        try:
            picture = load_picture(bytes(data), max_pixels=100_000)
        except PictureError as error:
            lines.append(str(error))
        else:
            assert picture.mode == "RGB"
            assert 0 < picture.width * picture.height <= 100_000
    assert len(lines) > 30, "the mutations hurt"
    assert all(line.splitlines() == [line] for line in lines)

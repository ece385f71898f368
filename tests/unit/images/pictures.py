"""Pictures by hand, as arrays and as files of their format's specification."""

import struct
import zlib
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from attnviz.errors import AttnvizError, PictureError
from attnviz.images import load_picture

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


def photo() -> Image.Image:
    """A real photo: one that the installed Gradio brings."""
    return load_picture(Path(str(files("gradio"))) / "media_assets" / "images" / "tower.jpg")

"""The only way a picture comes in: a path, bytes, a PIL image or an array -> a safe RGB picture, or one clear line.

A file's size is checked before it is read, its pixels before they are decoded. ICC profiles are not applied.
"""

import re
import reprlib
import stat
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, features

from attnviz.errors import OptionError, PictureError

MAX_BYTES = 20_000_000  # the largest file that is read: 20 MB
MAX_PIXELS = 50_000_000  # the most pixels, width x height, that are decoded unless the caller says otherwise
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", *(("AVIF",) if features.check("avif") else ()))

Array = NDArray[Any]
Source = str | Path | bytes | Image.Image | Array

_TAKES = (
    "it must be a path, the bytes of a file, a PIL image, or an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) "
    "of uint8, uint16, bool, or floats in 0..1"
)
_names = reprlib.Repr()
_names.maxstring = 80


@dataclass(frozen=True)
class Picture:
    """A picture, and the part of it that a network sees.

    Attributes:
        original: the whole picture, RGB.
        seen: what the network gets, RGB, before it is made a tensor.
        box: (left, top, right, bottom), the region of `original` that `seen` covers, in pixels of `original`.
    """

    original: Image.Image
    seen: Image.Image
    box: tuple[float, float, float, float]


def squash(image: Image.Image, size: int) -> Picture:
    """The whole picture resized to size x size pixels, whatever its aspect ratio: bicubic, antialiased, no crop.

    `image` is RGB, as `load_picture` gives it. Raises PictureError for any other mode, OptionError for a size under 1.
    """
    return crop(image, size, size, keep_aspect=False)


def crop(
    image: Image.Image,
    size: int,
    side: int,
    *,
    keep_aspect: bool = True,
    resample: Image.Resampling = Image.Resampling.BICUBIC,
) -> Picture:
    """The middle of a picture, size x size pixels of what it becomes when its shorter side is resized to `side`.

    The pixels are those of torchvision's ``Resize(side)`` and ``CenterCrop(size)``.

    Args:
        image: RGB, as `load_picture` gives it.
        size: pixels on each side of what the network sees.
        side: pixels on the shorter side before the crop, at least `size`.
        keep_aspect: False resizes both sides to `side`, whatever the aspect ratio.
        resample: the filter, antialiased.

    Raises:
        PictureError: for a mode other than RGB.
        OptionError: for a size under 1, or a side under the size.
    """
    if image.mode != "RGB":
        raise PictureError(f"the picture's mode is {image.mode}; a network sees RGB, as load_picture gives it")
    if not isinstance(size, int) or size < 1:
        raise OptionError(f"size is {size!r}; it must be a whole number of pixels, at least 1")
    if not isinstance(side, int) or side < size:
        raise OptionError(f"side is {side!r}; it must be a whole number of pixels, at least the size, {size}")
    width, height = image.size
    shorter = min(width, height)
    wide, high = (side * width // shorter, side * height // shorter) if keep_aspect else (side, side)
    left, top = round((wide - size) / 2), round((high - size) / 2)
    right, bottom = left + size, top + size
    box = (left * width / wide, top * height / high, right * width / wide, bottom * height / high)
    if wide * high <= MAX_PIXELS:
        seen = image.resize((wide, high), resample).crop((left, top, right, bottom))
    else:  # so long that only what is seen can be computed; the same but for rounding
        seen = image.resize((size, size), resample, box)
    return Picture(image, seen, box)


def load_picture(source: Source | None, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """A picture from anywhere as a fresh RGB image, upright, with no file left open.

    Of an animation comes frame 0 (a PIL image is taken at the frame where it stands); EXIF orientation is applied;
    transparency is composited on white; 16 bits are scaled to 8 over their full range (65535 -> 255). PIL's modes I
    and F hold 0..65535 and 0..1. A PIL image that is passed in is not modified, save that Pillow decodes a lazy one.

    Args:
        source: a path or the bytes of a file (`FORMATS`, at most `MAX_BYTES`), a PIL image, or an array (H, W),
            (H, W, 1), (H, W, 3) or, with alpha, (H, W, 4) of uint8, uint16, bool or floats in 0..1.
        max_pixels: the most pixels, width x height.

    Raises:
        PictureError: what is wrong with the picture and what the limit is, in one line without a path.
    """
    if source is None or (isinstance(source, str | bytes) and not source):
        raise PictureError(f"there is no picture; {_TAKES}")
    try:
        if isinstance(source, str | Path):
            source = _read(source)
        if isinstance(source, bytes):
            return _from_bytes(source, max_pixels)
        if isinstance(source, Image.Image):
            return _from_pil(source, max_pixels)
        if isinstance(source, np.ndarray):
            return _from_array(np.asarray(source), max_pixels)
    except PictureError:
        raise
    except MemoryError:
        raise PictureError("there is not enough memory to decode the picture") from None
    except Exception as error:  # Pillow's plugins raise whatever bad data leads them to
        closed = ", or its file was closed" if isinstance(source, Image.Image) else ""
        raise PictureError(f"the picture cannot be decoded: it is damaged, cut short or unusual{closed}") from error
    raise PictureError(f"a {type(source).__name__} is not a picture; {_TAKES}")


def _read(path: str | Path) -> bytes:
    """The bytes of a regular file, which is not read where it is over the limit."""
    if re.match(r"(data|https?):", str(path)):
        raise PictureError("the picture is given as a URL; give a path, or the bytes that the URL holds")
    try:
        status = Path(path).stat()
        regular = stat.S_ISREG(status.st_mode)
        if regular and status.st_size <= MAX_BYTES:
            with Path(path).open("rb") as file:
                return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise PictureError(f"the picture's file {_named(path)} does not exist") from None
    except PermissionError:
        raise PictureError(f"the picture's file {_named(path)} may not be read: permission denied") from None
    except (OSError, ValueError):
        raise PictureError("the picture's file cannot be read, or its path is not one") from None
    if not regular:
        raise PictureError("the picture's path is a folder, a device or a pipe; it must be a regular file")
    raise _too_large(status.st_size)


def _named(path: str | Path) -> str:
    """A file's name as a line quotes it, never where it lies."""
    return _names.repr(Path(path).name)


def _too_large(size: int) -> PictureError:
    return PictureError(f"the picture's file has {size:,} bytes; the limit is {MAX_BYTES:,} (20 MB)")


def _check_pixels(width: int, height: int, limit: int) -> None:
    if not width or not height:
        raise PictureError(f"the picture has no pixels: its size is {width} x {height}")
    if width * height > limit:
        raise PictureError(f"the picture has {width} x {height} = {width * height:,} pixels; the limit is {limit:,}")


def _from_bytes(data: bytes, max_pixels: int) -> Image.Image:
    """Decodes a file with the one plugin that its first bytes call for.

    Image.open would call it too, but warns or raises by a limit that is global to the process; to silence warnings is
    not safe among threads.
    """
    if len(data) > MAX_BYTES:
        raise _too_large(len(data))
    Image.init()  # registers Pillow's plugins; does nothing from the second time on
    for name in FORMATS:
        factory, accept = Image.OPEN[name]
        if accept is not None and accept(data[:16]) is True:
            image = factory(BytesIO(data), "")
            break
    else:
        raise PictureError(f"the file is {_foreign(data)}; the formats that can be read are {', '.join(FORMATS)}")
    hidden, depth = image.info.get("transparency"), data[24:25]
    if name == "PNG" and image.mode == "L" and isinstance(hidden, int):  # Pillow scales the levels, not what is hidden
        image.info["transparency"] = hidden * 255 // (2 ** depth[0] - 1)
    if name == "PNG" and image.mode == "RGB" and depth == b"\x10" and hidden:  # Pillow keeps the upper byte of 16 bits
        image.info["transparency"] = tuple(level >> 8 for level in hidden)
    return _from_pil(image, max_pixels)


def _foreign(data: bytes) -> str:
    """What a file is that none of the plugins takes, as far as its beginning tells."""
    if not data:
        return "empty: 0 bytes"
    head = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith(b"<"):
        return "an SVG drawing" if b"<svg" in head else "markup, such as a web page"
    if head[4:8] == b"ftyp":
        return "a HEIC picture or a video"
    return "not a picture, or one in another format"


def _from_pil(image: Image.Image, max_pixels: int) -> Image.Image:
    _check_pixels(*image.size, max_pixels)
    tags: Any = getattr(image, "tag_v2", {})
    tile = tags.get(322, 1) * tags.get(323, 1)  # TIFF: a small picture may be cut out of an enormous tile
    if tile > max(max_pixels, MAX_PIXELS):
        raise PictureError(f"the picture is stored in tiles of {tile:,} pixels; the limit is {MAX_PIXELS:,}")
    image.load()
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        rgb = _deep_gray(image)
    elif image.mode == "La":
        rgb = _on_white(image.convert("LA").convert("RGBA"))
    elif image.has_transparency_data:
        copy = image.copy() if image.mode == "P" else image  # the conversion writes into the palette
        rgb = _on_white(copy.convert("RGBA"))
    else:
        rgb = image.convert("RGB")
    return _upright(rgb, image)


def _upright(rgb: Image.Image, source: Image.Image) -> Image.Image:
    """Turns `rgb` by the EXIF orientation of `source`; as in viewers, one that is damaged or out of 1..8 is none."""
    try:
        orientation = source.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        orientation = 1
    rgb.info = {}  # it described the file
    rgb.getexif()[ExifTags.Base.Orientation] = orientation
    ImageOps.exif_transpose(rgb, in_place=True)
    rgb.getexif().clear()
    return rgb


def _on_white(rgba: Image.Image) -> Image.Image:
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=rgba.getchannel("A"))
    return white


def _deep_gray(image: Image.Image) -> Image.Image:
    """Modes I, I;16 and F, whose levels Pillow would clip, as RGB."""
    tags: Any = getattr(image, "tag_v2", {})
    values = np.asarray(image)
    if image.mode == "I":
        low, high = values.min(), values.max()
        if low < 0 or high > 65535:
            raise PictureError(f"the picture's levels are in {low}..{high}; they must be in 0..65535")
        values = values.astype(np.uint16)
    gray = _eight_bits(values * 16 + values // 256 if tags.get(258) == (12,) else values)
    if tags.get(262) == 0:  # TIFF: white is zero
        gray = 255 - gray
    hidden = image.info.get("transparency")
    if isinstance(hidden, int):
        gray = np.where(values == hidden, np.uint8(255), gray)
    return Image.fromarray(gray).convert("RGB")


def _from_array(array: Array, max_pixels: int) -> Image.Image:
    shape = array.shape
    if array.ndim not in (2, 3) or (array.ndim == 3 and shape[2] not in (1, 3, 4)):
        raise PictureError(f"an array of shape {shape} is not a picture; {_TAKES}")
    _check_pixels(shape[1], shape[0], max_pixels)
    image = Image.fromarray(_eight_bits(array[:, :, 0] if shape[2:] == (1,) else array))
    return _on_white(image) if image.mode == "RGBA" else image.convert("RGB")


def _eight_bits(values: Array) -> Array:
    """uint8, bool, uint16 or floats in 0..1, any shape -> uint8: the full range scaled to 0..255 and rounded."""
    kind = values.dtype.kind
    if values.dtype == np.uint8:
        return values
    if kind == "b":
        return values.astype(np.uint8) * 255
    if kind == "u" and values.dtype.itemsize == 2:
        return (values // 257 + (values % 257 > 128)).astype(np.uint8)
    if kind != "f":
        raise PictureError(f"an array of {values.dtype} is not a picture; {_TAKES}")
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 1):  # NaN is neither
        raise PictureError(f"the picture's values are in {low:.9g}..{high:.9g}; floats must be in 0..1, none NaN")
    return np.rint(values * np.float32(255)).astype(np.uint8)

"""What a network sees where its recipe crops: torchvision's numbers, and the region of the original."""

from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

from attnviz.errors import OptionError, PictureError
from attnviz.images import crop
from tests.unit.images.pictures import noise, photo

PHOTO = photo()
SIZES = [(640, 480), (480, 640), (333, 500), (257, 256), (1000, 301), (224, 224), (100, 90)]
FILTERS = [Image.Resampling.BICUBIC, Image.Resampling.BILINEAR, Image.Resampling.LANCZOS]


def torchvision(size: int, side: int, resample: Image.Resampling, *, keep: bool = True) -> Compose:
    mode = InterpolationMode[resample.name]
    return Compose([Resize(side if keep else (side, side), mode), CenterCrop(size)])


def apart(one: Any, other: Any) -> int:
    """The largest difference of two pictures, in levels of 255."""
    return int(np.abs(np.asarray(one, int) - np.asarray(other, int)).max())


@pytest.mark.parametrize("resample", FILTERS, ids=lambda each: each.name.lower())
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_as_torchvision_does(width: int, height: int, resample: Image.Resampling) -> None:
    for image in (PHOTO.resize((width, height)), noise(width).resize((width, height))):
        for size, side in ((224, 256), (224, 232), (256, 284), (224, 224)):
            found = crop(image, size, side, resample=resample)
            expected = torchvision(size, side, resample)(image)
            assert found.seen.size == (size, size)
            assert apart(found.seen, expected) == 0


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_without_the_aspect(width: int, height: int) -> None:
    image = PHOTO.resize((width, height))
    found = crop(image, 224, 256, keep_aspect=False)
    assert apart(found.seen, torchvision(224, 256, Image.Resampling.BICUBIC, keep=False)(image)) == 0
    assert found.box == pytest.approx((width / 16, height / 16, width * 15 / 16, height * 15 / 16))


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((512, 512), (32, 32, 480, 480)),  # 256 of 512, 224 of those in the middle: a border of 16 x 2
        ((1024, 512), (288, 32, 736, 480)),
        ((512, 1024), (32, 288, 480, 736)),
        ((256, 256), (16, 16, 240, 240)),
    ],
)
def test_the_box_is_what_is_seen(size: tuple[int, int], box: tuple[float, ...]) -> None:
    image = PHOTO.resize(size)
    found = crop(image, 224, 256)
    assert found.original is image
    assert found.box == box
    exact = image.crop(tuple(map(int, box))).resize((224, 224), Image.Resampling.BICUBIC)
    inside = (slice(4, -4), slice(4, -4))  # at the edge the filter reads what lies outside the box, too
    assert apart(np.asarray(found.seen)[inside], np.asarray(exact)[inside]) <= 1


def test_a_mark_in_the_picture_is_where_the_box_says() -> None:
    image = Image.new("RGB", (700, 300), "white")
    image.paste("black", (400, 120, 410, 130))
    left, top, right, bottom = crop(image, 224, 256).box
    dark = np.argwhere(np.asarray(crop(image, 224, 256).seen.convert("L")) < 60)
    (row, column) = dark.mean(0) + 0.5
    assert left + column / 224 * (right - left) == pytest.approx(405, abs=1)
    assert top + row / 224 * (bottom - top) == pytest.approx(125, abs=1)


def test_a_very_long_picture_costs_no_more_than_what_is_seen() -> None:
    found = crop(Image.new("RGB", (60_000, 1), "red"), 224, 256)  # 15 million columns, were it resized first
    assert found.seen.getpixel((200, 3)) == (255, 0, 0)
    assert found.box[2] - found.box[0] == pytest.approx(224 / 256)
    long = noise(600).resize((200_000, 10))
    middle = long.crop((99_900, 0, 100_100, 10))
    found = crop(long, 224, 256)
    assert found.seen.size == (224, 224)
    assert apart(found.seen, crop(middle, 224, 256).seen) <= 3


@pytest.mark.parametrize(("size", "side"), [(0, 8), (-1, 8), (2.5, 8), (8, 7), (8, 8.5), (8, None)])
def test_sizes_that_cannot_be(size: Any, side: Any) -> None:
    with pytest.raises(OptionError, match=r"at least (1|the size, 8)$"):
        crop(Image.new("RGB", (20, 20)), size, side)


def test_other_modes() -> None:
    with pytest.raises(PictureError, match="mode is L;"):
        crop(Image.new("L", (20, 20)), 8, 8)

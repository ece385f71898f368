"""Animations, PIL images and arrays."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from attnviz.images import load_picture
from tests.unit.images.pictures import (
    LOSSLESS,
    encoded,
    grays,
    noise,
    refusal,
    spelled,
    values,
)


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

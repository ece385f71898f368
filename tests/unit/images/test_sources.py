"""Where a picture comes from: paths, bytes, and what is refused."""

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from attnviz.errors import PictureError
from attnviz.images import FORMATS, MAX_BYTES, load_picture
from tests.unit.images.pictures import (
    LOSSLESS,
    encoded,
    huge,
    noise,
    refusal,
    spelled,
    values,
)


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
        assert refusal(tmp_path / "none.png") == "the picture's file 'none.png' does not exist"
        assert refusal("none.png") == refusal(str(Path("folder") / "none.png")) == refusal(tmp_path / "none.png")
        assert len(refusal("n" * 200 + ".png")) < 150
        assert refusal("none\n.png").isprintable()

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
        assert "'picture.png'" in refusal(file) or not isinstance(error, PermissionError)

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

"""How the app starts, or says in one line why it cannot."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from attnviz.errors import AttnvizError, PictureError
from attnviz.ui.examples import LIMIT, examples

ROOT = Path(__file__).resolve().parents[3]


def started(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "app.py", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        found = started("--port", str(number))
    assert found.returncode == 1
    assert f"cannot listen on 127.0.0.1:{number} (" in found.stderr
    assert "choose another with --port" in found.stderr
    assert "attnviz opens" not in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize("port", ["99999", "0", "-1", "x"])
def test_what_is_no_port(port: str) -> None:
    found = started(f"--port={port}")
    assert found.returncode == 2
    assert "is no port" in found.stderr


def picture(path: Path) -> Path:
    Image.new("RGB", (8, 6)).save(path)
    return path


def test_a_lecturers_pictures_come_first(tmp_path: Path) -> None:
    for name in ("b.png", "a dog.jpg", "a dog.png"):
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    found = examples(tmp_path)
    assert [example.path.name for example in found[:3]] == ["a dog.jpg", "a dog.png", "b.png"]
    assert len({example.id for example in found}) == len(found)
    assert [example.origin for example in found[:4]] == ["own", "own", "own", "drawn"]


def test_folders_that_cannot_be_shown(tmp_path: Path) -> None:
    with pytest.raises(AttnvizError, match="no such folder"):
        examples(tmp_path / "nothing")
    with pytest.raises(AttnvizError, match="holds no picture"):
        examples(tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"broken\.jpg"):
        examples(tmp_path)
    (tmp_path / "broken.jpg").unlink()
    for number in range(LIMIT + 1):
        picture(tmp_path / f"{number}.png")
    with pytest.raises(AttnvizError, match=f"{LIMIT + 1} pictures; the page has room for {LIMIT}"):
        examples(tmp_path)

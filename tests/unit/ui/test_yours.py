"""Your model: what reaches the server from a browser that is not ours, and how the server may be started."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import timm
from gradio.utils import get_upload_folder
from safetensors.torch import save_file

import app as program
from attnviz import zoo
from attnviz.ui import texts
from attnviz.ui.analysis import Analyst
from attnviz.ui.pages import yours
from attnviz.ui.state import State
from attnviz.zoo.memory import Memory

TOKEN = "0123456789abcdef" * 2  # what the page puts before a name


class Event:
    def __init__(self, data: Any) -> None:
        self._data = data


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "_loaded", Memory())


def page(analyst: Analyst, *, trusted: bool = False) -> Any:
    made = yours.Yours.__new__(yours.Yours)
    made._analyst, made._trusted = analyst, trusted
    return made


@pytest.fixture
def upload() -> Path:
    folder = Path(get_upload_folder()) / "weights"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{TOKEN}-mine.safetensors"
    save_file(timm.create_model("test_resnet", num_classes=3).state_dict(), path)
    return path


def test_an_upload_is_read_kept_and_deleted(analyst: Analyst, upload: Path) -> None:
    answer = page(analyst)._brought(Event({"architecture": "test_resnet", "path": str(upload), "serial": 2}))
    assert answer["serial"] == 2
    assert answer["model"].startswith(zoo.OWN)
    assert not upload.exists()
    view = analyst.view(State(analyst.first.source, answer["model"]))
    assert view.names == ("class 0", "class 1", "class 2")
    assert view.record is None


def test_a_refused_upload_is_deleted_too(analyst: Analyst, upload: Path) -> None:
    answer = page(analyst)._brought(Event({"architecture": "resnet18", "path": str(upload)}))
    assert "do not fit its network" in answer["said"]
    assert not upload.exists()


def test_no_file_outside_the_uploads_is_read_or_deleted(analyst: Analyst, upload: Path, tmp_path: Path) -> None:
    shutil.move(upload, tmp_path / "it.safetensors")
    for path in (tmp_path / "it.safetensors", "/etc/hostname", f"{get_upload_folder()}/../it", "a\0b"):
        answer = page(analyst)._brought(Event({"architecture": "test_resnet", "path": str(path)}))
        assert "does not exist" in answer["said"]
    assert (tmp_path / "it.safetensors").exists()


def test_what_another_visitor_may_have_too_is_neither_read_nor_deleted(analyst: Analyst, upload: Path) -> None:
    """Gradio gives equal files of equal names one path: only a name with a token is one visitor's alone."""
    for name in ("cat.jpg", "mine.safetensors", f"{TOKEN[1:]}-mine.safetensors", f"mine-{TOKEN}-.safetensors"):
        shared = shutil.copy(upload, upload.with_name(name))
        answer = page(analyst)._brought(Event({"architecture": "test_resnet", "path": str(shared)}))
        assert "does not exist (upload)" in answer["said"]
        assert shared.exists()


@pytest.mark.parametrize(
    "name", ["", f"{TOKEN}-", f"{TOKEN}-nothing", f"{TOKEN}-\0", f"{TOKEN}-{'x' * 3000}", "x" * 5000]
)
def test_a_path_of_no_file_is_one_line(analyst: Analyst, upload: Path, name: str) -> None:
    (upload.parent / f"{TOKEN}-").mkdir(exist_ok=True)
    data = {"architecture": "test_resnet", "path": f"{upload.parent}/{name}"}
    assert "does not exist" in page(analyst)._brought(Event(data))["said"]
    assert (upload.parent / f"{TOKEN}-").is_dir()


@pytest.mark.parametrize(
    "data", [None, [], {}, {"path": 3}, {"architecture": "a" * 300}, {"path": "x" * 5000, "architecture": "resnet18"}]
)
def test_junk(analyst: Analyst, data: Any) -> None:
    assert "does not exist" in page(analyst)._brought(Event(data))["said"]


def test_code_is_run_only_where_the_server_was_told_to(analyst: Analyst, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    data = {"code": str(tmp_path / "mine.py")}
    assert page(analyst)._brought(Event(data))["said"] == texts.UNTRUSTED
    assert not (tmp_path / "ran").exists()
    assert "defines neither" in page(analyst, trusted=True)._brought(Event(data))["said"]
    assert (tmp_path / "ran").exists()
    assert page(analyst, trusted=True)._brought(Event({"code": 3}))["said"].endswith("(code); it is as it was.")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.9"])
def test_trust_on_this_machine_alone(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert program.options(["--trust-local-code", "--host", host]).trust_local_code
    assert not program.options(["--host", "0.0.0.0"]).trust_local_code


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.org", "::", ""])
def test_no_trust_for_others(host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("SPACE_ID", raising=False)
    with pytest.raises(SystemExit):
        program.options(["--trust-local-code", "--host", host])
    assert "listen on 127.0.0.1" in capsys.readouterr().err


def test_no_trust_on_a_space(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SPACE_ID", "somebody/attnviz")
    with pytest.raises(SystemExit):
        program.options(["--trust-local-code"])
    assert "a Space would run the code of all its visitors" in capsys.readouterr().err

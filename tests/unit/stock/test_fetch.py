"""``attnviz fetch``: in processes of its own, against a hub and a release server on loopback."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.stock.servers import COMMIT, Site

CONTENT = random.Random(0).randbytes(300_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
SE, ECA, GC = (f"timm:{name}resnext26ts.ch_in1k" for name in ("se", "eca_", "gc"))
HEAVY = "import sys; from attnviz.cli import main\ntry: main()\nfinally: print('torch' in sys.modules)"


class Shell:
    """Runs the command with a server as its hub and mirror, and a folder as its home."""

    def __init__(self, site: Site, home: Path) -> None:
        self.home = home
        self.environment = os.environ | {
            "HF_ENDPOINT": site.url,
            "HF_HOME": str(home / "hf"),
            "HF_HUB_OFFLINE": "0",
            "ATTNVIZ_RELEASES": site.url,
            "TORCH_HOME": str(home / "torch"),
            "HOME": str(home),
        }

    def start(self, *arguments: str, code: str | None = None) -> "subprocess.Popen[str]":
        command = [sys.executable, *(("-c", code) if code else ("-m", "attnviz")), *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self.environment, stdout=pipe, stderr=pipe, text=True)

    def run(self, *arguments: str, code: str | None = None) -> tuple[int, str, str]:
        process = self.start(*arguments, code=code)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def at_hand(self, model_id: str) -> Path:
        return self.home / "hf/hub" / f"models--timm--{model_id[5:]}" / "snapshots" / COMMIT / "model.safetensors"


@pytest.fixture
def shell(site: Site, tmp_path: Path) -> Shell:
    for model_id in (SE, ECA):
        site.publish(f"timm/{model_id[5:]}", "model.safetensors", CONTENT)
    return Shell(site, tmp_path / "home")


def test_several_at_once_without_torch(shell: Shell, site: Site) -> None:
    code, out, err = shell.run("fetch", SE, ECA, SE, "resnet18t-se", code=HEAVY)
    assert (code, err) == (0, "")
    assert sorted(out.splitlines()) == sorted(
        [f"{SE} is at hand, 0.3 MB", f"{ECA} is at hand, 0.3 MB", "resnet18t-se comes with attnviz", "False"]
    )
    assert all(shell.at_hand(model_id).read_bytes() == CONTENT for model_id in (SE, ECA))
    code, out, _ = shell.run("models")
    states = {line.split()[0]: line.rpartition("  ")[2] for line in out.splitlines()}
    assert (states[SE], states[ECA], states[GC], states["resnet18t-se"]) == (
        "cached",
        "cached",
        "out of reach",
        "embedded",
    )
    asked = len(site.gets())
    assert shell.run("fetch", SE)[0] == 0
    assert len(site.gets()) == asked


def test_one_that_fails_does_not_keep_the_others(shell: Shell, site: Site) -> None:
    site.files["/models/mobilenet_v3_small-047dcff4.pth"] = CONTENT  # not what was published under that name
    wrong = "torchvision:mobilenet_v3_small"
    code, out, err = shell.run("fetch", GC, wrong, SE)
    assert code == 1
    assert out == f"{SE} is at hand, 0.3 MB\n"
    lines = sorted(err.splitlines())
    assert len(lines) == 2
    assert f"{GC} is out of reach: 127.0.0.1:{site.port} answers 404. Connect, or set HF_HOME" in lines[0]
    assert "attnviz fetch" not in lines[0]  # which this is
    assert lines[1].startswith(f"{wrong}: what came is not what was published: its SHA-256 begins with {DIGEST[:8]}, ")
    assert not [path for path in (shell.home / "torch").rglob("*") if path.suffix in (".pth", ".part")]


def test_stopped_by_ctrl_c_and_started_again(shell: Shell, site: Site) -> None:
    site.mood.trickle = 100_000
    site.mood.more.release(1)
    # Tests that a shell runs in the background ignore Ctrl-C, and would hand that on.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = shell.start("fetch", SE)
    signal.signal(signal.SIGINT, before)
    while not any(part.stat().st_size >= 65_536 for part in shell.home.rglob("*.part")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "stopped; what came is kept, and the same command goes on from there\n"
    assert not shell.at_hand(SE).exists()
    site.mood.trickle = None
    site.mood.more.release(100)
    assert shell.run("fetch", SE)[0] == 0
    assert shell.at_hand(SE).read_bytes() == CONTENT
    assert site.gets()[-1][1].startswith("bytes=")


def test_without_a_connection(shell: Shell) -> None:
    shell.environment["HF_HUB_OFFLINE"] = "1"
    code, out, err = shell.run("fetch", SE)
    assert (code, out) == (1, "")
    assert err == (
        f"{SE} is out of reach: HF_HUB_OFFLINE says to ask no server. Unset it, or set HF_HOME to a folder that has "
        "it\n"
    )


def test_random_weights_are_not_fetched(shell: Shell, site: Site) -> None:
    listed = ("random:resnet18t-se", f"random:{SE}")
    code, out, err = shell.run("fetch", *listed, code=HEAVY)
    assert (code, err) == (0, "")
    assert out.splitlines() == [*(f"{each} has random weights: there is nothing to fetch" for each in listed), "False"]
    code, out, err = shell.run("fetch", "random:mobilenetv2_ca", "random:timm:lcnet_050", "random:mobilenetv2_cb")
    assert code == 1
    assert len(out.splitlines()) == 2
    assert err.startswith("no model 'mobilenetv2_cb' in the catalogue; the nearest are ")
    assert site.log == []


def test_ids_that_there_are_not(shell: Shell) -> None:
    code, out, err = shell.run("fetch", "timm:nothing_at_all", "resnet99", SE)
    assert code == 1
    for line, model_id in zip(err.splitlines(), ("timm:nothing_at_all", "resnet99"), strict=True):
        assert line.startswith(f"no model '{model_id}' in the catalogue; the nearest are ")
    assert out == f"{SE} is at hand, 0.3 MB\n"


def test_a_misspelled_id_names_the_nearest_without_torch(shell: Shell) -> None:
    code, out, err = shell.run("fetch", "resnet18t-sse", "seresnext26t", code=HEAVY)
    assert (code, out) == (1, "False\n")
    lines = err.splitlines()
    assert "; the nearest are resnet18t-s" in lines[0]
    assert "resnet18t-se," in lines[0]
    assert SE in lines[1]


def test_another_of_timm_s(shell: Shell, site: Site) -> None:
    site.publish("timm/lcnet_050.ra2_in1k", "model.safetensors", CONTENT)
    assert shell.run("fetch", "timm:lcnet_050.ra2_in1k")[:2] == (0, "timm:lcnet_050.ra2_in1k is at hand, 0.3 MB\n")

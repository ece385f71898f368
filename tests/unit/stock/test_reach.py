"""Whether weights are at hand, can be fetched, or neither: found against servers in all their moods."""

import socket
import threading
from pathlib import Path

import pytest
from huggingface_hub import constants

import attnviz
from attnviz.stock import Availability, availability, entries, reach
from attnviz.stock.downloads import at_hand
from tests.unit.stock.servers import COMMIT, Site, point_at

HUB, TORCH, ZIPPED = "timm:seresnext26ts.ch_in1k", "timm:legacy_seresnet18.in1k", "pytorchcv:cbam_resnet50"
RELEASED = {
    TORCH: "/rwightman/pytorch-image-models/releases/download/v0.1-weights/seresnet18-4bb0ce65.pth",
    "torchvision:mobilenet_v3_small": "/models/mobilenet_v3_small-047dcff4.pth",
    ZIPPED: "/osmr/imgclsmob/releases/download/v0.0.537/cbam_resnet50-0505-d8cf8488.pth.zip",
}


def found(deadline: float = 30.0) -> dict[str, Availability]:
    """With time for a busy machine: servers that answer are waited for."""
    return availability(entries().values(), deadline=deadline)


def of(state: Availability, states: dict[str, Availability]) -> set[str]:
    return {name for name, each in states.items() if each == state}


def test_what_a_server_has_is_downloadable_and_what_it_lacks_is_not(site: Site) -> None:
    site.publish("timm/seresnext26ts.ch_in1k", "model.safetensors", b"weights")
    site.files |= dict.fromkeys(RELEASED.values(), b"weights")
    states = found()
    assert of(Availability.DOWNLOADABLE, states) == {HUB, *RELEASED}
    assert of(Availability.OUT_OF_REACH, states) == entries().keys() - {HUB, *RELEASED}
    assert sorted(method for method, _, _ in site.log) == ["HEAD"] * len(entries())


def test_an_answer_holds_for_a_while(site: Site) -> None:
    found()
    asked = len(site.log)
    found()
    assert len(site.log) == asked
    reach.SERVERS.forget()
    found()
    assert len(site.log) == 2 * asked


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_a_server_that_refuses(site: Site, status: int) -> None:
    site.mood.status = status
    assert set(found().values()) == {Availability.OUT_OF_REACH}


def test_a_server_that_hangs_holds_nobody_up_and_its_late_answer_counts(site: Site) -> None:
    site.publish("timm/seresnext26ts.ch_in1k", "model.safetensors", b"weights")
    site.mood.go.clear()
    assert set(found(reach.DEADLINE).values()) == {Availability.OUT_OF_REACH}  # said while the server still hangs
    site.mood.go.set()
    assert of(Availability.DOWNLOADABLE, found()) == {HUB}
    assert len(site.log) == len(entries())


def test_a_name_that_cannot_be_looked_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def hang(*_: object, **__: object) -> None:
        asked.wait()
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    assert set(found(reach.DEADLINE).values()) == {Availability.OUT_OF_REACH}
    asked.set()


def test_no_server_at_all(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens: refused
        point_at(monkeypatch, f"http://127.0.0.1:{taken.getsockname()[1]}", tmp_path)
        assert set(found().values()) == {Availability.OUT_OF_REACH}


def test_offline_no_server_is_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert set(found().values()) == {Availability.OUT_OF_REACH}
    assert site.log == []


def snapshot(home: Path, repo: str, file: str) -> Path:
    folder = home / "hf" / "hub" / f"models--{repo.replace('/', '--')}"
    path = folder / "snapshots" / COMMIT / file
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    return path


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_in_the_hub_s_cache(site: Site, tmp_path: Path, file: str) -> None:
    path = snapshot(tmp_path, "timm/seresnext26ts.ch_in1k", file)
    assert of(Availability.CACHED, found()) == {HUB}
    assert at_hand(entries()[HUB]) == path


@pytest.mark.parametrize(
    ("model_id", "path"),
    [
        (HUB, "torch/hub/checkpoints/seresnext26ts_256-6f0d74a3.pth"),  # as older versions of timm fetched it
        (TORCH, "torch/hub/checkpoints/seresnet18-4bb0ce65.pth"),
        ("torchvision:efficientnet_b0", "torch/hub/checkpoints/efficientnet_b0_rwightman-7f5810bc.pth"),
        (ZIPPED, ".torch/models/cbam_resnet50-0505-d8cf8488.pth"),
    ],
)
def test_where_the_libraries_keep_release_files(site: Site, tmp_path: Path, model_id: str, path: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.with_name(file.name + ".part").write_bytes(b"wei")  # half a file is none
    assert not of(Availability.CACHED, found())
    file.write_bytes(b"weights")
    assert of(Availability.CACHED, found()) == {model_id}
    assert at_hand(entries()[model_id]) == file


def test_what_is_cached_is_listed_without_asking(site: Site, tmp_path: Path) -> None:
    snapshot(tmp_path, "timm/seresnext26ts.ch_in1k", "model.safetensors")
    assert [card.id for card in attnviz.catalogue("cached")] == [HUB]
    assert site.log == []

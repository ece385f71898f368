"""Getting weights: what came of it, against servers in all their moods; and where the file lies."""

import hashlib
import io
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from huggingface_hub import constants, scan_cache_dir, try_to_load_from_cache

from attnviz.errors import CanceledError, ModelError, OutOfReachError
from attnviz.stock import Entry, entries
from attnviz.stock.downloads import Download, at_hand, download
from attnviz.stock.entries import torch_file
from attnviz.stock.origins import PytorchcvFile
from tests.unit.stock.servers import COMMIT, Site, point_at

CONTENT = random.Random(0).randbytes(300_000)
SHA256, SHA1 = hashlib.sha256(CONTENT).hexdigest(), hashlib.sha1(CONTENT).hexdigest()
REPO = "timm/seresnext26ts.ch_in1k"


class Case(NamedTuple):
    """A kind of source: an entry, where its server has the file, and where it is to lie."""

    entry: Entry
    address: str
    lies: str


def hub(site: Site) -> Case:
    digest = site.publish(REPO, "model.safetensors", CONTENT)
    lies = f"hf/hub/models--{REPO.replace('/', '--')}/snapshots/{COMMIT}/model.safetensors"
    return Case(entries()[f"timm:{REPO[5:]}"], f"/cdn/{digest}", lies)


def release(site: Site) -> Case:
    entry = entries()["torchvision:mobilenet_v3_small"]
    path = f"/models/mobilenet_v3_small-{SHA256[:8]}.pth"
    site.files[path] = CONTENT
    origin = torch_file(f"https://download.pytorch.org{path}")
    return Case(replace(entry, origins=(origin,)), path, f"torch/hub/checkpoints/{path[8:]}")


def zipped(site: Site) -> Case:
    name, path = f"cbam_resnet50-0505-{SHA1[:8]}.pth", f"/releases/cbam_resnet50-0505-{SHA1[:8]}.pth.zip"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, CONTENT)
    site.files[path] = packed.getvalue()
    origin = PytorchcvFile(f"https://github.com{path}", SHA1)
    return Case(replace(entries()["pytorchcv:cbam_resnet50"], origins=(origin,)), path, f".torch/models/{name}")


KINDS = {"hub": hub, "release": release, "zipped": zipped}


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def case(request: pytest.FixtureRequest, site: Site) -> Case:
    made: Case = request.param(site)
    return made


def left(home: Path) -> list[str]:
    """Every file that is half of one, or a lock."""
    return [path.name for path in home.rglob("*") if path.suffix in (".part", ".unpacked", ".zip", ".incomplete")]


def half(home: Path) -> Path:
    (part,) = home.rglob("*.part")
    return part


def test_the_file_lies_where_its_library_looks(site: Site, case: Case, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    path = download(case.entry).result(lambda *each: told.append(each))
    assert path == tmp_path / case.lies == at_hand(case.entry)
    assert path.read_bytes() == CONTENT
    assert told[-1] == (len(site.files[case.address]), len(site.files[case.address]))
    assert left(tmp_path) == []
    assert site.gets() == [(case.address, None)]


def test_the_hub_s_own_client_takes_it_for_its_own(site: Site) -> None:
    path = download(hub(site).entry).result()
    assert try_to_load_from_cache(REPO, "model.safetensors") == str(path)
    (repository,) = scan_cache_dir(constants.HF_HUB_CACHE).repos
    (revision,) = repository.revisions
    assert (repository.repo_id, revision.commit_hash, revision.refs) == (REPO, COMMIT, {"main"})
    assert [(file.file_name, file.size_on_disk) for file in revision.files] == [("model.safetensors", len(CONTENT))]
    assert [path.name for path in (path.parents[2] / "blobs").iterdir()] == [SHA256]


def test_what_is_there_is_not_asked_for_again(site: Site, case: Case) -> None:
    path = download(case.entry).result()
    site.log.clear()
    assert download(case.entry).result() == path
    assert site.log == []


def test_a_cut_connection_is_taken_up_where_it_ended(site: Site, case: Case) -> None:
    site.mood.cuts = [100_000, 50_000]
    assert download(case.entry).result().read_bytes() == CONTENT
    assert [asked for _, asked in site.gets()] == [None, "bytes=100000-", "bytes=150000-"]


@pytest.mark.parametrize("ranges", ["ignored", "misread"])
def test_a_server_without_ranges_begins_anew(site: Site, case: Case, ranges: str) -> None:
    site.mood.cuts, site.mood.ranges = [100_000], ranges
    assert download(case.entry).result().read_bytes() == CONTENT
    assert [asked for _, asked in site.gets()] == [None, "bytes=100000-"]


def test_a_cut_that_looks_like_the_end(site: Site) -> None:
    """Without a length in the answer, the hub's own word on the size tells."""
    case = hub(site)
    site.mood.cuts, site.mood.unsized = [100_000], True
    assert download(case.entry).result().read_bytes() == CONTENT
    assert [asked for _, asked in site.gets()] == [None, "bytes=100000-"]


def test_cut_for_good_then_resumed_another_day(site: Site, case: Case, tmp_path: Path) -> None:
    site.mood.cuts = [100_000, 0, 0, 0]
    with pytest.raises(
        ModelError, match=r"out of reach: the connection to .* was cut \(.*\); what came is kept"
    ) as caught:
        download(case.entry).result()
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert half(tmp_path).stat().st_size == 100_000
    assert at_hand(case.entry) is None
    assert download(case.entry).result().read_bytes() == CONTENT
    assert site.gets()[-1] == (case.address, "bytes=100000-")
    assert left(tmp_path) == []


def test_wholly_received_but_not_yet_checked(site: Site, case: Case, tmp_path: Path) -> None:
    """Ended between the last byte and the name: the part is whole, and is used after its check."""
    site.mood.cuts = [100_000, 0, 0, 0]
    with pytest.raises(ModelError):
        download(case.entry).result()
    half(tmp_path).write_bytes(site.files[case.address])
    assert download(case.entry).result().read_bytes() == CONTENT


@pytest.mark.parametrize("kind", [hub, release])
def test_other_bytes_than_were_published_are_thrown_away(site: Site, kind: Any, tmp_path: Path) -> None:
    case = kind(site)
    site.mood.spoiled = True
    with pytest.raises(ModelError, match=rf"its SHA-256 begins with [0-9a-f]{{8}}, not {SHA256[:8]}; it was thrown aw"):
        download(case.entry).result()
    assert at_hand(case.entry) is None
    assert left(tmp_path) == []
    site.mood.spoiled = False
    assert download(case.entry).result().read_bytes() == CONTENT


def test_half_of_one_file_and_half_of_another_is_thrown_away(site: Site, case: Case, tmp_path: Path) -> None:
    site.mood.cuts = [100_000, 0, 0, 0]
    with pytest.raises(ModelError):
        download(case.entry).result()
    half(tmp_path).write_bytes(bytes(100_000))
    with pytest.raises(ModelError, match=r"thrown away|fetch it again"):
        download(case.entry).result()
    assert at_hand(case.entry) is None
    assert left(tmp_path) == []


def test_an_archive_of_something_else(site: Site, tmp_path: Path) -> None:
    case = zipped(site)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(Path(case.lies).name, CONTENT[::-1])
    site.files[case.address] = packed.getvalue()
    with pytest.raises(ModelError, match=f"its SHA-1 begins with [0-9a-f]{{8}}, not {SHA1[:8]}"):
        download(case.entry).result()
    site.files[case.address] = b"no archive"
    with pytest.raises(ModelError, match="is no archive of cbam_resnet50-0505-"):
        download(case.entry).result()
    assert at_hand(case.entry) is None
    assert left(tmp_path) == []


@pytest.mark.parametrize("status", [403, 404])
def test_a_server_that_does_not_have_it(site: Site, case: Case, status: int) -> None:
    site.mood.status = status
    with pytest.raises(ModelError, match=rf"out of reach: 127\.0\.0\.1:\d+ answers {status}\. Connect, ") as caught:
        download(case.entry).result()
    assert "\n" not in str(caught.value)
    assert at_hand(case.entry) is None


def test_a_server_that_fails(site: Site, case: Case) -> None:
    site.mood.status = 503
    with pytest.raises(ModelError, match=f"^{case.entry.card.id} is out of reach: 127"):
        download(case.entry).result()


def test_a_server_that_hangs(site: Site, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attnviz.stock.downloads.PATIENCE", 0.2)
    site.mood.go.clear()
    with pytest.raises(ModelError, match=f"^{case.entry.card.id} is out of reach: 127.* does not answer .*. Connect, "):
        download(case.entry).result()


def test_nobody_listens(site: Site, case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    point_at(monkeypatch, "http://127.0.0.1:9", tmp_path)
    with pytest.raises(
        ModelError, match=f"^{case.entry.card.id} is out of reach: .* does not answer .*refused.*. Connect, "
    ):
        download(case.entry).result()


def test_offline(site: Site, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE says to ask no server"):
        download(case.entry).result()
    assert site.log == []


def test_a_server_that_is_no_hub(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.files[f"/{REPO}/resolve/main/model.safetensors"] = CONTENT
    monkeypatch.setattr("tests.unit.stock.servers.RESOLVE", re.compile("(?!)"))
    with pytest.raises(ModelError, match="answers, but not as a hub of Hugging Face does"):
        download(entries()[f"timm:{REPO[5:]}"]).result()


def test_a_full_disk(site: Site, case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ModelError, match="0 MB more are needed, and the disk has 0 MB: make room, or set HF_HOME"):
        download(case.entry).result()


def test_a_folder_that_cannot_be_written(site: Site, case: Case, tmp_path: Path) -> None:
    (tmp_path / Path(case.lies).parts[0]).write_text("a file where a folder should be")
    with pytest.raises(ModelError, match=f"the weights of {case.entry.card.id} cannot be written: ") as caught:
        download(case.entry).result()
    assert str(tmp_path) not in str(caught.value)


def arrived(some: Download, count: int) -> None:
    while some.done < count:
        time.sleep(0.005)


class TestShared:
    """Several who want one file at once."""

    @pytest.fixture(autouse=True)
    def slowly(self, site: Site) -> None:
        site.mood.trickle = 100_000

    def test_all_see_one_download(self, site: Site, case: Case) -> None:
        downloads = [download(case.entry) for _ in range(3)]
        site.mood.more.release(10)
        assert {each.result() for each in downloads} == {at_hand(case.entry)}
        assert site.gets() == [(case.address, None)]

    def test_progress_is_everybody_s(self, site: Site, case: Case) -> None:
        downloads = [download(case.entry) for _ in range(2)]
        site.mood.more.release(1)
        came = threading.Event()

        def told(done: int, total: int | None) -> None:
            if done == 100_000 and total == len(site.files[case.address]):
                came.set()
                raise CanceledError("seen enough")

        with pytest.raises(CanceledError, match="seen enough"):
            downloads[0].result(told)
        assert came.is_set()
        assert downloads[1].done == 100_000
        site.mood.more.release(10)
        assert downloads[1].result().read_bytes() == CONTENT  # one who leaves does not end it for the other

    def test_it_ends_when_the_last_has_left(self, site: Site, case: Case, tmp_path: Path) -> None:
        downloads = [download(case.entry) for _ in range(2)]
        site.mood.more.release(1)
        arrived(downloads[0], 100_000)
        for each in downloads:
            each.cancel()
            with pytest.raises(CanceledError, match="what came is kept"):
                each.result()
        site.mood.more.release(1)
        downloads[0]._transfer.thread.join()
        assert half(tmp_path).stat().st_size >= 100_000
        assert at_hand(case.entry) is None
        site.mood.trickle = None
        assert download(case.entry).result().read_bytes() == CONTENT
        assert site.gets()[-1][1].startswith("bytes=")

    def test_who_comes_after_the_last_has_left_is_served(self, site: Site, case: Case) -> None:
        first = download(case.entry)
        site.mood.more.release(1)
        arrived(first, 100_000)
        first.cancel()
        second = download(case.entry)
        site.mood.more.release(20)
        assert second.result().read_bytes() == CONTENT


OTHER = f"""
from attnviz.stock import entries
from attnviz.stock.downloads import download
print(len(download(entries()["timm:{REPO[5:]}"]).result().read_bytes()))
"""


def test_two_processes_fetch_it_once(site: Site, tmp_path: Path) -> None:
    case = hub(site)
    new = {"HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hf"), "HF_ENDPOINT": site.url}
    command = [sys.executable, "-c", OTHER]
    site.mood.trickle = 100_000
    others = [subprocess.Popen(command, env=os.environ | new, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    while sum(method == "HEAD" for method, _, _ in site.log) < 2 or not site.gets():
        time.sleep(0.01)
    time.sleep(0.5)  # both have begun: the second's own request, were there one, would come now
    assert site.gets() == [(case.address, None)]
    site.mood.more.release(100)
    assert [other.communicate(timeout=60)[0].strip() for other in others] == [str(len(CONTENT))] * 2
    assert site.gets() == [(case.address, None)]


def test_offline_says_so(site: Site, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each who asks is told, and neither line advises what its reader is doing."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    one, other = download(case.entry), download(case.entry)
    for each in (one, other):
        with pytest.raises(OutOfReachError, match=r"HF_HUB_OFFLINE says to ask no server\. Unset it, ") as caught:
            each.result()
        assert str(caught.value).endswith(f", or run `attnviz fetch {case.entry.card.id}` beforehand")
        assert caught.value.fetching.endswith(f"Unset it, or {case.entry.origins[0].advice}")
    assert site.log == []

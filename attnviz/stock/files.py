"""A file from a server, in parts if need be: resumed after a cut, checked, and never half under its own name."""

import hashlib
import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attnviz.errors import AttnvizError, CanceledError, ModelError

WAIT = 10.0  # seconds without a byte after which a connection counts as cut
PAUSE = 0.5  # seconds before it is tried again
TRIES = 3  # attempts in a row that bring no byte
BUSY = (408, 429, 500, 502, 503, 504)  # answers of a server that may do better in a moment

Progress = Callable[[int, int | None], None]
Digest = tuple[str, str]  # an algorithm of hashlib, and the beginning of the hexadecimal digest


@dataclass(frozen=True)
class Remote:
    """A file as its server describes it: where it is got, its size (None where unknown), its published hash (None
    where there is none), and where it is to lie."""

    url: str
    headers: dict[str, str]
    size: int | None
    digest: Digest | None
    target: Path


class CutError(Exception):
    """A connection that ended before the file did, or never came about."""


class RefusedError(Exception):
    """An answer that is no file, and will be the same next time."""

    def __init__(self, response: Any) -> None:
        super().__init__(response.status_code)
        self.response = response


def receive(remote: Remote, stop: threading.Event, progress: Progress) -> None:
    """Get a file under its own name, from where an earlier attempt ended.

    Args:
        remote: what to get, and where it is to lie.
        stop: ends it, and leaves what came for another attempt.
        progress: is told (bytes that are there, bytes in all or None).

    Raises:
        CutError: where the server stays away, or goes away again and again; what came is kept.
        RefusedError: for an answer that is no file.
        CanceledError: by ``stop``.
        ModelError: for a wrong hash (what came is thrown away), or a full disk.
    """
    part, failed, size = remote.target.with_name(remote.target.name + ".part"), 0, remote.size
    while size is None or _length(part) != size:
        before = _length(part)
        try:
            size = _stream(remote, part, stop, progress)
        except (AttnvizError, OSError, RefusedError):
            raise
        except Exception as error:  # the client's own, of whichever version
            failed = 0 if _length(part) > before else failed + 1
            if failed >= TRIES:
                raise CutError(str(error)) from error
            if stop.wait(PAUSE):
                raise CanceledError(f"{remote.target.name} was not wanted any more") from None
    if remote.digest:
        try:
            check(part, remote.digest)
        except ModelError:
            part.unlink()
            raise
    part.replace(remote.target)


def _stream(remote: Remote, part: Path, stop: threading.Event, progress: Progress) -> int:
    """One connection's worth; the size of the whole file."""
    from huggingface_hub import get_session

    have, host = _length(part), urlsplit(remote.url).netloc
    if remote.size is not None and have > remote.size:
        part.unlink()
        have = 0
    headers = remote.headers | {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with get_session().stream("GET", remote.url, headers=headers, timeout=WAIT, follow_redirects=True) as answer:
        if answer.status_code == 416:  # there is nothing from there on: all is here, or it belongs to another file
            if _total(answer, 0) == have:
                return have
            part.unlink()
            raise CutError("no such range")
        if answer.status_code in BUSY:
            raise CutError(f"{host} answers {answer.status_code}")
        if answer.status_code >= 400:
            raise RefusedError(answer)
        start = have if _resumes(answer, have) else 0
        total = _total(answer, start) or remote.size
        _make_room(part.parent, (total or 0) - start)
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            for block in answer.iter_bytes():
                if stop.is_set():
                    raise CanceledError(f"{remote.target.name} was not wanted any more")
                file.write(block)
                progress(file.tell(), total)
    if total is not None and _length(part) != total:
        raise CutError(f"{host} sent {_length(part):,} of {total:,} bytes")
    return _length(part)


def _resumes(answer: Any, have: int) -> bool:
    """Whether an answer goes on where the part ends; a server may also begin anew."""
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return answer.status_code == 206 and found is not None and int(found[1]) == have


def _total(answer: Any, start: int) -> int | None:
    """The size of the whole file, as far as the answer tells."""
    ranged = re.search(r"/(\d+)$", answer.headers.get("Content-Range", ""))
    if ranged:
        return int(ranged[1])
    length = answer.headers.get("Content-Length")
    return start + int(length) if length and "Content-Encoding" not in answer.headers else None


def _make_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ModelError(
            f"{needed / 1e6:.0f} MB more are needed, and the disk has {free / 1e6:.0f} MB: make room, "
            "or set HF_HOME and TORCH_HOME to folders on another"
        )


def check(path: Path, digest: Digest) -> None:
    """Raises ModelError for a file whose hash is not the published one."""
    algorithm, wanted = digest
    with path.open("rb") as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()
    if not found.startswith(wanted):
        name = {"sha1": "SHA-1", "sha256": "SHA-256"}[algorithm]
        raise ModelError(
            f"what came is not what was published: its {name} begins with {found[:8]}, not {wanted[:8]}; "
            "it was thrown away, fetch it again"
        )


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0

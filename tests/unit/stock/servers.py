"""A hub and a release server on loopback, which answer as the real ones do, in whatever mood a test wants."""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from huggingface_hub import constants

COMMIT = "0123456789abcdef0123456789abcdef01234567"
RESOLVE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")


@dataclass
class Mood:
    """How a server behaves.

    Attributes:
        cuts: after how many bytes of each of the next answers the connection is cut.
        status: what is answered to everything, where set.
        ranges: what is done with a Range: "honored", "ignored", or "misread" (answered from the first byte on).
        unsized: whether an answer's end is told by the connection's alone.
        spoiled: whether other bytes are sent than were published.
        go: cleared, the server takes requests and says nothing.
        trickle: bytes a piece; a piece is sent when `more` is released once.
    """

    cuts: list[int] = field(default_factory=list)
    status: int | None = None
    ranges: str = "honored"
    unsized: bool = False
    spoiled: bool = False
    go: threading.Event = field(default_factory=threading.Event)
    trickle: int | None = None
    more: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


class Site:
    """Files by path, a log of what was asked (method, path, range), how many left an answer half heard, a mood."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.log: list[tuple[str, str, str | None]] = []
        self.left = 0
        self.mood = Mood()
        self.mood.go.set()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"site": self}))
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def publish(self, repo: str, file: str, content: bytes) -> str:
        """Put a file into a repository of the hub; its hash."""
        digest = hashlib.sha256(content).hexdigest()
        self.files[f"/cdn/{digest}"] = content
        self.files[f"/{repo}/{file}"] = digest.encode()
        return digest

    def gets(self) -> list[tuple[str, str | None]]:
        """The files that were got: path and range."""
        return [(path, asked) for method, path, asked in self.log if method == "GET" and path in self.files]


class Handler(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.site.left += 1

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        mood, path = self.site.mood, urlsplit(self.path).path
        self.site.log.append((self.command, path, self.headers.get("Range")))
        mood.go.wait()
        if mood.status is not None:
            self._say(mood.status)
        elif found := RESOLVE.fullmatch(path):
            self._hub(found)
        elif path in self.site.files:
            self._file(self.site.files[path], body=body)
        else:
            self._say(404)

    def _hub(self, asked: re.Match[str]) -> None:
        """As the hub: what is known of the file, and another host that has it."""
        digest = self.site.files.get(f"/{asked['repo']}/{asked['file']}")
        if digest is None or asked["revision"] not in ("main", COMMIT):
            self._say(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
            return
        name = digest.decode()
        headers = {
            "X-Repo-Commit": COMMIT,
            "X-Linked-Etag": f'"{name}"',
            "X-Linked-Size": str(len(self.site.files[f"/cdn/{name}"])),
            "Location": f"http://localhost:{self.site.port}/cdn/{name}?signature=1",
        }
        self._say(302, headers)

    def _file(self, content: bytes, *, body: bool) -> None:
        mood = self.site.mood
        if mood.spoiled:
            content = bytes(255 - byte for byte in content)
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and mood.ranges == "honored" else 0
        partial = bool(start or (asked and mood.ranges == "misread"))
        if start >= len(content):
            self._say(416, {"Content-Range": f"bytes */{len(content)}"})
            return
        headers = {"ETag": '"it"'}
        if partial:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if mood.unsized:
            self.close_connection = True
        else:
            headers["Content-Length"] = str(len(content) - start)
        self.send_response(206 if partial else 200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self._send(content[start:])

    def _send(self, content: bytes) -> None:
        mood = self.site.mood
        if mood.cuts:
            self.wfile.write(content[: mood.cuts.pop(0)])
            self.close_connection = True
        elif mood.trickle:
            for start in range(0, len(content), mood.trickle):
                mood.more.acquire()
                self.wfile.write(content[start : start + mood.trickle])
                self.wfile.flush()
        else:
            self.wfile.write(content)

    def _say(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def serving() -> Iterator[Site]:
    site = Site()
    threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield site
    finally:
        site.mood.go.set()
        site.server.shutdown()
        site.server.server_close()


def point_at(monkeypatch: pytest.MonkeyPatch, address: str, home: Path) -> None:
    """Make a server this process's hub and its mirror of releases, and a folder the home of what is fetched."""
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hf" / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setenv("TORCH_HOME", str(home / "torch"))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("ATTNVIZ_RELEASES", address)

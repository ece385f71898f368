"""One app and one Chromium for all browser tests; a new page for each, which hears of every request."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

import attnviz
from attnviz.ui.theme import head, theme
from tests.browser.helpers import visit

REPOSITORY = Path(__file__).resolve().parents[2]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 180_000  # milliseconds: nothing fails for being slow on a busy machine
CALM = 4  # looks in a row, 50 milliseconds apart, at which a page waits for nothing
Shows = Callable[[Callable[[], None]], Page]


def chromium() -> str:
    """Where Chromium is."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.fail(f"no Chromium: install one of {', '.join(NAMES)} (on Debian: apt install chromium)", pytrace=False)
    return found


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_served(address: str, process: subprocess.Popen[bytes], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            pytest.fail("the app ended before it served its page", pytrace=False)
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except OSError:
            time.sleep(0.3)
        else:
            return
    pytest.fail(f"the app did not serve its page within {seconds:.0f} s", pytrace=False)


@contextmanager
def serving_app(uploads: Path, *options: str, **environment: str) -> Iterator[str]:
    """The address of an app in a process of its own."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    variables = os.environ | {"PYTHONPATH": str(REPOSITORY), "GRADIO_TEMP_DIR": str(uploads), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "app.py", "--port", str(port), *options]
    with subprocess.Popen(command, cwd=REPOSITORY, env=variables | environment) as process:
        try:
            wait_until_served(address, process)
            yield address
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An app that can reach no server, and has the family alone."""
    with serving_app(tmp_path_factory.mktemp("uploads")) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        expect.set_options(timeout=PATIENCE)
        yield browser
        browser.close()


@dataclass
class Heard:
    """What a page asked for, what it still waits for, and what went wrong in it."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    waiting: set[Request] = field(default_factory=set)

    def listen(self, page: Page) -> None:
        page.on("request", self._asked)
        page.on("requestfinished", lambda request: self.waiting.discard(request))
        page.on("requestfailed", lambda request: self.waiting.discard(request))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)
        if "/heartbeat/" not in request.url:  # which lasts as long as the page
            self.waiting.add(request)


def left_in_peace(page: Page, heard: Heard) -> None:
    """From now on the page goes elsewhere only when it waits for nothing: what it misses then is an error to it."""

    def peaceful(go: Callable[..., Any]) -> Callable[..., None]:
        def gone(*address: str) -> None:
            end, calm = time.monotonic() + PATIENCE / 1000, 0
            while calm < CALM and time.monotonic() < end:  # an answer may lead to the next question
                page.wait_for_timeout(50)
                calm = 0 if heard.waiting else calm + 1
            heard.waiting.clear()
            go(*address)

        return gone

    page.goto, page.reload = peaceful(page.goto), peaceful(page.reload)
    page.go_back, page.go_forward = peaceful(page.go_back), peaceful(page.go_forward)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def page(browser: Browser, served: str, heard: Heard) -> Iterator[Page]:
    """The app's page, its first view drawn. Whatever a test does, nothing leaves the machine and no script fails."""
    # Closed also where it fails: a page that is left open goes on working, and slows down every test after it.
    with closing(browser.new_context(viewport={"width": 1280, "height": 900})) as context:
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        heard.listen(page)
        left_in_peace(page, heard)
        visit(page, served)
        yield page
        strangers = [url for url in heard.requests if not url.startswith((served, "data:", "blob:"))]
        assert not strangers, strangers
        assert not heard.errors, heard.errors


@pytest.fixture
def shows(browser: Browser) -> Iterator[Shows]:
    """Serves what a function builds, and opens it."""
    opened: list[Any] = []

    def show(build: Callable[[], None]) -> Page:
        with gr.Blocks() as blocks:
            build()
        port = free_port()
        blocks.launch(
            server_port=port, theme=theme(), head=head(), ssr_mode=False, prevent_thread_lock=True, quiet=True
        )
        page = browser.new_page(viewport={"width": 900, "height": 800})
        page.set_default_timeout(PATIENCE)
        opened.extend((page, blocks))
        page.goto(f"http://127.0.0.1:{port}")
        page.wait_for_selector(".html-container > div > *", state="attached")
        page.wait_for_timeout(150)
        return page

    yield show
    for each in opened:
        each.close()


@pytest.fixture(scope="session")
def models() -> list[str]:
    return [card.id for card in attnviz.catalogue("embedded")]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """An upload that is nobody's: wider than high, with a bright disk."""
    y, x = np.mgrid[:180, :320]
    disk = np.hypot(x - 220, y - 80) < 50
    pixels = np.stack([np.where(disk, 240, 40 + x / 4), np.where(disk, 230, 90), np.where(disk, 60, y)], -1)
    path = tmp_path / "disk.png"
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path

"""How quick the page is: ``python -m benchmarks.page`` prints a report.

Redraws are timed by the browser's own clock, from a pointer's move to the end of all that it draws; the first picture
from the request of the page to the last canvas of its first view, on an app that has just been started.
"""

import os
import statistics
import subprocess
import sys
import time
from typing import Annotated

import typer
from playwright.sync_api import Page, sync_playwright

import attnviz
from tests.browser.conftest import FLAGS, REPOSITORY, chromium, free_port, wait_until_served
from tests.browser.helpers import READY, choose_model

MOVES = """([selector, count]) => {
    const canvas = document.querySelector(selector);
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const times = [];
    for (let i = 0; i < count; i++) {
        const [x, y] = [left + width * (0.1 + 0.8 * ((i * 0.37) % 1)), top + height * (0.1 + 0.8 * ((i * 0.61) % 1))];
        const start = performance.now();
        canvas.dispatchEvent(new PointerEvent("pointermove", { clientX: x, clientY: y, bubbles: true }));
        canvas.getContext("2d").getImageData(0, 0, 1, 1); // waits for what was drawn
        times.push(performance.now() - start);
    }
    return times;
}"""
CANVASES = {
    "attention": "#attention .picture",
    "Grad-CAM": "#cam .picture",
    "bars": ".av-channels canvas",
    "branches": ".av-branches canvas",
    "steps": ".av-stepper section > canvas, .av-stepper > canvas",
}


def redraws(page: Page, moves: int) -> dict[str, list[float]]:
    """Milliseconds of each redraw under a moving pointer, by canvas."""
    return {
        name: page.evaluate(MOVES, [selector, moves])
        for name, selector in CANVASES.items()
        if page.locator(selector).first.is_visible()
    }


def main(moves: Annotated[int, typer.Option(help="pointer moves on each canvas")] = 60) -> None:
    """Print the report."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "app.py", "--port", str(port)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment) as app, sync_playwright() as playwright:
        try:
            wait_until_served(address, app)
            page = playwright.chromium.launch(executable_path=chromium(), args=FLAGS).new_page()
            page.set_viewport_size({"width": 1280, "height": 900})
            start = time.perf_counter()
            page.goto(address)
            page.wait_for_selector(READY)
            print(f"from the request of the page to its first full picture: {time.perf_counter() - start:.2f} s\n")
            print(f"{'redraw under the pointer':26}{'median':>10}{'slowest':>10}   ({moves} moves)")
            for card in attnviz.catalogue("embedded"):
                choose_model(page, card.id)
                for name, times in redraws(page, moves).items():
                    print(f"{card.id + ', ' + name:26}{statistics.median(times):7.1f} ms{max(times):7.1f} ms")
        finally:
            app.terminate()


if __name__ == "__main__":
    typer.run(main)

"""python -m tests.browser.screenshots: the page, both themes, three widths, into the ignored folder screenshots/."""

import os
import subprocess
import sys

from playwright.sync_api import Page, sync_playwright

import attnviz
from tests.browser.conftest import FLAGS, READY, REPOSITORY, chromium, free_port, wait_until_served
from tests.browser.helpers import choose_model

WIDTHS = {390: 844, 1280: 800, 1920: 1080}


def shoot(page: Page, name: str) -> None:
    page.mouse.move(0, 0)
    page.wait_for_timeout(250)
    page.screenshot(path=REPOSITORY / "screenshots" / f"{name}.png", full_page=True)
    print(f"screenshots/{name}.png")


def visit(page: Page, address: str, theme: str) -> None:
    page.goto(f"{address}/?__theme={theme}")
    page.wait_for_selector(READY)


def main() -> None:
    (REPOSITORY / "screenshots").mkdir(exist_ok=True)
    address = f"http://127.0.0.1:{(port := free_port())}"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "app.py", "--port", str(port)]
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment) as app, sync_playwright() as playwright:
        try:
            wait_until_served(address, app)
            page = playwright.chromium.launch(executable_path=chromium(), args=FLAGS).new_page()
            for width, height in WIDTHS.items():
                page.set_viewport_size({"width": width, "height": height})
                for theme in ("light", "dark"):
                    visit(page, address, theme)
                    shoot(page, f"inspect-{width}-{theme}")
                    page.get_by_role("tab", name="Compare").click()
                    page.wait_for_selector(".av-compare .progress[hidden]", state="attached")
                    page.wait_for_timeout(500)
                    shoot(page, f"compare-{width}-{theme}")
            page.set_viewport_size({"width": 1280, "height": 800})
            for number, card in enumerate(attnviz.catalogue()):
                visit(page, address, ("light", "dark")[number % 2])
                choose_model(page, card.id)
                shoot(page, f"inspect-{card.id}")
        finally:
            app.terminate()


if __name__ == "__main__":
    main()

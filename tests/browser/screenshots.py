"""python -m tests.browser.screenshots: every tab, both themes, three widths, into the ignored folder screenshots/.

Four smaller ones go into docs/images, for the README.
"""

import os
import subprocess
import sys
from io import BytesIO

from PIL import Image
from playwright.sync_api import Page, sync_playwright

import attnviz
from attnviz.ui import texts
from tests.browser.conftest import FLAGS, REPOSITORY, chromium, free_port, wait_until_served
from tests.browser.helpers import NON_LOCAL, choose_block, choose_model, compared, open_tab, point, settled, visit

WIDTHS = {390: 844, 1280: 800, 1920: 1080}
SMALL = 960  # pixels across


def shoot(page: Page, name: str) -> None:
    page.mouse.move(0, 0)
    page.wait_for_timeout(250)
    page.screenshot(path=REPOSITORY / "screenshots" / f"{name}.png", full_page=True)
    print(f"screenshots/{name}.png")


def keep(page: Page, name: str) -> None:
    """What the window shows, small."""
    page.wait_for_timeout(250)
    with Image.open(BytesIO(page.screenshot())) as image:
        small = image.convert("RGB")
    small.thumbnail((SMALL, SMALL), Image.Resampling.LANCZOS)
    path = REPOSITORY / "docs" / "images" / f"{name}.jpg"
    path.parent.mkdir(exist_ok=True)
    small.save(path, quality=82, optimize=True)
    print(f"docs/images/{name}.jpg")


def themed(page: Page, address: str, theme: str) -> None:
    visit(page, f"{address}/?__theme={theme}")


def show_tab(page: Page, tab: str) -> None:
    open_tab(page, texts.TABS[tab])
    if tab == "compare":
        compared(page)
    if tab == "models":
        page.wait_for_selector(".av-layers tr.whole")
    page.wait_for_timeout(500)


def everything(page: Page, address: str) -> None:
    """Every tab in both themes at three widths, then every network."""
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        for theme in ("light", "dark"):
            themed(page, address, theme)
            for tab in texts.TABS:
                show_tab(page, tab)
                shoot(page, f"{tab}-{width}-{theme}")
    page.set_viewport_size({"width": 1280, "height": 800})
    for number, card in enumerate(attnviz.catalogue("embedded")):
        themed(page, address, ("light", "dark")[number % 2])
        choose_model(page, card.id)
        shoot(page, f"inspect-{card.id}")


def for_the_readme(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 860})
    themed(page, address, "light")
    keep(page, "inspect")
    show_tab(page, "compare")
    keep(page, "compare")
    themed(page, address, "dark")
    choose_model(page, NON_LOCAL)
    choose_block(page, "stage2.1.attention")
    point(page, 0.3, 0.3, click=True)
    page.evaluate("window.scrollTo(0, 0)")
    keep(page, "affinity")
    themed(page, address, "light")
    choose_model(page, "resnet18t-se")
    for _ in range(4):
        page.click(".av-stepper .next")
    page.click('.av-matter [data-value="frozen"]')
    settled(page)
    page.evaluate("document.querySelector('.av-below').scrollIntoView()")
    keep(page, "steps")


def main() -> None:
    (REPOSITORY / "screenshots").mkdir(exist_ok=True)
    address = f"http://127.0.0.1:{(port := free_port())}"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "app.py", "--port", str(port)]
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment) as app, sync_playwright() as playwright:
        try:
            wait_until_served(address, app)
            page = playwright.chromium.launch(executable_path=chromium(), args=FLAGS).new_page()
            everything(page, address)
            for_the_readme(page, address)
        finally:
            app.terminate()


if __name__ == "__main__":
    main()

"""axe-core finds nothing serious: in either theme, on every tab, for every kind of attention."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

import attnviz
from tests.browser.conftest import READY
from tests.browser.helpers import choose_model

GRAVE = ("serious", "critical")


def found(page: Page) -> list[str]:
    """axe's serious and critical findings, with the elements."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:160]}"
        for each in violations
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_inspect(page: Page, served: str, theme: str) -> None:
    page.goto(f"{served}/?__theme={theme}")
    page.wait_for_selector(READY)
    for card in attnviz.catalogue("embedded"):
        choose_model(page, card.id)
        page.wait_for_timeout(100)
        assert found(page) == [], card.id


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_compare(page: Page, served: str, theme: str) -> None:
    page.goto(f"{served}/?__theme={theme}")
    page.wait_for_selector(READY)
    page.get_by_role("tab", name="Compare").click()
    expect(page.locator(".av-compare .model")).to_have_count(len(attnviz.catalogue("embedded")), timeout=30_000)
    page.wait_for_timeout(200)
    assert found(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_read(page: Page, served: str, theme: str) -> None:
    page.goto(f"{served}/?__theme={theme}&tab=read")
    page.wait_for_selector(".av-text .katex-display")
    assert found(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_panels_with_their_sentences_open(page: Page, served: str, theme: str) -> None:
    page.goto(f"{served}/?__theme={theme}")
    page.wait_for_selector(READY)
    page.evaluate("document.querySelectorAll('.av-about').forEach((about) => { about.open = true; })")
    assert found(page) == []


@pytest.mark.parametrize("width", [390, 1920])
def test_other_widths_and_a_lecture(page: Page, served: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{served}/?lecture=1")
    page.wait_for_selector(READY)
    assert found(page) == []

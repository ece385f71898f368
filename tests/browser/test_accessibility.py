"""axe-core finds nothing serious: in either theme, on every tab, for every kind of attention."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

import attnviz
from tests.browser.helpers import READY, choose_model, compared, open_tab, visit

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
    visit(page, f"{served}/?__theme={theme}")
    for card in attnviz.catalogue("embedded"):
        choose_model(page, card.id)
        page.wait_for_timeout(100)
        assert found(page) == [], card.id


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_compare(page: Page, served: str, theme: str) -> None:
    visit(page, f"{served}/?__theme={theme}")
    open_tab(page, "Compare")
    compared(page)
    page.wait_for_timeout(200)
    assert found(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_models(page: Page, served: str, theme: str) -> None:
    page.goto(f"{served}/?__theme={theme}&tab=models")
    page.wait_for_selector(".av-layers tr.whole")
    page.click(".av-networks .time")
    page.wait_for_selector(".av-networks tr[data-row='latency']")
    page.click(".av-layers .all")
    page.evaluate("document.querySelectorAll('.av-about').forEach((about) => { about.open = true; })")
    assert found(page) == []
    page.select_option(".av-networks .second", "")
    expect(page.locator(".av-layers .two")).to_have_count(0)
    assert found(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_bench(page: Page, served: str, theme: str) -> None:
    page.goto(f"{served}/?__theme={theme}&tab=bench")
    page.wait_for_selector(".av-growth td")
    page.select_option(".av-bench [data-side='A'] .head select", "SK")
    page.fill(".av-bench [data-option='groups'] input", "7")
    page.keyboard.press("Tab")
    expect(page.locator(".av-bench .said")).to_contain_text("groups is 7")
    page.evaluate("document.querySelectorAll('.av-about').forEach((about) => { about.open = true; })")
    assert found(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_read(page: Page, served: str, theme: str) -> None:
    page.goto(f"{served}/?__theme={theme}&tab=read")
    page.wait_for_selector(".av-text .katex-display")
    assert found(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_panels_with_their_sentences_open(page: Page, served: str, theme: str) -> None:
    visit(page, f"{served}/?__theme={theme}")
    page.evaluate("document.querySelectorAll('.av-about').forEach((about) => { about.open = true; })")
    assert found(page) == []


@pytest.mark.parametrize("width", [390, 1920])
@pytest.mark.parametrize(
    ("tab", "ready"), [("inspect", READY), ("models", ".av-layers tr.whole"), ("bench", ".av-growth td")]
)
def test_other_widths_and_a_lecture(page: Page, served: str, width: int, tab: str, ready: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{served}/?lecture=1&tab={tab}")
    page.wait_for_selector(ready)
    assert found(page) == []

"""Read: every panel says what it shows and what it does not, and opens its text; formulas are set, not printed."""

from playwright.sync_api import Page, expect

from attnviz.ui import prose
from attnviz.ui.pages import read
from tests.browser.helpers import choose_block, choose_model, open_tab

TEXTS = [*read.guide(), *read.papers()]


def test_every_text_is_there(page: Page) -> None:
    open_tab(page, "Read")
    for name, title, _ in TEXTS:
        text = page.locator(f"#read-{name}")
        expect(text.get_by_role("heading", level=2)).to_have_text(title)
        link = page.locator(f'.av-contents a[href="#read-{name}"]')
        link.click()
        expect(text).to_be_in_viewport()
    expect(page.locator(".av-text .katex-display")).not_to_have_count(0)
    assert "$$" not in page.locator(".av-page").inner_text()
    expect(page.locator(".av-models")).to_be_hidden()
    expect(page.locator(".av-photo")).to_be_visible()


def test_a_panel_says_what_it_shows_and_opens_its_text(page: Page) -> None:
    about = page.locator(".av-matter .av-about")
    sees, not_, name = prose.ABOUT["matter"]
    expect(about.get_by_text(sees)).to_be_hidden()
    about.locator("summary").press("Enter")
    expect(about.get_by_text(sees)).to_be_visible()
    expect(about.get_by_text(not_)).to_be_visible()
    about.get_by_role("link").press("Enter")
    expect(page.locator(f"#read-{name}")).to_be_in_viewport()
    assert "tab=read" in page.url


def test_a_block_s_panels_open_its_mechanism(page: Page) -> None:
    for model, label in (("resnet18t-se", "SE"), ("resnet18t-nl", "Non-Local")):
        open_tab(page, "Inspect")
        choose_model(page, model)
        choose_block(page, page.locator(".av-rail [data-layer]").last.get_attribute("data-layer"))
        about = page.locator("#attention .av-about")
        if about.get_attribute("open") is None:
            about.locator("summary").click()
        about.get_by_role("link").click()
        expect(page.locator(f"#read-{label}")).to_be_in_viewport()


def test_every_panel_has_its_sentences(page: Page) -> None:
    missing = page.evaluate(
        """() => [...document.querySelectorAll(".av-maps .av-map, .av-card")]
            .filter((card) => !card.querySelector(".av-about"))
            .map((card) => card.className)"""
    )
    # Chosen or waited for, not read; or texts themselves.
    bare = ("av-photo", "av-models", "av-fetching", "av-formula", "table", "av-text")
    assert [name for name in missing if not any(word in name for word in bare)] == []

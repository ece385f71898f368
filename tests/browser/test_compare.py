"""Compare: every network's row equals its own explanation, for the photo, the class and the stage that are chosen."""

from pathlib import Path

from playwright.sync_api import Page, expect

import attnviz
from attnviz.explanation import Explanation
from tests.browser.helpers import explained, first_example, same, settled, upload

PAGE = ".av-compare"


def opened(page: Page) -> None:
    page.get_by_role("tab", name="Compare").click()
    ready(page)


def ready(page: Page) -> None:
    expect(page.locator(f"{PAGE} .model")).to_have_count(len(attnviz.catalogue("embedded")), timeout=30_000)
    expect(page.locator(f"{PAGE} .progress")).to_be_hidden(timeout=30_000)


def check(page: Page, explanations: dict[str, Explanation]) -> None:
    high = max(float(explanation.cam.map.max()) for explanation in explanations.values())
    for model, explanation in explanations.items():
        row = page.locator(f'{PAGE} [data-id="{model}"].model')
        _, label, probability = explanation.top(1)[0]
        assert float(row.locator("h3 b").get_attribute("data-value")) == same(probability)
        expect(row.locator("h3 b")).to_contain_text(label)
        assert float(row.locator(".cam canvas").get_attribute("data-high")) == same(high)


def test_every_network(page: Page) -> None:
    opened(page)
    models = [card.id for card in attnviz.catalogue("embedded")]
    check(page, {model: explained(model, first_example()) for model in models})
    for card in attnviz.catalogue("embedded"):
        row = page.locator(f'{PAGE} tr[data-id="{card.id}"]')
        for name, value in (("top1", card.top1), ("params", card.params), ("macs", card.macs)):
            assert float(row.locator(f'[data-name="{name}"]').get_attribute("data-value")) == value
        expect(row.locator('[data-name="latency"]')).to_contain_text("ms")


def test_another_photo_class_and_stage(page: Page, photo: Path) -> None:
    page.click('.av-prediction [data-index="7"]')
    settled(page)
    opened(page)
    upload(page, photo)
    page.wait_for_timeout(200)
    ready(page)
    models = [card.id for card in attnviz.catalogue("embedded")]
    check(page, {model: explained(model, photo) for model in models})
    page.select_option(f"{PAGE} .stage", "stage1")
    page.wait_for_timeout(200)
    ready(page)
    for model in models:
        layers = [record.layer for record in explained(model, photo).attention if record.stage == "stage1"]
        caption = page.locator(f'{PAGE} [data-id="{model}"] .attention figcaption')
        expect(caption).to_contain_text(layers[-1] if layers else "no attention")


def test_a_stage_that_is_chosen_during_a_run_comes_after_it(page: Page) -> None:
    page.get_by_role("tab", name="Compare").click()
    expect(page.locator(f"{PAGE} .model").first).to_be_visible(timeout=30_000)
    page.select_option(f"{PAGE} .stage", "stage2")
    page.select_option(f"{PAGE} .stage", "stage1")
    caption = page.locator(f'{PAGE} [data-id="resnet18t-se"] .attention figcaption')
    expect(caption).to_contain_text("stage1", timeout=30_000)
    ready(page)
    expect(caption).to_contain_text("stage1")
    expect(page.locator(f"{PAGE} .stage")).to_have_value("stage1")


def test_what_belongs_to_one_network_is_hidden(page: Page) -> None:
    expect(page.locator(".av-models")).to_be_visible()
    opened(page)
    expect(page.locator(".av-models")).to_be_hidden()
    expect(page.locator(".av-photo")).to_be_visible()
    page.get_by_role("tab", name="Inspect").click()
    expect(page.locator(".av-models")).to_be_visible()

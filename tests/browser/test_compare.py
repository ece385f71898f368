"""Compare: every network's row equals its own explanation, for the photo, the class and the stage that are chosen."""

from pathlib import Path

import numpy as np
from playwright.sync_api import Page, expect

import attnviz
from attnviz.explanation import Explanation
from attnviz.ui.examples import examples
from tests.browser.helpers import check_tab, compared, explained, first_example, number, open_tab, same, settled, upload

PAGE = ".av-compare"


def opened(page: Page) -> None:
    open_tab(page, "Compare")
    compared(page)


def check(page: Page, explanations: dict[str, Explanation]) -> None:
    high = max(float(explanation.cam.map.max()) for explanation in explanations.values())
    for model, explanation in explanations.items():
        row = page.locator(f'{PAGE} [data-id="{model}"].model')
        _, label, probability = explanation.top(1)[0]
        assert number(row.locator("h3 b")) == same(probability)
        expect(row.locator("h3 b")).to_contain_text(label)
        assert float(row.locator(".cam .map").get_attribute("data-high")) == same(high)


def test_every_network(page: Page) -> None:
    opened(page)
    models = [card.id for card in attnviz.catalogue("embedded")]
    check(page, {model: explained(model, first_example()) for model in models})
    for card in attnviz.catalogue("embedded"):
        row = page.locator(f'{PAGE} tr[data-id="{card.id}"]')
        for name, value in (("top1", card.top1), ("params", card.params), ("macs", card.macs)):
            assert number(row.locator(f'[data-name="{name}"]')) == value
        expect(row.locator('[data-name="latency"]')).to_contain_text("ms")


def test_another_photo_class_and_stage(page: Page, photo: Path) -> None:
    page.click('.av-prediction [data-index="7"]')
    settled(page)
    opened(page)
    upload(page, photo)
    page.wait_for_timeout(200)
    compared(page)
    models = [card.id for card in attnviz.catalogue("embedded")]
    check(page, {model: explained(model, photo) for model in models})
    page.select_option(f"{PAGE} .stage", "stage1")
    page.wait_for_timeout(200)
    compared(page)
    for model in models:
        layers = [record.layer for record in explained(model, photo).attention if record.stage == "stage1"]
        caption = page.locator(f'{PAGE} [data-id="{model}"] .attention figcaption')
        expect(caption).to_contain_text(layers[-1] if layers else "no attention")


def test_a_stage_that_is_chosen_during_a_run_comes_after_it(page: Page) -> None:
    open_tab(page, "Compare")
    expect(page.locator(f"{PAGE} .model").first).to_be_visible(timeout=30_000)
    page.select_option(f"{PAGE} .stage", "stage2")
    page.select_option(f"{PAGE} .stage", "stage1")
    caption = page.locator(f'{PAGE} [data-id="resnet18t-se"] .attention figcaption')
    expect(caption).to_contain_text("stage1", timeout=30_000)
    compared(page)
    expect(caption).to_contain_text("stage1")
    expect(page.locator(f"{PAGE} .stage")).to_have_value("stage1")


def test_what_belongs_to_one_network_is_hidden(page: Page) -> None:
    expect(page.locator(".av-models")).to_be_visible()
    opened(page)
    expect(page.locator(".av-models")).to_be_hidden()
    expect(page.locator(".av-photo")).to_be_visible()
    open_tab(page, "Inspect")
    expect(page.locator(".av-models")).to_be_visible()


def test_a_network_is_opened_in_inspect(page: Page) -> None:
    opened(page)
    assert "tab=compare" in page.url
    page.get_by_role("button", name="CBAM").click()
    settled(page)
    check_tab(page, "Inspect")
    expect(page.locator(".av-models select")).to_have_value("resnet18t-cbam")
    expect(page.locator("#attention figure")).to_have_attribute("data-layer", "stage3.1.attention")
    page.go_back()
    check_tab(page, "Compare")
    assert "tab=compare" in page.url
    page.go_forward()
    check_tab(page, "Inspect")
    expect(page.locator(".av-models select")).to_have_value("resnet18t-cbam")


def test_what_is_taken_away_is_every_network(page: Page) -> None:
    opened(page)
    page.select_option(f"{PAGE} .stage", "stage2")
    page.wait_for_timeout(200)
    compared(page)
    with page.expect_download() as download:
        page.select_option(".av-toolbar .export", "npz")
    assert download.value.suggested_filename == "attnviz-compare-stage2.npz"
    arrays = np.load(download.value.path())
    for card in attnviz.catalogue("embedded"):
        cam = explained(card.id, first_example()).cam.signed
        np.testing.assert_allclose(arrays[f"{card.id}/cam"], cam, atol=1e-5 * float(cam.abs().max()))


def test_the_class_is_chosen_here_too(page: Page) -> None:
    opened(page)
    page.select_option(f"{PAGE} .target", "7")
    settled(page)
    compared(page)
    models = [card.id for card in attnviz.catalogue("embedded")]
    check(page, {model: explained(model, first_example(), 7) for model in models})
    expect(page.locator(f"{PAGE} .cam figcaption").first).to_contain_text("gas pump")
    page.select_option(f"{PAGE} .target", "")
    settled(page)
    compared(page)
    check(page, {model: explained(model, first_example()) for model in models})


def test_no_evidence_is_said_and_not_drawn(page: Page, served: str) -> None:
    page.goto(f"{served}/?example=package-cheetah&class=tench")
    page.wait_for_selector(".av-map .value[data-value]")
    settled(page)
    opened(page)
    path = next(example.path for example in examples() if example.id == "package-cheetah")
    for card in attnviz.catalogue("embedded"):
        row = page.locator(f'{PAGE} [data-id="{card.id}"].model .cam')
        cam = explained(card.id, path, 0).cam
        if cam.positive:
            expect(row.locator(".scale .high")).to_be_visible()
        else:
            expect(row.locator("figcaption")).to_contain_text("nothing here speaks for tench")
            expect(row.locator(".scale")).to_be_hidden()

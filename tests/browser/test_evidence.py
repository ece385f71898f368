"""Evidence: by every method, for a class that is typed, against another; the map equals the tensor."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import attnviz
from attnviz.attribution import METHODS
from attnviz.ui.texts import EVIDENCE
from tests.browser.helpers import (
    CAM,
    cell,
    check_cam,
    check_predictions,
    choose_model,
    explained,
    first_example,
    first_model,
    point,
    same,
    settled,
    value,
)

BAR = ".av-evidence"


def typed(page: Page, name: str) -> None:
    page.fill(f"{BAR} .target", name)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    settled(page)


@pytest.mark.parametrize("method", METHODS)
def test_each_method(page: Page, method: str) -> None:
    typed(page, "gas pump")
    page.select_option(f"{BAR} .method", method)
    settled(page)
    target = attnviz.load(first_model()).classes.index("gas pump")
    found = attnviz.attribute(explained(first_model(), first_example(), target), method).map
    peak = float(found.abs().max())
    expect(page.locator(f"{CAM} h2")).to_have_text(f"{EVIDENCE[method]}: gas pump")
    low, high = (-peak, peak) if found.min() < 0 else (float(found.min()), float(found.max()))
    assert value(page, f"{CAM} .low") == same(low, peak)
    assert value(page, f"{CAM} .high") == same(high, peak)
    for u, v in ((0.3, 0.4), (0.71, 0.55)):
        point(page, u, v, CAM)
        np.testing.assert_allclose(value(page, f"{CAM} .value"), float(found[cell(page, CAM)]), atol=1e-4 * peak)
    expect(page.locator(f"{BAR} .progress")).to_be_hidden()
    page.select_option(f"{BAR} .method", "grad_cam")
    settled(page)
    check_cam(page, explained(first_model(), first_example(), target))


def test_progress_is_told(page: Page) -> None:
    page.evaluate("""() => {
        window.told = [];
        new MutationObserver(() => told.push(document.querySelector(".av-evidence .progress span").textContent))
            .observe(document.querySelector(".av-evidence .progress"), { subtree: true, childList: true });
    }""")
    page.select_option(f"{BAR} .method", "occlusion")
    settled(page)
    told = [text for text in page.evaluate("told") if text]
    assert told
    assert all(text.startswith("Occlusion: ") for text in told)


def test_a_class_against_another(page: Page) -> None:
    labels = attnviz.load(first_model()).classes
    for target, against in ((4, 7), (7, 4), (4, 0)):
        typed(page, labels[target].upper())
        page.select_option(f"{BAR} .against", str(against))
        settled(page)
        explanation = explained(first_model(), first_example(), (target, against))
        check_cam(page, explanation)
        check_predictions(page, explanation)
        expect(page.locator(f"{CAM} h2")).to_have_text(f"Grad-CAM: {labels[target]} against {labels[against]}")
        told = page.locator(f"{CAM} figure").evaluate("figure => figure.classList.contains('silent')")
        assert told is not explanation.cam.positive
        pressed = page.locator('.av-prediction [aria-pressed="true"]')
        expect(pressed).to_have_attribute("data-index", str(target))
        page.select_option(f"{BAR} .against", "")
        settled(page)
    check_cam(page, explained(first_model(), first_example(), 4))


def test_a_class_against_itself_is_against_nothing(page: Page) -> None:
    page.select_option(f"{BAR} .against", "5")
    settled(page)
    page.click('.av-prediction [data-index="5"]')
    settled(page)
    check_cam(page, explained(first_model(), first_example(), 5))
    expect(page.locator(f"{BAR} .against")).to_have_value("")


def test_a_class_that_is_none(page: Page) -> None:
    before = page.locator(f"{BAR} .target").input_value()
    page.fill(f"{BAR} .target", "zebra")
    page.keyboard.press("Tab")
    expect(page.locator(".av-notice")).to_contain_text("no class zebra")
    assert page.locator(f"{BAR} .target").input_value() == before


def test_another_model_starts_from_grad_cam(page: Page) -> None:
    page.select_option(f"{BAR} .method", "saliency")
    settled(page)
    choose_model(page, "resnet18t-se")
    expect(page.locator(f"{BAR} .method")).to_have_value("grad_cam")
    check_cam(page, explained("resnet18t-se", first_example()))

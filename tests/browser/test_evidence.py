"""Evidence: by every method, for a class that is typed, against another; the map equals the tensor."""

import pytest
from playwright.sync_api import Page, expect

import attnviz
from attnviz.attribution import METHODS
from attnviz.ui.texts import EVIDENCE
from tests.browser.helpers import (
    CAM,
    READY,
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
        assert value(page, f"{CAM} .value") == same(float(found[cell(page, CAM)]), peak)
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


@pytest.mark.parametrize("layer", ["stage3", "stage2.1.conv1"])
def test_another_layer(page: Page, layer: str) -> None:
    field = page.locator(f"{BAR} .layer")
    expect(field).to_have_value("stage4")
    backbone = attnviz.load(first_model())
    explanation = explained(first_model(), first_example())
    offered = page.locator("#av-layers option").evaluate_all("options => options.map((each) => each.value)")
    assert tuple(offered) == backbone.head(explanation.input).maps
    field.fill(layer)
    page.keyboard.press("Enter")
    settled(page)
    expect(page.locator(f"{CAM} .caption")).to_contain_text(f"{layer} · ")
    found = attnviz.explain(backbone, first_example(), cam_layer=layer)
    check_cam(page, found)
    assert f"camlayer={layer}" in page.url
    edited = attnviz.explain(
        backbone, first_example(), None, layer, edits=attnviz.Edit(page.evaluate("attnviz.get('state').layer"), "off")
    )
    high = float(page.locator(".av-matter .after canvas").get_attribute("data-high") or "nan")
    assert high == same(float(edited.cam.map.max()), float(edited.cam.signed.abs().max()))
    page.reload()
    page.wait_for_selector(READY)
    settled(page)
    expect(field).to_have_value(layer)
    check_cam(page, found)
    field.fill("")
    page.keyboard.press("Enter")
    settled(page)
    expect(field).to_have_value("stage4")
    check_cam(page, explanation)


def test_a_layer_that_is_none(page: Page) -> None:
    page.fill(f"{BAR} .layer", "fc")
    page.keyboard.press("Tab")
    expect(page.locator(".av-notice")).to_contain_text("fc gives no feature map in this network")
    expect(page.locator(f"{BAR} .layer")).to_have_value("stage4")
    page.select_option(f"{BAR} .method", "saliency")  # it stands on no layer
    settled(page)
    expect(page.locator(f"{BAR} .layer")).to_be_hidden()

"""A link holds what is shown and shows it again; junk falls back with a notice; a lecture is larger."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from attnviz import attribute
from tests.browser.helpers import (
    ATTENTION,
    CAM,
    cell,
    check_cam,
    check_predictions,
    choose_block,
    choose_model,
    compared,
    explained,
    first_example,
    first_model,
    open_tab,
    point,
    same,
    settled,
    upload,
    visit,
)

FACTS = """() => ({
    attention: document.querySelector("#attention h2").textContent,
    layer: document.querySelector("#attention figure").dataset.layer,
    cam: document.querySelector("#cam h2").textContent,
    model: document.querySelector(".av-models select").value,
    picture: document.querySelector(".av-photo img").alt,
    channel: document.querySelector(".av-stepper input").value,
    place: document.querySelector(".av-stepper .place").textContent,
    edit: document.querySelector(".av-matter .after h3").textContent,
    scope: document.querySelector(".av-matter .caption").textContent,
    view: JSON.stringify(attnviz.get("view")),
    lecture: document.body.classList.contains("av-lecture"),
})"""


def opened(page: Page, address: str) -> None:
    visit(page, address)
    page.wait_for_function("window.attnviz?.get('busy') !== undefined")
    settled(page)


def test_the_round_trip(page: Page) -> None:
    choose_model(page, "resnet18t-se")
    choose_block(page, "stage2.1.attention")
    page.click('.av-prediction [data-index="7"]')
    settled(page)
    page.select_option(".av-evidence .against", "2")
    settled(page)
    page.fill(".av-stepper input", "9")
    page.keyboard.press("Tab")
    settled(page)
    point(page, 0.2, 0.7, click=True)
    page.click('.av-matter [data-value="shuffled"]')
    settled(page)
    page.click('.av-matter [data-value="all"]')
    settled(page)
    page.click('.av-viewbar [data-value="magma"]')
    page.click('.av-viewbar [data-value="shared"]')
    page.click('.av-viewbar [data-value="false"]')
    page.locator(".av-viewbar input").fill("40")
    page.click(".av-toolbar .lecture")
    page.click(".av-toolbar .link")
    address = page.locator(".av-toolbar .address").input_value()
    assert address == page.url
    before = page.evaluate(FACTS)
    page.goto("about:blank")
    opened(page, address)
    assert page.evaluate(FACTS) == before
    assert before["lecture"]
    check_cam(page, explained("resnet18t-se", first_example(), (7, 2)))


def test_an_address_that_nobody_changed_stays(page: Page) -> None:
    assert "?" not in page.url
    page.click('.av-prediction [data-index="3"]')
    settled(page)
    assert "class=" in page.url


def test_junk_falls_back_with_a_notice(page: Page, served: str) -> None:
    opened(page, f"{served}/?model=resnet18t-se&class=zebra&block=%00&overlay=900&colors=__proto__&hide=rail,all&x=<b>")
    notice = page.locator(".av-notice")
    for name in ("class", "block", "overlay", "colors", "hide=all"):
        expect(notice).to_contain_text(name)
    check_predictions(page, explained("resnet18t-se", first_example()))
    expect(page.locator(".av-rail")).to_be_hidden()
    expect(page.locator(ATTENTION)).to_be_visible()


def test_settings_alone_need_no_server(page: Page, served: str) -> None:
    visit(page, f"{served}/?colors=cividis&grid=native&overlay=7&scale=nothing")
    expect(page.locator(".av-notice")).to_contain_text("scale")
    expect(page.locator('.av-viewbar [data-value="cividis"]')).to_have_attribute("aria-checked", "true")
    view = page.evaluate("attnviz.get('view')")
    assert (view["map"], view["smooth"], view["strength"], view["scale"]) == ("cividis", False, 0.07, "own")


def test_an_upload_is_not_in_the_link(page: Page, photo: Path) -> None:
    upload(page, photo)
    page.click('.av-prediction [data-index="2"]')
    settled(page)
    assert "disk" not in page.url
    assert "example=upload" in page.url
    check_cam(page, explained(first_model(), photo, 2))


def test_a_lecture_is_larger_and_keeps_hidden_what_is_hidden(page: Page, served: str) -> None:
    width = page.locator("#cam h2").bounding_box()["height"]
    visit(page, f"{served}/?lecture=1&hide=photo,steps")
    expect(page.locator(".av-toolbar .lecture")).to_have_attribute("aria-pressed", "true")
    assert page.locator("#cam h2").bounding_box()["height"] > 1.2 * width
    for hidden in (".av-photo", ".av-stepper"):
        expect(page.locator(hidden)).to_be_hidden()
    choose_model(page, "resnet18t-se")
    for hidden in (".av-photo", ".av-stepper"):
        expect(page.locator(hidden)).to_be_hidden()
    assert "hide=photo%2Csteps" in page.url
    explanation = explained("resnet18t-se", first_example())
    point(page, 0.4, 0.3, CAM)
    check_cam(page, explanation)
    page.click(".av-toolbar .lecture")
    assert page.locator("#cam h2").bounding_box()["height"] < 1.2 * width
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_a_link_opens_the_tab_and_the_stage(page: Page, served: str) -> None:
    open_tab(page, "Compare")
    page.select_option(".av-compare .stage", "stage1")
    compared(page)
    assert "tab=compare&stage=stage1" in page.url
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    expect(page.locator(".av-compare .stage")).to_have_value("stage1")
    compared(page)
    expect(page.locator(".av-notice")).to_be_hidden()
    page.goto(f"{served}/?tab=nothing&stage=stage9")
    expect(page.locator(".av-notice")).to_contain_text("tab, stage")
    expect(page.locator(ATTENTION)).to_be_visible()


@pytest.mark.parametrize(
    ("width", "query"), [(330, ""), (390, "?lecture=1"), (768, "?lecture=1"), (1000, "?lecture=1")]
)
def test_every_tab_can_be_opened(page: Page, served: str, width: int, query: str) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    visit(page, f"{served}/{query}")
    for name, title in (
        ("read", "Read"),
        ("bench", "Bench"),
        ("models", "Models"),
        ("compare", "Compare"),
        ("inspect", "Inspect"),
    ):
        page.get_by_role("tab", name=title).click()  # as a pointer does: it fails where something lies over it
        assert page.evaluate("document.body.dataset.tab") == name
        if name == "compare":
            compared(page)
    for control in (".link", ".export", ".lecture"):
        page.locator(f".av-toolbar {control}").click(trial=True)


def test_a_link_opens_its_tab_each_time(page: Page, served: str) -> None:
    for number in range(6):
        page.goto(f"{served}/?tab=read&model=resnet18t-se&lecture={number % 2}")
        expect(page.locator(".av-text").first).to_be_visible()
        page.wait_for_function("window.attnviz?.get('state')?.model === 'resnet18t-se'")
        settled(page)


def test_what_is_taken_away_is_what_is_shown(page: Page) -> None:
    page.select_option(".av-evidence .method", "saliency")
    settled(page)
    with page.expect_download() as waiting:
        page.select_option(".av-toolbar .export", "npz")
    arrays = np.load(BytesIO(Path(waiting.value.path()).read_bytes()))
    expected = attribute(explained(first_model(), first_example()), "saliency")
    assert arrays["saliency"] == same(expected.values.numpy(), expected.values.max())
    settled(page)
    expect(page.locator(".av-evidence .progress")).to_be_hidden()


@pytest.mark.parametrize("kind", ["png", "svg", "pdf", "npz", "py"])
def test_export(page: Page, kind: str) -> None:
    choose_model(page, "resnet18t-se")
    choose_block(page, "stage3.0.attention")
    with page.expect_download() as waiting:
        page.select_option(".av-toolbar .export", kind)
    assert waiting.value.suggested_filename == f"attnviz-resnet18t-se-stage3.0.attention.{kind}"
    data = Path(waiting.value.path()).read_bytes()
    if kind == "npz":
        arrays = np.load(BytesIO(data))
        expected = explained("resnet18t-se", first_example()).arrays()
        assert all(arrays[name] == same(expected[name], np.abs(expected[name]).max()) for name in expected)
    else:
        assert data.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "py": b'"""Made by attnviz'}[kind])
    settled(page)


def test_a_place_is_where_the_cross_stands(page: Page, served: str) -> None:
    """The maps' cross and the formula's place are one, until a person moves the pointer."""
    visit(page, f"{served}/?model=resnet18t-scse&block=stage3.1.attention&part=sse&class=golf+ball&at=7%2C9")
    page.wait_for_function("window.attnviz?.get('state')?.query?.join() === '7,9'")
    settled(page)
    assert cell(page) == (7, 9)
    expect(page.locator(".av-stepper")).to_contain_text("at row 7, column 9")
    page.click('.av-prediction [data-index="2"]')
    settled(page)
    assert cell(page) == (7, 9)

"""Does it matter: edits are chosen by mouse and keyboard, and both sides read as an edited pass gives them."""

from playwright.sync_api import Page, expect

import attnviz
from attnviz import Edit
from tests.browser.helpers import choose_block, choose_model, first_example, press, same, settled

CARD = ".av-matter"
MODEL, LAYER = "resnet18t-cbam", "stage3.1.attention"


def rows(page: Page, side: str) -> dict[int, float]:
    found = page.locator(f"{CARD} .{side} .row").evaluate_all(
        "all => all.map(row => [Number(row.dataset.index), Number(row.dataset.value)])"
    )
    return {int(index): value for index, value in found}


def check(page: Page, layer: str, how: str, target: int | None = None) -> None:
    backbone = attnviz.load(MODEL)
    before = attnviz.explain(backbone, first_example(), target)
    after = attnviz.explain(backbone, first_example(), before.target, edits=Edit(layer, how))
    for side, explanation in (("before", before), ("after", after)):
        assert rows(page, side) == same({index: p for index, _, p in explanation.top(5)})
        high = float(page.locator(f"{CARD} .{side} canvas").get_attribute("data-high"))
        assert high == same(float(explanation.cam.map.max()), float(explanation.cam.signed.abs().max()))
    expect(page.locator(f"{CARD} .after h3")).to_have_text(f"Attention {how}")


def test_each_edit_of_a_block_and_of_all(page: Page) -> None:
    choose_model(page, MODEL)
    choose_block(page, LAYER)
    check(page, LAYER, "off")
    for how in ("frozen", "uniform", "shuffled"):
        page.click(f'{CARD} [data-value="{how}"]')
        settled(page)
        check(page, LAYER, how)
    expect(page.locator(f"{CARD} .validation")).to_be_visible()
    page.click(f'{CARD} [data-value="all"]')
    settled(page)
    check(page, "*", "shuffled")
    metrics = attnviz.load(MODEL).card.metrics
    shown = page.locator(f"{CARD} dd").evaluate_all("all => all.map(dd => [dd.dataset.name, Number(dd.dataset.value)])")
    assert dict(shown) == {name: metrics[name]["share"] for name in ("top1", "off", "frozen")}


def test_by_keyboard_and_for_another_class(page: Page) -> None:
    choose_model(page, MODEL)
    choose_block(page, LAYER)
    press(page, f'{CARD} [data-value="off"]', "ArrowRight")
    settled(page)
    expect(page.locator(f'{CARD} [data-value="frozen"]')).to_be_focused()
    check(page, LAYER, "frozen")
    page.click('.av-prediction [data-index="7"]')
    settled(page)
    check(page, LAYER, "frozen", 7)


def test_the_plain_network_has_nothing_to_change(page: Page) -> None:
    choose_model(page, "resnet18t-plain")
    expect(page.locator(CARD)).to_be_hidden()

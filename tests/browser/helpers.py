"""What tests do with the page, and what they compute to compare it with."""

from functools import cache
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

import attnviz
from attnviz.explanation import AttentionRecord, Explanation
from attnviz.ui.analysis import Analyst
from attnviz.ui.examples import examples

READY = ".av-map .value[data-value]"
ATTENTION, CAM = "#attention", "#cam"
NON_LOCAL = "resnet18t-nl"
torch.set_num_threads(1)  # as the served app has it: another number of threads rounds otherwise


def same(expected: object, peak: float = 1.0) -> object:
    """Equal to a tensor of another process: to the rounding of its kernels, relative to the map's peak."""
    return pytest.approx(expected, rel=1e-5, abs=1e-5 * float(peak))


@cache
def first_example() -> Path:
    return examples()[0].path


@cache
def first_model() -> str:
    return Analyst(examples()).first.model


@cache
def explained(model: str, path: Path, target: int | tuple[int, int] | None = None) -> Explanation:
    return attnviz.explain(attnviz.load(model), path, target)


def record(explanation: Explanation, layer: str, part: str | None = None) -> AttentionRecord:
    return next(r for r in explanation.attention if (r.layer, r.part) == (layer, part))


def settled(page: Page) -> None:
    """Wait until the server has answered what was asked last."""
    page.wait_for_function("window.attnviz?.get('busy') === false")


def visit(page: Page, address: str) -> None:
    """Open an address, and wait until its first view is drawn."""
    page.goto(address)
    page.wait_for_selector(READY)


def open_tab(page: Page, title: str) -> None:
    page.get_by_role("tab", name=title).click()


def check_tab(page: Page, title: str) -> None:
    """A tab is, or soon will be, the open one."""
    expect(page.get_by_role("tab", name=title)).to_have_attribute("aria-selected", "true")


def compared(page: Page, others: int = 0) -> None:
    """Wait until every network of the family, and that many others, has its row in Compare."""
    count = len(attnviz.catalogue("embedded")) + others
    expect(page.locator(".av-compare .model")).to_have_count(count)
    expect(page.locator(".av-compare .progress")).to_be_hidden()


def press(page: Page, selector: str, *keys: str) -> None:
    """Keys, one after another, on what is focused first."""
    page.focus(selector)
    for key in keys:
        page.keyboard.press(key)


def number(place: Locator) -> float:
    """The number that a readout holds, as the page has it."""
    return float(place.get_attribute("data-value") or "nan")


def value(page: Page, selector: str) -> float:
    return number(page.locator(selector))


def numbers(page: Page, selector: str) -> list[float]:
    """The numbers of all readouts that are there now."""
    return page.locator(selector).evaluate_all("all => all.map((each) => Number(each.dataset.value))")


def choose_model(page: Page, model: str) -> None:
    page.select_option(".av-models select", model)
    settled(page)


def choose_block(page: Page, layer: str, part: str | None = None) -> None:
    page.click(f'.av-rail [data-layer="{layer}"]')
    settled(page)
    if part is not None:
        page.click(f'.av-rail .parts [data-value="{part}"]')
        settled(page)
    expect(page.locator(f"{ATTENTION} figure")).to_have_attribute("data-layer", layer)


def point(page: Page, u: float, v: float, side: str = ATTENTION, *, click: bool = False) -> None:
    """Move the pointer to a place of the picture, 0..1 across and down (maps without strips)."""
    canvas = page.locator(f"{side} .picture")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    x, y = box["x"] + u * box["width"], box["y"] + v * box["height"]
    page.mouse.move(x, y)
    if click:
        page.mouse.click(x, y)
        settled(page)


def cell(page: Page, side: str = ATTENTION) -> tuple[int, int]:
    """The cell that a map's readout is about."""
    readout = page.locator(f"{side} .value")
    return int(readout.get_attribute("data-row") or -1), int(readout.get_attribute("data-column") or -1)


def upload(page: Page, path: Path) -> None:
    page.set_input_files(".av-photo input[type=file]", path)
    page.wait_for_function("window.attnviz?.get('busy') === true")
    settled(page)


def check_predictions(page: Page, explanation: Explanation) -> None:
    assert explanation.probabilities is not None
    for index, probability in enumerate(explanation.probabilities.tolist()):
        assert value(page, f'.av-prediction [data-index="{index}"]') == same(probability)


def check_cam(page: Page, explanation: Explanation) -> None:
    assert explanation.cam is not None
    assert value(page, f"{CAM} .low") == 0
    peak = explanation.cam.signed.abs().max().item()
    assert value(page, f"{CAM} .high") == same(explanation.cam.map.max().item(), peak)
    assert value(page, f"{CAM} .value") == same(explanation.cam.map[cell(page, CAM)].item(), peak)

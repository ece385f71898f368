"""What tests do with the page, and what they compute to compare it with."""

from functools import cache
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

import attnviz
from attnviz.explanation import AttentionRecord, Explanation
from attnviz.ui.analysis import Analyst
from attnviz.ui.examples import examples

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
    page.wait_for_function("attnviz.get('busy') === false")


def value(page: Page, selector: str) -> float:
    """The number that a readout holds, as the page has it."""
    return float(page.locator(selector).get_attribute("data-value") or "nan")


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
    page.wait_for_function("attnviz.get('busy') === true")
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

"""The stepper: every step of every block as its tensors have it, by mouse and by keyboard."""

import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import attnviz
from attnviz.equations import equations
from tests.browser.helpers import (
    choose_block,
    choose_model,
    explained,
    first_example,
    point,
    press,
    same,
    settled,
    value,
)

CARD = ".av-stepper"
BLOCKS = [
    (card.id, layer) for card in attnviz.catalogue("embedded") for layer in list(attnviz.load(card.id).blocks)[-1:]
]


def lit(page: Page) -> str | None:
    return page.locator(f'{CARD} [aria-current="step"]').get_attribute("data-step")


def chosen(page: Page) -> int:
    return int(page.locator(f"{CARD} input").input_value())


def place(page: Page) -> tuple[int, int]:
    row, column = re.findall(r"\d+", page.locator(f"{CARD} .place").inner_text())
    return int(row), int(column)


def check_step(page: Page, tensor: np.ndarray, channel: int, position: tuple[int, int]) -> None:
    """What is read out is the tensor's number at the index that the page names."""
    index = int(page.locator(f"{CARD} .value").get_attribute("data-index") or -1)
    grid = tensor.shape[1:] if tensor.ndim == 3 else None
    if tensor.ndim == 1:
        drawn = tensor
    elif grid is not None and 1 not in grid:
        drawn = tensor[channel if len(tensor) > 2 else 0].ravel()
        assert index == position[0] * grid[1] + position[1]
    elif grid is not None:
        drawn = tensor.ravel()
    else:
        return  # the kinds of two axes have tests of their own
    assert value(page, f"{CARD} .value") == same(float(drawn[index]), np.abs(drawn).max())
    assert page.locator(f"{CARD} .shape").inner_text() == "Shape " + " × ".join(map(str, tensor.shape))


@pytest.mark.parametrize(("model", "layer"), BLOCKS)
def test_every_step(page: Page, model: str, layer: str) -> None:
    choose_model(page, model)
    choose_block(page, layer)
    explanation = explained(model, first_example())
    channel, position = chosen(page), place(page)
    steps = [("input", explanation.features(layer)[0]), *((s.name, s.value) for s in explanation.steps(layer))]
    live = equations(explanation, layer, channel, position)
    assert lit(page) == "input"
    expect(page.locator(f"{CARD} .back")).to_be_disabled()
    for number, (name, tensor) in enumerate(steps):
        assert lit(page) == name
        check_step(page, tensor.numpy(), channel, position)
        shown = page.locator(f"{CARD} .live math")
        assert shown.count() == (name in live)
        if name in live:
            # The last number, as the page has it: MathML writes a minus as an operator.
            last = live[name].split(" = ")[-1]
            digits = re.sub(r"\D", "", last.split(r"\cdot")[0])
            assert re.sub(r"\D", "", shown.text_content().split("=")[-1]).startswith(digits)
        if number < len(steps) - 1:
            page.click(f"{CARD} .next")
    expect(page.locator(f"{CARD} .next")).to_be_disabled()
    assert np.array_equal(steps[-1][1], explanation.features(layer)[1]), "the last step is the network's own output"


def test_by_keyboard(page: Page) -> None:
    names = page.locator(f"{CARD} [data-step]").evaluate_all("all => all.map(each => each.dataset.step)")
    page.focus(f"{CARD} canvas")
    for key, name in (
        ("Space", names[1]), ("ArrowRight", names[2]), ("ArrowLeft", names[1]), ("End", names[-1]),
        ("ArrowRight", names[-1]), ("Home", names[0]), ("ArrowLeft", names[0]),
    ):  # fmt: skip
        page.keyboard.press(key)
        assert lit(page) == name


def test_a_channel_and_a_place_are_chosen(page: Page) -> None:
    choose_model(page, "resnet18t-se")
    layer = "stage3.1.attention"
    choose_block(page, layer)
    explanation = explained("resnet18t-se", first_example())
    page.fill(f"{CARD} input", "7")
    page.keyboard.press("Tab")
    settled(page)
    point(page, 0.3, 0.6, click=True)
    rows, columns = explanation.features(layer)[1].shape[1:]
    position = (int(0.6 * rows), int(0.3 * columns))
    assert (chosen(page), place(page)) == (7, position)
    page.click(f'{CARD} [data-step="scale"]')
    output = explanation.features(layer)[1]
    assert value(page, f"{CARD} .value") == same(float(output[7][position]), float(output[7].abs().max()))
    page.fill(f"{CARD} input", "99999")
    page.keyboard.press("Tab")
    settled(page)
    assert chosen(page) == len(output) - 1
    assert lit(page) == "scale", "the step that was lit stays"


def test_a_bar_chooses_its_channel(page: Page) -> None:
    choose_model(page, "resnet18t-se")
    choose_block(page, "stage1.0.attention")
    page.click('.av-channels [data-value="order"]')
    press(page, ".av-channels canvas", "Home", "ArrowRight", "Enter")
    settled(page)
    assert chosen(page) == 1
    page.click(f'{CARD} [data-step="gate"]')
    gates = explained("resnet18t-se", first_example()).attention[0].values
    assert value(page, f"{CARD} .value") == same(float(gates[1]))
    box = page.locator(f"{CARD} > canvas").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 9.5 / len(gates), box["y"] + 40)
    settled(page)
    assert chosen(page) == 9

"""Bench: every mechanism at two settings, against the formulas by hand; a refusal says its line and loses nothing."""

import json
from itertools import groupby
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from attnviz import bench
from attnviz.bench import Setting
from tests.browser.helpers import open_tab
from tests.unit.test_bench import CASES, C, H, W

PAGE, CURVES = ".av-bench", ".av-growth"
COLORS = """(canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const solid = (i) => data[4 * i + 3] === 255;
    const color = (i) => [...data.slice(4 * i, 4 * i + 3)].join();
    return [...new Set([...Array(data.length / 4).keys()].filter(solid).map(color))];
}"""
Case = tuple[str, dict[str, Any], tuple[int, int, int]]
BOTH = {name: tuple(cases) for name, cases in groupby(CASES, key=lambda case: case[0])}


def opened(page: Page) -> None:
    open_tab(page, "Bench")
    expect(page.locator(f"{CURVES} td").first).to_be_visible()


def card(side: str) -> str:
    return f"{PAGE} .side[data-side='{side}']"


def sizes(page: Page, channels: int, height: int, width: int) -> None:
    for name, value in (("channels", channels), ("height", height), ("width", width)):
        page.fill(f"{PAGE} .sizes [name='{name}']", str(value))
        page.keyboard.press("Tab")


def choose(page: Page, side: str, name: str, options: dict[str, Any]) -> None:
    """A mechanism, and its options as a person gives them."""
    page.select_option(f"{card(side)} .head select", name)
    kinds = {option.name: option.kind for option in bench.options(name)}
    for option, value in options.items():
        field = page.locator(f"{card(side)} [data-option='{option}']")
        if kinds[option] == "switch":
            field.locator("input").set_checked(value)
        elif kinds[option] == "choice":
            field.locator("select").select_option(json.dumps(value, separators=(",", ":")))
        else:
            field.locator("input").fill(str(value))
            page.keyboard.press("Tab")


def shows(page: Page, quantity: str, numbers: list[int]) -> None:
    for name, number in zip(("A", "B", "difference"), [*numbers, numbers[1] - numbers[0]], strict=True):
        place = page.locator(f"{PAGE} tr[data-row='{quantity}'] [data-name='{name}']")
        expect(place).to_have_attribute("data-value", str(number))


@pytest.mark.parametrize("name", BOTH)
def test_two_settings(page: Page, name: str) -> None:
    opened(page)
    sizes(page, C, H, W)
    cases = BOTH[name]
    for side, (_, options, _) in zip("AB", cases, strict=True):
        choose(page, side, name, options)
    for i, quantity in enumerate(("params", "macs", "activations")):
        shows(page, quantity, [(4 if quantity == "activations" else 1) * expected[i] for *_, expected in cases])
    for side, (_, options, _) in zip("AB", cases, strict=True):
        rows = page.locator(f"{card(side)} tr[data-step]")
        steps = bench.measure(Setting(name, options, C, H, W)).steps
        expect(rows).to_have_count(len(steps))
        for row, step in zip(rows.all(), steps, strict=True):
            expect(row).to_have_attribute("data-step", step.name)
            expect(row.locator("[data-name='shape']")).to_have_text("×".join(map(str, step.shape)))
            expect(row.locator("[data-name='macs']")).to_have_attribute("data-value", str(step.macs))
            expect(row.locator("[data-name='bytes']")).to_have_attribute("data-value", str(step.bytes))


def test_first_se_against_eca(page: Page) -> None:
    """C = 256, 14 x 14: 2 C^2 / 16 + C / 16 + C against a kernel of 5."""
    opened(page)
    shows(page, "params", [2 * 256 * 16 + 16 + 256, 5])
    shows(page, "macs", [2 * 256 * 16, 5 * 256])
    expect(page.locator(f"{PAGE} .hint")).to_contain_text("untrained: weights as initialized")
    expect(page.locator(".av-photo")).to_be_hidden()


@pytest.mark.parametrize(
    ("name", "option", "value", "line"),
    [
        ("SE", "reduction", "512", "SE: 256 channels with reduction 512 leave no hidden unit"),
        ("CBAM", "kernel_size", "5", "CBAM: kernel_size is 5; it must be one of 3, 7"),
        ("SK", "groups", "7", "SK: groups is 7, which does not divide 256 channels"),
        ("ECA", "kernel", "4", "ECA: kernel is 4; it must be odd"),
        ("GC", "ratio", "", "GC: ratio is None; it must be a finite number"),
        ("BAM", "dilation", "5000", "BAM: dilation is 5000; the bench takes 2048 at most"),
    ],
)
def test_a_refused_option_says_its_line(page: Page, name: str, option: str, value: str, line: str) -> None:
    opened(page)
    page.select_option(f"{card('A')} .head select", name)
    expect(page.locator(f"{PAGE} .sum thead")).to_contain_text(f"A: {name}")
    before = page.locator(f"{card('A')} .steps").inner_text()
    field = page.locator(f"{card('A')} [data-option='{option}'] input")
    usual = field.input_value()
    field.fill(value)
    page.keyboard.press("Tab")
    expect(page.locator(f"{PAGE} .said")).to_contain_text(line)
    assert page.locator(f"{card('A')} .steps").inner_text() == before
    field.fill(usual)
    page.keyboard.press("Tab")
    expect(page.locator(f"{PAGE} .said")).to_be_hidden()


def test_limits(page: Page) -> None:
    opened(page)
    sizes(page, 4096, 14, 14)
    expect(page.locator(f"{PAGE} .said")).to_have_text("C is 4096; the bench takes a whole number from 1 to 2048.")
    sizes(page, 2048, 256, 256)
    expect(page.locator(f"{PAGE} .said")).to_be_hidden()
    shows(page, "macs", [2 * 2048 * 128, 7 * 2048])


def test_curves_have_their_numbers_below(page: Page) -> None:
    """Non-Local without a norm, by its closed form, against SE."""
    opened(page)
    sizes(page, 64, 8, 8)
    choose(page, "A", "NonLocal", {"norm": False})
    choose(page, "B", "SE", {})
    expect(page.locator(f"{CURVES} [data-way='channels'] tbody")).to_contain_text("B: SE")

    def line(way: str, letter: str) -> list[int]:
        cells = page.locator(f"{CURVES} [data-way='{way}'] tr[data-line='{letter}'] td").all()
        return [int(cell.get_attribute("data-value") or "") for cell in cells]

    def non_local(c: int, positions: int) -> int:
        return 4 * c * (c // 2) * positions + 2 * positions**2 * (c // 2)

    assert line("channels", "A") == [non_local(c, 64) for c in (16, 32, 64, 128, 256)]
    assert line("positions", "A") == [non_local(64, side * side) for side in (2, 4, 8, 16, 32)]
    assert line("channels", "B") == [2 * c * (c // 16) for c in (16, 32, 64, 128, 256)]
    page.click(f"{CURVES} [data-value='params']")
    assert line("positions", "A") == [4 * 64 * 32 + 3 * 32 + 64] * 5
    canvas = page.locator(f"{CURVES} canvas").first
    assert "Parameters of A and B at 5 sizes" in (canvas.get_attribute("aria-label") or "")
    # Something is drawn, in both settings' colors.
    colors = canvas.evaluate(COLORS)
    assert {"47,95,208", "179,89,0"} <= set(colors)


def test_a_point_that_cannot_be_says_why(page: Page) -> None:
    opened(page)
    sizes(page, 64, 14, 14)
    choose(page, "A", "SK", {})
    way = page.locator(f"{CURVES} [data-way='channels']")
    expect(way).to_contain_text("cannot be")
    expect(way).to_contain_text("SK: groups is 32, which does not divide 16 channels")


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_nothing_is_wider_than_the_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    opened(page)
    for name in BOTH:
        choose(page, "A", name, {})
        page.wait_for_timeout(150)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name

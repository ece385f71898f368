"""Maps alone, with made-up values: what is drawn and read is what was given, to the last bit."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

from attnviz.measures import entropy
from attnviz.render.colors import table
from attnviz.ui.components.affinity import affinity
from attnviz.ui.components.map_view import map_view
from attnviz.ui.components.photo import photo
from attnviz.ui.components.viewbar import viewbar
from attnviz.ui.payloads import packed
from tests.browser.conftest import Shows
from tests.browser.helpers import press, value
from tests.browser.made_up import EXAMPLES, a_picture


def show_map(shows: Shows, shown: dict[str, Any], side: str = "attention") -> Page:
    def build() -> None:
        photo(a_picture(), examples=EXAMPLES)
        viewbar()
        map_view(shown, side=side, elem_id="map")

    page = shows(build)
    page.wait_for_function("document.querySelector('#map .low').dataset.value !== undefined")
    return page


def a_map(values: np.ndarray, **changes: Any) -> dict[str, Any]:
    shown = {"layer": "a", "part": None, "kind": "spatial", "role": "gate", "title": "A map", "note": "", "caption": ""}
    return shown | {"map": packed(values)} | changes


def ends(page: Page) -> tuple[float, float]:
    """Where the colors' scale begins and ends."""
    return value(page, "#map .low"), value(page, "#map .high")


def place(page: Page) -> dict[str, float]:
    """Where the map's canvas is, once it is in sight."""
    page.locator("#map .picture").scroll_into_view_if_needed()
    return page.locator("#map .picture").bounding_box()


def pixel(page: Page, u: float, v: float) -> list[int]:
    return page.evaluate(
        """([u, v]) => {
            const canvas = document.querySelector('#map .picture');
            const [x, y] = [Math.floor(u * canvas.width), Math.floor(v * canvas.height)];
            return [...canvas.getContext('2d').getImageData(x, y, 1, 1).data].slice(0, 3);
        }""",
        [u, v],
    )


def test_a_map_is_read_cell_by_cell(shows: Shows) -> None:
    values = np.random.default_rng(0).random((3, 4), dtype=np.float32)
    page = show_map(shows, a_map(values))
    box = place(page)
    for row in range(3):
        for column in range(4):
            page.mouse.move(
                box["x"] + (column + 0.5) / 4 * box["width"],
                box["y"] + (row + 0.5) / 3 * box["height"],
            )
            assert value(page, "#map .value") == values[row, column].item()
    assert ends(page) == (values.min().item(), values.max().item())
    press(page, "#map .picture", "ArrowUp", "ArrowUp", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft")
    assert value(page, "#map .value") == values[0, 0].item()


def test_a_map_has_its_own_colors_over_the_picture(shows: Shows) -> None:
    page = show_map(shows, a_map(np.float32([[0.2, 0.4], [0.6, 0.8]])))
    page.click('.av-viewbar [data-value="false"]')
    page.locator(".av-viewbar input").fill("100")
    viridis = table("viridis")
    for (u, v), level in {(0.1, 0.1): 0, (0.9, 0.1): 85, (0.1, 0.9): 170, (0.9, 0.9): 255}.items():
        assert pixel(page, u, v) == pytest.approx(viridis[level].tolist(), abs=1)
    page.click('.av-viewbar [data-value="magma"]')
    assert pixel(page, 0.9, 0.9) == pytest.approx(table("magma")[255].tolist(), abs=1)
    page.locator(".av-viewbar input").fill("0")
    assert pixel(page, 0.9, 0.9) == [128, 128, 128]
    page.locator(".av-viewbar input").fill("100")
    page.click('.av-viewbar [data-value="viridis"]')
    page.click('.av-viewbar [data-value="absolute"]')
    assert pixel(page, 0.9, 0.9) == pytest.approx(viridis[204].tolist(), abs=1)
    assert ends(page) == (0, 1)


def test_smoothing_interpolates_values_not_colors(shows: Shows) -> None:
    page = show_map(shows, a_map(np.float32([[0, 1]])))
    page.locator(".av-viewbar input").fill("100")
    assert pixel(page, 0.5, 0.5) == pytest.approx(table("viridis")[128].tolist(), abs=4)


def test_signed_values_have_a_scale_with_zero_in_its_middle(shows: Shows) -> None:
    page = show_map(shows, a_map(np.float32([[-1, 0], [2, 3]]), role="logit"))
    assert ends(page) == (-3, 3)
    expect(page.locator('.av-viewbar [data-value="absolute"]')).to_be_hidden()


def test_one_scale_for_all_blocks(shows: Shows) -> None:
    page = show_map(shows, a_map(np.float32([[0.2, 0.4], [0.6, 0.8]]), shared=[0.0, 1.6]))
    page.locator(".av-viewbar input").fill("100")
    page.click('.av-viewbar [data-value="shared"]')
    assert ends(page) == (0, 1.6)
    assert pixel(page, 0.95, 0.95) == pytest.approx(table("viridis")[128].tolist(), abs=2)


def test_a_cam_without_evidence_says_so(shows: Shows) -> None:
    note = "Nothing here speaks for it."
    page = show_map(shows, a_map(np.zeros((2, 2)), role="evidence", silent=True, note=note), "cam")
    expect(page.locator("#map .silent .note")).to_have_text(note)
    assert ends(page) == (0, 0)
    assert pixel(page, 0.2, 0.2) == [128, 128, 128]


def test_a_map_lies_on_the_region_that_the_network_saw(shows: Shows) -> None:
    def build() -> None:
        photo(a_picture(box=[0.25, 0, 0.75, 1]), examples=[])
        viewbar()
        map_view(a_map(np.ones((2, 2))), elem_id="map")

    page = shows(build)
    page.locator(".av-viewbar input").fill("100")
    assert pixel(page, 0.1, 0.9) == pixel(page, 0.9, 0.9) == [128, 128, 128]
    assert pixel(page, 0.4, 0.9) == pytest.approx(table("viridis")[0].tolist(), abs=1)


def test_a_title_is_text_and_never_markup(shows: Shows) -> None:
    page = show_map(shows, a_map(np.ones((2, 2)), title="<img src=x onerror=alert(1)>"))
    expect(page.locator("#map h2")).to_have_text("<img src=x onerror=alert(1)>")


@pytest.mark.parametrize("pairwise", ["embedded_gaussian", "dot_product", "concatenation", "matrix"])
def test_a_row_is_computed_from_factors(shows: Shows, pairwise: str) -> None:
    rng = np.random.default_rng(1)
    depth = {"concatenation": 1, "matrix": 4}.get(pairwise, 5)
    theta, phi = rng.standard_normal((6, depth), np.float32), rng.standard_normal((4, depth), np.float32)
    phi = np.zeros((4, 1)) if pairwise == "matrix" else phi
    factors = {"queries": [2, 3], "keys": [2, 2], "pairwise": pairwise, "scale": 0.5}
    shown = a_map(np.ones((1, 1)), role="distribution")
    shown |= {"map": None, "affinity": {"theta": packed(theta), "phi": packed(phi), **factors}}
    row_shown = {"layer": "a", "role": "term", "query": [0, 0], "queries": [2, 3], "caption": ""}

    def build() -> None:
        photo(a_picture(), examples=[])
        viewbar()
        affinity(row_shown | {"row": packed(np.ones((2, 2)))})
        map_view(shown, elem_id="map")

    page = shows(build)
    box = place(page)
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + 0.9 * box["height"])
    match = theta.astype(float)[5] @ (np.eye(4) if pairwise == "matrix" else phi.T.astype(float))
    if pairwise == "matrix":
        row = match
    elif pairwise == "embedded_gaussian":
        row = np.exp(0.5 * match) / np.exp(0.5 * match).sum()
    else:
        row = match / 4 if pairwise == "dot_product" else np.maximum(theta[5] + phi[:, 0], 0) / 4
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.9 * box["height"])
    assert value(page, "#map .value") == pytest.approx(row[2], rel=1e-6)


@pytest.mark.parametrize("total", [1.0, 0.75])
def test_a_row_s_entropy_is_that_of_what_falls_within_the_picture(shows: Shows, total: float) -> None:
    row = (total * np.array([0.5, 0.25, 0.25, 0])).astype(np.float32)
    factors = {"queries": [1, 1], "keys": [2, 2], "pairwise": "matrix", "scale": 1.0}
    shown = a_map(np.ones((1, 1)), role="distribution")
    shown |= {"map": None, "affinity": {"theta": packed(row[None]), "phi": packed(np.zeros((4, 1))), **factors}}
    of = {"layer": "a", "role": "distribution", "query": [0, 0], "queries": [1, 1], "caption": ""}

    def build() -> None:
        photo(a_picture(), examples=[])
        viewbar()
        affinity(of | {"row": packed(row.reshape(2, 2))})
        map_view(shown, elem_id="map")

    page = shows(build)
    expected = float(entropy(torch.from_numpy(row)))
    assert expected == pytest.approx(0.75)  # 1.5 bits of 2
    assert value(page, ".av-affinity .entropy") == pytest.approx(expected, rel=1e-6)
    outside = "" if total == 1 else "; the rest falls outside the picture, and the entropy leaves it out"
    expect(page.locator(".av-affinity .row")).to_have_text(
        re.compile(rf"^Row: sum {total:.2f}0?, from 0 to [\d.]+{outside}$")
    )
    for values in ([1.0], [0, 0, 0], [0.2, 0.2, 0.1]):
        assert page.evaluate("values => attnviz.entropy(values)", values) == pytest.approx(
            float(entropy(torch.tensor(values))), rel=1e-6
        )

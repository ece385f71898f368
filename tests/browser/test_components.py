"""Each component alone, with made-up values: what it shows is what it was given, to the last bit."""

import base64
import re
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from attnviz.render.colors import table
from attnviz.ui.components.affinity import affinity
from attnviz.ui.components.banner import banner
from attnviz.ui.components.branches import branches
from attnviz.ui.components.channels import channels
from attnviz.ui.components.evidence import evidence
from attnviz.ui.components.formula import formula
from attnviz.ui.components.map_view import map_view
from attnviz.ui.components.models import models
from attnviz.ui.components.notice import notice
from attnviz.ui.components.photo import photo
from attnviz.ui.components.prediction import prediction
from attnviz.ui.components.rail import rail
from attnviz.ui.components.spread import spread
from attnviz.ui.components.stepper import stepper
from attnviz.ui.components.viewbar import viewbar
from attnviz.ui.payloads import packed
from attnviz.ui.theme import head, theme
from tests.browser.conftest import free_port

Shows = Callable[[Callable[[], None]], Page]


@pytest.fixture
def shows(browser: Browser) -> Iterator[Shows]:
    """Serves what a function builds, and opens it."""
    opened: list[Any] = []

    def show(build: Callable[[], None]) -> Page:
        with gr.Blocks() as blocks:
            build()
        port = free_port()
        blocks.launch(
            server_port=port, theme=theme(), head=head(), ssr_mode=False, prevent_thread_lock=True, quiet=True
        )
        page = browser.new_page(viewport={"width": 900, "height": 800})
        opened.extend((page, blocks))
        page.goto(f"http://127.0.0.1:{port}")
        page.wait_for_selector(".html-container > div > *", state="attached")
        page.wait_for_timeout(150)
        return page

    yield show
    for each in opened:
        each.close()


def gray(level: int, width: int = 80, height: int = 60) -> str:
    file = BytesIO()
    Image.new("RGB", (width, height), (level,) * 3).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def a_picture(**changes: Any) -> dict[str, Any]:
    source = gray(128)
    value = {"src": source, "thumb": source, "width": 80, "height": 60, "box": [0, 0, 1, 1]}
    return value | {"name": "gray", "source": "example:gray"} | changes


EXAMPLES = [{"source": "example:gray", "label": "Gray", "origin": "drawn", "thumb": gray(128, 8, 8)}]


def show_map(shows: Shows, value: dict[str, Any], side: str = "attention") -> Page:
    def build() -> None:
        photo(a_picture(), examples=EXAMPLES)
        viewbar()
        map_view(value, side=side, elem_id="map")

    page = shows(build)
    page.wait_for_function("document.querySelector('#map .low').dataset.value !== undefined")
    return page


def a_map(values: np.ndarray, **changes: Any) -> dict[str, Any]:
    value = {"layer": "a", "part": None, "kind": "spatial", "role": "gate", "title": "A map", "note": "", "caption": ""}
    return value | {"map": packed(values)} | changes


def read(page: Page, selector: str) -> float:
    return float(page.locator(selector).get_attribute("data-value") or "nan")


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
            assert read(page, "#map .value") == values[row, column].item()
    assert (read(page, "#map .low"), read(page, "#map .high")) == (values.min().item(), values.max().item())
    page.focus("#map .picture")
    for key in ("ArrowUp", "ArrowUp", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    assert read(page, "#map .value") == values[0, 0].item()


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
    assert (read(page, "#map .low"), read(page, "#map .high")) == (0, 1)


def test_smoothing_interpolates_values_not_colors(shows: Shows) -> None:
    page = show_map(shows, a_map(np.float32([[0, 1]])))
    page.locator(".av-viewbar input").fill("100")
    assert pixel(page, 0.5, 0.5) == pytest.approx(table("viridis")[128].tolist(), abs=4)


def test_signed_values_have_a_scale_with_zero_in_its_middle(shows: Shows) -> None:
    page = show_map(shows, a_map(np.float32([[-1, 0], [2, 3]]), role="logit"))
    assert (read(page, "#map .low"), read(page, "#map .high")) == (-3, 3)
    expect(page.locator('.av-viewbar [data-value="absolute"]')).to_be_hidden()


def test_one_scale_for_all_blocks(shows: Shows) -> None:
    page = show_map(shows, a_map(np.float32([[0.2, 0.4], [0.6, 0.8]]), shared=[0.0, 1.6]))
    page.locator(".av-viewbar input").fill("100")
    page.click('.av-viewbar [data-value="shared"]')
    assert (read(page, "#map .low"), read(page, "#map .high")) == (0, 1.6)
    assert pixel(page, 0.95, 0.95) == pytest.approx(table("viridis")[128].tolist(), abs=2)


def test_a_cam_without_evidence_says_so(shows: Shows) -> None:
    note = "Nothing here speaks for it."
    page = show_map(shows, a_map(np.zeros((2, 2)), role="evidence", silent=True, note=note), "cam")
    expect(page.locator("#map .silent .note")).to_have_text(note)
    assert (read(page, "#map .low"), read(page, "#map .high")) == (0, 0)
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


@pytest.mark.parametrize("pairwise", ["embedded_gaussian", "dot_product", "concatenation"])
def test_a_row_is_computed_from_factors(shows: Shows, pairwise: str) -> None:
    rng = np.random.default_rng(1)
    depth = 1 if pairwise == "concatenation" else 5
    theta, phi = rng.standard_normal((6, depth), np.float32), rng.standard_normal((4, depth), np.float32)
    factors = {"queries": [2, 3], "keys": [2, 2], "pairwise": pairwise, "scale": 0.5}
    value = a_map(np.ones((1, 1)), role="distribution")
    value |= {"map": None, "affinity": {"theta": packed(theta), "phi": packed(phi), **factors}}
    value_row = {"layer": "a", "role": "term", "query": [0, 0], "queries": [2, 3], "caption": ""}

    def build() -> None:
        photo(a_picture(), examples=[])
        viewbar()
        affinity(value_row | {"row": packed(np.ones((2, 2)))})
        map_view(value, elem_id="map")

    page = shows(build)
    box = place(page)
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + 0.9 * box["height"])
    match = theta.astype(float)[5] @ phi.T.astype(float)
    if pairwise == "embedded_gaussian":
        row = np.exp(0.5 * match) / np.exp(0.5 * match).sum()
    else:
        row = match / 4 if pairwise == "dot_product" else np.maximum(theta[5] + phi[:, 0], 0) / 4
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.9 * box["height"])
    assert read(page, "#map .value") == pytest.approx(row[2], rel=1e-6)


@pytest.mark.parametrize("count", [32, 256, 2048])
def test_bars_for_few_and_many_channels(shows: Shows, count: int) -> None:
    values = np.random.default_rng(count).random(count, dtype=np.float32)
    about = {"layer": "a", "part": None, "title": "Gates", "caption": "", "role": "gate", "maps": False, "words": ""}
    page = shows(lambda: channels({**about, "values": packed(values)}))
    readout = page.locator(".av-channels .value")
    assert read(page, ".av-channels .value") == values.max().item()
    page.focus(".av-channels canvas")
    page.keyboard.press("End")
    assert readout.get_attribute("data-channel") == str(count - 1)
    assert read(page, ".av-channels .value") == values[-1].item()
    page.click('.av-channels [data-value="sorted"]')
    page.focus(".av-channels canvas")
    page.keyboard.press("End")
    assert read(page, ".av-channels .value") == values.min().item()
    expect(page.locator(".av-channels .rank")).to_contain_text(f"rank {count} of {count}")
    box = page.locator(".av-channels canvas").bounding_box()
    page.mouse.move(box["x"] + 34.1, box["y"] + 20)
    assert read(page, ".av-channels .value") == values.max().item()


@pytest.mark.parametrize("count", [16, 2048])
def test_the_top_and_the_bottom(shows: Shows, count: int) -> None:
    values = np.random.default_rng(3).uniform(0, 1, count).astype(np.float32)
    about = {"layer": "a", "part": None, "title": "Gates", "caption": "", "role": "gate", "maps": False, "words": ""}
    page = shows(lambda: channels({**about, "values": packed(values)}))
    page.click('.av-channels [data-value="ends"]')
    page.focus(".av-channels canvas")
    page.keyboard.press("Home")
    read_out = []
    for _ in range(min(count, 20)):
        read_out.append(int(page.locator(".av-channels .value").get_attribute("data-channel")))
        page.keyboard.press("ArrowRight")
    falling = np.argsort(-values, kind="stable").tolist()
    assert read_out == (falling if count == 16 else [*falling[:10], *falling[-10:]])


def test_a_histogram_of_channels(shows: Shows) -> None:
    values = np.random.default_rng(4).beta(2, 5, 2048).astype(np.float32)
    about = {"layer": "a", "part": None, "title": "Gates", "caption": "", "role": "gate", "maps": False, "words": ""}
    page = shows(lambda: channels({**about, "values": packed(values)}))
    page.click('.av-channels [data-value="histogram"]')
    page.focus(".av-channels canvas")
    page.keyboard.press("Home")
    counts, _ = np.histogram(values, 40, (0, 1))
    for expected in counts:
        assert read(page, ".av-channels .value") == expected
        page.keyboard.press("ArrowRight")


def test_signed_bars_stand_on_zero(shows: Shows) -> None:
    about = {"layer": "a", "part": None, "title": "Logits", "caption": "", "role": "logit", "maps": False, "words": ""}
    page = shows(lambda: channels({**about, "values": packed(np.float32([-2, 1, 0]))}))
    assert read(page, ".av-channels .value") == 1


def test_shares_of_three_branches(shows: Shows) -> None:
    shares = np.random.default_rng(2).dirichlet([1, 1, 1], 64).T.astype(np.float32)
    about = {"title": "Shares", "caption": "", "names": ["one", "two", "three"]}
    page = shows(lambda: branches({**about, "values": packed(shares), "mean": packed(shares.mean(1))}))
    page.focus(".av-branches canvas")
    page.keyboard.press("ArrowRight")
    shown = page.locator(".av-branches .shares b").evaluate_all("all => all.map(b => Number(b.dataset.value))")
    assert shown == shares[:, 1].tolist()
    means = page.locator(".av-branches .mean").evaluate_all("all => all.map(row => Number(row.dataset.value))")
    assert means == shares.mean(1).tolist()


def test_a_histogram_is_read_bin_by_bin(shows: Shows) -> None:
    facts = {"min": 0.125, "mean": 0.5, "max": 0.875}
    about = {"title": "Gates", "caption": "", "low": 0.0, "high": 1.0, "facts": facts, "words": "half"}
    page = shows(lambda: spread({**about, "counts": [3, 1, 0, 4]}))
    assert read(page, ".av-spread [data-name=mean]") == 0.5
    page.focus(".av-spread canvas")
    page.keyboard.press("End")
    expect(page.locator(".av-spread .readout")).to_have_text("4 of 8 values between 0.750 and 1.00")


def test_a_rail_of_blocks_and_ticks(shows: Shows) -> None:
    def block(layer: str) -> dict[str, Any]:
        item = {"kind": "block", "layer": layer, "parts": [{"name": "a", "label": "A"}, {"name": "b", "label": "B"}]}
        return item | {"mechanism": "X", "grid": [2, 2], "channels": 8, "thumb": packed(np.eye(2), bits=8)}

    items = [{"kind": "tick", "layer": "zero"}, block("one"), block("two")]
    page = shows(lambda: rail({"items": items, "layer": "two", "part": "b"}))
    expect(page.locator(".av-rail .tick")).to_have_count(1)
    expect(page.locator('.av-rail [aria-selected="true"]')).to_have_attribute("data-layer", "two")
    expect(page.locator('.av-rail [aria-checked="true"]')).to_have_text("B")
    page.click('[data-layer="one"]')
    expect(page.locator('.av-rail [aria-selected="true"]')).to_have_attribute("data-layer", "one")


def test_a_prediction_lists_every_class(shows: Shows) -> None:
    classes = [{"index": i, "label": f"c{i}", "value": (10 - i) / 55, "percent": ""} for i in range(10)]
    page = shows(lambda: prediction({"top": classes[:5], "rest": classes[5:], "target": 2, "certainty": None}))
    expect(page.locator(".av-prediction .top button")).to_have_count(5)
    expect(page.locator(".av-prediction .rest button")).to_have_count(5)
    expect(page.locator('.av-prediction [aria-pressed="true"]')).to_have_text("c2")
    expect(page.locator(".av-prediction .certainty")).to_be_hidden()


def test_a_model_and_its_caption(shows: Shows) -> None:
    listed = [{"id": i, "name": i.upper(), "state": "embedded"} for i in "ab"]
    groups = [{"name": "Letters", "models": listed}]
    value = {"id": "b", "name": "B", "caption": "about b", "dataset": "x", "random": False}
    page = shows(lambda: models(value, groups=groups))
    expect(page.locator(".av-models select")).to_have_value("b")
    expect(page.locator(".av-models optgroup")).to_have_attribute("label", "Letters")
    expect(page.locator(".av-models .caption")).to_have_text("about b")
    expect(page.locator(".av-models .availability")).to_have_text("Comes with attnviz")


def test_a_model_of_ones_own_is_added(shows: Shows) -> None:
    value = {"id": "own:x", "name": "mine", "caption": "yours", "dataset": "own:mine", "random": False}
    page = shows(lambda: models(value, groups=[{"name": "Letters", "models": []}]))
    expect(page.locator(".av-models select")).to_have_value("own:x")
    expect(page.locator(".av-models .weights")).to_be_hidden()


def test_too_many_classes_are_searched_by_name(shows: Shows) -> None:
    names = [f"thing {i}" for i in range(30)] + ["a crane", "crane (31)"]
    top = [{"index": i, "label": names[i], "value": 0.1, "percent": "10.0%"} for i in range(5)]
    chosen = {"index": 31, "label": names[31], "value": 0.01, "percent": "1.0%"}
    values = packed(np.linspace(0.1, 0, 32))
    page = shows(
        lambda: (
            evidence({"method": "grad_cam", "target": 31, "against": None, "classes": names, "progress": None}),
            prediction({"top": top, "rest": [], "chosen": chosen, "values": values, "target": 31}),
        )
    )
    expect(page.locator(".av-prediction .chosen button")).to_have_attribute("aria-pressed", "true")
    page.fill(".av-prediction input", "crane")
    found = page.locator(".av-prediction .found button")
    expect(found).to_have_count(2)
    expect(found.first).to_contain_text("crane (31)")  # the word that begins the name comes first
    page.fill(".av-prediction input", "nothing like it")
    expect(page.locator(".av-prediction .found")).to_have_text("No class has this in its name.")
    expect(page.locator(".av-evidence .against")).to_be_hidden()
    expect(page.locator(".av-evidence .other")).to_be_visible()


def test_a_banner(shows: Shows) -> None:
    page = shows(lambda: banner("Read this first."))
    expect(page.locator(".av-banner")).to_have_text("Read this first.")


def test_a_block_that_is_not_verified_is_marked(shows: Shows) -> None:
    block = {"kind": "block", "layer": "one", "parts": [{"name": None, "label": ""}], "mechanism": "X", "grid": [2, 2]}
    item = block | {"channels": 8, "thumb": packed(np.eye(2), bits=8), "verified": False}
    value = {"items": [item], "layer": "one", "part": None, "findings": "Found: one.", "skipped": ["(network): a"]}
    page = shows(lambda: rail(value))
    expect(page.locator(".av-rail .block em")).to_have_text("not verified")
    expect(page.locator(".av-rail .block")).to_have_attribute("aria-label", re.compile("not verified$"))
    expect(page.locator(".av-rail .findings")).to_have_text("Found: one. Skipped: (network): a.")


def test_a_block_without_known_steps_says_so(shows: Shows) -> None:
    value = {"layer": "one", "title": "X, step by step", "caption": "one", "steps": [], "none": "No steps are known."}
    page = shows(lambda: stepper(value))
    expect(page.locator(".av-stepper .none")).to_have_text("No steps are known.")
    expect(page.locator(".av-stepper canvas").first).to_be_hidden()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")


def test_a_notice_can_be_dismissed(shows: Shows) -> None:
    page = shows(lambda: notice({"text": "<b>No</b>", "state": None, "serial": 0}))
    expect(page.locator(".av-notice span")).to_have_text("<b>No</b>")
    page.click(".av-notice button")
    expect(page.locator(".av-notice")).to_be_hidden()


def test_a_photo_and_its_examples(shows: Shows) -> None:
    page = shows(lambda: photo(a_picture(), examples=EXAMPLES))
    expect(page.locator('.av-photo [aria-pressed="true"]')).to_contain_text("Gray")
    expect(page.locator(".av-photo .origin")).to_have_text("drawn")


def test_a_formula_in_mathml(shows: Shows) -> None:
    line = '<math xmlns="http://www.w3.org/1998/Math/MathML"><mi>x</mi></math>'
    about = {"title": "X", "citation": "A, 2020", "paper": "https://example.org/a", "sees": "See", "not": "Not"}
    page = shows(lambda: formula({**about, "lines": [line, line]}))
    expect(page.locator(".av-formula math")).to_have_count(2)
    expect(page.locator(".av-formula .not")).to_have_text("Not")


def test_what_has_no_value_takes_no_room(shows: Shows) -> None:
    def build() -> None:
        for make in (channels, spread, branches, affinity, formula):
            make(None)

    page = shows(build)
    assert page.locator(".av-card:visible").count() == 0

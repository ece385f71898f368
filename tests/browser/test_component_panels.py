"""Panels and controls alone, with made-up values: what they say is what they were given."""

import re
from typing import Any

import numpy as np
from playwright.sync_api import expect

from attnviz.ui.components.affinity import affinity
from attnviz.ui.components.banner import banner
from attnviz.ui.components.branches import branches
from attnviz.ui.components.channels import channels
from attnviz.ui.components.evidence import evidence
from attnviz.ui.components.formula import formula
from attnviz.ui.components.models import models
from attnviz.ui.components.notice import notice
from attnviz.ui.components.photo import photo
from attnviz.ui.components.prediction import prediction
from attnviz.ui.components.rail import rail
from attnviz.ui.components.spread import spread
from attnviz.ui.components.stepper import stepper
from attnviz.ui.payloads import packed
from tests.browser.conftest import Shows
from tests.browser.made_up import EXAMPLES, a_picture


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
    asked = {"method": "grad_cam", "target": 31, "against": None, "classes": names, "progress": None}
    page = shows(
        lambda: (
            evidence(asked | {"layer": "stage4", "layers": ["stage3", "stage4"], "where": None}),
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

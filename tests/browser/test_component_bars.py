"""Bars, shares and histograms alone, with made-up gates: what is read is what was given, to the last bit."""

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from attnviz.ui.components.branches import branches
from attnviz.ui.components.channels import channels
from attnviz.ui.components.spread import spread
from attnviz.ui.payloads import packed
from tests.browser.conftest import Shows
from tests.browser.helpers import numbers, press, value


def show_bars(shows: Shows, heights: np.ndarray, **changes: Any) -> Page:
    about = {"layer": "a", "part": None, "title": "Gates", "caption": "", "role": "gate", "maps": False, "words": ""}
    return shows(lambda: channels({**about, "values": packed(heights), **changes}))


@pytest.mark.parametrize("count", [32, 256, 2048])
def test_bars_for_few_and_many_channels(shows: Shows, count: int) -> None:
    gates = np.random.default_rng(count).random(count, dtype=np.float32)
    page = show_bars(shows, gates)
    readout = page.locator(".av-channels .value")
    assert value(page, ".av-channels .value") == gates.max().item()
    press(page, ".av-channels canvas", "End")
    assert readout.get_attribute("data-channel") == str(count - 1)
    assert value(page, ".av-channels .value") == gates[-1].item()
    page.click('.av-channels [data-value="sorted"]')
    press(page, ".av-channels canvas", "End")
    assert value(page, ".av-channels .value") == gates.min().item()
    expect(page.locator(".av-channels .rank")).to_contain_text(f"rank {count} of {count}")
    box = page.locator(".av-channels canvas").bounding_box()
    page.mouse.move(box["x"] + 34.1, box["y"] + 20)
    assert value(page, ".av-channels .value") == gates.max().item()


@pytest.mark.parametrize("count", [16, 2048])
def test_the_top_and_the_bottom(shows: Shows, count: int) -> None:
    gates = np.random.default_rng(3).uniform(0, 1, count).astype(np.float32)
    page = show_bars(shows, gates)
    page.click('.av-channels [data-value="ends"]')
    press(page, ".av-channels canvas", "Home")
    read_out = []
    for _ in range(min(count, 20)):
        read_out.append(int(page.locator(".av-channels .value").get_attribute("data-channel")))
        page.keyboard.press("ArrowRight")
    falling = np.argsort(-gates, kind="stable").tolist()
    assert read_out == (falling if count == 16 else [*falling[:10], *falling[-10:]])


def test_a_histogram_of_channels(shows: Shows) -> None:
    gates = np.random.default_rng(4).beta(2, 5, 2048).astype(np.float32)
    page = show_bars(shows, gates)
    page.click('.av-channels [data-value="histogram"]')
    press(page, ".av-channels canvas", "Home")
    counts, _ = np.histogram(gates, 40, (0, 1))
    for expected in counts:
        assert value(page, ".av-channels .value") == expected
        page.keyboard.press("ArrowRight")


def test_signed_bars_stand_on_zero(shows: Shows) -> None:
    page = show_bars(shows, np.float32([-2, 1, 0]), role="logit")
    assert value(page, ".av-channels .value") == 1


def test_shares_of_three_branches(shows: Shows) -> None:
    shares = np.random.default_rng(2).dirichlet([1, 1, 1], 64).T.astype(np.float32)
    about = {"title": "Shares", "caption": "", "names": ["one", "two", "three"]}
    page = shows(lambda: branches({**about, "values": packed(shares), "mean": packed(shares.mean(1))}))
    press(page, ".av-branches canvas", "ArrowRight")
    assert numbers(page, ".av-branches .shares b") == shares[:, 1].tolist()
    assert numbers(page, ".av-branches .mean") == shares.mean(1).tolist()


def test_a_histogram_is_read_bin_by_bin(shows: Shows) -> None:
    facts = {"min": 0.125, "mean": 0.5, "max": 0.875}
    about = {"title": "Gates", "caption": "", "low": 0.0, "high": 1.0, "facts": facts, "words": "half"}
    page = shows(lambda: spread({**about, "counts": [3, 1, 0, 4]}))
    assert value(page, ".av-spread [data-name=mean]") == 0.5
    press(page, ".av-spread canvas", "End")
    expect(page.locator(".av-spread .readout")).to_have_text("4 of 8 values between 0.750 and 1.00")

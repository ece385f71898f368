"""What each view of a block says equals its tensors."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import attnviz
from attnviz.ui.zoomviews import enlarged
from tests.browser.helpers import (
    ATTENTION,
    CAM,
    NON_LOCAL,
    READY,
    cell,
    check_cam,
    choose_block,
    choose_model,
    explained,
    first_example,
    numbers,
    point,
    press,
    record,
    same,
    settled,
    value,
)


@pytest.mark.parametrize(
    ("model", "part"),
    [
        ("resnet18t-cbam", "spatial"),
        ("resnet18t-scse", "sse"),
        ("resnet18t-gc", "context"),
        ("resnet18t-bam", "spatial"),
    ],
)
def test_a_map_reads_as_its_tensor(page: Page, model: str, part: str) -> None:
    choose_model(page, model)
    explanation = explained(model, first_example())
    layer = next(r.layer for r in explanation.attention if r.part == part)
    choose_block(page, layer, part)
    values = record(explanation, layer, part).values
    for u, v in ((0.1, 0.2), (0.5, 0.5), (0.93, 0.71)):
        point(page, u, v)
        assert value(page, f"{ATTENTION} .value") == same(values[cell(page)].item())
        assert value(page, f"{CAM} .value") == same(explanation.cam.map[cell(page, CAM)].item())
    if values.min() >= 0:
        assert value(page, f"{ATTENTION} .low") == same(values.min().item())
        assert value(page, f"{ATTENTION} .high") == same(values.max().item())
    else:
        assert value(page, f"{ATTENTION} .high") == same(values.abs().max().item())
        assert value(page, f"{ATTENTION} .high") == -value(page, f"{ATTENTION} .low")


@pytest.mark.parametrize(("layer", "count"), [("stage1.0.attention", 32), ("stage4.1.attention", 256)])
def test_the_channels_of_a_gate(page: Page, layer: str, count: int) -> None:
    choose_model(page, "resnet18t-se")
    explanation = explained("resnet18t-se", first_example())
    choose_block(page, layer)
    gates = record(explanation, layer).values
    assert len(gates) == count
    readout = page.locator(".av-channels .value")
    assert int(readout.get_attribute("data-channel")) == gates.argmax().item()
    assert value(page, ".av-channels .value") == same(gates.max().item())
    page.click('.av-channels [data-value="order"]')
    press(page, ".av-channels canvas", "Home", "ArrowRight")
    assert readout.get_attribute("data-channel") == "1"
    assert value(page, ".av-channels .value") == same(gates[1].item())
    page.click('.av-channels [data-value="sorted"]')
    press(page, ".av-channels canvas", "End")
    assert value(page, ".av-channels .value") == same(gates.min().item())
    half = int(((gates >= 0.4) & (gates <= 0.6)).sum())
    expect(page.locator(".av-channels .words")).to_contain_text(f"{half} of {len(gates)} gates")
    page.click('.av-channels [data-value="histogram"]')
    press(page, ".av-channels canvas", "Home")
    counts = []
    for _ in range(40):
        counts.append(int(value(page, ".av-channels .value")))
        page.keyboard.press("ArrowRight")
    assert counts == np.histogram(gates.numpy(), 40, (0, 1))[0].tolist()
    after = record(explanation, layer).after
    assert value(page, f"{ATTENTION} .value") == same(after[cell(page)].item())


def test_one_channel_of_a_volume(page: Page) -> None:
    choose_model(page, "resnet18t-bam")
    explanation = explained("resnet18t-bam", first_example())
    choose_block(page, "stage3.attention", "combined")
    gates = record(explanation, "stage3.attention", "combined").values
    np.testing.assert_allclose(value(page, f"{ATTENTION} .value"), gates.mean(0)[cell(page)].item(), rtol=1e-5)
    press(page, ".av-channels canvas", "Home", "ArrowRight", "Enter")
    channel = int(page.locator(".av-channels .value").get_attribute("data-channel"))
    assert value(page, f"{ATTENTION} .value") == same(gates[channel][cell(page)].item())
    settled(page)
    page.click(".av-channels .mean")
    settled(page)
    np.testing.assert_allclose(value(page, f"{ATTENTION} .high"), gates.mean(0).max().item(), rtol=1e-5)


def test_strips_and_their_product(page: Page) -> None:
    choose_model(page, "resnet18t-ca")
    explanation = explained("resnet18t-ca", first_example())
    choose_block(page, "stage3.1.attention")
    h, w = record(explanation, "stage3.1.attention").values
    product = np.einsum("ch,cw->hw", h.numpy().astype(float), w.numpy().astype(float)) / len(h)
    np.testing.assert_allclose(value(page, f"{ATTENTION} .value"), product[cell(page)], rtol=1e-5)
    press(page, ".av-channels canvas", "Enter")
    channel = int(page.locator(".av-channels .value").get_attribute("data-channel"))
    row, column = cell(page)
    expected = h[channel, row].item() * w[channel, column].item()
    np.testing.assert_allclose(value(page, f"{ATTENTION} .value"), expected, rtol=1e-5)
    settled(page)
    expect(page.locator(".av-stepper input")).to_have_value(str(channel))
    expect(page.locator('.av-sides [data-name="before"]')).to_contain_text(f"channel {channel}")
    page.reload()
    page.wait_for_selector(READY)
    expect(page.locator(f"{ATTENTION} h2")).to_contain_text(f"channel {channel}")
    page.click(".av-channels .mean")
    settled(page)
    expect(page.locator(f"{ATTENTION} h2")).not_to_contain_text("channel")
    expect(page.locator('.av-sides [data-name="before"]')).to_contain_text("mean")
    assert "channel=" not in page.url


def test_the_shares_of_branches(page: Page) -> None:
    choose_model(page, "resnet18t-sk")
    explanation = explained("resnet18t-sk", first_example())
    choose_block(page, "stage2.0.attention")
    shares = record(explanation, "stage2.0.attention").values
    assert numbers(page, ".av-branches .shares b") == same(shares[:, 0].tolist())
    np.testing.assert_allclose(numbers(page, ".av-branches .mean"), shares.mean(1), rtol=1e-5)
    press(page, ".av-branches canvas", "ArrowRight", "ArrowRight", "Enter")
    settled(page)
    expect(page.locator(".av-stepper input")).to_have_value("2")
    _, after = explanation.features("stage2.0.attention")
    figure = page.locator('.av-sides [data-name="after"]')
    expect(figure).to_contain_text("channel 2")
    assert float(figure.get_attribute("data-high")) >= after[2].max().item()


def test_a_shared_place_is_read_in_both_maps(page: Page) -> None:
    choose_model(page, "resnet18t-cbam")
    choose_block(page, "stage1.0.attention", "spatial")
    explanation = explained("resnet18t-cbam", first_example())
    gates = record(explanation, "stage1.0.attention", "spatial").values
    point(page, 0.4, 0.8, CAM)
    assert value(page, f"{CAM} .value") == same(explanation.cam.map[cell(page, CAM)].item())
    assert value(page, f"{ATTENTION} .value") == same(gates[cell(page)].item())
    assert cell(page) == (int(0.8 * gates.shape[0]), int(0.4 * gates.shape[1]))


def test_a_gate_on_its_own_scale_only_when_asked(page: Page) -> None:
    choose_model(page, "resnet18t-cbam")
    choose_block(page, "stage3.1.attention", "spatial")
    assert value(page, f"{ATTENTION} .low") > 0
    page.click('.av-viewbar [data-value="absolute"]')
    assert value(page, f"{ATTENTION} .low") == 0
    assert value(page, f"{ATTENTION} .high") == 1
    check_cam(page, explained("resnet18t-cbam", first_example()))


def test_the_zoom(page: Page) -> None:
    choose_model(page, "resnet18t-sk")
    backbone = attnviz.load("resnet18t-sk")
    original = explained("resnet18t-sk", first_example()).picture.original
    for step, factor in ((0, 1.0), (2, 1.5), (4, 2.0)):
        page.locator(".av-zoom input").fill(str(step))
        seen = attnviz.explain(backbone, enlarged(original, factor))
        for stage in ("stage1", "stage4"):
            moves = [r.values[1].mean() - r.values[0].mean() for r in seen.attention if r.stage == stage]
            assert value(page, f'.av-zoom [data-name="{stage}"]') == same(float(np.mean(moves)))


def figure_ends(page: Page, name: str) -> list[float]:
    figure = page.locator(f'.av-sides [data-name="{name}"]')
    return [float(figure.get_attribute(f"data-{end}") or "nan") for end in ("low", "high")]


def test_a_channel_of_a_gate_is_chosen_and_given_back(page: Page) -> None:
    choose_model(page, "resnet18t-se")
    expect(page.locator(".av-channels .mean")).to_be_hidden()
    page.focus(".av-channels canvas")
    page.keyboard.press("Enter")  # the highest bar, which the stepper shows by itself
    settled(page)
    channel = int(page.locator(".av-channels .value").get_attribute("data-channel") or -1)
    expect(page.locator('.av-sides [data-name="after"]')).to_contain_text(f"channel {channel}")
    assert f"channel={channel}" in page.url
    page.click(".av-channels .mean")
    settled(page)
    expect(page.locator('.av-sides [data-name="after"]')).not_to_contain_text("channel")
    expect(page.locator(".av-channels .mean")).to_be_hidden()
    assert "channel=" not in page.url


def test_parts_side_by_side_and_together(page: Page) -> None:
    choose_model(page, "resnet18t-cbam")
    explanation = explained("resnet18t-cbam", first_example())
    layer = str(page.locator(f"{ATTENTION} figure").get_attribute("data-layer"))
    seen = record(explanation, layer, "spatial")
    ends = [min(seen.before.min(), seen.after.min()).item(), max(seen.before.max(), seen.after.max()).item()]
    assert figure_ends(page, "before") == figure_ends(page, "after") == same(ends, ends[1])
    assert figure_ends(page, "spatial") == [0, 1]
    gain = seen.after / seen.before
    assert figure_ends(page, "ratio") == same([gain.min().item(), gain.max().item()], gain.max())


def test_gc_beside_the_rows_of_non_local(page: Page) -> None:
    choose_model(page, "resnet18t-gc")
    choose_block(page, "stage3.1.attention")
    mean = record(explained(NON_LOCAL, first_example()), "stage3.1.attention").values.matrix().mean(0)
    assert figure_ends(page, "non_local") == same([mean.min().item(), mean.max().item()], mean.max())
    context = record(explained("resnet18t-gc", first_example()), "stage3.1.attention", "context").values
    assert figure_ends(page, "context") == same([context.min().item(), context.max().item()], context.max())

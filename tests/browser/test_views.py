"""What each view of a block says equals its tensors."""

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

import attnviz
from attnviz.measures import query_dependence
from attnviz.ui.examples import examples
from attnviz.ui.zoomviews import enlarged
from tests.browser.conftest import READY
from tests.browser.helpers import (
    ATTENTION,
    CAM,
    NON_LOCAL,
    cell,
    check_cam,
    choose_block,
    choose_model,
    explained,
    first_example,
    point,
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
    page.focus(".av-channels canvas")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert readout.get_attribute("data-channel") == "1"
    assert value(page, ".av-channels .value") == same(gates[1].item())
    page.click('.av-channels [data-value="sorted"]')
    page.focus(".av-channels canvas")
    page.keyboard.press("End")
    assert value(page, ".av-channels .value") == same(gates.min().item())
    half = int(((gates >= 0.4) & (gates <= 0.6)).sum())
    expect(page.locator(".av-channels .words")).to_contain_text(f"{half} of {len(gates)} gates")
    page.click('.av-channels [data-value="histogram"]')
    page.focus(".av-channels canvas")
    page.keyboard.press("Home")
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
    page.focus(".av-channels canvas")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    channel = int(page.locator(".av-channels .value").get_attribute("data-channel"))
    assert value(page, f"{ATTENTION} .value") == same(gates[channel][cell(page)].item())
    page.click(".av-channels .mean")
    np.testing.assert_allclose(value(page, f"{ATTENTION} .high"), gates.mean(0).max().item(), rtol=1e-5)


def test_strips_and_their_product(page: Page) -> None:
    choose_model(page, "resnet18t-ca")
    explanation = explained("resnet18t-ca", first_example())
    choose_block(page, "stage3.1.attention")
    h, w = record(explanation, "stage3.1.attention").values
    product = np.einsum("ch,cw->hw", h.numpy().astype(float), w.numpy().astype(float)) / len(h)
    np.testing.assert_allclose(value(page, f"{ATTENTION} .value"), product[cell(page)], rtol=1e-5)
    page.focus(".av-channels canvas")
    page.keyboard.press("Enter")
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
    shown = page.locator(".av-branches .shares b").evaluate_all("all => all.map(b => Number(b.dataset.value))")
    assert shown == same(shares[:, 0].tolist())
    means = page.locator(".av-branches .mean").evaluate_all("all => all.map(row => Number(row.dataset.value))")
    np.testing.assert_allclose(means, shares.mean(1), rtol=1e-5)
    page.focus(".av-branches canvas")
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    settled(page)
    expect(page.locator(".av-stepper input")).to_have_value("2")
    _, after = explanation.features("stage2.0.attention")
    figure = page.locator('.av-sides [data-name="after"]')
    expect(figure).to_contain_text("channel 2")
    assert float(figure.get_attribute("data-high")) >= after[2].max().item()


def check_row(page: Page, row: torch.Tensor) -> None:
    """What page and panel say of a query's row equals the row."""
    flat = row.flatten()
    assert value(page, f"{ATTENTION} .high") == same(flat.max().item())
    assert value(page, f"{ATTENTION} .value") == same(row[cell(page)].item())
    strongest = page.locator(".av-affinity li").evaluate_all("all => all.map(li => Number(li.dataset.value))")
    assert strongest == same(flat.topk(5).values.tolist())
    entropy = -(flat * flat.clamp(min=1e-38).log()).sum() / np.log(len(flat))
    assert value(page, ".av-affinity .entropy") == pytest.approx(float(entropy), rel=1e-4)
    links = page.locator(f"{ATTENTION} figure").get_attribute("data-links").split()
    assert [int(key) for key in links] == flat.topk(5).indices.tolist()


def test_the_query_follows_the_pointer_until_it_is_pinned(page: Page) -> None:
    choose_model(page, NON_LOCAL)
    explanation = explained(NON_LOCAL, first_example())
    layer = explanation.attention[0].layer
    choose_block(page, layer)
    affinity = record(explanation, layer).values
    rows, columns = affinity.query_grid
    panel, figure = page.locator(".av-affinity"), page.locator(f"{ATTENTION} figure")
    settled_query = panel.get_attribute("data-query")

    for u, v in ((0.2, 0.7), (0.85, 0.15)):
        point(page, u, v)
        query = (int(v * rows), int(u * columns))
        expect(panel).to_have_attribute("data-query", f"{query[0]},{query[1]}")
        check_row(page, affinity.row(query))
    point(page, 0.5, 0.5, CAM)  # the pointer has left: what all panels show is drawn again
    expect(panel).to_have_attribute("data-query", settled_query)

    page.focus(f"{ATTENTION} .picture")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    query = cell(page)
    expect(panel).to_have_attribute("data-query", f"{query[0]},{query[1]}")
    check_row(page, affinity.row(query))

    point(page, 0.3, 0.6, click=True)
    query = (int(0.6 * rows), int(0.3 * columns))
    expect(figure).to_have_attribute("data-pinned", "true")
    expect(page.locator(f"{ATTENTION} .note")).to_contain_text("pinned")
    point(page, 0.8, 0.2)
    expect(panel).to_have_attribute("data-query", f"{query[0]},{query[1]}")
    check_row(page, affinity.row(query))
    assert page.locator(f"{ATTENTION} .value").get_attribute("data-exact") == "true"

    page.keyboard.press("Escape")
    expect(figure).to_have_attribute("data-pinned", "false")
    point(page, 0.82, 0.24)
    query = (int(0.24 * rows), int(0.82 * columns))
    expect(panel).to_have_attribute("data-query", f"{query[0]},{query[1]}")


def test_a_query_by_mouse_and_keyboard(page: Page) -> None:
    choose_model(page, NON_LOCAL)
    explanation = explained(NON_LOCAL, first_example())
    layer = explanation.attention[0].layer
    choose_block(page, layer)
    affinity = record(explanation, layer).values
    rows, columns = affinity.query_grid
    point(page, 0.3, 0.62, click=True)
    query = (int(0.62 * rows), int(0.3 * columns))
    expect(page.locator(".av-affinity")).to_have_attribute("data-query", f"{query[0]},{query[1]}")
    point(page, 0.8, 0.25)
    row = affinity.row(query)
    assert page.locator(f"{ATTENTION} .value").get_attribute("data-exact") == "true"
    assert value(page, f"{ATTENTION} .value") == same(row[cell(page)].item())
    assert value(page, f"{ATTENTION} .high") == same(row.max().item())
    strongest = page.locator(".av-affinity li").evaluate_all("all => all.map(li => Number(li.dataset.value))")
    assert strongest == same(row.flatten().topk(5).values.tolist())

    page.focus(f"{ATTENTION} .picture")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    query = cell(page)
    page.keyboard.press("Enter")
    settled(page)
    expect(page.locator(".av-affinity")).to_have_attribute("data-query", f"{query[0]},{query[1]}")
    assert value(page, f"{ATTENTION} .value") == same(affinity.row(query)[query].item())


def test_the_links_and_the_dependence_on_the_query(page: Page) -> None:
    choose_model(page, NON_LOCAL)
    explanation = explained(NON_LOCAL, first_example())
    layer = explanation.attention[-1].layer
    choose_block(page, layer)
    found = query_dependence(explanation, layer)
    for name in ("input", "attention", "output"):
        assert value(page, f'.av-dependence [data-name="{name}"]') == same(getattr(found, name))
    point(page, 0.3, 0.62, click=True)
    affinity = record(explanation, layer).values
    rows, columns = affinity.query_grid
    check_row(page, affinity.row((int(0.62 * rows), int(0.3 * columns))))


def test_the_row_computed_in_the_browser(page: Page) -> None:
    """Before the server's row is there, the page shows its own, from the factors."""
    choose_model(page, NON_LOCAL)
    layer = explained(NON_LOCAL, first_example()).attention[0].layer
    choose_block(page, layer)
    affinity = record(explained(NON_LOCAL, first_example()), layer).values
    pack = "window.attnviz"
    shown = page.evaluate(
        f"""([theta, phi, queries, keys, pairwise, scale]) => Array.from({pack}.row({{
            theta: {{data: Float32Array.from(theta.flat()), shape: [theta.length, theta[0].length]}},
            phi: {{data: Float32Array.from(phi.flat()), shape: [phi.length, phi[0].length]}},
            queries, keys, pairwise, scale}}, [3, 4]).data)""",
        [
            affinity.theta.tolist(),
            affinity.phi.tolist(),
            affinity.query_grid,
            affinity.key_grid,
            affinity.pairwise,
            affinity.scale,
        ],
    )
    row = affinity.row((3, 4)).flatten().numpy()
    np.testing.assert_allclose(shown, row, rtol=2e-4, atol=1e-6)


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


def test_a_pin_is_of_one_picture(page: Page) -> None:
    """Another photo, or another network and back: nothing of the old row is left, and nothing is pinned."""
    choose_model(page, NON_LOCAL)
    point(page, 0.3, 0.6, click=True)
    figure, panel = page.locator(f"{ATTENTION} figure"), page.locator(".av-affinity")
    expect(figure).to_have_attribute("data-pinned", "true")
    other = examples()[2]
    page.click(f'.av-photo [data-source="example:{other.id}"]')
    settled(page)
    page.mouse.move(0, 0)
    expect(figure).to_have_attribute("data-pinned", "false")
    layer = str(figure.get_attribute("data-layer"))
    query = tuple(page.evaluate("attnviz.get('state').query"))
    expect(panel).to_have_attribute("data-query", f"{query[0]},{query[1]}")
    check_row(page, record(explained(NON_LOCAL, other.path), layer).values.row(query))
    assert page.locator(f"{ATTENTION} .value").get_attribute("data-exact") == "true"


def test_a_place_that_is_chosen_elsewhere_moves_the_pin(page: Page) -> None:
    choose_model(page, NON_LOCAL)
    point(page, 0.3, 0.6, click=True)
    layer = str(page.locator(f"{ATTENTION} figure").get_attribute("data-layer"))
    page.click(".av-stepper section canvas, .av-stepper > canvas", position={"x": 12, "y": 30})
    settled(page)
    query = tuple(page.evaluate("attnviz.get('state').query"))
    expect(page.locator(".av-affinity")).to_have_attribute("data-query", f"{query[0]},{query[1]}")
    page.mouse.move(0, 0)
    check_row(page, record(explained(NON_LOCAL, first_example()), layer).values.row(query))


def test_a_click_on_a_map_that_is_leaving_pins_nothing(page: Page) -> None:
    choose_model(page, NON_LOCAL)
    page.locator(f"{ATTENTION} .picture").scroll_into_view_if_needed()
    box = page.locator(f"{ATTENTION} .picture").bounding_box()
    other = examples()[2]
    page.evaluate(f"""document.querySelector('.av-photo [data-source="example:{other.id}"]').click()""")
    page.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + 0.6 * box["height"])
    settled(page)
    page.mouse.move(0, 0)
    figure = page.locator(f"{ATTENTION} figure")
    query = tuple(page.evaluate("attnviz.get('state').query"))
    expect(page.locator(".av-affinity")).to_have_attribute("data-query", f"{query[0]},{query[1]}")
    layer = str(figure.get_attribute("data-layer"))
    check_row(page, record(explained(NON_LOCAL, other.path), layer).values.row(query))


def test_the_keyboard_starts_at_the_ring(page: Page, served: str) -> None:
    page.goto(f"{served}/?model={NON_LOCAL}&block=stage3.1.attention&at=0,0")
    page.wait_for_selector(READY)
    settled(page)
    page.focus(f"{ATTENTION} .picture")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".av-affinity")).to_have_attribute("data-query", "0,1")


def test_an_affinity_has_no_shared_scale(page: Page) -> None:
    choose_model(page, NON_LOCAL)
    expect(page.locator('.av-viewbar [data-value="shared"]')).to_be_hidden()
    choose_model(page, "resnet18t-gc")
    expect(page.locator('.av-viewbar [data-value="shared"]')).to_be_visible()

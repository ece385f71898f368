"""Inspect in a real browser: what it says equals the tensors, and what goes wrong loses nothing."""

import base64
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

import attnviz
from tests.browser.helpers import (
    ATTENTION,
    CAM,
    cell,
    choose_block,
    choose_model,
    explained,
    first_example,
    first_model,
    point,
    record,
    same,
    settled,
    value,
)

NON_LOCAL = "resnet18t-nl"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """An upload that is nobody's: wider than high, with a bright disk."""
    y, x = np.mgrid[:180, :320]
    disk = np.hypot(x - 220, y - 80) < 50
    pixels = np.stack([np.where(disk, 240, 40 + x / 4), np.where(disk, 230, 90), np.where(disk, 60, y)], -1)
    path = tmp_path / "disk.png"
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def upload(page: Page, path: Path) -> None:
    page.set_input_files(".av-photo input[type=file]", path)
    page.wait_for_function("attnviz.get('busy') === true")
    settled(page)


def check_predictions(page: Page, explanation: attnviz.Explanation) -> None:
    assert explanation.probabilities is not None
    for index, probability in enumerate(explanation.probabilities.tolist()):
        assert value(page, f'.av-prediction [data-index="{index}"]') == same(probability)


def check_cam(page: Page, explanation: attnviz.Explanation) -> None:
    assert explanation.cam is not None
    assert value(page, f"{CAM} .low") == 0
    peak = explanation.cam.signed.abs().max().item()
    assert value(page, f"{CAM} .high") == same(explanation.cam.map.max().item(), peak)
    assert value(page, f"{CAM} .value") == same(explanation.cam.map[cell(page, CAM)].item(), peak)


def test_the_first_view_is_there_at_once(page: Page) -> None:
    explanation = explained(first_model(), first_example())
    check_predictions(page, explanation)
    check_cam(page, explanation)
    expect(page.locator('.av-rail [aria-selected="true"]')).to_have_count(1)
    expect(page.locator(".av-formula math").first).to_be_visible()


def test_every_model_and_every_block(page: Page, models: list[str]) -> None:
    for model in models:
        choose_model(page, model)
        explanation = explained(model, first_example())
        check_predictions(page, explanation)
        check_cam(page, explanation)
        layers = list(dict.fromkeys(r.layer for r in explanation.attention))
        shown = page.locator(".av-rail [role=option]").evaluate_all("all => all.map(each => each.dataset.layer)")
        assert shown == layers
        if layers:
            choose_block(page, layers[0])
            assert page.locator(f"{ATTENTION} figure").get_attribute("data-layer") == layers[0]
        else:
            expect(page.locator(f"{ATTENTION} figure.empty .note")).to_contain_text("no attention block")


@pytest.mark.parametrize(
    ("model", "part"),
    [
        pytest.param(model, part, marks=pytest.mark.shipped(model))
        for model, part in (
            ("resnet18t-cbam", "spatial"),
            ("resnet18t-scse", "sse"),
            ("resnet18t-gc", "context"),
            ("resnet18t-bam", "spatial"),
        )
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


@pytest.mark.shipped("resnet18t-se")
def test_the_channels_of_a_gate(page: Page) -> None:
    choose_model(page, "resnet18t-se")
    explanation = explained("resnet18t-se", first_example())
    choose_block(page, "stage4.1.attention")
    gates = record(explanation, "stage4.1.attention").values
    readout = page.locator(".av-channels .value")
    assert int(readout.get_attribute("data-channel")) == gates.argmax().item()
    assert value(page, ".av-channels .value") == same(gates.max().item())
    page.click('.av-channels [data-order="order"]')
    page.focus(".av-channels canvas")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert readout.get_attribute("data-channel") == "1"
    assert value(page, ".av-channels .value") == same(gates[1].item())
    page.click('.av-channels [data-order="sorted"]')
    page.focus(".av-channels canvas")
    page.keyboard.press("End")
    assert value(page, ".av-channels .value") == same(gates.min().item())
    half = int(((gates >= 0.4) & (gates <= 0.6)).sum())
    expect(page.locator(".av-channels .words")).to_contain_text(f"{half} of {len(gates)} gates")
    after = record(explanation, "stage4.1.attention").after
    assert value(page, f"{ATTENTION} .value") == same(after[cell(page)].item())


@pytest.mark.shipped("resnet18t-bam")
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


@pytest.mark.shipped("resnet18t-ca")
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


@pytest.mark.shipped("resnet18t-sk")
def test_the_shares_of_branches(page: Page) -> None:
    choose_model(page, "resnet18t-sk")
    explanation = explained("resnet18t-sk", first_example())
    choose_block(page, "stage2.0.attention")
    shares = record(explanation, "stage2.0.attention").values
    shown = page.locator(".av-branches .shares b").evaluate_all("all => all.map(b => Number(b.dataset.value))")
    assert shown == same(shares[:, 0].tolist())
    means = page.locator(".av-branches .mean").evaluate_all("all => all.map(row => Number(row.dataset.value))")
    np.testing.assert_allclose(means, shares.mean(1), rtol=1e-5)


@pytest.mark.shipped("resnet18t-nl")
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


@pytest.mark.shipped("resnet18t-nl")
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


def test_the_class_that_is_explained(page: Page) -> None:
    labels = attnviz.load(first_model()).classes
    for index in (0, 4, 7):
        page.click(f'.av-prediction [data-index="{index}"]')
        settled(page)
        explanation = explained(first_model(), first_example(), index)
        expect(page.locator(f"{CAM} h2")).to_contain_text(labels[index])
        check_cam(page, explanation)
        told = page.locator(f"{CAM} figure").evaluate("figure => figure.classList.contains('silent')")
        assert told is not explanation.cam.positive


@pytest.mark.shipped("resnet18t-se")
def test_an_upload(page: Page, photo: Path) -> None:
    page.select_option(".av-models select", "resnet18t-se")
    settled(page)
    upload(page, photo)
    explanation = explained("resnet18t-se", photo)
    check_predictions(page, explanation)
    check_cam(page, explanation)
    expect(page.locator(".av-photo .drop img")).to_have_attribute("alt", "The picture that is explained: disk.png")
    box = page.locator(f"{CAM} .picture").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(320 / 180, rel=0.02)
    choose_model(page, first_model())
    check_predictions(page, explained(first_model(), photo))


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_photo_that_is_dropped_or_pasted(page: Page, photo: Path, way: str) -> None:
    page.evaluate(
        """([data, way]) => {
            const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
            const carried = new DataTransfer();
            carried.items.add(new File([bytes], 'disk.png', {type: 'image/png'}));
            if (way === 'paste') document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: carried}));
            else document.querySelector('.av-photo').dispatchEvent(
                new DragEvent('drop', {dataTransfer: carried, bubbles: true, cancelable: true}));
        }""",
        [base64.b64encode(photo.read_bytes()).decode(), way],
    )
    page.wait_for_function("attnviz.get('busy') === true")
    settled(page)
    check_predictions(page, explained(first_model(), photo))


def test_the_last_of_many_clicks_stands(page: Page) -> None:
    page.evaluate("[2, 5, 1, 8, 6].forEach(i => document.querySelector(`.av-prediction [data-index='${i}']`).click())")
    settled(page)
    expect(page.locator('.av-prediction [aria-pressed="true"]')).to_have_attribute("data-index", "6")
    check_cam(page, explained(first_model(), first_example(), 6))


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("words.png", b"these are words", "The file is not a picture"),
        ("empty.jpg", b"", "0 bytes"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    ],
)
@pytest.mark.shipped("resnet18t-se")
def test_a_bad_upload_says_so_and_loses_nothing(page: Page, tmp_path: Path, name: str, data: bytes, said: str) -> None:
    page.click('.av-prediction [data-index="3"]')
    settled(page)
    before = page.locator(".av-prediction").inner_html(), page.locator(".av-photo .drop img").get_attribute("src")
    (tmp_path / name).write_bytes(data)
    upload(page, tmp_path / name)
    notice = page.locator(".av-notice")
    expect(notice).to_be_visible()
    expect(notice).to_contain_text(said)
    assert "/" not in notice.inner_text()
    assert "\n" not in notice.locator("span").inner_text()
    after = page.locator(".av-prediction").inner_html(), page.locator(".av-photo .drop img").get_attribute("src")
    assert after == before
    choose_model(page, "resnet18t-se")
    expect(notice).to_be_hidden()
    check_predictions(page, explained("resnet18t-se", first_example()))


@pytest.mark.parametrize(
    "patch",
    [
        {"source": "upload:/etc/hostname"},
        {"source": "example:../../etc/passwd"},
        {"model": "nobody"},
        {"target": 10},
        {"target": -1},
        {"target": "x"},
        {"query": [99999, 0]},
        {"query": "0,0"},
        {"layer": ["a"]},
    ],
)
@pytest.mark.shipped("resnet18t-nl")
def test_junk_from_a_browser_is_refused_in_one_line(page: Page, patch: dict[str, object]) -> None:
    choose_model(page, NON_LOCAL)
    title = page.locator(f"{CAM} h2").inner_text()
    page.evaluate(
        """patch => {
            const button = document.querySelector('.av-prediction button');
            const send = attnviz.send;
            attnviz.send = (trigger) => send(trigger, patch);
            button.click();
            attnviz.send = send;
        }""",
        patch,
    )
    settled(page)
    expect(page.locator(".av-notice")).to_contain_text("does not exist")
    assert page.locator(f"{CAM} h2").inner_text() == title


@pytest.mark.shipped("resnet18t-se")
def test_the_rail_by_keyboard(page: Page) -> None:
    choose_model(page, "resnet18t-se")
    choose_block(page, "stage1.0.attention")
    page.focus('.av-rail [data-layer="stage1.0.attention"]')
    page.keyboard.press("ArrowRight")
    settled(page)
    chosen = page.locator('.av-rail [aria-selected="true"]')
    expect(chosen).to_have_attribute("data-layer", "stage1.1.attention")
    expect(chosen).to_be_focused()
    page.keyboard.press("End")
    settled(page)
    expect(chosen).to_have_attribute("data-layer", "stage4.1.attention")
    expect(page.locator(f"{ATTENTION} figure")).to_have_attribute("data-layer", "stage4.1.attention")


@pytest.mark.shipped("resnet18t-nl")
def test_blocks_without_attention_are_ticks(page: Page) -> None:
    choose_model(page, NON_LOCAL)
    ticks = page.locator(".av-rail .tick").all_inner_texts()
    assert ticks == ["stage1.0", "stage1.1", "stage2.0", "stage4.0", "stage4.1"]


def test_a_shared_place_is_read_in_both_maps(page: Page) -> None:
    choose_block(page, "stage1.0.attention", "spatial")
    explanation = explained(first_model(), first_example())
    gates = record(explanation, "stage1.0.attention", "spatial").values
    point(page, 0.4, 0.8, CAM)
    assert value(page, f"{CAM} .value") == same(explanation.cam.map[cell(page, CAM)].item())
    assert value(page, f"{ATTENTION} .value") == same(gates[cell(page)].item())
    assert cell(page) == (int(0.8 * gates.shape[0]), int(0.4 * gates.shape[1]))


def test_a_gate_on_its_own_scale_only_when_asked(page: Page) -> None:
    choose_block(page, "stage3.1.attention", "spatial")
    assert value(page, f"{ATTENTION} .low") > 0
    page.click('.av-viewbar [data-value="absolute"]')
    assert value(page, f"{ATTENTION} .low") == 0
    assert value(page, f"{ATTENTION} .high") == 1
    check_cam(page, explained(first_model(), first_example()))


@pytest.mark.parametrize("width", [390, 1280, 1920])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_overflows(page: Page, served: str, width: int, theme: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{served}/?__theme={theme}")
    page.wait_for_selector(".av-map .value[data-value]")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    left, right = (page.locator(f"{side} .picture").bounding_box() for side in (ATTENTION, CAM))
    assert (left["width"], left["height"]) == (right["width"], right["height"])
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(247, 247, 245)" if theme == "light" else "rgb(18, 21, 26)")

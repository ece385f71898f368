"""Inspect in a real browser: what is chosen is explained, and what goes wrong loses nothing."""

import base64
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import attnviz
from tests.browser.helpers import (
    ATTENTION,
    CAM,
    NON_LOCAL,
    check_cam,
    check_predictions,
    choose_block,
    choose_model,
    explained,
    first_example,
    first_model,
    point,
    press,
    same,
    settled,
    upload,
    value,
)


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
    page.wait_for_function("window.attnviz?.get('busy') === true")
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


def test_the_rail_by_keyboard(page: Page) -> None:
    choose_model(page, "resnet18t-se")
    choose_block(page, "stage1.0.attention")
    press(page, '.av-rail [data-layer="stage1.0.attention"]', "ArrowRight")
    settled(page)
    chosen = page.locator('.av-rail [aria-selected="true"]')
    expect(chosen).to_have_attribute("data-layer", "stage1.1.attention")
    expect(chosen).to_be_focused()
    page.keyboard.press("End")
    settled(page)
    expect(chosen).to_have_attribute("data-layer", "stage4.1.attention")
    expect(page.locator(f"{ATTENTION} figure")).to_have_attribute("data-layer", "stage4.1.attention")


def test_blocks_without_attention_are_ticks(page: Page) -> None:
    choose_model(page, NON_LOCAL)
    ticks = page.locator(".av-rail .tick").all_inner_texts()
    assert ticks == ["stage1.0", "stage1.1", "stage2.0", "stage4.0", "stage4.1"]


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


def test_what_is_chosen_while_the_page_waits_is_all_done(page: Page) -> None:
    """Several choices of other parts, gathered into one request: each part shows what became of its own."""
    page.click('.av-prediction [data-index="3"]')
    page.click('.av-matter [data-value="frozen"]')
    page.fill(".av-stepper input", "9")
    page.keyboard.press("Tab")
    point(page, 0.8, 0.2, click=True)
    settled(page)
    expect(page.locator(".av-matter [aria-checked=true]").first).to_have_attribute("data-value", "frozen")
    expect(page.locator(".av-matter .after h3")).to_contain_text("frozen")
    explanation = explained(first_model(), first_example(), 3)
    layer = str(page.locator(f"{ATTENTION} figure").get_attribute("data-layer"))
    after = attnviz.explain(explanation.backbone, explanation.input, 3, edits=attnviz.Edit(layer, "frozen"))
    index, _, probability = after.top(1)[0]
    assert value(page, f'.av-matter .after [data-index="{index}"]') == same(probability)
    _, output = explanation.features(layer)
    figure = page.locator('.av-sides [data-name="after"]')
    expect(figure).to_contain_text("channel 9")
    assert float(figure.get_attribute("data-high") or "nan") >= output[9].max().item()
    state = page.evaluate("attnviz.get('state')")
    expect(page.locator(".av-stepper .place")).to_have_text(f"at row {state['query'][0]}, column {state['query'][1]}")
    check_cam(page, explanation)


def test_a_choice_of_class_leaves_the_place(page: Page) -> None:
    before = page.evaluate("attnviz.get('state').query")
    place = page.locator(".av-stepper .place").inner_text()
    page.click('.av-prediction [data-index="6"]')
    settled(page)
    page.click('.av-matter [data-value="uniform"]')
    settled(page)
    assert page.evaluate("attnviz.get('state').query") == before
    expect(page.locator(".av-stepper .place")).to_have_text(place)


def test_an_answer_that_came_too_late_settles_nothing(page: Page) -> None:
    """What follows a request that was given up redraws everything; its late answer is drawn over, not believed."""
    found = page.evaluate(
        """() => {
            const [sent, before] = [[], attnviz.get("state")];
            const fake = (_, data) => sent.push(data);
            attnviz.send(fake, { how: "frozen" });
            attnviz.send(fake, { query: [1, 1] });
            attnviz.send(fake, { channel: 2 });
            attnviz.giveUp();
            attnviz.settle({ ...before, how: "frozen" }, sent[0].serial);
            const during = attnviz.get("state").how;
            attnviz.settle({ ...before, channel: 2 }, sent[1].serial);
            const after = [attnviz.get("state").channel, attnviz.get("busy")];
            attnviz.settle({ ...before, how: "frozen" }, sent[0].serial);
            const again = [attnviz.get("state").how, attnviz.get("busy")];
            attnviz.settle(before, sent[2].serial);
            return { sent: sent.map(({ changes }) => changes), during, after, again, source: sent[2].source };
        }"""
    )
    assert found["sent"] == [["how"], ["query", "channel", "source"], ["source"]]
    assert (found["during"], found["after"], found["again"]) == ("off", [2, False], ["off", True])
    assert found["source"] == page.evaluate("attnviz.get('state').source")


def test_what_is_said_of_a_block_that_is_left_is_not_asked_of_the_next(page: Page) -> None:
    found = page.evaluate(
        """() => {
            const [sent, before] = [[], attnviz.get("state")];
            const fake = (_, data) => sent.push(data);
            attnviz.send(fake, { how: "frozen" });
            attnviz.send(fake, { layer: "stage4.1.attention", part: null, query: null, channel: null });
            attnviz.send(fake, { query: [46, 46] });
            attnviz.send(fake, { channel: 200 });
            attnviz.settle(before, sent[0].serial);
            attnviz.send(fake, { query: [46, 46] });
            attnviz.settle(before, sent[1].serial);
            return { asked: [sent[1].query, sent[1].channel], count: sent.length, busy: attnviz.get("busy") };
        }"""
    )
    assert found == {"asked": [None, None], "count": 2, "busy": False}


def test_a_class_of_the_network_that_is_leaving_is_not_asked_of_the_next(page: Page) -> None:
    """Clicked while another network is on its way, an index would be another class there."""
    random = "random:timm:mobilenetv3_small_100.lamb_in1k"
    other = page.locator('.av-prediction [data-index="7"]').get_attribute("data-index")
    assert other == "7"
    page.evaluate(
        """model => {
            attnviz.put("wish", { model });
            document.querySelector('.av-prediction [data-index="7"]').click();
        }""",
        random,
    )
    page.wait_for_function("model => window.attnviz?.get('state')?.model === model", arg=random)
    settled(page)
    assert page.evaluate("attnviz.get('state').target") is None
    check_cam(page, explained(random, first_example()))

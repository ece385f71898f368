"""ImageNet networks on the page: where they are, getting them with progress, and what is shown of them.

The app's hub is a server on loopback, which has lively random weights under the networks' own names.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import timm
import torch
from playwright.sync_api import Page, expect
from safetensors.torch import save_file

import attnviz
from attnviz.explanation import Explanation
from attnviz.stock import entries
from attnviz.ui.names import class_names
from attnviz.zoo.libraries import load_entry
from tests.browser.conftest import serving_app
from tests.browser.helpers import (
    ATTENTION,
    CAM,
    READY,
    cell,
    check_cam,
    choose_block,
    compared,
    first_example,
    number,
    open_tab,
    point,
    record,
    same,
    settled,
    value,
    visit,
)
from tests.unit.readers.modules import lively
from tests.unit.stock.servers import Mood, Site, serving

SE, BAT, ECA = (
    f"timm:{name}" for name in ("mobilenetv3_small_100.lamb_in1k", "bat_resnext26ts.ch_in1k", "eca_resnext26ts.ch_in1k")
)
SK, TYPED = "timm:regnety_002.pycls_in1k", "timm:test_resnet.r160_in1k"
MODELS, FETCHING = ".av-models", ".av-fetching"
FAMILY = [card.id for card in attnviz.catalogue("embedded")]
PIECE = 1_000_000


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of lively weights, by the network's id."""
    folder, files = tmp_path_factory.mktemp("weights"), {}
    for seed, model_id in enumerate((SE, BAT, SK, TYPED)):
        files[model_id] = folder / f"{seed}.safetensors"
        model = lively(timm.create_model(model_id.removeprefix("timm:")), seed)
        with torch.no_grad():  # probabilities that can be told apart
            noise = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
            for weight in model.get_classifier().parameters():
                weight /= model(noise).std()
        save_file(model.state_dict(), files[model_id], {"format": "pt"})
    return files


@pytest.fixture(scope="module")
def hub(weights: dict[str, Path]) -> Iterator[Site]:
    with serving() as site:
        for model_id, path in weights.items():
            site.publish(model_id.replace("timm:", "timm/"), "model.safetensors", path.read_bytes())
        yield site


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, hub: Site) -> Iterator[str]:
    """An app whose hub and mirror of releases that server is, with nothing at hand."""
    home = tmp_path_factory.mktemp("home")
    environment = {
        "HF_HUB_OFFLINE": "0",
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home / "hf"),
        "TORCH_HOME": str(home / "torch"),
        "ATTNVIZ_RELEASES": hub.url,
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    with serving_app(tmp_path_factory.mktemp("uploads"), **environment) as address:
        yield address


@pytest.fixture(autouse=True)
def at_ease(hub: Site) -> None:
    hub.mood = Mood()
    hub.mood.go.set()


@cache
def expected(model_id: str, path: Path, target: int | None = None) -> Explanation:
    entry = entries().get(model_id) or attnviz.zoo.find(model_id)
    assert entry is not None
    return attnviz.explain(load_entry(entry, path, "cpu"), first_example(), target)


def said(page: Page, model_id: str) -> str:
    """What the list says of a network."""
    return page.locator(f'{MODELS} option[value="{model_id}"]').inner_text()


def fetched(page: Page, model_id: str) -> None:
    """Choose a network, and wait until it is shown."""
    page.select_option(f"{MODELS} select", model_id)
    shown(page, model_id)


def shown(page: Page, model_id: str) -> None:
    page.wait_for_function("id => window.attnviz?.get('state')?.model === id", arg=model_id)
    settled(page)


def check(page: Page, explanation: Explanation) -> None:
    """The first classes with their probabilities, and Grad-CAM, as the tensors have them."""
    names = class_names(explanation)
    for index, _, probability in explanation.top(5):
        button = page.locator(f'.av-prediction .top [data-index="{index}"]')
        expect(button).to_contain_text(names[index])
        assert number(button) == same(probability)
    check_cam(page, explanation)


def test_where_they_are_is_told_without_being_waited_for(page: Page) -> None:
    expect(page.locator(f'{MODELS} option[value="{SE}"]')).to_contain_text("10 MB")
    expect(page.locator(f'{MODELS} option[value="{ECA}"]')).to_contain_text("out of reach")
    assert "good for two CPUs" in said(page, SE)
    assert page.locator(f"{MODELS} optgroup").first.get_attribute("label") == "One recipe, ten networks (Imagenette)"
    labels = page.locator(f"{MODELS} optgroup").evaluate_all("all => all.map(each => each.label)")
    assert "ImageNet: split attention" in labels
    assert labels[-1] == "Built here, with random weights"


def test_a_hub_that_hangs_holds_nobody_up(page: Page, hub: Site) -> None:
    hub.mood.go.clear()
    page.click('.av-prediction [data-index="3"]')
    settled(page)
    expect(page.locator('.av-prediction [aria-pressed="true"]')).to_have_attribute("data-index", "3")


def test_fetching_it_shows_progress_and_the_page_goes_on(page: Page, hub: Site, weights: dict[str, Path]) -> None:
    hub.mood.trickle = PIECE
    page.select_option(f"{MODELS} select", SE)
    bar = page.locator(f"{FETCHING} .progress")
    expect(bar).to_be_visible()
    hub.mood.more.release(3)
    expect(bar.locator("span")).to_have_text("mobilenetv3_small_100.lamb_in1k: 3.0 MB of 10 MB")
    assert bar.get_attribute("aria-valuenow") == "29"
    page.click('.av-prediction [data-index="4"]')  # what is open is open still
    settled(page)
    expect(page.locator(f"{MODELS} select")).to_have_value("resnet18t-scse")
    hub.mood.more.release(100)
    shown(page, SE)
    expect(page.locator(FETCHING)).to_be_hidden()
    explanation = expected(SE, weights[SE])
    check(page, explanation)
    assert "at hand" in said(page, SE)
    expect(page.locator(".av-rail .findings")).to_have_text(
        "In this network: 9 blocks read and verified, 0 read but not verified, 0 skipped."
    )
    layer = next(r.layer for r in explanation.attention)
    choose_block(page, layer)
    gates = record(explanation, layer).values
    assert value(page, ".av-channels .value") == same(gates.max().item())
    assert value(page, f"{ATTENTION} .value") == same(record(explanation, layer).after[cell(page)].item())
    expect(page.locator(".av-banner")).to_be_hidden()
    assert f"model={SE.replace(':', '%3A')}" in page.url


def test_the_class_is_searched_and_its_evidence_is_its_own(page: Page, weights: dict[str, Path]) -> None:
    fetched(page, SE)
    assert page.locator(".av-prediction button").count() == 5
    page.fill(".av-prediction input", "crane")
    found = page.locator(".av-prediction .found button")
    expect(found).to_have_count(2)
    assert sorted(found.locator("span:first-child").all_inner_texts()) == ["crane (134)", "crane (517)"]
    page.click('.av-prediction .found [data-index="517"]')
    settled(page)
    check_cam(page, expected(SE, weights[SE], 517))
    expect(page.locator(f"{CAM} h2")).to_have_text("Grad-CAM: crane (517)")
    expect(page.locator('.av-prediction .chosen [aria-pressed="true"]')).to_have_attribute("data-index", "517")
    assert "class=crane+%28517%29" in page.url
    page.fill(".av-evidence .other", "crane (134)")
    page.keyboard.press("Tab")
    settled(page)
    expect(page.locator(f"{CAM} h2")).to_have_text("Grad-CAM: crane (517) against crane (134)")
    page.reload()
    shown(page, SE)
    expect(page.locator(f"{CAM} h2")).to_have_text("Grad-CAM: crane (517) against crane (134)")
    page.select_option(f"{MODELS} select", "resnet18t-se")  # its classes are others
    shown(page, "resnet18t-se")
    expect(page.locator(".av-notice")).to_be_hidden()
    assert page.evaluate("attnviz.get('state').target") is None


def test_an_affinity_on_a_grid_of_its_own(page: Page, weights: dict[str, Path]) -> None:
    """BAT's queries are 8 x 8 blocks of the features; the place clicked lies in one, whatever the features' grid."""
    fetched(page, BAT)
    explanation = expected(BAT, weights[BAT])
    check(page, explanation)
    layer, part = explanation.attention[0].layer, explanation.attention[0].part
    choose_block(page, layer, part)
    values = record(explanation, layer, part).values
    assert values.query_grid == (8, 8)
    box = page.evaluate("attnviz.get('picture').box")
    assert box != [0, 0, 1, 1]
    u, v = (box[0] + 0.6 * (box[2] - box[0]), box[1] + 0.2 * (box[3] - box[1]))
    point(page, u, v, click=True)
    row = values.row((1, 4))
    expect(page.locator(".av-affinity .query")).to_have_text("Query: row 1, column 4 of 8×8")
    strongest = page.locator(".av-affinity li").first
    assert number(strongest) == same(row.max().item())
    assert int(strongest.get_attribute("data-key") or -1) == int(row.argmax())
    assert value(page, f"{ATTENTION} .value") == same(row[cell(page)].item())
    rows, columns = record(explanation, layer, part).after.shape
    place = f"at row {int(1.5 * rows / 8)}, column {int(4.5 * columns / 8)}"
    expect(page.locator(".av-stepper .place")).to_have_text(place)


def test_the_crop_is_framed_on_the_photo(page: Page) -> None:
    expect(page.locator(".av-photo .crop")).to_be_hidden()
    fetched(page, SE)
    frame, photo = (page.locator(f".av-photo {part}").bounding_box() for part in (".crop", ".drop"))
    assert frame is not None
    assert photo is not None
    assert frame["width"] == pytest.approx(frame["height"], abs=2)
    left, top, right, _ = page.evaluate("attnviz.get('picture').box")
    picture = page.evaluate("(({ width, height }) => [width, height])(attnviz.get('picture'))")
    scale = min(photo["width"] / picture[0], photo["height"] / picture[1])
    assert frame["width"] == pytest.approx((right - left) * picture[0] * scale, abs=2)
    assert frame["y"] - photo["y"] == pytest.approx(
        (photo["height"] - picture[1] * scale) / 2 + top * picture[1] * scale, abs=2
    )
    expect(page.locator(".av-photo .seen")).to_be_visible()


def test_canceled_leaves_the_page_as_it_was(page: Page, hub: Site) -> None:
    hub.mood.trickle = PIECE
    page.select_option(f"{MODELS} select", SK)
    hub.mood.more.release(2)
    expect(page.locator(f"{FETCHING} span")).to_contain_text("2.0 MB of 13 MB")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(FETCHING)).to_be_hidden()
    expect(page.locator(".av-notice")).to_contain_text("Canceled: nothing was changed")
    expect(page.locator(f"{MODELS} select")).to_have_value("resnet18t-scse")
    assert page.evaluate("attnviz.get('state')?.model ?? 'resnet18t-scse'") == "resnet18t-scse"
    hub.mood.more.release(100)  # nobody takes it any more: the rest is not sent
    page.wait_for_timeout(500)
    expect(page.locator(f"{MODELS} select")).to_have_value("resnet18t-scse")


def test_who_closes_the_page_leaves_the_download(page: Page, hub: Site, served: str) -> None:
    hub.mood.trickle = PIECE // 10
    other = page.context.new_page()
    visit(other, served)
    other.select_option(f"{MODELS} select", SK)
    hub.mood.more.release(10)
    expect(other.locator(f"{FETCHING} span")).to_contain_text("of 13 MB")
    left = hub.left
    other.close()
    for _ in range(100):  # of the 120 pieces that are still to come
        hub.mood.more.release()
        page.wait_for_timeout(100)
        if hub.left > left:
            break
    assert hub.left == left + 1


def test_other_bytes_than_were_published(page: Page, hub: Site) -> None:
    hub.mood.spoiled = True
    page.select_option(f"{MODELS} select", SK)
    expect(page.locator(".av-notice")).to_contain_text("what came is not what was published")
    expect(page.locator(FETCHING)).to_be_hidden()
    expect(page.locator(f"{MODELS} select")).to_have_value("resnet18t-scse")
    assert "/" not in page.locator(".av-notice span").inner_text()


def test_out_of_reach_says_what_to_do(page: Page) -> None:
    page.select_option(f"{MODELS} select", ECA)
    notice = page.locator(".av-notice")
    expect(notice).to_contain_text("is out of reach")
    expect(notice).to_contain_text("set HF_HOME to a folder that has it, or run `attnviz fetch")
    expect(page.locator(f"{MODELS} select")).to_have_value("resnet18t-scse")


def test_two_visitors_share_one_download(page: Page, served: str, hub: Site) -> None:
    hub.mood.trickle = PIECE
    hub.log.clear()
    other = page.context.new_page()
    other.goto(served)
    other.wait_for_selector(READY)
    for each in (page, other):
        each.select_option(f"{MODELS} select", SK)
        expect(each.locator(f"{FETCHING} .progress")).to_be_visible()
    hub.mood.more.release(100)
    for each in (page, other):
        shown(each, SK)
    assert len(hub.gets()) == 1


def test_a_link_fetches_where_it_is_seen_and_then_is_followed(page: Page, served: str, hub: Site) -> None:
    hub.mood.trickle = 200_000
    page.goto(f"{served}/?model={TYPED}&channel=2&edit=uniform&class=crane+(134)")
    expect(page.locator(f"{FETCHING} .progress")).to_be_visible()
    expect(page.locator(".av-notice")).to_contain_text("is fetched first")
    expect(page.locator(f"{MODELS} select")).to_have_value("resnet18t-scse")
    hub.mood.more.release(100)
    shown(page, TYPED)
    expect(page.locator(f"{MODELS} select")).to_have_value(TYPED)
    state = page.evaluate("attnviz.get('state')")
    assert (state["target"], state["how"]) == (134, "uniform")


def test_a_name_that_is_typed(page: Page, weights: dict[str, Path]) -> None:
    page.click(f"{MODELS} summary")
    page.fill(f"{MODELS} .name", TYPED.removeprefix("timm:"))
    page.keyboard.press("Enter")
    shown(page, TYPED)
    check(page, expected(TYPED, weights[TYPED]))
    page.fill(f"{MODELS} .name", "no_such_network")
    page.keyboard.press("Enter")
    expect(page.locator(".av-notice")).to_contain_text("No model 'timm:no_such_network'")


def test_random_weights_are_a_choice_and_a_banner_says_so(page: Page, hub: Site) -> None:
    hub.log.clear()
    page.select_option(f"{MODELS} select", "resnet18t-se")
    settled(page)
    page.click(f'{MODELS} [data-value="random"]')
    shown(page, "random:resnet18t-se")
    expect(page.locator(".av-banner")).to_have_text("Random weights: nothing here was learned.")
    page.select_option(f"{MODELS} select", ECA)  # out of reach, but its architecture is known
    shown(page, f"random:{ECA}")
    expect(page.locator(".av-banner")).to_be_visible()
    explanation = attnviz.explain(attnviz.load(f"random:{ECA}"), first_example())
    check(page, explanation)
    assert not hub.gets()
    page.select_option(f"{MODELS} select", "random:mobilenetv2_ca")
    shown(page, "random:mobilenetv2_ca")
    expect(page.locator(f"{MODELS} .weights")).to_be_hidden()
    page.select_option(f"{MODELS} select", "resnet18t-se")
    shown(page, "resnet18t-se")
    expect(page.locator(".av-banner")).to_be_hidden()


def test_the_open_network_is_compared_too(page: Page, weights: dict[str, Path]) -> None:
    fetched(page, SE)
    open_tab(page, "Compare")
    compared(page, others=1)
    explanation = expected(SE, weights[SE])
    row = page.locator(f'.av-compare [data-id="{SE}"].model')
    assert number(row.locator("h3 b")) == same(explanation.top(1)[0][2])
    groups = page.locator(".av-compare tr.group").all_inner_texts()
    assert len(groups) == 2
    assert SE in groups[1]
    expect(page.locator(".av-compare .target")).to_be_disabled()
    page.get_by_role("tab", name="Inspect").click()
    page.select_option(f"{MODELS} select", "resnet18t-se")
    shown(page, "resnet18t-se")
    open_tab(page, "Compare")
    expect(page.locator(".av-compare .model")).to_have_count(len(FAMILY))
    offered = page.locator(".av-chooser optgroup[label='At hand'] option")
    assert SE in offered.evaluate_all("options => options.map((option) => option.value)")
    expect(page.locator(f'.av-chooser option[value="{ECA}"]')).to_have_count(0)
    page.select_option(".av-chooser select", SE)
    page.click(".av-chooser .add")
    expect(row).to_be_visible()
    assert page.url.endswith("compare=" + ",".join([*FAMILY, SE]).replace(":", "%3A").replace(",", "%2C"))


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)

"""Your model in a real browser: weights of one's own and, where the server trusts it, code; refusals in one line."""

import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import timm
import torch
from playwright.sync_api import Browser, Page, expect
from safetensors.torch import save_file

import attnviz
from attnviz import zoo
from attnviz.zoo import own
from tests.browser.conftest import serving_app
from tests.browser.helpers import (
    ATTENTION,
    CAM,
    cell,
    check_cam,
    check_predictions,
    check_tab,
    choose_block,
    choose_model,
    first_example,
    first_model,
    open_tab,
    point,
    record,
    same,
    settled,
    value,
    visit,
)
from tests.browser.test_accessibility import found
from tests.unit.readers.modules import lively

PAGE = ".av-yours"
ARCHITECTURE, CLASSES = "seresnext26ts", 7
CODE = """
import torch
import torch.nn.functional as F
from torch import nn


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3, 4), nn.Linear(8, 8)

    def forward(self, x):
        x = F.relu(self.conv(x))
        return x * torch.sigmoid(self.fc(x.mean((2, 3))))[:, :, None, None]


def build():
    torch.manual_seed(0)
    return nn.Sequential(Gated(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))


classes = ["one", "two", "three"]
"""


PIXELS = """
import torch
import torch.nn.functional as F
from torch import nn


class Pixels(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.fc, self.last = nn.Conv2d(3, 8, 8, 8), nn.Linear(8, 8), nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.down(x))
        x = x * torch.sigmoid(self.fc(x.mean((2, 3))))[:, :, None, None]
        return F.interpolate(self.last(x), scale_factor=4)


def build():
    torch.manual_seed(0)
    return Pixels()


classes = ["sky", "wall", "person"]
"""


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def served(uploads: Path) -> Iterator[str]:
    """An app that runs Python files of whoever is at this machine."""
    with serving_app(uploads, "--trust-local-code") as address:
        yield address


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("weights") / "mine.safetensors"
    model = lively(timm.create_model(ARCHITECTURE, num_classes=CLASSES))
    with torch.no_grad():
        for weight in model.get_classifier().parameters():
            weight /= 100
    save_file(model.state_dict(), path)
    return path


@pytest.fixture
def tab(page: Page) -> Page:
    open_tab(page, "Your model")
    expect(page.locator(f"{PAGE} .weights h2")).to_be_visible()
    return page


def bring(page: Page, architecture: str, path: Path) -> None:
    page.fill(f"{PAGE} .architecture", architecture)
    page.set_input_files(f"{PAGE} [type=file]", path)
    expect(page.locator(f"{PAGE} .chosen")).to_have_text(path.name)
    page.click(f"{PAGE} .weights .load")


def refused(page: Page, line: str) -> None:
    said = page.locator(f"{PAGE} .said")
    expect(said).to_contain_text(line)
    assert "\n" not in said.inner_text()
    assert "/tmp" not in said.inner_text()
    expect(page.locator(f"{PAGE} .result")).to_be_hidden()
    expect(page.locator(f"{PAGE} .weights .load")).to_be_enabled()


def test_weights_of_ones_own(tab: Page, weights: Path, uploads: Path, served: str) -> None:
    page = tab
    bring(page, ARCHITECTURE, weights)
    said = page.locator(f"{PAGE} .found")
    expect(said).to_have_text(f"{ARCHITECTURE}: 8 blocks read and verified, 0 read but not verified, 0 skipped.")
    assert page.locator(f"{PAGE} tbody tr").count() == 8
    expect(page.locator(f"{PAGE} tbody tr").first).to_contain_text("SE")
    assert not list(uploads.rglob("*mine.safetensors"))  # deleted once it is read
    page.click(f"{PAGE} .open")
    check_tab(page, "Inspect")
    page.wait_for_function("window.attnviz?.get('state')?.model.startsWith('own:')")
    settled(page)
    explanation = attnviz.explain(own.from_file(ARCHITECTURE, weights), first_example())
    check_predictions(page, explanation)
    check_cam(page, explanation)
    expect(page.locator(".av-prediction .top button").first).to_contain_text(f"class {explanation.target}")
    layer = explanation.attention[0].layer
    choose_block(page, layer)
    gates = record(explanation, layer).values
    assert value(page, ".av-channels .value") == same(gates.max().item())
    assert value(page, f"{ATTENTION} .value") == same(record(explanation, layer).after[cell(page)].item())
    expect(page.locator(".av-models .caption")).to_contain_text("Nobody else can open it")
    # Neither in the address nor to be guessed: the link names it, and shows another.
    token = page.evaluate("attnviz.get('state').model")
    assert token.removeprefix(zoo.OWN) not in page.url
    assert "model=own" in page.url
    visit(page, page.url)
    expect(page.locator(".av-notice")).to_contain_text("was a person's own")
    assert page.locator(".av-models select").input_value() == first_model()


def test_ones_own_is_compared_and_nobody_else_is_offered_it(
    tab: Page, weights: Path, served: str, browser: Browser
) -> None:
    page = tab
    bring(page, ARCHITECTURE, weights)
    expect(page.locator(f"{PAGE} .open")).to_be_visible()
    page.get_by_role("tab", name="Compare").click()
    page.click(".av-chooser .nobody")
    group = page.locator(".av-chooser optgroup[label='Your own'] option")
    expect(group).to_have_text(ARCHITECTURE)
    own_id = group.get_attribute("value")
    page.select_option(".av-chooser select", own_id)
    page.click(".av-chooser .add")
    row = page.locator(f'.av-compare [data-id="{own_id}"].model')
    expect(row).to_be_visible()
    explanation = attnviz.explain(own.from_file(ARCHITECTURE, weights), first_example())
    assert float(row.locator("h3 b").get_attribute("data-value")) == same(explanation.top(1)[0][2])
    assert float(row.locator(".cam .map").get_attribute("data-high")) == same(float(explanation.cam.map.max()))
    assert page.url.endswith("compare=own")
    context = browser.new_context()
    other = context.new_page()
    other.goto(f"{served}/?tab=compare&compare=own")
    expect(other.locator(".av-notice")).to_contain_text("compare")
    expect(other.locator(".av-chooser optgroup")).not_to_have_count(0)
    assert own_id.removeprefix(zoo.OWN) not in other.content()
    expect(other.locator(".av-chooser [value^='own:']")).to_have_count(0)
    context.close()


def test_another_family_s_network_may_follow(tab: Page, weights: Path) -> None:
    page = tab
    bring(page, ARCHITECTURE, weights)
    expect(page.locator(f"{PAGE} .open")).to_be_visible()
    page.click(f"{PAGE} .open")
    page.wait_for_function("window.attnviz?.get('state')?.model.startsWith('own:')")
    settled(page)
    own_id = page.evaluate("attnviz.get('state').model")
    page.select_option(".av-models select", "resnet18t-se")
    settled(page)
    page.select_option(".av-models select", own_id)
    settled(page)
    assert page.evaluate("attnviz.get('state').model") == own_id
    expect(page.locator(".av-notice")).to_be_hidden()


def test_two_visitors_with_the_same_file(
    tab: Page, weights: Path, uploads: Path, browser: Browser, served: str
) -> None:
    """Each has a file of its own, though content and name are the same; what one deletes, the other still has."""
    context = browser.new_context()
    other = context.new_page()
    other.goto(f"{served}/?tab=yours")
    for page in (tab, other):
        page.wait_for_function("window.attnviz?.get('busy') === false")
        sent: list[str] = page.evaluate(
            """async ([address, text]) => {
              const form = new FormData();
              form.append("files", new File([text], "mine.safetensors"));
              return (await (await fetch(`${address}/gradio_api/upload`, { method: "POST", body: form })).json());
            }""",
            [served, "a photo, say"],
        )
        bring(page, ARCHITECTURE, weights)
    for page in (tab, other):
        expect(page.locator(f"{PAGE} .open")).to_be_visible()
        expect(page.locator(f"{PAGE} .chosen")).to_have_text("mine.safetensors")
    assert [str(path) for path in uploads.rglob("*mine.safetensors")] == sent  # what came through no form of this page
    context.close()


def test_a_pickle(tab: Page, tmp_path: Path) -> None:
    torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "it.pth")
    bring(tab, "test_resnet", tmp_path / "it.pth")
    refused(tab, "is a pickled checkpoint, which can run code of its own when it is opened")
    (tmp_path / "it.pth").rename(tmp_path / "it.safetensors")
    bring(tab, "test_resnet", tmp_path / "it.safetensors")
    refused(tab, "is a pickled checkpoint")
    expect(tab.locator(f"{PAGE} code")).to_contain_text("save_file(torch.load(")


def test_a_truncated_file(tab: Page, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.safetensors").write_bytes(weights.read_bytes()[:1_000_000])
    bring(tab, ARCHITECTURE, tmp_path / "cut.safetensors")
    refused(tab, "is truncated or corrupt")


def test_keys_of_another_network(tab: Page, weights: Path) -> None:
    bring(tab, "test_resnet", weights)
    refused(tab, "The weights given for test_resnet do not fit its network")


def test_values_that_are_no_numbers(tab: Page, tmp_path: Path) -> None:
    state = timm.create_model("test_resnet").state_dict()
    state["fc.bias"][3] = float("nan")
    save_file(state, tmp_path / "nan.safetensors")
    bring(tab, "test_resnet", tmp_path / "nan.safetensors")
    refused(tab, "holds NaN or infinite values, first in 'fc.bias'")


def test_a_header_that_claims_gigabytes(tab: Page, tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [750_000_000], "data_offsets": [0, 3_000_000_000]}}).encode()
    (tmp_path / "claims.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    bring(tab, "test_resnet", tmp_path / "claims.safetensors")
    refused(tab, "truncated or corrupt: its header does not describe its bytes")


def test_an_unknown_architecture_and_nothing_chosen(tab: Page, weights: Path) -> None:
    tab.click(f"{PAGE} .weights .load")
    refused(tab, "Name an architecture and choose a file.")
    bring(tab, "resnet5O", weights)
    refused(tab, "There is no architecture 'resnet5O'; the nearest names are resnet50")


def test_a_file_over_the_limit_is_not_even_sent(tab: Page, tmp_path: Path) -> None:
    (tmp_path / "large.safetensors").touch()
    os.truncate(tmp_path / "large.safetensors", 300_000_001)
    bring(tab, "test_resnet", tmp_path / "large.safetensors")
    refused(tab, "large.safetensors has 300 MB; the limit is 300 MB.")


def test_code_of_ones_own(tab: Page, tmp_path: Path) -> None:
    page, path = tab, tmp_path / "mine.py"
    path.write_text(CODE)
    page.fill(f"{PAGE} .path", str(path))
    page.click(f"{PAGE} .code .load")
    expect(page.locator(f"{PAGE} .found")).to_contain_text("1 block read and verified")
    expect(page.locator(f"{PAGE} tbody tr")).to_contain_text("eSE")
    page.click(f"{PAGE} .open")
    page.wait_for_function("window.attnviz?.get('state')?.model.startsWith('own:')")
    settled(page)
    explanation = attnviz.explain(own.from_code(path), first_example())
    check_predictions(page, explanation)
    assert value(page, ".av-channels .value") == same(explanation.attention[0].values.max().item())
    expect(page.locator(".av-stepper")).to_contain_text("squeeze")  # of what the block's own convolution made
    expect(page.locator(".av-stepper")).not_to_contain_text("convolution")
    expect(page.locator(".av-formula")).not_to_contain_text("No paper's formula is shown")
    expect(page.locator(".av-rail .findings")).to_contain_text("1 block read and verified")
    page.click('.av-matter [data-value="shuffled"]')
    settled(page)
    edited = attnviz.explain(explanation.backbone, explanation.input, edits=attnviz.Edit("0", "shuffled"))
    index, _, probability = edited.top(1)[0]
    assert value(page, f'.av-matter .after [data-index="{index}"]') == same(probability)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("1 / 0", "Running mine.py failed: ZeroDivisionError: division by zero"),
        ("x = 3", "The file mine.py defines neither `model`"),
        ("def build(): raise SystemExit('gone')", "The build() of mine.py failed: SystemExit: gone"),
        ("from torch import nn\nmodel = nn.Linear(3, 4)", "The network of mine.py failed: RuntimeError: "),
        (None, "There is no Python file"),
    ],
)
def test_code_that_fails(tab: Page, tmp_path: Path, text: str | None, line: str) -> None:
    if text is not None:
        (tmp_path / "mine.py").write_text(text)
    tab.fill(f"{PAGE} .path", str(tmp_path / "mine.py"))
    tab.click(f"{PAGE} .code .load")
    refused(tab, line)


def test_a_network_that_scores_every_place(tab: Page, tmp_path: Path) -> None:
    """Its own oracle: ``explain`` with the region that was clicked."""
    page, path = tab, tmp_path / "pixels.py"
    path.write_text(PIXELS)
    page.fill(f"{PAGE} .path", str(path))
    page.click(f"{PAGE} .code .load")
    page.click(f"{PAGE} .open")
    page.wait_for_function("window.attnviz?.get('state')?.model.startsWith('own:')")
    settled(page)
    expect(page.locator(f"{CAM} .note")).to_contain_text("scores every place")
    expect(page.locator(".av-prediction .none")).to_contain_text("choose one in Grad-CAM's panel")
    expect(page.locator(".av-evidence .target")).to_be_hidden()
    backbone = own.from_code(path)
    rows, columns = attnviz.explain(backbone, first_example()).output.shape[2:]
    point(page, 0.4, 0.6, CAM, click=True)
    place = page.evaluate("attnviz.get('cursor')")  # on what the network saw of the picture
    row, column = int(place["v"] * rows), int(place["u"] * columns)
    assert (row / rows, column / columns) == pytest.approx((0.6, 0.4), abs=0.1)
    expect(page.locator(".av-evidence .where")).to_have_text(
        f"Scores at row {row}, column {column} of {rows}×{columns}"
    )
    found = attnviz.explain(backbone, first_example(), region=(row, column, row + 1, column + 1))
    check_predictions(page, found)
    check_cam(page, found)
    page.click(".av-evidence .whole")
    settled(page)
    found = attnviz.explain(backbone, first_example(), 2, region=(0, 0, rows, columns))
    page.click('.av-prediction [data-index="2"]')
    settled(page)
    check_predictions(page, found)
    check_cam(page, found)
    page.locator(f"{CAM} .picture").focus()
    page.keyboard.press("ArrowRight")
    place = page.evaluate("attnviz.get('cursor')")
    page.keyboard.press("Enter")
    settled(page)
    expect(page.locator(".av-evidence .where")).to_contain_text(
        f"row {int(place['v'] * rows)}, column {int(place['u'] * columns)} of"
    )
    choose_model(page, "resnet18t-se")
    expect(page.locator(".av-evidence .where")).to_be_hidden()


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_overflows(tab: Page, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 800})
    for part in (".weights", ".code"):
        box = tab.locator(f"{PAGE} {part}.av-card").bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= width
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(page: Page, served: str, weights: Path, theme: str) -> None:
    page.goto(f"{served}/?__theme={theme}&tab=yours")
    expect(page.locator(f"{PAGE} .weights h2")).to_be_visible()
    assert found(page) == []
    bring(page, "resnet5O", weights)
    refused(page, "There is no architecture")
    assert found(page) == []
    bring(page, ARCHITECTURE, weights)
    expect(page.locator(f"{PAGE} .open")).to_be_visible()
    assert found(page) == []

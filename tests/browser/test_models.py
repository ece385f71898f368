"""Models: the page's numbers are those that are counted, for the networks and the input that are chosen."""

import csv
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import attnviz
from attnviz import cost
from attnviz.ui.costviews import QUANTITIES
from tests.browser.helpers import open_tab

PAGE, ROWS = ".av-networks", ".av-layers"
SIZE = attnviz.catalogue("embedded")[0].input_size
PAIRS = (("resnet18t-nl", "resnet18t-sk"), ("resnet18t-bam", "resnet18t-ca"), ("resnet18t-cbam", ""))


def opened(page: Page) -> None:
    open_tab(page, "Models")
    ready(page)


def ready(page: Page) -> None:
    expect(page.locator(f"{ROWS} tr.whole")).to_be_visible()
    expect(page.locator(f"{PAGE} .csv")).to_be_enabled()


def counted(*models: str, side: int = SIZE) -> list[cost.Cost]:
    return [cost.measure(attnviz.load(model), (3, side, side)) for model in models]


def values(page: Page, selector: str) -> list[int]:
    return [int(each.get_attribute("data-value") or "") for each in page.locator(f"{selector} td[data-value]").all()]


def check_totals(page: Page, costs: list[cost.Cost]) -> None:
    expected = {
        "params": [each.total.params for each in costs],
        "macs": [each.total.macs for each in costs],
        "weights": [each.weights for each in costs],
        "activations": [each.total.activations for each in costs],
        "saved": [each.saved for each in costs],
        "training": [each.training(32).total for each in costs],
    }
    for name, numbers in expected.items():
        difference = [numbers[1] - numbers[0]] if len(numbers) == 2 else []
        assert values(page, f"{PAGE} tr[data-row='{name}']") == numbers + difference, name


ROWS_AND_CELLS = """(rows) => rows.map((row) => [
    row.dataset.path,
    [...row.querySelectorAll("td:not(.plain)")].map(({ dataset }) => (dataset.value ? Number(dataset.value) : null)),
])"""


def shown(page: Page) -> dict[str, list[int | None]]:
    """Every row's numbers by its path; None where a network has no such layer."""
    return dict(page.locator(f"{ROWS} tbody tr:not([data-own])").evaluate_all(ROWS_AND_CELLS))


def check_rows(page: Page, costs: list[cost.Cost]) -> None:
    if page.locator(f"{ROWS} .all").inner_text() == "Open all":
        page.click(f"{ROWS} .all")
    layers = [{layer.path: layer.total for layer in each.layers} for each in costs]
    for quantity in QUANTITIES:
        page.click(f"{ROWS} .switch [data-value='{quantity}']")
        rows = shown(page)
        assert set(rows) - {"Whole network"} == {path for each in layers for path in each if path}
        for path, found in rows.items():
            here = [each.get("" if path == "Whole network" else path) for each in layers]
            numbers = [getattr(amount, quantity) if amount else None for amount in here]
            assert found == [*numbers, (numbers[1] or 0) - (numbers[0] or 0)], (path, quantity)


def test_the_first_pair(page: Page) -> None:
    opened(page)
    costs = counted("resnet18t-plain", "resnet18t-se")
    check_totals(page, costs)
    check_rows(page, costs)
    marked = page.locator(f"{ROWS} tr.block").evaluate_all("(rows) => rows.map((row) => row.dataset.path)")
    assert marked == list(attnviz.load("resnet18t-se").blocks)
    expect(page.locator(".av-photo")).to_be_hidden()


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_other_networks(page: Page, first: str, second: str) -> None:
    opened(page)
    page.select_option(f"{PAGE} .first", first)
    page.select_option(f"{PAGE} .second", second)
    expect(page.locator(f"{ROWS} .hint")).to_contain_text(attnviz.load(second or first).card.mechanism)
    ready(page)
    costs = counted(*filter(None, (first, second)))
    check_totals(page, costs)
    if second:
        check_rows(page, costs)
        return
    page.click(f"{ROWS} .all")
    for path, found in shown(page).items():
        layer = next(layer for layer in costs[0].layers if layer.path == ("" if path == "Whole network" else path))
        assert found == [layer.total.params, layer.total.macs, layer.total.activations]


def test_a_block_s_own_product_has_a_row(page: Page) -> None:
    opened(page)
    page.select_option(f"{PAGE} .second", "resnet18t-nl")
    expect(page.locator(f"{ROWS} .hint")).to_contain_text("Non-Local")
    page.click(f"{ROWS} .all")
    own = page.locator(f"{ROWS} tr[data-own][data-path='stage2.1.attention'] [data-name='cell1']")
    positions = (SIZE // 8) ** 2
    assert int(own.get_attribute("data-value") or "") == positions**2 * 32


def test_another_input(page: Page) -> None:
    opened(page)
    page.select_option(f"{PAGE} .side", "96")
    expect(page.locator(f"{ROWS} [data-part='stage1']")).to_contain_text("32×24×24")
    ready(page)
    check_totals(page, counted("resnet18t-plain", "resnet18t-se", side=96))


def test_the_last_choice_stands(page: Page) -> None:
    opened(page)
    for model in ("resnet18t-eca", "resnet18t-nl", "resnet18t-gc"):
        page.select_option(f"{PAGE} .second", model)
    expect(page.locator(f"{ROWS} .hint")).to_contain_text("+ GC")
    ready(page)
    check_totals(page, counted("resnet18t-plain", "resnet18t-gc"))


def test_a_pass_is_timed_on_request(page: Page) -> None:
    opened(page)
    row = page.locator(f"{PAGE} tr[data-row='latency']")
    expect(row).to_have_count(0)
    page.click(f"{PAGE} .time")
    expect(row.locator("td").first).to_contain_text("ms")
    expect(row.locator("td")).to_have_count(3)
    for each in row.locator("td").all()[:2]:
        assert float(each.get_attribute("data-value") or 0) > 0
    ready(page)
    check_totals(page, counted("resnet18t-plain", "resnet18t-se"))  # what was there stays
    page.select_option(f"{PAGE} .side", "128")  # the times were of another input
    expect(row).to_have_count(0)


def test_the_layers_as_a_file(page: Page, tmp_path: Path) -> None:
    opened(page)
    with page.expect_download() as waiting:
        page.click(f"{PAGE} .csv")
    path = tmp_path / "layers.csv"
    waiting.value.save_as(path)
    assert waiting.value.suggested_filename == f"attnviz-resnet18t-plain-resnet18t-se-{SIZE}.csv"
    plain, squeezed = counted("resnet18t-plain", "resnet18t-se")
    with path.open(newline="") as file:
        rows = {row["layer"]: row for row in csv.DictReader(file)}
    assert set(rows) == {layer.path for layer in squeezed.layers}
    for layer in squeezed.layers:
        assert int(rows[layer.path]["resnet18t-se: macs"]) == layer.total.macs
    assert int(rows[""]["difference: params"]) == squeezed.total.params - plain.total.params


def test_parts_open_by_the_keyboard(page: Page) -> None:
    opened(page)
    part = page.locator(f"{ROWS} [data-part='stage1']")
    expect(part.locator("tr")).to_have_count(1)
    part.locator(".toggle").focus()
    page.keyboard.press("Enter")
    expect(part.locator(".toggle")).to_have_attribute("aria-expanded", "true")
    expect(part.locator(".toggle")).to_be_focused()
    assert part.locator("tr").count() > 10
    page.keyboard.press("Enter")
    expect(part.locator("tr")).to_have_count(1)


def test_a_link_holds_the_networks(page: Page, served: str) -> None:
    opened(page)
    page.select_option(f"{PAGE} .first", "resnet18t-gc")
    shown = "A: ResNet-18 thin + GC; B: ResNet-18 thin + SE"
    expect(page.locator(f"{ROWS} .hint")).to_contain_text(shown)
    page.select_option(f"{PAGE} .side", "96")
    expect(page.locator(f"{ROWS} [data-part='stage1']")).to_contain_text("32×24×24")
    page.click(".av-toolbar .link")
    address = page.locator(".av-toolbar .address").input_value()
    assert "tab=models" in address
    assert "input=96" in address
    page.goto("about:blank")
    page.goto(address)
    expect(page.locator(f"{ROWS} .hint")).to_contain_text(shown)
    expect(page.locator(f"{ROWS} [data-part='stage1']")).to_contain_text("32×24×24")
    page.goto(f"{served}/?tab=models&networks=resnet18t-gc,nobody")
    expect(page.locator(".av-notice")).to_contain_text("networks")
    expect(page.locator(f"{ROWS} .hint")).to_contain_text("A: ResNet-18 thin, plain")


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_nothing_is_wider_than_the_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    opened(page)
    page.click(f"{ROWS} .all")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for table in (f"{PAGE} .table", f"{ROWS} .table"):  # nor do its tables have to be moved to be read
        assert page.locator(table).evaluate("(box) => box.scrollWidth <= box.clientWidth + 1"), table

"""A query and what it reads: by pointer and keyboard, pinned and let go, each row equal to the block's own."""

import numpy as np
import torch
from playwright.sync_api import Page, expect

from attnviz.measures import query_dependence
from attnviz.ui.examples import examples
from tests.browser.helpers import (
    ATTENTION,
    CAM,
    NON_LOCAL,
    cell,
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
    visit,
)


def chosen_query(page: Page) -> tuple[int, int]:
    """The query that the page would ask the server about."""
    row, column = page.evaluate("attnviz.get('state').query")
    return row, column


def check_query(page: Page, query: tuple[int, int]) -> None:
    expect(page.locator(".av-affinity")).to_have_attribute("data-query", f"{query[0]},{query[1]}")


def check_row(page: Page, row: torch.Tensor) -> None:
    """What page and panel say of a query's row equals the row."""
    flat = row.flatten()
    assert value(page, f"{ATTENTION} .high") == same(flat.max().item())
    assert value(page, f"{ATTENTION} .value") == same(row[cell(page)].item())
    assert numbers(page, ".av-affinity li") == same(flat.topk(5).values.tolist())
    entropy = -(flat * flat.clamp(min=1e-38).log()).sum() / np.log(len(flat))
    assert value(page, ".av-affinity .entropy") == same(float(entropy))
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
        check_query(page, query)
        check_row(page, affinity.row(query))
    point(page, 0.5, 0.5, CAM)  # the pointer has left: what all panels show is drawn again
    expect(panel).to_have_attribute("data-query", settled_query)

    press(page, f"{ATTENTION} .picture", "ArrowRight", "ArrowDown")
    query = cell(page)
    check_query(page, query)
    check_row(page, affinity.row(query))

    point(page, 0.3, 0.6, click=True)
    query = (int(0.6 * rows), int(0.3 * columns))
    expect(figure).to_have_attribute("data-pinned", "true")
    expect(page.locator(f"{ATTENTION} .note")).to_contain_text("pinned")
    point(page, 0.8, 0.2)
    check_query(page, query)
    check_row(page, affinity.row(query))
    assert page.locator(f"{ATTENTION} .value").get_attribute("data-exact") == "true"

    page.keyboard.press("Escape")
    expect(figure).to_have_attribute("data-pinned", "false")
    point(page, 0.82, 0.24)
    query = (int(0.24 * rows), int(0.82 * columns))
    check_query(page, query)


def test_a_query_by_mouse_and_keyboard(page: Page) -> None:
    choose_model(page, NON_LOCAL)
    explanation = explained(NON_LOCAL, first_example())
    layer = explanation.attention[0].layer
    choose_block(page, layer)
    affinity = record(explanation, layer).values
    rows, columns = affinity.query_grid
    point(page, 0.3, 0.62, click=True)
    query = (int(0.62 * rows), int(0.3 * columns))
    check_query(page, query)
    point(page, 0.8, 0.25)
    row = affinity.row(query)
    assert page.locator(f"{ATTENTION} .value").get_attribute("data-exact") == "true"
    assert value(page, f"{ATTENTION} .value") == same(row[cell(page)].item())
    assert value(page, f"{ATTENTION} .high") == same(row.max().item())
    assert numbers(page, ".av-affinity li") == same(row.flatten().topk(5).values.tolist())

    press(page, f"{ATTENTION} .picture", "ArrowRight", "ArrowDown")
    query = cell(page)
    page.keyboard.press("Enter")
    settled(page)
    check_query(page, query)
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
    np.testing.assert_allclose(shown, row, rtol=0, atol=1e-5 * row.max())  # float32 on either side


def test_a_pin_is_of_one_picture(page: Page) -> None:
    """Another photo, or another network and back: nothing of the old row is left, and nothing is pinned."""
    choose_model(page, NON_LOCAL)
    point(page, 0.3, 0.6, click=True)
    figure = page.locator(f"{ATTENTION} figure")
    expect(figure).to_have_attribute("data-pinned", "true")
    other = examples()[2]
    page.click(f'.av-photo [data-source="example:{other.id}"]')
    settled(page)
    page.mouse.move(0, 0)
    expect(figure).to_have_attribute("data-pinned", "false")
    layer = str(figure.get_attribute("data-layer"))
    query = chosen_query(page)
    check_query(page, query)
    check_row(page, record(explained(NON_LOCAL, other.path), layer).values.row(query))
    assert page.locator(f"{ATTENTION} .value").get_attribute("data-exact") == "true"


def test_a_place_that_is_chosen_elsewhere_moves_the_pin(page: Page) -> None:
    choose_model(page, NON_LOCAL)
    point(page, 0.3, 0.6, click=True)
    layer = str(page.locator(f"{ATTENTION} figure").get_attribute("data-layer"))
    page.click(".av-stepper section canvas, .av-stepper > canvas", position={"x": 12, "y": 30})
    settled(page)
    query = chosen_query(page)
    check_query(page, query)
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
    query = chosen_query(page)
    check_query(page, query)
    layer = str(figure.get_attribute("data-layer"))
    check_row(page, record(explained(NON_LOCAL, other.path), layer).values.row(query))


def test_the_keyboard_starts_at_the_ring(page: Page, served: str) -> None:
    visit(page, f"{served}/?model={NON_LOCAL}&block=stage3.1.attention&at=0,0")
    settled(page)
    press(page, f"{ATTENTION} .picture", "ArrowRight")
    check_query(page, (0, 1))


def test_an_affinity_has_no_shared_scale(page: Page) -> None:
    choose_model(page, NON_LOCAL)
    expect(page.locator('.av-viewbar [data-value="shared"]')).to_be_hidden()
    choose_model(page, "resnet18t-gc")
    expect(page.locator('.av-viewbar [data-value="shared"]')).to_be_visible()

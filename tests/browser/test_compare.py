"""Compare: every network's row equals its own explanation, for the photo, the class and the stage that are chosen."""

from pathlib import Path
from urllib.parse import quote

import numpy as np
from playwright.sync_api import Page, Request, expect

import attnviz
from attnviz.explanation import Explanation
from attnviz.ui import compareviews
from attnviz.ui.examples import examples
from tests.browser.helpers import (
    check_tab,
    choose_model,
    explained,
    first_example,
    number,
    open_tab,
    same,
    settled,
    upload,
)
from tests.browser.test_accessibility import found as complaints

PAGE, CHOOSER = ".av-compare", ".av-chooser"
FAMILY = [card.id for card in attnviz.catalogue("embedded")]
RANDOM = "random:resnet18t-cbam"


def opened(page: Page) -> None:
    open_tab(page, "Compare")
    ready(page)


def ready(page: Page, models: list[str] = FAMILY) -> None:
    """Wait for these rows, and for no others, in this order."""
    expect(page.locator(f"{PAGE} .model")).to_have_count(len(models))
    expect(page.locator(f"{PAGE} .progress")).to_be_hidden()
    found = page.locator(f"{PAGE} .model").evaluate_all("rows => rows.map((row) => row.dataset.id)")
    assert found == models


def switch(page: Page, model: str) -> None:
    page.click(f'{CHOOSER} .chip:has([value="{model}"])')


def add(page: Page, model: str) -> None:
    page.select_option(f"{CHOOSER} select", model)
    page.click(f"{CHOOSER} .add")


def asked(page: Page) -> list[list[str]]:
    """The networks of each comparison that the page asks the server for from now on."""
    found: list[list[str]] = []

    def listen(request: Request) -> None:
        body = request.post_data_json if "queue/join" in request.url else None
        models = ((body or {}).get("event_data") or {}).get("models")
        if models:
            found.append(models)

    page.on("request", listen)
    return found


def check(page: Page, explanations: dict[str, Explanation]) -> None:
    high = max(float(explanation.cam.map.max()) for explanation in explanations.values())
    for model, explanation in explanations.items():
        row = page.locator(f'{PAGE} [data-id="{model}"].model')
        _, label, probability = explanation.top(1)[0]
        assert number(row.locator("h3 b")) == same(probability)
        expect(row.locator("h3 b")).to_contain_text(label)
        assert float(row.locator(".cam .map").get_attribute("data-high")) == same(high)


def test_every_network(page: Page) -> None:
    opened(page)
    models = [card.id for card in attnviz.catalogue("embedded")]
    check(page, {model: explained(model, first_example()) for model in models})
    for card in attnviz.catalogue("embedded"):
        row = page.locator(f'{PAGE} tr[data-id="{card.id}"]')
        for name, value in (("top1", card.top1), ("params", card.params), ("macs", card.macs)):
            assert number(row.locator(f'[data-name="{name}"]')) == value
        expect(row.locator('[data-name="latency"]')).to_contain_text("ms")


def test_another_photo_class_and_stage(page: Page, photo: Path) -> None:
    page.click('.av-prediction [data-index="7"]')
    settled(page)
    opened(page)
    upload(page, photo)
    page.wait_for_timeout(200)
    ready(page)
    models = [card.id for card in attnviz.catalogue("embedded")]
    check(page, {model: explained(model, photo) for model in models})
    page.select_option(f"{PAGE} .stage", "stage1")
    page.wait_for_timeout(200)
    ready(page)
    for model in models:
        layers = [record.layer for record in explained(model, photo).attention if record.stage == "stage1"]
        caption = page.locator(f'{PAGE} [data-id="{model}"] .attention figcaption')
        expect(caption).to_contain_text(layers[-1] if layers else "no attention")


def test_a_stage_that_is_chosen_during_a_run_comes_after_it(page: Page) -> None:
    open_tab(page, "Compare")
    expect(page.locator(f"{PAGE} .model").first).to_be_visible()
    page.select_option(f"{PAGE} .stage", "stage2")
    page.select_option(f"{PAGE} .stage", "stage1")
    caption = page.locator(f'{PAGE} [data-id="resnet18t-se"] .attention figcaption')
    expect(caption).to_contain_text("stage1")
    ready(page)
    expect(caption).to_contain_text("stage1")
    expect(page.locator(f"{PAGE} .stage")).to_have_value("stage1")


def test_what_belongs_to_one_network_is_hidden(page: Page) -> None:
    expect(page.locator(".av-models")).to_be_visible()
    opened(page)
    expect(page.locator(".av-models")).to_be_hidden()
    expect(page.locator(".av-photo")).to_be_visible()
    open_tab(page, "Inspect")
    expect(page.locator(".av-models")).to_be_visible()


def test_a_network_is_opened_in_inspect(page: Page) -> None:
    opened(page)
    assert "tab=compare" in page.url
    page.get_by_role("button", name="CBAM").click()
    settled(page)
    check_tab(page, "Inspect")
    expect(page.locator(".av-models select")).to_have_value("resnet18t-cbam")
    expect(page.locator("#attention figure")).to_have_attribute("data-layer", "stage3.1.attention")
    page.go_back()
    check_tab(page, "Compare")
    assert "tab=compare" in page.url
    page.go_forward()
    check_tab(page, "Inspect")
    expect(page.locator(".av-models select")).to_have_value("resnet18t-cbam")


def test_what_is_taken_away_is_every_network(page: Page) -> None:
    opened(page)
    page.select_option(f"{PAGE} .stage", "stage2")
    page.wait_for_timeout(200)
    ready(page)
    with page.expect_download() as download:
        page.select_option(".av-toolbar .export", "npz")
    assert download.value.suggested_filename == "attnviz-compare-stage2.npz"
    arrays = np.load(download.value.path())
    for card in attnviz.catalogue("embedded"):
        cam = explained(card.id, first_example()).cam.signed
        np.testing.assert_allclose(arrays[f"{card.id}/cam"], cam, atol=1e-5 * float(cam.abs().max()))


def test_the_class_is_chosen_here_too(page: Page) -> None:
    opened(page)
    page.select_option(f"{PAGE} .target", "7")
    settled(page)
    ready(page)
    models = [card.id for card in attnviz.catalogue("embedded")]
    check(page, {model: explained(model, first_example(), 7) for model in models})
    expect(page.locator(f"{PAGE} .cam figcaption").first).to_contain_text("gas pump")
    page.select_option(f"{PAGE} .target", "")
    settled(page)
    ready(page)
    check(page, {model: explained(model, first_example()) for model in models})


def test_no_evidence_is_said_and_not_drawn(page: Page, served: str) -> None:
    page.goto(f"{served}/?example=package-cheetah&class=tench")
    page.wait_for_selector(".av-map .value[data-value]")
    settled(page)
    opened(page)
    path = next(example.path for example in examples() if example.id == "package-cheetah")
    for card in attnviz.catalogue("embedded"):
        row = page.locator(f'{PAGE} [data-id="{card.id}"].model .cam')
        cam = explained(card.id, path, 0).cam
        if cam.positive:
            expect(row.locator(".scale .high")).to_be_visible()
        else:
            expect(row.locator("figcaption")).to_contain_text("nothing here speaks for tench")
            expect(row.locator(".scale")).to_be_hidden()


def test_networks_are_switched_off_and_others_added(page: Page) -> None:
    opened(page)
    requests = asked(page)
    left = [model for model in FAMILY if model not in ("resnet18t-se", "resnet18t-nl")]
    switch(page, "resnet18t-se")
    switch(page, "resnet18t-nl")
    ready(page, left)
    check(page, {model: explained(model, first_example()) for model in left})
    add(page, RANDOM)
    ready(page, [*left, RANDOM])
    expect(page.locator(f'{CHOOSER} option[value="{RANDOM}"]')).to_have_count(0)
    explanations = {model: explained(model, first_example()) for model in (*left, RANDOM)}
    check(page, explanations)
    maps = [compareviews.drawn(found) for each in explanations.values() if (found := at_stage3(each))]
    for role, (low, high) in compareviews.scales([(role, grid) for _, role, grid in maps]).items():
        of_role = [model for model, each in explanations.items() if (at := at_stage3(each)) and role_of(at) == role]
        for model in of_role:
            canvas = page.locator(f'{PAGE} [data-id="{model}"] .attention .map')
            assert float(canvas.get_attribute("data-low")) == same(low)
            assert float(canvas.get_attribute("data-high")) == same(high)
    table = page.locator(f"{PAGE} tbody tr[data-id]").evaluate_all("rows => rows.map((row) => row.dataset.id)")
    assert table == [*left, RANDOM]
    assert page.locator(f"{PAGE} tr.group").all_inner_texts()[1] == "Recipe: random weights"
    switch(page, "resnet18t-se")  # what was there is there again, and is not asked for
    ready(page, [model for model in [*FAMILY, RANDOM] if model != "resnet18t-nl"])
    check(page, {"resnet18t-se": explained("resnet18t-se", first_example())} | explanations)
    assert requests == [[RANDOM]]


def at_stage3(explanation: Explanation):
    return compareviews.at_stage(explanation, "stage3")


def role_of(record) -> str:
    return compareviews.drawn(record)[1]


def test_what_is_taken_away_is_what_is_chosen(page: Page, served: str) -> None:
    chosen = ["resnet18t-plain", "resnet18t-ca", RANDOM]
    page.goto(f"{served}/?tab=compare&compare={','.join(map(quote, chosen))}&class=tench")
    ready(page, chosen)
    with page.expect_download() as download:
        page.select_option(".av-toolbar .export", "npz")
    arrays = np.load(download.value.path())
    assert {name.split("/")[0] for name in arrays} == set(chosen)
    for model in chosen:
        cam = explained(model, first_example(), 0).cam.signed
        np.testing.assert_allclose(arrays[f"{model}/cam"], cam, atol=1e-5 * float(cam.abs().max()))
    settled(page)
    with page.expect_download() as download:
        page.select_option(".av-toolbar .export", "svg")
    assert Path(download.value.path()).read_bytes().startswith(b"<?xml")
    settled(page)


def test_a_link_holds_the_choice(page: Page, served: str) -> None:
    opened(page)
    assert "compare=" not in page.url.partition("tab=compare")[2]
    page.click(f"{CHOOSER} .nobody")
    expect(page.locator(f"{PAGE} .empty")).to_have_text("No network is chosen.")
    expect(page.locator(f"{PAGE} .table")).to_be_hidden()
    assert page.url.endswith("compare=none")
    switch(page, "resnet18t-gc")
    add(page, "random:resnet18t-se")
    ready(page, ["resnet18t-gc", "random:resnet18t-se"])
    address = page.url
    assert address.endswith("compare=resnet18t-gc%2Crandom%3Aresnet18t-se")
    page.goto("about:blank")
    page.goto(address)
    ready(page, ["resnet18t-gc", "random:resnet18t-se"])
    expect(page.locator(".av-notice")).to_be_hidden()
    switch(page, "random:resnet18t-se")
    page.click(f"{CHOOSER} .all")
    ready(page, [*FAMILY, "random:resnet18t-se"])
    switch(page, "random:resnet18t-se")
    ready(page)
    assert "compare=" not in page.url.partition("tab=compare")[2]


def test_junk_in_a_link_falls_back_with_a_notice(page: Page, served: str) -> None:
    page.goto(f"{served}/?tab=compare&compare=%00,../x,zebra")
    expect(page.locator(".av-notice")).to_contain_text("compare")
    ready(page)
    page.goto(f"{served}/?tab=compare&compare=resnet18t-se,own,resnet18t-gc,<b>")
    expect(page.locator(".av-notice")).to_contain_text("compare")
    ready(page, ["resnet18t-se", "resnet18t-gc"])
    page.goto(f"{served}/?tab=compare&compare=timm:nobody,resnet18t-se,timm:seresnext26ts.ch_in1k")
    ready(page, ["resnet18t-se"])
    for name in ("timm:nobody", "timm:seresnext26ts.ch_in1k"):
        expect(page.locator(".av-notice")).to_contain_text(name)
    expect(page.locator(f"{CHOOSER} .chip")).to_have_count(len(FAMILY))
    assert page.url.endswith("compare=resnet18t-se")


def test_the_open_network_stays_usual_and_can_be_switched_off(page: Page) -> None:
    choose_model(page, "random:mobilenetv2_ca")
    open_tab(page, "Compare")
    ready(page, [*FAMILY, "random:mobilenetv2_ca"])
    assert "compare=" not in page.url.partition("tab=compare")[2]
    expect(page.locator(f"{CHOOSER} .count")).to_have_text("11 chosen, 16 at most")
    switch(page, "random:mobilenetv2_ca")
    ready(page)


def test_a_class_of_another_network_is_found_by_its_name(page: Page, served: str) -> None:
    other = "random:timm:mobilenetv3_small_100.lamb_in1k"
    name = "church, church building"
    page.goto(f"{served}/?tab=compare&model={other}&class={quote(name)}&compare=resnet18t-se,{other}")
    ready(page, ["resnet18t-se", other])
    check(
        page,
        {"resnet18t-se": explained("resnet18t-se", first_example(), 4), other: explained(other, first_example(), 497)},
    )
    assert page.locator(f"{PAGE} .cam figcaption").all_inner_texts() == ["Grad-CAM: church", f"Grad-CAM: {name}"]
    expect(page.locator(f"{PAGE} .target")).to_be_disabled()
    expect(page.locator(f"{PAGE} .target option:checked")).to_have_text(name)


def test_no_more_than_there_is_room_for(page: Page) -> None:
    open_tab(page, "Compare")
    page.click(f"{CHOOSER} .nobody")
    for model in FAMILY[:7]:
        add(page, f"random:{model}")
    page.click(f"{CHOOSER} .all")
    expect(page.locator(f"{CHOOSER} .count")).to_have_text("16 chosen, 16 at most")
    expect(page.locator(f"{CHOOSER} .chip :disabled")).to_have_count(1)  # the 17th
    expect(page.locator(f"{CHOOSER} .chip :disabled")).not_to_be_checked()
    for control in ("select", ".add"):
        expect(page.locator(f"{CHOOSER} {control}")).to_be_disabled()
    switch(page, "resnet18t-plain")
    expect(page.locator(f"{CHOOSER} .add")).to_be_enabled()
    ready(page, [*FAMILY[1:], *(f"random:{model}" for model in FAMILY[:6])])


def test_with_the_keyboard_and_by_name(page: Page) -> None:
    opened(page)
    group = page.get_by_role("group", name="Networks that are compared")
    box = group.get_by_role("checkbox", name="SE", exact=True)
    expect(box).to_be_checked()
    box.focus()
    page.keyboard.press("Space")
    expect(box).not_to_be_checked()
    expect(box).to_be_focused()
    ready(page, [model for model in FAMILY if model != "resnet18t-se"])
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    outline = page.locator(f"{CHOOSER} .chip:has(:focus)").evaluate("chip => getComputedStyle(chip).outlineStyle")
    assert outline == "solid"
    page.get_by_label("Another network").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Add")).to_be_focused()
    page.select_option(f"{CHOOSER} select", RANDOM)
    page.keyboard.press("Enter")
    ready(page, [*(model for model in FAMILY if model != "resnet18t-se"), RANDOM])
    expect(group.get_by_role("checkbox", name="CBAM, random weights")).to_be_checked()
    assert complaints(page) == []


def test_the_chooser_fits_a_telephone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_tab(page, "Compare")
    for model in ("random:timm:mobilenetv3_small_100.lamb_in1k", "random:mobilenetv2_ca"):
        add(page, model)
    ready(page, [*FAMILY, "random:timm:mobilenetv3_small_100.lamb_in1k", "random:mobilenetv2_ca"])
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert complaints(page) == []

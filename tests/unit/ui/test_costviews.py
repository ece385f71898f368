"""Models: what the page is told is what was counted, in words that keep three digits; junk is refused."""

import base64
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

import attnviz
from attnviz import cost
from attnviz.errors import OptionError
from attnviz.ui import costviews
from attnviz.ui.analysis import Analyst
from attnviz.ui.pages import models
from tests.unit.capture.networks import tapped

SHAPE = (3, 48, 48)
KNOWN = ("a", "b")


@pytest.fixture(scope="module")
def costs() -> dict[str, cost.Cost]:
    return {name: cost.measure(tapped(f"resnet18t-{name}"), SHAPE) for name in ("plain", "se", "nl")}


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1000, "1.00 K"), (-8459, "−8.46 K"), (999_499, "999 K"), (999_600, "1.00 M"),
     (710_743_552, "711 M"), (37_383_395_344_384, "37.4 T")],
)  # fmt: skip
def test_counts_for_people(count: int, text: str) -> None:
    assert costviews.counted(count) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (64, "64 B"), (11_216_616, "11.2 MB"), (-128, "−128 B")])
def test_bytes_for_people(count: int, text: str) -> None:
    assert costviews.weighed(count) == text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((200, 150), (-50, "−50", "−25.0%")),
        ((2000, 2001), (1, "+1", "< 0.1%")),
        ((5, 8464), (8459, "+8.46 K", "× 1,693")),
        ((0, 7), (7, "+7", "")),
        ((None, 7), (7, "+7", "")),
        ((7, None), (-7, "−7", "−100.0%")),
        ((7, 7), (0, "0", "")),
    ],
)
def test_differences(values: tuple[int | None, ...], expected: tuple[int, str, str]) -> None:
    found = costviews.difference(values, "params")
    assert found is not None
    assert (found["value"], found["text"], found["part"]) == expected
    assert costviews.difference(values[:1], "params") is None


def test_totals(costs: dict[str, cost.Cost]) -> None:
    pair = [costs["plain"], costs["se"]]
    lines = {line["name"]: line for line in costviews.totals(pair)}
    for i, each in enumerate(pair):
        expected = {
            "params": each.total.params,
            "macs": each.total.macs,
            "weights": 4 * each.total.params,
            "activations": each.total.activations,
            "saved": each.saved,
            "training": 3 * 4 * each.total.params + 32 * each.saved,
        }
        assert {name: line["cells"][i]["value"] for name, line in lines.items()} == expected
    assert lines["params"]["difference"]["value"] == pair[1].total.params - pair[0].total.params


def rows(payload: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for group in payload["groups"]:
        yield from (group["row"], *group["rows"])


def test_every_layer_has_its_row(costs: dict[str, cost.Cost]) -> None:
    found = costviews.layers([costs["nl"]])
    layers = {layer.path: layer for layer in costs["nl"].layers[1:]}
    shown = [row for row in rows(found) if not row["own"]]
    assert [row["path"] for row in shown] == list(layers)
    for row in shown:
        layer = layers[row["path"]]
        for name in costviews.QUANTITIES:
            value, whole = getattr(layer.total, name), getattr(costs["nl"].total, name)
            assert row[name]["cells"][0]["value"] == value
            assert row[name]["shares"] == [pytest.approx(value / whole)]
        assert (row["kind"], row["output"]) == (layer.kind, "×".join(map(str, layer.output)))
    assert {row["path"] for row in shown if row["attention"] == "block"} == set(tapped("resnet18t-nl").blocks)
    assert [group["path"] for group in found["groups"]][-3:] == ["pool", "flatten", "fc"]
    assert found["open"] == "stage3"  # the last part with attention
    assert found["whole"]["macs"]["cells"][0]["value"] == costs["nl"].total.macs


def test_what_a_block_multiplies_itself_has_a_row(costs: dict[str, cost.Cost]) -> None:
    """Non-Local's second product; with it, a block's layers add up to the block."""
    found = costviews.layers([costs["nl"]])
    own = {row["path"]: row for row in rows(found) if row["own"]}
    assert set(own) == set(tapped("resnet18t-nl").blocks)
    assert own["stage2.1.attention"]["macs"]["cells"][0]["value"] == (6 * 6) ** 2 * 32
    block = "stage2.1.attention"
    inside = [row for row in rows(found) if row["path"].startswith(block)]
    (total,) = (row for row in inside if row["path"] == block and not row["own"])
    parts = [row for row in inside if row["own"] or row["path"].count(".") == 3]
    for name in ("params", "macs"):
        assert sum(row[name]["cells"][0]["value"] for row in parts) == total[name]["cells"][0]["value"]


def test_two_networks(costs: dict[str, cost.Cost]) -> None:
    found = {row["path"]: row for row in rows(costviews.layers([costs["plain"], costs["se"]])) if not row["own"]}
    fc1 = found["stage4.0.attention.fc1"]["params"]
    assert [fc1["cells"][0], fc1["cells"][1]["value"], fc1["difference"]["value"]] == [
        None,
        256 * 32 + 32,
        256 * 32 + 32,
    ]
    assert found["stage4.0.conv1"]["macs"]["difference"]["value"] == 0


def test_the_file_is_the_table(costs: dict[str, cost.Cost]) -> None:
    pair = {name: costs[name] for name in ("plain", "se")}
    file = costviews.file(pair, 48)
    assert file["name"] == "attnviz-plain-se-48.csv"
    assert base64.b64decode(file["data"]).decode() == cost.table(pair)


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"models": "a", "side": 96},
        {"models": [], "side": 96},
        {"models": ["a", "b", "a"], "side": 96},
        {"models": ["nose"], "side": 96},
        {"models": [["a"]], "side": 96},
        {"models": ["a"]},
        {"models": ["a"], "side": 97},
        {"models": ["a"], "side": "96"},
        {"models": ["a"], "side": True},
        {"models": ["a"], "side": [96]},
    ],
)
def test_junk_is_refused(data: object) -> None:
    with pytest.raises(OptionError):
        models.asked(data, KNOWN, (1, 96))


def test_a_request() -> None:
    assert models.asked({"models": ["b", "a"], "side": 96}, KNOWN, (96,)) == models.Request(("b", "a"), 96, False)
    assert models.asked({"models": ["a", "a"], "side": 96, "timed": True}, KNOWN, (96,)).models == ("a",)
    assert not models.asked({"models": ["a"], "side": 96, "timed": "yes"}, KNOWN, (96,)).timed


def test_the_first_pair() -> None:
    cards = attnviz.catalogue("embedded")
    assert models.first_pair(cards) == ["resnet18t-plain", "resnet18t-se"]
    assert models.first_pair(cards[2:4]) == [cards[2].id, cards[3].id]


def test_answers(analyst: Analyst) -> None:
    with gr.Blocks():
        page = models.Models(analyst)
    ask = {"models": ["resnet18t-plain", "resnet18t-gc"], "side": 96, "asked": "1"}
    *progress, (answer, layers) = page._answers(SimpleNamespace(_data=ask))  # type: ignore[arg-type]
    assert [told["progress"]["share"] for told, _ in progress] == [0, 0.5]
    assert answer["asked"] == "1"
    expected = cost.measure(attnviz.load("resnet18t-gc"), (3, 96, 96)).total
    assert [line["cells"][1]["value"] for line in answer["totals"][:2]] == [expected.params, expected.macs]
    assert layers["names"] == answer["names"] == ["ResNet-18 thin, plain", "ResNet-18 thin + GC"]
    *_, (times, _) = page._answers(SimpleNamespace(_data={**ask, "timed": True}))  # type: ignore[arg-type]
    assert all(each["value"] > 0 for each in times["latency"])
    ((refused, _),) = page._answers(SimpleNamespace(_data={"models": ["../x"], "asked": "2"}))  # type: ignore[arg-type]
    assert (refused["asked"], set(refused)) == ("2", {"asked", "said"})


def test_any_network_can_be_counted(analyst: Analyst) -> None:
    """ResNeXt-50 beside CBAM-ResNeXt-50, and a network whose weights are out of reach: counting needs none."""
    with gr.Blocks():
        page = models.Models(analyst)
    known = costviews.names(analyst)
    assert {"resnet18t-se", "random:resnext50_32x4d", "random:timm:seresnet50.a1_in1k"} <= set(known)
    request = models.asked(
        {"models": ["random:resnext50_32x4d", "random:cbam_resnext50_32x4d"], "side": 96}, tuple(known), (96,)
    )
    *_, (answer, _) = page._counted(request)
    params = next(line for line in answer["totals"] if line["name"] == "params")
    assert [cell["value"] for cell in params["cells"]] == [25_028_904, 27_561_496]
    assert params["difference"]["value"] == 2_532_592

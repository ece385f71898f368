"""Compare: a row is what the network's own explanation says; the table is the cards'."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import attnviz
from attnviz import zoo
from attnviz.errors import AttnvizError, OptionError
from attnviz.ui import compareviews
from attnviz.ui.analysis import Analyst
from attnviz.ui.names import same_class
from attnviz.ui.pages.compare import Compare, asked, chosen, compared, explained, through
from attnviz.ui.state import State
from tests.unit.ui.conftest import unpack
from tests.unit.ui.test_others import Around, brought

CARDS = attnviz.catalogue("embedded")
SMALL = "random:timm:mobilenetv3_small_100.lamb_in1k"


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
@pytest.mark.parametrize("stage", compareviews.STAGES)
def test_a_row(analyst: Analyst, card: attnviz.ModelCard, stage: str) -> None:
    view = analyst.view(State(analyst.first.source, card.id, target=2))
    row = compareviews.network(view, stage)
    explanation = view.explanation
    assert row["prediction"]["value"] == explanation.top(1)[0][2]
    assert row["class"] == card.classes[2]
    assert np.array_equal(unpack(row["cam"]), explanation.cam.map)
    assert 0 < row["milliseconds"] < 60_000
    before = [r for r in explanation.attention if r.stage <= stage]
    if not before:
        assert row["attention"] is None
        return
    assert row["attention"]["layer"] == before[-1].layer
    shown, block = unpack(row["attention"]["map"]), [r for r in before if r.layer == before[-1].layer]
    spatial = [r for r in block if r.kind in ("spatial", "context")]
    if any(r.kind == "volume" for r in block):
        (volume,) = (r for r in block if r.kind == "volume")
        assert np.allclose(shown, volume.values.mean(0), atol=1e-6)
    elif spatial:
        assert np.array_equal(shown, spatial[0].values)
    elif block[0].kind == "coordinate":
        product = torch.einsum("ch,cw->hw", *block[0].values) / len(block[0].values.h)
        assert np.allclose(shown, product, atol=1e-6)
    else:
        assert np.array_equal(shown, block[0].after)


def test_the_table_is_the_cards() -> None:
    for card, row in zip(CARDS, compareviews.table(CARDS), strict=True):
        pointing = card.metrics["pointing"]["grad_cam"]["share"]
        found = [row[name]["value"] for name in ("top1", "params", "macs", "pointing")]
        assert found == [card.top1, card.params, card.macs, pointing]
        low, high = (f"{100 * end:.1f}" for end in card.top1_interval)
        assert row["top1"]["text"] == f"{100 * card.top1:.1f}% ({low} to {high}%)"


def test_recipes_are_told_apart() -> None:
    other = replace(CARDS[0], id="other", recipe_group="another recipe", metrics={})
    rows = compareviews.table([CARDS[0], other, *CARDS[1:]])
    assert [row["id"] for row in rows] == [*(card.id for card in CARDS), "other"]
    assert rows[-1]["pointing"] is None


@pytest.mark.parametrize(
    "data", [None, {}, {"stage": "stage9"}, {"stage": ["stage1"]}, {"stage": "stage1", "target": "x"}]
)
def test_junk_is_refused(data: object) -> None:
    with pytest.raises(OptionError):
        asked(data, State("example:a", "m"))


def test_the_center_that_pointing_is_read_beside() -> None:
    counts = {card.metrics["pointing"]["center"]["count"] for card in CARDS}
    assert counts == {203}
    assert compareviews.center(CARDS) == "81.9%"
    assert compareviews.center([]) == "?"


@pytest.mark.parametrize(
    "models", [None, "resnet18t", [3], [""], ["x" * 300], {"a": 1}, [[]], ["m"] * (compareviews.MOST + 1), []]
)
def test_junk_for_networks_is_one_line(analyst: Analyst, models: object) -> None:
    with pytest.raises(OptionError) as caught:
        chosen({"models": models})
    assert "\n" not in str(caught.value)
    (answer,) = answers(analyst, models=models)
    assert (answer["rows"], answer["said"]) == ([], str(caught.value))


def test_networks_are_bounded_and_each_comes_once() -> None:
    names = [f"m{i}" for i in range(compareviews.MOST)]
    assert chosen({"models": names}) == tuple(names)
    assert chosen({"models": ["b", "a", "b"]}) == ("b", "a")


class Event:
    def __init__(self, data: Any) -> None:
        self._data = data


def answers(analyst: Analyst, **data: Any) -> list[dict[str, Any]]:
    page = Compare.__new__(Compare)
    page._analyst = analyst
    return list(page._answers(Event({"source": analyst.first.source, "stage": "stage3", "asked": "7", **data})))


def picture(analyst: Analyst) -> Any:
    return analyst.examples[analyst.first.source.partition(":")[2]].path


def test_rows_come_one_by_one_and_what_is_not_there_takes_no_other_with_it(analyst: Analyst) -> None:
    models = ["resnet18t-se", "timm:nobody", "random:resnet18t-se", "own:another", "resnet18t-nl"]
    found = answers(analyst, models=models, model="resnet18t-plain", target=4)
    assert [(each["done"], each["of"], len(each["rows"])) for each in found] == [
        (1, 5, 1), (2, 5, 1), (3, 5, 2), (4, 5, 2), (5, 5, 3),
    ]  # fmt: skip
    last = found[-1]
    assert [each["id"] for each in last["lost"]] == ["timm:nobody", "own:another"]
    assert all(each["said"].endswith(".") and "\n" not in each["said"] for each in last["lost"])
    assert [row["id"] for row in last["rows"]] == [models[0], models[2], models[4]]
    for row in last["rows"]:
        explanation = attnviz.explain(attnviz.load(row["id"]), picture(analyst), "church")
        assert np.array_equal(unpack(row["cam"]), explanation.cam.map)
        assert row["prediction"]["value"] == explanation.top(1)[0][2]
        assert row["class"] == "church"
    assert "facts" not in last["rows"][0]
    facts = last["rows"][1]["facts"]
    assert facts["id"] == models[2]
    assert facts["group"] != CARDS[0].recipe_group
    assert facts["top1"] is None


def test_a_class_is_passed_by_its_label(analyst: Analyst) -> None:
    """Imagenette's fifth class is ImageNet's 497, most of whose thousand are none of Imagenette's ten."""
    labels = attnviz.load(SMALL).classes
    church = 497
    assert labels[church] == "church, church building"
    own = State(analyst.first.source, "resnet18t-se", 4)
    label = explained(analyst, own)
    assert label == "church"
    found = [through(analyst, own, model, label).target for model in ("resnet18t-se", "random:resnet18t-plain", SMALL)]
    assert found == [4, 4, church]
    for index, expected in ((church, 4), (300, None)):
        other = State(analyst.first.source, SMALL, index)
        label = explained(analyst, other)
        assert label == labels[index]
        assert through(analyst, other, SMALL, label) == other
        assert through(analyst, other, "resnet18t-nl", label).target == expected
    assert explained(analyst, replace(own, target=None)) is None
    with pytest.raises(OptionError, match="class"):
        explained(analyst, replace(own, target=10))


def test_one_that_does_not_know_the_class_explains_its_prediction(analyst: Analyst) -> None:
    state = State(analyst.first.source, SMALL, 300)
    small, family = compared(analyst, state, [SMALL, "resnet18t-nl"])
    expected = attnviz.explain(attnviz.load(SMALL), picture(analyst), 300)
    assert np.array_equal(small.explanation.cam.signed, expected.cam.signed)
    expected = attnviz.explain(attnviz.load("resnet18t-nl"), picture(analyst))
    assert family.target == expected.target
    assert np.array_equal(family.explanation.cam.signed, expected.cam.signed)
    with pytest.raises(AttnvizError, match="no longer in memory"):
        compared(analyst, state, ["own:x"])


def test_a_network_that_is_chosen_again_is_not_run_again(analyst: Analyst, monkeypatch: pytest.MonkeyPatch) -> None:
    models = [card.id for card in CARDS[:3]]
    state = State(analyst.first.source, models[0], 4)
    before = compared(analyst, state, models)
    monkeypatch.setattr("attnviz.ui.analysis.explain", None)  # whoever calls it fails
    after = compared(analyst, state, models[::-1])
    assert [view.explanation for view in after] == [view.explanation for view in before[::-1]]


def test_what_is_offered_is_listed_and_nobodys_own(analyst: Analyst) -> None:
    secret = zoo.keep(attnviz.load("random:resnet18t-se"))
    offered = {each["id"]: each for each in compareviews.offered(analyst)}
    assert secret not in offered
    assert not any(model.startswith(zoo.OWN) for model in offered)
    assert set(analyst.cards) <= set(offered)
    assert offered["random:mobilenetv2_ca"]["name"] == "MobileNetV2 + Coordinate Attention, random weights"
    assert offered["resnet18t-se"] == {"id": "resnet18t-se", "name": "ResNet-18 thin + SE", "state": "embedded"}


@pytest.mark.parametrize(
    ("name", "labels", "found"),
    [
        ("church", ("tench", "church"), 1),
        ("church", ("tench, Tinca tinca", "church, church building"), 1),
        ("gas pump, petrol pump", ("golf ball", "gas pump"), 1),
        ("ball", ("golf ball", "ballpoint, ballpen"), None),
        ("crane", ("crane", "crane", "hoist, crane"), None),
        ("crane (1)", ("crane", "crane"), 1),
        ("maillot", ("maillot, tank suit", "maillot"), 1),
        ("drake", ("duck, drake", "drake, male"), None),
        ("church", (), None),
        ("class 3", None, None),
    ],
)
def test_the_same_class_of_another_network(name: str, labels: tuple[str, ...] | None, found: int | None) -> None:
    assert same_class(name, labels) == found


def test_a_network_that_cannot_be_explained_takes_no_other_with_it(
    analyst: Analyst, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Around(torch.nn.Identity())
    network.fc.weight.data.fill_(3e38)
    with monkeypatch.context() as patch:
        patch.setattr("tests.unit.ui.test_others.lively", lambda model: model)
        model = brought(network)
    last = answers(analyst, models=[model, "resnet18t-se", "resnet18t-eca"], model="resnet18t-se")[-1]
    assert [row["id"] for row in last["rows"]] == ["resnet18t-se", "resnet18t-eca"]
    (lost,) = last["lost"]
    assert lost["id"] == model
    assert "overflows the network" in lost["said"]
    assert model not in lost["said"]  # the key is its owner's alone

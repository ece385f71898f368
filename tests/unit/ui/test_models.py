"""What is said of models, where their weights are, and which network is shown first."""

import math
import re
from pathlib import Path
from typing import Any

import pytest

import attnviz
from attnviz.errors import AttnvizError
from attnviz.stock import entries
from attnviz.stock.downloads import download
from attnviz.ui import compareviews, links, modelviews
from attnviz.ui.analysis import FIRST, FIRST_IMAGENET, Analyst
from attnviz.ui.examples import examples
from attnviz.ui.pages.fetching import Fetching, sentence
from attnviz.ui.state import State
from tests.unit.stock.servers import Site

SE = "timm:mobilenetv3_small_100.lamb_in1k"
BUILT = "random:mobilenetv2_ca"


def put(site: Site, model_id: str) -> None:
    """Have a network's file at hand, whatever is in it."""
    site.publish(model_id.replace("timm:", "timm/"), "model.safetensors", b"weights")
    download(entries()[model_id]).result()


class TestFirst:
    def test_nothing_at_hand(self, site: Site) -> None:
        assert Analyst(examples()).first.model == FIRST

    def test_the_smallest_at_hand(self, site: Site) -> None:
        put(site, SE)
        put(site, "timm:regnety_002.pycls_in1k")
        assert Analyst(examples()).first.model == SE

    @pytest.mark.parametrize("model_id", FIRST_IMAGENET)
    def test_one_of_three_before_it(self, site: Site, model_id: str) -> None:
        put(site, SE)
        put(site, model_id)
        assert Analyst(examples()).first.model == model_id

    def test_a_large_one_is_not(self, site: Site) -> None:
        put(site, "timm:seresnet50.a1_in1k")
        assert Analyst(examples()).first.model == FIRST

    def test_a_space_brings_them(self) -> None:
        front = (Path(__file__).parents[3] / "README.md").read_text().split("---")[1]
        preloaded = re.findall(r"^  - (\S+) model\.safetensors$", front, re.MULTILINE)
        assert [f"timm:{repo.partition('/')[2]}" for repo in preloaded] == list(FIRST_IMAGENET)
        assert all(
            entries()[model_id].origins[0].repo == repo
            for model_id, repo in zip(FIRST_IMAGENET, preloaded, strict=True)
        )


class TestChoices:
    def test_every_model_is_in_one_group(self, analyst: Analyst) -> None:
        groups = modelviews.choices(analyst)
        ids = [model["id"] for group in groups for model in group["models"]]
        assert sorted(ids) == sorted([*analyst.cards, "random:cbam_resnext50_32x4d", BUILT])
        assert ids[: len(analyst.family)] == list(analyst.family)
        assert [group["name"] for group in groups][1:4] == ["ImageNet: no attention", "ImageNet: SE", "ImageNet: ECA"]

    def test_what_no_server_was_asked_about_is_open(self, analyst: Analyst, site: Site) -> None:
        put(site, SE)
        states = {model["id"]: model["state"] for group in modelviews.choices(analyst) for model in group["models"]}
        assert (states[SE], states["resnet18t-se"], states["timm:resnest14d.gluon_in1k"]) == (
            "cached",
            "embedded",
            None,
        )

    def test_where_they_are(self, site: Site) -> None:
        put(site, SE)
        site.publish("timm/seresnext26ts.ch_in1k", "model.safetensors", b"more")
        found = modelviews.reach()
        assert (found[SE], found[FIRST_IMAGENET[0]], found[FIRST_IMAGENET[1]]) == (
            "cached", "downloadable", "out of reach",
        )  # fmt: skip

    def test_captions(self, analyst: Analyst) -> None:
        family = modelviews.caption(analyst.cards["resnet18t-se"])
        assert "of Imagenette's validation photos right" in family
        listed = modelviews.caption(analyst.cards[SE])
        for part in ("2.54 M parameters", "57 M multiply-adds", "top-1 67.6%", "good for two CPUs", "Apache-2.0"):
            assert part in listed
        typed = attnviz.zoo.find("timm:test_resnet.r160_in1k")
        assert typed is not None
        assert math.isnan(typed.card.top1)
        assert "top-1 not measured" in modelviews.caption(typed.card)
        built = attnviz.load(BUILT).card
        assert modelviews.caption(built).startswith("Random weights: 3.95 M parameters")
        assert modelviews.model_name(built) == "MobileNetV2 + Coordinate Attention, random weights"
        assert modelviews.model_name(attnviz.load("random:resnet18t-se").card).endswith("SE, random weights")

    def test_the_banner(self, analyst: Analyst) -> None:
        assert modelviews.banner(analyst.view(analyst.first)) is None
        view = analyst.view(State(analyst.first.source, "random:resnet18t-se"))
        assert modelviews.banner(view) == "Random weights: nothing here was learned."


class Event:
    def __init__(self, data: Any) -> None:
        self._data = data


def fetched(analyst: Analyst, data: Any) -> list[dict[str, Any]]:
    return list(Fetching(analyst)._fetch(Event(data)))


class TestFetching:
    def test_progress_in_bytes_and_then_it_is_there(self, analyst: Analyst, site: Site) -> None:
        site.publish("timm/mobilenetv3_small_100.lamb_in1k", "model.safetensors", bytes(3_000_000))
        answers = fetched(analyst, {"id": SE, "name": "it", "serial": 4})
        assert all(answer["serial"] == 4 for answer in answers)
        assert answers[0]["progress"]["text"] == "it: looking for it …"
        assert answers[-1]["there"]
        assert modelviews.arriving("it", 1_500_000, 3_000_000) == {"share": 0.5, "text": "it: 1.5 MB of 3.0 MB"}

    def test_what_is_at_hand_asks_no_server(self, analyst: Analyst, site: Site) -> None:
        put(site, SE)
        site.log.clear()
        assert fetched(analyst, {"id": SE, "name": "it"})[-1]["there"]
        assert fetched(analyst, {"id": f"random:{FIRST_IMAGENET[0]}", "name": "it"})[-1]["there"]
        assert site.log == []

    def test_canceled_by_its_key(self, analyst: Analyst, site: Site) -> None:
        site.publish("timm/mobilenetv3_small_100.lamb_in1k", "model.safetensors", bytes(3_000_000))
        site.mood.trickle = 1_000_000
        fetching = Fetching(analyst)
        answers = fetching._fetch(Event({"id": SE, "name": "it", "serial": 1}))
        key = next(answers)["key"]
        next(answers)
        for junk in (None, {}, 3, "other", ["a"]):
            fetching.cancel(junk)
        assert fetching._running
        fetching.cancel(key)
        last = list(answers)[-1]
        assert not last["there"]
        assert "canceled" in last["said"]
        assert not fetching._running
        site.mood.more.release(10)

    @pytest.mark.parametrize("data", [None, {}, {"id": 3, "name": "a"}, {"id": "timm:" + "x" * 300, "name": "a"}])
    def test_junk(self, analyst: Analyst, data: Any) -> None:
        (answer,) = fetched(analyst, data)
        assert "does not exist" in answer["said"]

    @pytest.mark.parametrize("model_id", ["nobody", "timm:nobody"])
    def test_ids_that_there_are_not(self, analyst: Analyst, model_id: str) -> None:
        answer = fetched(analyst, {"id": model_id, "name": "it"})[-1]
        assert not answer["there"]
        assert "\n" not in answer["said"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("the file is empty", "The file is empty."),
        ("timm:a.b is out of reach.", "timm:a.b is out of reach."),
        ("stage1.attention: no means", "stage1.attention: no means."),
        ("zebra, of all", "Zebra, of all."),
    ],
)
def test_a_line_as_a_sentence(line: str, said: str) -> None:
    assert sentence(AttnvizError(line)) == said


class TestLinks:
    def test_a_model_that_is_not_at_hand_is_named(self, analyst: Analyst, site: Site) -> None:
        assert links.away({"model": SE}, analyst) == SE
        put(site, SE)
        assert links.away({"model": SE}, analyst) is None
        for model in ("resnet18t-se", f"random:{FIRST_IMAGENET[0]}", "nobody", "timm:nobody", "own:abc", "own", ""):
            assert links.away({"model": model}, analyst) is None

    def test_classes_of_the_same_name_make_the_round_trip(self, analyst: Analyst) -> None:
        view = analyst.view(State(analyst.first.source, f"random:{SE}", target=517, against=134))
        written = links.write(view)
        assert (written["class"], written["against"]) == ("crane (517)", "crane (134)")
        found, lost = links.read(written, analyst.first, analyst)
        assert (found.state, lost) == (view.state, [])

    def test_unknown_ids_fall_back(self, analyst: Analyst) -> None:
        for model in ("timm:nobody", "own:abc", "random:nobody"):
            view, lost = links.read({"model": model}, analyst.first, analyst)
            assert (view.state.model, lost) == (analyst.first.model, ["model"])


class TestCompare:
    @pytest.mark.parametrize(("stage", "depth"), [("stage1", 3), ("stage2", 5), ("stage4", 9)])
    def test_stages_of_other_names(self, analyst: Analyst, stage: str, depth: int) -> None:
        """Of nine blocks the third, the fifth and the last: a quarter, a half and the whole way, rounded up."""
        view = analyst.view(State(analyst.first.source, f"random:{SE}", target=300))
        row = compareviews.network(view, stage)
        layers = list(dict.fromkeys(record.layer for record in view.explanation.attention))
        assert len(layers) == 9
        assert row["attention"]["layer"] == layers[depth - 1]
        assert row["box"] != [0, 0, 1, 1]
        table = compareviews.table([view.card])
        assert table[0]["top1"] is None

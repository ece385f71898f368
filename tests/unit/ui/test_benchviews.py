"""Bench: what the page is told is what was counted; a browser's values are checked, and the mechanism has its say."""

import json
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from attnviz import bench
from attnviz.bench import Setting
from attnviz.errors import OptionError
from attnviz.ui import benchviews
from attnviz.ui.pages.bench import Bench


def request(**changes: Any) -> dict[str, Any]:
    settings = [
        {"mechanism": "SE", "options": {"reduction": 8}},
        {"mechanism": "GC", "options": {"fusions": ["channel_mul"]}},
    ]
    return {"settings": settings, "channels": 64, "height": 7, "width": 9, **changes}


def first(**changes: Any) -> dict[str, Any]:
    return request(settings=[{"mechanism": "SE", "options": {}} | changes, {"mechanism": "SE", "options": {}}])


def test_a_request() -> None:
    assert benchviews.asked(request()) == (
        Setting("SE", {"reduction": 8}, 64, 7, 9),
        Setting("GC", {"fusions": ("channel_mul",)}, 64, 7, 9),
    )


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        request(settings=None),
        request(settings=[{"mechanism": "SE", "options": {}}]),
        request(settings=["SE", "ECA"]),
        request(channels=10**400),
        request(channels={"a": 1}),
        request(height="9" * 50),
        first(mechanism="Mechanism"),
        first(mechanism=["SE"]),
        first(mechanism="__class__"),
        first(options=[]),
        first(options={"__init__": 1}),
        first(options={"reduction": 10**12}),
        first(options={"squeeze": "x" * 41}),
        first(options={"squeeze": ["avg"] * 3}),
        first(options={"squeeze": [1]}),
        first(options={"squeeze": []}),
        first(options={"squeeze": {"avg": 1}}),
    ],
)
def test_junk_is_refused(data: object) -> None:
    with pytest.raises(OptionError, match="does not exist") as caught:
        benchviews.asked(data)
    assert len(str(caught.value)) < 120


def test_every_option_can_be_chosen() -> None:
    found = {each["name"]: each for each in benchviews.choices()}
    assert set(found) == set(bench.MECHANISMS)
    for name, each in found.items():
        assert [o["name"] for o in each["options"]] == [o.name for o in bench.options(name)]
        for option, known in zip(each["options"], bench.options(name), strict=True):
            assert option["value"] == known.default
            values = [json.loads(text) for text, _ in option["choices"]]
            assert [tuple(v) if isinstance(v, list) else v for v in values] == list(known.choices)
            if known.choices:  # the page finds the default by the text that JSON.stringify writes
                assert json.dumps(known.default, separators=(",", ":")) in [text for text, _ in option["choices"]]


def test_what_is_shown() -> None:
    settings = (Setting("SE", {}, 32, 5, 4), Setting("ECA", {"kernel": 7}, 32, 5, 4))
    shown = benchviews.bench(settings, [bench.measure(each) for each in settings])
    assert shown["names"] == ["A: SE", "B: ECA"]
    values = {line["name"]: [cell["value"] for cell in line["cells"]] for line in shown["totals"]}
    assert values["params"] == [2 * 32 * 2 + 2 + 32, 7]
    assert values["macs"] == [2 * 32 * 2, 7 * 32]
    assert [line["difference"]["value"] for line in shown["totals"]] == [b - a for a, b in values.values()]
    assert [step["shape"] for step in shown["sides"][0]["steps"]] == ["32", "2", "2", "32", "32", "32×5×4"]
    assert shown["sides"][1]["input"] == "32×5×4"
    assert all(step["formula"].startswith("<math") for side in shown["sides"] for step in side["steps"])


def test_curves() -> None:
    settings = (Setting("SK", {}, 64, 8, 8), Setting("SE", {}, 64, 8, 8))
    shown = benchviews.growth(settings, [bench.growth(each) for each in settings])
    channels, positions = shown["ways"]
    assert channels["sizes"] == ["16", "32", "64", "128", "256"]
    assert positions["sizes"] == ["2×2", "4×4", "8×8", "16×16", "32×32"]
    assert "does not divide" in channels["lines"][0][0]["refused"]
    assert [point["macs"]["value"] for point in channels["lines"][1]] == [
        2 * c * (c // 16) for c in (16, 32, 64, 128, 256)
    ]


def test_a_refusal_is_the_mechanism_s_own_line() -> None:
    with gr.Blocks():
        page = Bench()
    answer, _ = page._answer(SimpleNamespace(_data=first(options={"reduction": 512}) | {"asked": "7"}))  # type: ignore[arg-type]
    assert answer["asked"] == "7"
    assert answer["said"].startswith("SE: 64 channels with reduction 512 leave no hidden unit")
    assert set(answer) == {"asked", "said"}

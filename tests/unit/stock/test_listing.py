"""Listing costs no heavy import, through Python or from the command line."""

import json
import os
import subprocess
import sys

import pytest

import attnviz
from attnviz.errors import OptionError
from attnviz.stock import FAMILY, entries

HEAVY = ("torch", "torchvision", "timm", "pytorchcv", "gradio", "numpy")
LEFT = f"import sys; print([name for name in {HEAVY} if name in sys.modules])"


def run(*arguments: str) -> str:
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


WAYS = {
    "python": "import attnviz; assert len(attnviz.catalogue()) == 34",
    "command line": """
from typer.testing import CliRunner
from attnviz.cli import app
assert CliRunner().invoke(app, ["models"]).exit_code == 0""",
}


@pytest.mark.parametrize("work", WAYS.values(), ids=WAYS)
def test_nothing_heavy_is_imported(work: str) -> None:
    assert run("-c", f"{work}\n{LEFT}").splitlines()[-1] == "[]"


def test_the_table_has_a_line_for_each() -> None:
    header, *lines = run("-m", "attnviz", "models").splitlines()
    assert header.split() == ["id", "mechanism", "source", "params", "size", "top-1", "availability"]
    assert [line.split()[0] for line in lines] == [*FAMILY, *entries()]
    line = next(line for line in lines if line.startswith("timm:bat_resnext26ts.ch_in1k"))
    assert " ".join(line.split()) == "timm:bat_resnext26ts.ch_in1k * BAT timm 10.73 M 43 MB 78.28% out of reach"


def test_json_holds_the_cards() -> None:
    found = json.loads(run("-m", "attnviz", "models", "--json"))
    assert [each["id"] for each in found] == [*FAMILY, *entries()]
    by_id = {each["id"]: each for each in found}
    card = entries()["timm:seresnext26ts.ch_in1k"].card
    row = by_id[card.id]
    assert (row["params"], row["macs"], row["top1"], row["light"]) == (card.params, card.macs, card.top1, True)
    assert row["availability"] == "out of reach"
    assert by_id["resnet18t-se"]["availability"] == "embedded"


def test_those_of_one_availability_alone() -> None:
    assert [card.id for card in attnviz.catalogue("embedded")] == list(FAMILY)
    with pytest.raises(OptionError, match="no availability 'near'; there are embedded, cached, downloadable, out of "):
        attnviz.catalogue("near")

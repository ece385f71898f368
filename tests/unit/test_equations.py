"""What stands in a formula is true: every equation, of every mechanism and option, is evaluated as it reads."""

import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from latex2mathml.converter import convert
from torch import nn

import attnviz
from attnviz import Explanation
from attnviz.equations import equations, latex
from attnviz.errors import OptionError
from attnviz.mechanisms import SE, Mechanism
from tests.unit.capture.networks import picture, tapped
from tests.unit.mechanisms.helpers import CASES, MECHANISMS, Case

PICTURES = [case for case in CASES if case.dims == 2]
PLANE = (6, 5)


def explained(case: Case) -> Explanation:
    backbone = attnviz.instrument(nn.Sequential(case.build()))
    return attnviz.explain(backbone, case.input(1, PLANE))


def sigma(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def value(text: str) -> float:
    """A side of an equation, by the rules of arithmetic."""
    code = text.replace(r"\cdot", "*").replace(r"\sigma", "sigma").replace(r"\max", "max")
    code = re.sub(r"e\^\{([^{}]*)\}", r"exp(\1)", code)
    assert not re.search(r"[\\^_{}<>]", code), text
    return float(eval(code, {"sigma": sigma, "exp": math.exp, "max": max, "__builtins__": {}}))


def sides(equation: str) -> list[str]:
    """The sides that hold numbers alone: all but the symbol on the left."""
    first, *rest = equation.split(" = ")
    symbolic = re.search(r"[A-Za-z]", first.replace(r"\cdot", "")) is not None
    return rest if symbolic else [first, *rest]


@pytest.mark.parametrize("case", PICTURES, ids=str)
def test_every_equation_holds(case: Case) -> None:
    explanation = explained(case)
    output = explanation.features("0")[1]
    joined = 0
    for channel, row, column in ((0, 0, 0), (case.channels - 1, 1, 1), (case.channels // 2, 0, 1)):
        found = equations(explanation, "0", channel, (row, column), show=lambda number: f"{number:.9f}")
        for name, equation in found.items():
            numbers = [value(side) for side in sides(equation)]
            assert numbers, (name, equation)
            assert numbers == pytest.approx([numbers[-1]] * len(numbers), abs=1e-5), (name, equation)
            joined += len(numbers) > 1
        last = explanation.steps("0")[-1].name
        assert value(sides(found[last])[-1]) == pytest.approx(float(output[channel, row, column]), abs=1e-6)
    assert joined >= 3, "an equation that only names its result explains nothing"


@pytest.mark.parametrize("case", PICTURES, ids=str)
def test_the_last_number_is_the_steps_own(case: Case) -> None:
    explanation, (c, i, j) = explained(case), (case.channels - 1, 1, 0)
    found = equations(explanation, "0", c, (i, j), show=repr)
    columns = explanation.features("0")[1].shape[2]
    special = {
        "select": (0, c), "share": (0, c), "affinity": (i * columns + j,),
        "pool h": (c, i, 0), "pool w": (c, j, 0), "gate h": (c, i, 0), "gate w": (c, 0, j),
    }  # fmt: skip
    for step in explanation.steps("0"):
        if step.name in found:
            single = len(step.value) == 1 and step.value.dim() == 3
            index = special.get(step.name, (c, i, j)[: step.value.dim()] if not single else (0, i, j))
            assert value(sides(found[step.name])[-1]) == float(step.value[index].amax()), step.name


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_equations_name_steps(mechanism: type[Mechanism]) -> None:
    """No equation is lost because its step is called otherwise."""
    named: set[str] = set()
    written: set[str] = set()
    for case in (case for case in PICTURES if case.mechanism is mechanism):
        block = case.build()
        named |= {step.name for step in block.steps(case.input(1, PLANE))}
        written |= set(block.equations())
    assert written <= named


@pytest.mark.parametrize("model_id", ["resnet18t-cbam", "resnet18t-sk", "resnet18t-nl", "resnet18t-ca", "resnet18t-gc"])
def test_they_are_latex_that_a_page_can_draw(model_id: str) -> None:
    explanation = attnviz.explain(tapped(model_id), picture())
    for equation in equations(explanation, explanation.attention[0].layer, 3, (2, 1)).values():
        assert "<" not in equation
        assert convert(equation).startswith("<math")


def test_numbers_for_people() -> None:
    assert [latex(x) for x in (0.5, -12.345, 1234.5, 0.00001234, -5e-9, 0.0)] == [
        "0.5", "-12.3", r"1.23 \cdot 10^{3}", r"1.23 \cdot 10^{-5}", r"-5 \cdot 10^{-9}", "0",
    ]  # fmt: skip


def test_negative_numbers_stand_in_brackets() -> None:
    block = SE(2, reduction=2)
    with torch.no_grad():
        block.fc2.bias.fill_(-1.0)
        block.fc2.weight.zero_()
    explanation = attnviz.explain(attnviz.instrument(nn.Sequential(block)), -torch.ones(1, 2, 3, 3))
    found = equations(explanation, "0", 1, (0, 2))
    assert found["gate"] == r"s_{1} = \sigma(-1) = 0.269"
    assert found["scale"] == r"\tilde{x}_{1}(0,2) = 0.269 \cdot (-1) = -0.269"


@pytest.mark.parametrize(("channel", "position"), [
    (-1, (0, 0)), (12, (0, 0)), (0, (6, 0)), (0, (0, 5)), (0, (-1, 0)), (0, (0,)), (0, 5), (0, (0, 0, 0)),
    (0, (0.5, 0)), (1.5, (0, 0)), ("a", (0, 0)),
])  # fmt: skip
def test_places_that_are_not_there(channel: Any, position: Any) -> None:
    with pytest.raises(OptionError, match="12 channels on 6x5") as caught:
        equations(explained(Case(SE, 12, {"reduction": 3})), "0", channel, position)
    assert "\n" not in str(caught.value)


def test_places_in_numpys_numbers_and_in_a_list() -> None:
    explanation = explained(Case(SE, 12, {"reduction": 3}))
    expected = equations(explanation, "0", 3, (1, 2))
    assert equations(explanation, "0", np.int64(3), [np.int32(1), np.int64(2)]) == expected

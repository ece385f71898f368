"""The steps of a block that is read by what flows: its paper's own, or the operations that were recorded."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from attnviz import flow, mechanisms
from attnviz.flow.read import value_at
from attnviz.flow.reader import Reader
from attnviz.flow.sight import Named, Point
from attnviz.mechanisms import Mechanism, Step
from attnviz.mechanisms.se import ESE

Changes = Mapping[Point, Callable[[Tensor], Tensor]]
LABELED: Mapping[str, type[Mechanism]] = {
    each.label: each
    for each in (*vars(mechanisms).values(), ESE)
    if isinstance(each, type) and issubclass(each, Mechanism) and each is not Mechanism
}
LETTERS = {"channel": "c", "row": "i", "column": "j", "row x column": "l", "branch": "m", "1": "1"}
WIDTH = 64  # channels of a mechanism that is made for its formulas alone


@dataclass(frozen=True)
class Outline:
    """What a paper says of a block: its formula and source, its steps' formulas and their equations, by step's name."""

    formula: str
    citation: str
    paper: str
    steps: Mapping[str, str]
    equations: dict[str, str]


def outline(block: flow.Block) -> Outline | None:
    """The outline of a block's paper, with the choices that the block makes; None where it has not all of its steps."""
    if block.paper is None or block.mechanism not in LABELED:
        return None
    found = _outline(block.mechanism or "", block.paper.options)
    return found if {each.name for each in block.paper.steps[0]} <= found.steps.keys() else None


@cache  # a network has many blocks of one kind
def _outline(mechanism: str, choices: tuple[tuple[str, Any], ...]) -> Outline:
    make: Any = LABELED[mechanism]
    options = dict(choices)
    factor = options.pop("factor", None)
    with torch.device("meta"):  # formulas and no numbers
        made = make(WIDTH, **options).eval()
        made = made if factor is None else made.scale_by(factor)
        steps = {step.name: step.formula for step in made.steps(torch.zeros(1, WIDTH, 4, 4))}
    return Outline(made.formula, made.citation, made.paper, steps, made.equations())


def steps(
    model: nn.Module, block: flow.Block, paper: Outline | None, x: Tensor, call: int, changes: Changes
) -> tuple[Step, ...]:
    """A block's steps for a network's input, with the edits, the batch in front: its paper's, where it has all of
    them, else the operations.
    """
    if paper is None or block.paper is None:
        return recorded(model, block, x, call, changes)
    return tuple(_of_paper(model, block, paper, block.paper.steps[call], x, changes))


def _of_paper(
    model: nn.Module, block: flow.Block, paper: Outline, named: tuple[Named, ...], x: Tensor, changes: Changes
) -> list[Step]:
    reader = Reader(model, tuple(dict.fromkeys(point for each in named for point in each.points)), changes)
    with flow.quiet(model), reader.watching():
        model(x.clone())
    values = {each: [value_at(reader, block, point) for point in each.points] for each in named}
    return [Step(each.name, paper.steps[each.name], each.shaped(values[each]), each.form) for each in named]


def recorded(model: nn.Module, block: flow.Block, x: Tensor, call: int, changes: Changes) -> tuple[Step, ...]:
    """A block's operations for a network's input, with the edits, as steps: the batch in front."""

    def edited() -> AbstractContextManager[Reader]:
        return Reader(model, (), changes).watching()

    steps: list[Step] = []
    names: dict[str, int] = {}
    for each in flow.steps(model, block, x, call=call, around=edited):
        names[each.name] = names.get(each.name, 0) + 1
        name = each.name if names[each.name] == 1 else f"{each.name} {names[each.name]}"
        value, letters = _shown(each, block.after[0].layout.shape[0])
        steps.append(Step(name, f"{each.symbol} = {each.formula}", value[None], letters))
    return tuple(steps)


def _shown(step: flow.Step, channels: int) -> tuple[Tensor, str]:
    """A step's value, without axes of one entry, and the letters of its axes (``Mechanism.axes_of``); "" where no
    letter says what one is.
    """
    letters = "".join(LETTERS.get(name, "?") for name in step.axes)
    value, letters = (
        step.value.reshape([n for n, each in zip(step.value.shape, letters, strict=True) if each != "1"]),
        letters.replace("1", ""),
    )
    if letters == "ij":
        return value[None], "1ij"
    if letters == "ll":
        return value, "qk"
    if "c" in letters and value.shape[letters.index("c")] != channels:
        letters = {"c": "h", "cij": "mij"}.get(letters, "")
    return value, "" if set(letters) & set("?l") else letters

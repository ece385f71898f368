"""The table of rules: for an operation's name, what the axes of its outputs mean.

A rule takes an ``Op`` whose inputs are labeled and gives a label for each output; None in place of a label (or of
all) where it cannot say. To add one, write such a function in the file that fits and put ``@axes("name", ...)``
above it; ``docs/flow.md`` has an example.
"""

from collections.abc import Callable, Sequence
from typing import Any

from attnviz.flow.atoms import Label
from attnviz.flow.graph import Op, Value

Labels = Sequence[Label | None] | None
Rule = Callable[[Op], Labels]
RULES: dict[str, Rule] = {}


def axes(*names: str) -> Callable[[Rule], Rule]:
    """Put a rule into the table under the ATen names that it holds for."""

    def put(rule: Rule) -> Rule:
        for name in names:
            RULES[name] = rule
        return rule

    return put


def dims(given: Any, rank: int) -> list[int]:
    """Axes as an operation was given them (a number, several, or none for all), counted from the front."""
    if given is None or given == []:
        return list(range(rank))
    listed = given if isinstance(given, list | tuple) else [given]
    return [int(each) % rank if rank else 0 for each in listed]


def source(op: Op) -> Value:
    """The operation's first tensor."""
    return op.inputs[0]

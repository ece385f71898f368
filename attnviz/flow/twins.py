"""Values that hold the same because the same was computed of the same: code that is written twice."""

from typing import Any

from attnviz.flow.graph import Graph, Op, Value
from attnviz.flow.record import RANDOM


def twins(graph: Graph) -> dict[int, int]:
    """For each value's id that of the first value which holds the same."""
    first: dict[Any, Op] = {}
    same: dict[int, int] = {}
    for op in graph.ops:
        if op.name in RANDOM:
            continue
        known = first.setdefault((op.func or op.name, _key(op.args, same), _key(sorted(op.kwargs.items()), same)), op)
        for value, twin in zip(op.outputs, known.outputs, strict=False):
            same[value.id] = same.get(twin.id, twin.id)
    return same


def _key(argument: Any, same: dict[int, int]) -> Any:
    if isinstance(argument, Value):
        return "value", same.get(argument.id, argument.id)
    if isinstance(argument, list | tuple):
        return tuple(_key(each, same) for each in argument)
    return repr(argument)

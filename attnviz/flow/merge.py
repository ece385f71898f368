"""Blocks that are written as two modules beside or after each other (CBAM, scSE): one block with their parts."""

from attnviz.flow.block import NETWORK, Holder, same
from attnviz.flow.claim import Found
from attnviz.flow.graph import Frame, Graph, Value, within
from attnviz.flow.name import name
from attnviz.flow.terms import MIXERS
from attnviz.mechanisms import Kind

JOINED = frozenset({"add", "maximum", "max", "mul"})


def merged(found: Found, made: list[Holder]) -> list[Holder]:
    """The blocks, with the halves of one mechanism put together where their module holds one such pair."""
    by_parent: dict[Frame, list[tuple[Holder, Holder]]] = {}
    for one in made:
        for two in made:
            parent = _parent(one)
            if one.first < two.first and parent is not None and parent == _parent(two) and _halves(found, one, two):
                by_parent.setdefault(parent, []).append((one, two))
    out = list(made)
    for parent, pairs in by_parent.items():
        if len(pairs) != 1:
            continue
        [(one, two)] = pairs
        if _beside(found.graph, parent, [one.frame, two.frame]) and parent == NETWORK:
            continue
        if any(holder.frame == parent for holder in out):
            continue
        whole = Holder(parent, [*one.parts, *two.parts], frames=[one.frame, two.frame])
        out[out.index(one)] = whole
        out.remove(two)
    return out


def _parent(holder: Holder) -> Frame | None:
    stack = holder.parts[0].claim.op.stack
    place = stack.index(holder.frame) if holder.frame in stack else 0
    return stack[place - 1] if place else None


def _halves(found: Found, one: Holder, two: Holder) -> bool:
    """Whether two blocks are a channel gate and a map of one mechanism, and the features go from one to the other or
    to both.
    """
    kinds = {part.kind for holder in (one, two) for part in holder.parts}
    if kinds != {Kind.CHANNEL, Kind.SPATIAL} or len(one.parts) != 1 or len(two.parts) != 1:
        return False
    names = {name(one), name(two)}
    first, second = one.parts[0].claim, two.parts[0].claim
    if names == {"CBAM"}:
        return same(second.features) is same(first.out)
    if "sSE" in names and names & {"SE", "eSE"}:
        return same(second.features) is same(first.features) and _met(found.graph, first.out, second.out)
    return False


def _met(graph: Graph, one: Value, two: Value) -> bool:
    return any(
        op.name in JOINED and {same(value) for value in op.inputs} >= {same(one), same(two)}
        for op in graph.users[one.id]
    )


def _beside(graph: Graph, parent: Frame, frames: list[Frame]) -> bool:
    """Whether a module has layers besides those of two it calls."""
    return any(
        op.name in MIXERS and within(op, parent) and not any(within(op, frame) for frame in frames) for op in graph.ops
    )

"""Labeling: what each axis of each value means, operation by operation, from the inputs on."""

from collections.abc import Sequence

from attnviz.flow.atoms import (
    BATCH,
    COLUMNS,
    DEPTH,
    FEATURE,
    ROWS,
    UNKNOWN,
    WEIGHT,
    Atom,
    Axis,
    Label,
    derived,
    is_batch,
    kinds,
    new,
    size_of,
)
from attnviz.flow.graph import Graph, Op, Value
from attnviz.flow.rules import RULES

MIXING = frozenset({"convolution", "addmm", "mm", "mkldnn_rnn_layer", "as_strided", "_fft_r2c", "unfold"})
SIGNAL = frozenset({"as_strided", "_fft_r2c", "unfold"})
GRIDS = {1: (ROWS,), 2: (ROWS, COLUMNS), 3: (DEPTH, ROWS, COLUMNS)}


def label(graph: Graph) -> None:
    """Give every value of a graph its label. Operations without a rule are counted in ``graph.unruled``."""
    for value in graph.values:
        if value.op is None:
            value.label = weights(value.shape)
    for value in graph.inputs:
        meanings = _meanings(graph, value)
        value.label = tuple(
            (Atom(kind, size),) if size > 1 or kind == BATCH else ()
            for kind, size in zip(meanings, value.shape, strict=True)
        )
    for op in graph.ops:
        apply(graph, op)


def apply(graph: Graph, op: Op) -> None:
    """Label what an operation gives by its rule, and mend what the rule left open."""
    if not op.live:
        for value in op.outputs:
            value.label = weights(value.shape)
        return
    rule = RULES.get(op.name)
    try:
        labels: Sequence[Label | None] = (rule(op) if rule else None) or [None] * len(op.outputs)
    except (ArithmeticError, IndexError, KeyError, TypeError, ValueError, AssertionError):
        labels = [None] * len(op.outputs)  # a form of the operation that the rule was not written for
    depends = any(value.depends for value in op.outputs)  # a new buffer means nothing yet
    used = [(found, value) for found, value in zip(labels, op.outputs, strict=False) if graph.users[value.id]]
    known = rule is not None and len(labels) <= len(op.outputs) and all(_fits(found, value) for found, value in used)
    op.guessed = depends and not known
    if op.guessed:
        graph.unruled[op.name] += 1
    for value, found in zip(op.outputs, labels, strict=False):
        if value.op is op:
            value.label = _fitting(value, found if found is not None and _fits(found, value) else guess(op, value))
    for value in op.outputs[len(labels) :]:
        value.label = guess(op, value)


def _fits(found: Label | None, value: Value) -> bool:
    """Whether a rule said what each axis of a value means."""
    return found is not None and len(found) == len(value.shape)


def weights(shape: Sequence[int]) -> Label:
    """The label of what does not hang on the input."""
    return tuple(new(WEIGHT, size) for size in shape)


def _fitting(value: Value, found: Label) -> Label:
    """The label with each axis as long as the value's."""
    return tuple(
        axis if size_of(axis) == size and (size > 1 or is_batch(axis)) else derived(axis, size, "resized")
        for axis, size in zip(found, value.shape, strict=True)
    )


def guess(op: Op, value: Value) -> Label:
    """The label of what no rule knows: an axis of the same place and length is the same axis, else one unknown."""
    if not value.depends:
        return weights(value.shape)
    for source in op.live:
        if len(source.shape) == len(value.shape):
            pairs = zip(source.label, source.shape, value.shape, strict=True)
            return tuple(axis if had == size else derived(axis, size, op.name) for axis, had, size in pairs)
    return tuple(
        (Atom(BATCH, size),) if i == 0 and op.live[0].shape[:1] == (size,) else new(UNKNOWN, size)
        for i, size in enumerate(value.shape)
    )


# The network's inputs


def _meanings(graph: Graph, value: Value) -> str:
    """A letter for each axis of an input: told by the first operation that mixes its entries."""
    rank = len(value.shape)
    if rank == 0:
        return ""
    probe = tuple((Atom(str(axis), size),) if size > 1 else () for axis, size in enumerate(value.shape))
    found = _first_mix(graph, value, probe)
    told = _told(*found, rank) if found else {}
    if value.whole:
        told = {axis: (ROWS, COLUMNS, DEPTH)[axis - 1] for axis in range(1, min(rank, 4))}
    usual = {1: "", 2: "f", 3: "fr", 4: "frc", 5: "fdrc"}.get(rank, UNKNOWN * (rank - 1))
    if told and FEATURE in told.values():
        usual = usual.replace(FEATURE, UNKNOWN) if FEATURE not in told.get(1, FEATURE) else usual
    return BATCH + "".join(told.get(axis, usual[axis - 1]) for axis in range(1, rank))


def _first_mix(graph: Graph, value: Value, probe: Label) -> tuple[Op, Value, Label] | None:
    """The first operation that mixes entries of an input, what it takes, and how the input's axes lie in that."""
    labels = {value.id: probe}
    kept = [each.label for each in graph.values]
    value.label = probe
    try:
        for op in graph.ops:
            reached = next((each for each in op.inputs if each.id in labels), None)
            if reached is None:
                continue
            if op.name in MIXING:
                return op, reached, labels[reached.id]
            apply(graph, op)
            labels.update({each.id: each.label for each in op.outputs})
    finally:
        for each, was in zip(graph.values, kept, strict=True):
            each.label = was
        graph.unruled.clear()
    return None


def _told(op: Op, value: Value, lies: Label, rank: int) -> dict[int, str]:
    """What the first mixing operation says of the input's axes, by axis."""

    def origins(axis: Axis) -> list[int]:
        return [int(kind) for kind in sorted(kinds(axis)) if kind.isdigit()]

    told: dict[int, str] = {}
    if op.name in SIGNAL:
        return {rank - 1: ROWS} if rank <= 3 else {}
    if op.name == "convolution" and op.inputs[0] is value:
        grid = GRIDS.get(len(lies) - 2, ())
        for kind, axis in zip((FEATURE, *grid), lies[1:], strict=False):
            told.update(dict.fromkeys(origins(axis), kind))
        told.update(dict.fromkeys(origins(lies[0]), DEPTH))
    elif op.name in ("mm", "addmm", "mkldnn_rnn_layer") and rank <= 3:
        told.update(dict.fromkeys(origins(lies[-1]), FEATURE))
        told.update({axis: ROWS for each in lies[:-1] for axis in origins(each)})
    told.pop(0, None)
    return told


def positions(graph: Graph, start: Value, end: Value) -> list[set[int]]:
    """For each axis of a value, the axes of an earlier one that it is made of, by following probes in their place.

    Labels cannot tell: queries and keys of an affinity are the same places.
    """
    probes = [Atom(kinds(axis) or UNKNOWN, size) for axis, size in zip(start.label, start.shape, strict=True)]
    batch = [BATCH in atom.kinds for atom in probes]
    kept = [value.label for value in graph.values]
    unruled = dict(graph.unruled)
    start.label = tuple((probe,) if probe.size > 1 or first else () for probe, first in zip(probes, batch, strict=True))
    changed = {start.id}
    low, high = (start.op.id + 1 if start.op else 0), (end.op.id + 1 if end.op else 0)
    try:
        for op in graph.ops[low:high]:
            if any(value.id in changed for value in op.inputs) and end.ancestors >> op.id & 1:
                apply(graph, op)
                changed |= {value.id for value in op.outputs}
        found = {probe.id: axis for axis, probe in enumerate(probes)}
        return [{found[atom.root.id] for atom in axis if atom.root.id in found} for axis in end.label]
    finally:
        graph.unruled.clear()
        graph.unruled.update(unruled)
        for value, was in zip(graph.values, kept, strict=True):
            value.label = was

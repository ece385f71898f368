"""Axes through what puts tensors together, and what picks entries by number."""

from typing import NamedTuple

from attnviz.flow.atoms import BRANCH, CONSTANT, UNKNOWN, Atom, Axis, derived, kinds, new
from attnviz.flow.graph import Op, Value
from attnviz.flow.rules.table import Labels, axes, source

SEARCH = 4000  # operations that are looked at for where an entry came from


@axes("cat")
def cat(op: Op) -> Labels:
    """Along the seam the axis remembers its parts; single entries put side by side are branches."""
    given = [value for value in op.args[0] if value.shape != (0,)]
    seam = op.argument(1, "dim", 0) % len(op.out.shape)
    label = []
    for i, size in enumerate(op.out.shape):
        known = [value.label[i] for value in given if value.depends and kinds(value.label[i])]
        label.append(_seam(op, given, i) if i == seam and size > 1 else (known or [given[0].label[i]])[0])
    return [tuple(label)]


def _seam(op: Op, given: list[Value], seam: int) -> Axis:
    size = op.out.shape[seam]
    if all(value.shape[seam] == 1 for value in given):
        return whole_axis(given) or new(BRANCH, size)
    meaning = frozenset(kind for value in given if value.depends for kind in kinds(value.label[seam]))
    parts = tuple((value.label[seam], value.shape[seam]) for value in given)
    key = ("cat", tuple((tuple(atom.id for atom in part), n) for part, n in parts))
    holder = next((part[0].memo for part, _ in parts if part), {})
    if key not in holder:
        holder[key] = Atom(meaning or CONSTANT, size, parts=parts)
    return (holder[key],)


@axes("stack")
def stack(op: Op) -> Labels:
    """A new axis of branches; where the entries were taken from one axis in its order, that axis again."""
    given = op.args[0]
    place = op.argument(1, "dim", 0) % len(op.out.shape)
    label = list(given[0].label)
    label.insert(place, whole_axis(given) or new(BRANCH, op.out.shape[place]))
    return [tuple(label)]


def whole_axis(given: list[Value]) -> Axis | None:
    """The axis whose entries 0, 1, ... these values were computed from, one by one and in order; or None.

    So it is with what a recurrent layer computes for each moment: the i-th hangs on entry i and on none after it
    (or, run backward, on none before it).
    """
    origins = [_taken(value) for value in given]
    order = list(range(len(given)))
    for key, first in origins[0].items():
        taken = [origin[key] for origin in origins if key in origin]
        axis, whole = key[1], first.source
        in_order = [each.last for each in taken] == order or [each.first for each in taken] == order
        if in_order and whole.shape[axis] == len(given):
            return whole.label[axis]
    return None


class Taken(NamedTuple):
    """The first and the last entry of an axis that a value hangs on, and the tensor that they were taken from."""

    first: int
    last: int
    source: Value


def _taken(value: Value) -> dict[tuple[int, int], Taken]:
    """For each axis that entries were taken from on the way to a value: which."""
    found: dict[tuple[int, int], Taken] = {}
    seen = {value.id}
    left = [value]
    while left and len(seen) < SEARCH:
        now = left.pop()
        op = now.op
        if op is None or not now.depends:
            continue
        if op.name in ("select", "unbind"):
            x = op.inputs[0]
            axis = op.argument(1, "dim", 0) % len(x.shape)
            number = op.args[2] % x.shape[axis] if op.name == "select" else op.outputs.index(now)
            key = (_origin(x).id, axis)
            known = found.get(key, Taken(number, number, x))
            found[key] = Taken(min(known.first, number), max(known.last, number), x)
            continue
        for each in op.inputs:
            if each.id not in seen:
                seen.add(each.id)
                left.append(each)
    return found


def _origin(value: Value) -> Value:
    while value.op is not None and value.op.name in ("alias", "detach"):
        value = value.op.inputs[0]
    return value


@axes("index", "index_select", "gather", "take_along_dim")
def picked(op: Op) -> Labels:
    """Entries picked by number: axes of the same length stay, others are derived where the rank is the same."""
    x, shape = source(op), op.out.shape
    if op.name == "index" and len(op.args[1]) == 1 and len(x.shape) == 1:
        return [tuple(new(UNKNOWN, size) for size in shape)]
    if op.name == "index":
        return [_indexed(x, op.args[1], shape)]
    if len(shape) != len(x.shape):
        return None
    pairs = zip(x.label, x.shape, shape, strict=True)
    return [tuple(axis if had == size else derived(axis, size, ("picked", op.id)) for axis, had, size in pairs)]


def _indexed(x: Value, indices: list[Value | None], shape: tuple[int, ...]) -> tuple[Axis, ...] | None:
    """x[:, index]: the axes that were asked for by number are replaced by the index's, in their place."""
    indices = [*indices, *[None] * (len(x.shape) - len(indices))]
    asked = [i for i, index in enumerate(indices) if index is not None]
    if not asked or asked != list(range(asked[0], asked[-1] + 1)):
        return None
    put = len(shape) - (len(x.shape) - len(asked))
    sizes = shape[asked[0] : asked[0] + put]
    merged = tuple(atom for i in asked for atom in x.label[i])
    middle = [derived(merged, size, ("index", i)) if size > 1 else () for i, size in enumerate(sizes)]
    return (*x.label[: asked[0]], *middle, *x.label[asked[-1] + 1 :])


@axes("repeat_interleave")
def interleaved(op: Op) -> Labels:
    x, shape = source(op), op.out.shape
    if len(shape) != len(x.shape):
        return None
    return [
        tuple(
            axis if had == size else (*axis, *new(CONSTANT, size // max(had, 1)))
            for axis, had, size in zip(x.label, x.shape, shape, strict=True)
        )
    ]


@axes("topk")
def top(op: Op) -> Labels:
    x = source(op)
    label = tuple(
        axis if had == size else derived(axis, size, "top")
        for axis, had, size in zip(x.label, x.shape, op.out.shape, strict=True)
    )
    return [label] * len(op.outputs)

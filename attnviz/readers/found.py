"""From gates that were seen to attention blocks: what kind each is, by its shape, and whether that is so.

A block is the module in whose forward the gates were computed. A gate's kind follows from what it varies over
where it meets the features; it is verified when that meeting, computed again from the values in their kind's
shape, gives what the network had.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Tensor

from attnviz.errors import OptionError
from attnviz.mechanisms import Kind, Mechanism, Part, Placement, Role, Step
from attnviz.readers.ops import SIGMOIDS, Seen, Use, constant, placed

HEADS = 16  # as many heads as are told apart
KINDS: dict[tuple[int, ...], Kind] = {(1, 0, 0): Kind.CHANNEL, (0, 1, 1): Kind.SPATIAL, (1, 1, 1): Kind.VOLUME}
STRIPS: dict[tuple[int, ...], int] = {(1, 1, 0): 0, (1, 0, 1): 1}


@dataclass(frozen=True, eq=False)
class Gate:
    """One gate of a block: where it comes in its forward, and how its values are laid out.

    ``take`` gives them, from what the function gave, in the shape of the kind, batch in front (an affinity:
    (B, heads, Q, K)); ``give`` is the way back, for edits.
    """

    index: int
    kind: Kind
    role: Role
    take: Callable[[Tensor], Tensor]
    give: Callable[[Tensor, Tensor], Tensor]
    channels: int
    strip: int | None = None  # of a coordinate attention: 0 along the height, 1 along the width
    heads: int = 1
    grid: tuple[int, ...] | None = None  # of an affinity's keys or a context
    plus: bool = False
    error: float = float("inf")
    of: tuple[str, tuple[int, ...]] = ("", ())  # the function that gave it, and the shape of what that gave


class Found(Mechanism):
    """Attention found by its values: it has kinds, roles and edits, and no formula of a paper."""

    formula = r"\tilde{x} = a \odot x"
    citation = ""
    paper = ""
    placement = Placement.BRANCH

    def __init__(self, label: str, gates: list[Gate]) -> None:
        super().__init__(max(gate.channels for gate in gates))
        self.label = label  # type: ignore[misc]
        self.gates = {str(gate.index): gate for gate in gates}
        self.parts = tuple(_parts(gates))
        self.error = max(gate.error for gate in gates)

    def compute(self, x: Tensor) -> Iterator[Step]:
        raise OptionError(f"{self.label} was found by its values: no formula is known for its steps")

    def steps(self, x: Tensor) -> tuple[Step, ...]:
        """None: a formula is what is not known here."""
        return ()

    def recompose(self, x: Tensor, attention: Mapping[str | None, Any]) -> Tensor:
        raise OptionError(f"{self.label} was found by its values: its output is verified where it meets the features")

    def equations(self) -> dict[str, str]:
        return {}

    def query_grid(self, grid: tuple[int, ...]) -> tuple[int, ...]:
        """Of the keys: a found affinity is square."""
        return next((gate.grid for gate in self.gates.values() if gate.grid), grid)


def blocks(seen: list[Seen], label: Callable[[str], str]) -> tuple[dict[str, Found], tuple[str, ...]]:
    """The attention blocks among what was seen in one pass, by scope, and in words what may be attention but met
    nothing that tells its kind; ``label``: what a scope's module is called.
    """
    found: dict[str, list[Gate]] = {}
    skipped = []
    for each in seen:
        gate = classify(each)
        gate = gate and replace(gate, of=(each.function, tuple(each.value.shape[1:])))
        if each.call:
            _again(found.get(each.scope, []), each, gate)
        elif gate is not None:
            found.setdefault(each.scope, []).append(gate)
        elif _gates_something(each):
            shape = " x ".join(map(str, each.value.shape[1:]))
            part = each.batch is not None and len(each.value) != each.batch
            where = " in each of many windows" if part else ""
            skipped.append(f"{each.scope}: a {each.function.strip('_')} of shape {shape}{where}")
    whole = {scope: _whole(gates) for scope, gates in found.items()}
    lone = [f"{scope}: one strip without the other" for scope in found if len(whole[scope]) < len(found[scope])]
    return {scope: Found(label(scope), gates) for scope, gates in whole.items() if gates}, (*skipped, *lone)


def _again(gates: list[Gate], seen: Seen, now: Gate | None) -> None:
    """A module that runs again has to do the same again: its gate is as good as the worst of its calls."""
    for place, gate in enumerate(gates):
        if gate.index == seen.index:
            same = now is not None and (now.kind, now.strip, now.heads, now.plus) == (
                gate.kind, gate.strip, gate.heads, gate.plus,
            )  # fmt: skip
            gates[place] = replace(gate, error=max(gate.error, now.error) if now and same else float("inf"))


def _gates_something(seen: Seen) -> bool:
    """Whether a gate that was not classified may be attention: no activation, and no classes' probabilities."""
    activation = any(use.own_input or _pointwise(seen.source, use.other) for use in seen.uses)
    classes = seen.value.dim() <= 2 and seen.function not in SIGMOIDS and not seen.uses
    return not seen.last and seen.value.dim() > 1 and not classes and not activation


def _pointwise(source: Tensor, x: Tensor | None) -> bool:
    """Whether each gate hangs on its own feature alone, by a line for each channel: x * sigmoid(v x + b)."""
    if x is None or x.dim() != 4 or source.shape != x.shape or x[0, 0].numel() == 1:
        return False
    s, f = (each.flatten(2) - each.flatten(2).mean(2, keepdim=True) for each in (source, x))
    slope = (s * f).sum(2, keepdim=True) / (f * f).sum(2, keepdim=True).clamp(min=1e-12)
    return float((s - slope * f).abs().max()) <= 1e-3 * float(s.abs().max())


def _whole(gates: list[Gate]) -> list[Gate]:
    """A block's gates; of strips, those that come as a pair."""
    strips = sorted(gate.strip for gate in gates if gate.strip is not None)
    return gates if strips in ([], [0, 1]) else [gate for gate in gates if gate.strip is None]


def classify(seen: Seen) -> Gate | None:
    """A gate's kind by its shape; None for what is no attention: activations, the classifier, what meets nothing."""
    if seen.batch is not None and len(seen.value) != seen.batch:
        return None  # of parts of the picture: windows
    for use in seen.uses:
        if use.own_input or _pointwise(seen.source, use.other):
            return None
        gate = _product(seen, use) if use.how == "product" else _matrix(seen, use)
        if gate is not None:
            return gate
    return None


def _product(seen: Seen, use: Use) -> Gate | None:
    assert use.other is not None
    assert use.gate is not None
    x, role = use.other, Role.GATE if seen.function in SIGMOIDS else Role.DISTRIBUTION
    if x.dim() == 5 and seen.axis is not None and use.gate.dim() == 5:
        return _branches(seen, use, x.shape[1], x.shape[2])
    if x.dim() != 4 or use.gate.dim() > 4 or use.result is None or use.result.shape != x.shape:
        return None
    wide = use.gate.expand_as(x)
    varies = tuple(int(not constant(wide, axis)) for axis in (1, 2, 3))
    batch, channels, height, width = x.shape
    if seen.axis is not None and varies == (1, 0, 0) and seen.value.numel() > batch * channels:
        return _branches(seen, use, seen.value.shape[seen.axis], channels)  # a branch's share, taken out of all
    kind = KINDS.get(varies)
    strip = STRIPS.get(varies)
    if (kind is None and strip is None) or (kind is not Kind.CHANNEL and not placed((height, width), seen.picture)):
        return None
    shape = [n if varied else 1 for n, varied in zip((channels, height, width), varies, strict=True)]
    if seen.value.numel() == batch * prod(shape):
        take = _reshaped(shape)
        give = _given
    elif seen.value.shape == x.shape:  # it was spread out before its sigmoid
        take = _narrowed(shape)
        give = _given_wide
    else:
        return None
    factor = take(seen.value)
    again = x * (1 + factor if use.plus else factor)
    layout = Kind.COORDINATE if kind is None else kind
    return Gate(seen.index, layout, role, take, give, channels, strip, plus=use.plus, error=_error(again, use.result))


def _branches(seen: Seen, use: Use, count: int, channels: int) -> Gate | None:
    assert seen.axis is not None
    assert use.other is not None
    axis, batch = seen.axis, len(use.other)
    if axis == 0:
        return None
    if seen.value.shape[axis] != count or seen.value.numel() != batch * count * channels:
        return None

    def take(value: Tensor) -> Tensor:
        return value.movedim(axis, 1).reshape(len(value), count, channels)

    def give(value: Tensor, like: Tensor) -> Tensor:
        moved = like.movedim(axis, 1)
        return value.reshape(moved.shape).movedim(1, axis)

    shares = take(seen.value)
    if use.other.dim() == 5:
        error = _error(use.other * shares[..., None, None], use.result)
    else:  # one branch alone: whichever it is
        error = min(_error(use.other * shares[:, m, :, None, None], use.result) for m in range(count))
    return Gate(seen.index, Kind.BRANCH, Role.DISTRIBUTION, take, give, channels, error=error)


def _matrix(seen: Seen, use: Use) -> Gate | None:
    """A softmax over positions that a matrix product reads by: a row for each query, or one for all."""
    value, read = seen.value, use.gate
    if seen.function != "softmax" or seen.axis is None or use.other is None or use.result is None or read is None:
        return None
    batch, keys = len(value), value.shape[seen.axis]
    grid = _grid(seen, keys)
    if grid is None:
        return None
    if value.numel() == batch * keys:
        context = value.reshape(batch, keys)
        error = min(_error(again, use.result) for again in _read_by(context, use.other, keys))
        take = _reshaped([1, *grid])
        return Gate(seen.index, Kind.CONTEXT, Role.DISTRIBUTION, take, _given, 1, grid=grid, error=error)
    if seen.axis != value.dim() - 1 or value.shape[-2] != keys or value.numel() > batch * HEADS * keys * keys:
        return None
    # Queries are rows: on the features' left the gate is read as it is, on their right transposed.
    rows = read if use.first else read.transpose(-1, -2)
    if not torch.equal(rows.reshape(value.shape), value):
        return None  # it is read along the other axis, over which it does not sum to one
    heads = value.numel() // (batch * keys * keys)
    error = _error(read @ use.other if use.first else use.other @ read, use.result)
    take = _reshaped([heads, keys, keys])
    return Gate(seen.index, Kind.AFFINITY, Role.DISTRIBUTION, take, _given, 1, heads=heads, grid=grid, error=error)


def _read_by(context: Tensor, other: Tensor, keys: int) -> Iterator[Tensor]:
    """The context's mean of the features, along whichever axis holds the positions."""
    for axis in range(1, other.dim()):
        if other.shape[axis] == keys:
            shape = [len(other), *(keys if i == axis else 1 for i in range(1, other.dim()))]
            yield (other * context.reshape(shape)).sum(axis)
    yield torch.full((), float("nan"))


def _grid(seen: Seen, positions: int) -> tuple[int, ...] | None:
    """The grid of so many positions that features had, near enough to the gate; None where none had."""
    return next((grid for grid in seen.grids if prod(grid) == positions > 1 and placed(grid, seen.picture)), None)


def _parts(gates: list[Gate]) -> Iterator[Part]:
    """The parts of a block: the two strips of a coordinate attention are one, each head of an affinity is one."""
    strips = sorted((gate for gate in gates if gate.strip is not None), key=lambda gate: gate.strip or 0)
    if strips:
        points = tuple(str(gate.index) for gate in strips)
        yield Part(_name(gates, "coordinate", len(strips)), Kind.COORDINATE, Role.GATE, points, off=1.0)
    for gate in gates:
        if gate.strip is not None:
            continue
        alike = [other for other in gates if other.kind is gate.kind]
        name = str(gate.kind) + (f" {alike.index(gate) + 1}" if len(alike) > 1 else "")
        off = (0.0 if gate.plus else 1.0) if gate.role is Role.GATE else None
        if gate.heads == 1:
            yield Part(_name(gates, name, 1), gate.kind, gate.role, (str(gate.index),), off=off)
        for head in range(gate.heads) if gate.heads > 1 else ():
            yield Part(f"{name} head {head}", gate.kind, gate.role, (f"{gate.index}:{head}",))


def _name(gates: list[Gate], name: str, count: int) -> str | None:
    return None if len(gates) == count else name


def _reshaped(shape: list[int]) -> Callable[[Tensor], Tensor]:
    return lambda value: value.reshape(len(value), *shape)


def _narrowed(shape: list[int]) -> Callable[[Tensor], Tensor]:
    def take(value: Tensor) -> Tensor:
        for axis, n in enumerate(shape, 1):
            value = value.narrow(axis, 0, n)
        return value

    return take


def _given(value: Tensor, like: Tensor) -> Tensor:
    return value.reshape(like.shape)


def _given_wide(value: Tensor, like: Tensor) -> Tensor:
    return value.expand(like.shape)


def _error(found: Tensor, given: Tensor | None) -> float:
    """The largest difference relative to the largest value, whatever axes of one stand between the others."""
    if given is None or found.numel() != given.numel():
        return float("inf")
    largest = float(given.abs().max())
    if not largest:  # from a product of zeros nothing follows about the gate
        return float("inf")
    error = float((found.reshape(-1) - given.reshape(-1)).abs().max()) / largest
    return error if error == error else float("inf")

"""Attention that is called in a forward, read and edited where it is called."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from attnviz.capture.edits import Change
from attnviz.capture.taps import beside
from attnviz.capture.values import AffinityMap, Flow, Reading, canonical
from attnviz.errors import ModelError
from attnviz.mechanisms import Kind, Part
from attnviz.mechanisms.non_local import Affinity, factors
from attnviz.readers.found import Found, Gate
from attnviz.readers.ops import Edited, Seen, Watch


class Inline:
    """One pass's watch over the blocks that were found by their values.

    Args:
        found: those blocks, by path.
        changes: the pass's edits.
        count: told each time a change's point comes by.
        keep: whether the features around the blocks are kept.
        clock: a number for each thing that is seen, rising.
    """

    def __init__(
        self,
        found: Mapping[str, Found],
        changes: Mapping[str, Sequence[Change]],
        count: Callable[[str], None],
        clock: Iterator[int],
        *,
        keep: bool,
    ) -> None:
        self._found, self._changes, self._count = found, changes, count
        self.watch = Watch(self._replacing, clock, keep=keep)

    def flows(self) -> dict[tuple[str, int], Flow]:
        """What goes into and comes out of each block, by path and call."""
        flows: dict[tuple[str, int], Flow] = {}
        for seen, _, gate in self._gates():
            before, after, given, result = _around(seen, gate)
            flow = flows.setdefault((seen.scope, seen.call), Flow(before, input=given))
            flow.after, flow.output = after, result
        return flows

    def readings(self) -> Iterator[Reading]:
        """Each part's value in each call, in the order in which they were computed."""
        values: dict[tuple[str, int], Tensor] = {}
        calls: Counter[str] = Counter()
        for seen, block, gate in self._gates():
            values[seen.scope, seen.index] = gate.take(seen.value)
            calls[f"{seen.scope}:{seen.index}"] += 1
            for part in block.parts:
                indices = [int(point.partition(":")[0]) for point in part.points]
                last = all(calls[f"{seen.scope}:{index}"] == seen.call + 1 for index in indices)
                if seen.index in indices and last:
                    taken = [values[seen.scope, index] for index in indices]
                    yield Reading(seen.scope, part, seen.call, _value(part, gate, taken), seen.time)

    def _gates(self) -> Iterator[tuple[Seen, Found, Gate]]:
        for seen in self.watch.seen:
            block = self._found.get(seen.scope)
            gate = block.gates.get(str(seen.index)) if block else None
            if block is not None and gate is not None:
                if (seen.function, tuple(seen.value.shape[1:])) != gate.of:
                    raise ModelError(
                        f"{seen.scope} does not compute for this picture what it computed when it was looked at, "
                        "so its attention cannot be read"
                    )
                yield seen, block, gate

    def _replacing(self, scope: str, index: int, call: int) -> Edited | None:
        """What the edits make of a gate, or None."""
        block = self._found.get(scope)
        gate = block.gates.get(str(index)) if block else None
        if gate is None:
            return None
        changes: list[tuple[int | None, Change]] = []
        for head in (None, *range(gate.heads)):
            path = beside(scope, str(index) if head is None else f"{index}:{head}")
            if path in self._changes:
                self._count(path)
                changes += [(head, change) for change in self._changes[path] if change.call in (None, call)]
        return (lambda value: _changed(gate, value, changes)) if changes else None


def _changed(gate: Gate, value: Tensor, changes: list[tuple[int | None, Change]]) -> Tensor:
    taken = gate.take(value)
    for head, change in changes:
        if gate.kind is not Kind.AFFINITY:
            taken = change.function(taken)
        else:
            taken = torch.stack(
                [change.function(h) if i == (head or 0) else h for i, h in enumerate(taken.unbind(1))], 1
            )
    return gate.give(taken, value)


def _value(part: Part, gate: Gate, taken: list[Tensor]) -> Tensor | tuple[Tensor, ...] | AffinityMap:
    if part.kind is Kind.COORDINATE:
        return tuple(canonical(part.kind, strip) for strip in taken)
    if part.kind is not Kind.AFFINITY:
        return canonical(part.kind, taken[0])
    matrix = taken[0][:, int(part.points[0].partition(":")[2] or 0)]
    grid = gate.grid or (1, matrix.shape[-1])
    return AffinityMap(*factors(matrix), grid, grid, Affinity("matrix"))


def _around(seen: Seen, gate: Gate) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """The strength (B, h, w) of what a gate meets and of what comes of it, and those themselves where they are kept."""
    for use in seen.uses:
        if use.before is not None and use.after is not None:
            return use.before, use.after, use.other, use.result
    # A matrix product: what is read, position by position.
    grid = gate.grid or (1, 1)
    level = torch.ones(len(seen.value), *grid)
    for use in seen.uses:
        if use.strength is not None:
            level = use.strength.reshape(len(seen.value), *grid)
    return level, level, None, None

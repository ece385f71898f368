"""Reading: one pass in which the values of a sight are taken where they stand, and nothing else is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from attnviz.errors import ModelError
from attnviz.flow.look import check, original
from attnviz.flow.reader import Change, Reader
from attnviz.flow.record import quiet
from attnviz.flow.sight import Block, Part, Point, Sight
from attnviz.mechanisms import Kind

Value = Tensor | tuple[Tensor, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One part's value in one call of its block.

    ``block`` is its block's id; ``value`` is (B, ...) in the shape of its kind: channel (B, C), spatial and context
    (B, *grid), volume (B, C, *grid), coordinate a pair (B, C, H) and (B, C, W), branch (B, M, C), affinity
    (B, heads, queries, keys).
    """

    block: str
    part: Part
    call: int
    value: Value
    time: int


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """What one pass gave: attention in the order in which it was computed, each block's features (B, C, *grid) before
    and after by the block's id and call, and the network's output.
    """

    attention: tuple[Reading, ...]
    before: Mapping[tuple[str, int], Tensor]
    after: Mapping[tuple[str, int], Tensor]
    output: Any


def read(model: nn.Module, sight: Sight, *inputs: Tensor, changes: Mapping[Point, Change] | None = None) -> Readings:
    """The attention of a sight's blocks for these inputs, and the features around them, in one pass.

    Args:
        model: the network that was looked at.
        sight: what ``look`` found in it.
        inputs: its arguments; their sizes need not be those that were looked at where the layouts do not hold them.
        changes: for a part's point, what its tensor becomes in this pass (see ``Point``).

    Raises ModelError where the network does not compute what it computed when it was looked at.
    """
    model = original(model)
    check(model, inputs)
    reader = Reader(model, tuple(_points(sight)), changes)
    with quiet(model), reader.watching():
        output = model(*(each.clone() for each in inputs))
    attention = [each for block in sight.blocks for part in block.parts for each in readings(reader, block, part)]
    return Readings(
        tuple(sorted(attention, key=lambda reading: reading.time)),
        {(block.id, call): value_at(reader, block, point) for block, call, point in _features(sight, "before")},
        {(block.id, call): value_at(reader, block, point) for block, call, point in _features(sight, "after")},
        output,
    )


def _points(sight: Sight) -> Iterator[Point]:
    for block in sight.blocks:
        yield from block.around
        yield from block.points


def _features(sight: Sight, side: str) -> Iterator[tuple[Block, int, Point]]:
    for block in sight.blocks:
        for call, point in enumerate(block.before if side == "before" else block.after):
            yield block, call, point


def readings(reader: Reader, block: Block, part: Part) -> Iterator[Reading]:
    """A part's values of one pass, a call each. Raises ModelError where the pass was another."""
    for call, points in enumerate(part.points):
        values = tuple(value_at(reader, block, point) for point in points)
        time = max(reader.times[point] for point in points)
        value: Value = values if part.kind is Kind.COORDINATE else values[0]
        if part.kind is Kind.BRANCH and len(values) > 1:  # each branch's share is a tensor of its own
            value = torch.stack(values, 1)
        yield Reading(block.id, part, call, value, time)


def value_at(reader: Reader, block: Block, point: Point) -> Tensor:
    """What a reader kept at a point, (B, ...) in the shape of its kind. Raises ModelError as ``read`` does."""
    taken = taken_at(reader, block, point)
    try:
        value = point.layout.canonical(taken)
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"{block.layer or 'the network'} was looked at with features of another size: look again at this one"
        ) from error
    return 1 / value if point.inverse else value


def taken_at(reader: Reader, block: Block, point: Point) -> Tensor:
    """What a reader kept at a point. Raises ModelError where the pass was another."""
    if point not in reader.taken:
        raise ModelError(
            f"{block.layer or 'the network'} does not compute for this input what it computed when it was looked at, "
            "so its attention cannot be read"
        )
    return reader.taken[point]

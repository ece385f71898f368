"""Reading: one pass in which the values of a sight are taken where they stand, and nothing else is."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from attnviz.errors import ModelError
from attnviz.flow.graph import Frame
from attnviz.flow.look import check, original
from attnviz.flow.record import SHAPES, following, name_of, quiet, tensors
from attnviz.flow.sight import Block, Part, Point, Sight
from attnviz.mechanisms import Kind
from attnviz.plain import PlainAttention

Value = Tensor | tuple[Tensor, ...]
Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One part's value in one call of its block.

    ``value`` is (B, ...) in the shape of its kind: channel (B, C), spatial and context (B, *grid), volume
    (B, C, *grid), coordinate a pair (B, C, H) and (B, C, W), branch (B, M, C), affinity (B, heads, queries, keys).
    """

    layer: str
    part: Part
    call: int
    value: Value
    time: int


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """What one pass gave: attention in the order in which it was computed, each block's features (B, C, *grid) before
    and after by layer and call, and the network's output.
    """

    attention: tuple[Reading, ...]
    before: Mapping[tuple[str, int], Tensor]
    after: Mapping[tuple[str, int], Tensor]
    output: Any


@dataclass(eq=False)
class Reader(TorchDispatchMode):
    """Takes the tensors at some points of a pass, and puts others in their place.

    ``changes``: for a point, what its tensor becomes ("result" and "operand" only; autograd does not see it).
    """

    model: nn.Module
    points: tuple[Point, ...]
    changes: Mapping[Point, Change] = field(default_factory=dict)

    def __post_init__(self) -> None:
        TorchDispatchMode.__init__(self)
        self.taken: dict[Point, Tensor] = {}
        self.times: dict[Point, int] = {}
        self._paths = {id(module): path for path, module in self.model.named_modules()}
        self._stack: list[Frame] = []
        self._runs: Counter[str] = Counter()
        self._counts: Counter[tuple[str, int, str]] = Counter()
        self._wanted: dict[tuple[str, int, str], dict[int, list[Point]]] = defaultdict(lambda: defaultdict(list))
        self._around: dict[tuple[str, str, int], list[Point]] = defaultdict(list)
        for point in (*self.points, *self.changes):
            if point.where in ("result", "operand"):
                at = self._wanted[point.path, point.call, point.name][point.ordinal]
                at.append(point) if point not in at else None
            else:
                self._around[point.where, point.path, point.call].append(point)
        self._names = {name for _, _, name in self._wanted}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = name_of(func)
        if name not in self._names or name in SHAPES:
            return func(*args, **kwargs)
        path, call = self._stack[-1] if self._stack else ("", 0)
        key = (path, call, name)
        ordinal = self._counts[key]
        self._counts[key] += 1
        points = self._wanted[key].get(ordinal, []) if key in self._wanted else []
        operands = [point for point in points if point.where == "operand"]
        if operands:
            args = self._operands(operands, args)
        result = func(*args, **kwargs)
        for point in points:
            if point.where == "result":
                result = self._result(point, result)
        return result

    def _operands(self, points: list[Point], args: Any) -> Any:
        found = list(tensors(args))
        for point in points:
            old = found[point.index]
            self._take(point, old)
            if point in self.changes:
                new = self.changes[point](old)
                args = [new if each is old else each for each in args]
        return args

    def _result(self, point: Point, result: Any) -> Any:
        found = list(tensors(result))
        if point.index >= len(found):
            return result
        tensor = found[point.index]
        if point in self.changes:
            new = self.changes[point](tensor)
            tensor.copy_(new)  # the operation's own output: whatever looks at it sees the change
        self._take(point, tensor)
        return result

    def _take(self, point: Point, tensor: Tensor) -> None:
        self.taken[point] = tensor.detach().clone()
        self.times.setdefault(point, len(self.times))

    def enter(self, module: nn.Module, args: Any) -> None:
        path = self._paths.get(id(module), f"?{type(module).__name__}")
        frame = Frame(path, self._runs[path])
        self._runs[path] += 1
        self._stack.append(frame)
        self._pass_by("input", frame, list(tensors(args)))

    def leave(self, module: nn.Module, output: Any) -> None:
        path = self._paths.get(id(module), f"?{type(module).__name__}")
        while self._stack:
            frame = self._stack.pop()
            if frame.path == path:
                self._pass_by("output", frame, list(tensors(output)))
                return

    def _pass_by(self, where: str, frame: Frame, found: list[Tensor]) -> None:
        for point in self._around.get((where, *frame), ()):
            if point.index < len(found):
                self._take(point, found[point.index])


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
    reader = Reader(model, tuple(_points(sight)), changes or {})
    with quiet(model), following(reader), reader, PlainAttention():
        output = model(*(each.clone() for each in inputs))
    attention = [each for block in sight.blocks for part in block.parts for each in _readings(reader, block, part)]
    return Readings(
        tuple(sorted(attention, key=lambda reading: reading.time)),
        {(block.layer, call): _value(reader, block, point) for block, call, point in _features(sight, "before")},
        {(block.layer, call): _value(reader, block, point) for block, call, point in _features(sight, "after")},
        output,
    )


def _points(sight: Sight) -> Iterator[Point]:
    for block in sight.blocks:
        yield from block.before
        yield from block.after
        for part in block.parts:
            for points in part.points:
                yield from points


def _features(sight: Sight, side: str) -> Iterator[tuple[Block, int, Point]]:
    for block in sight.blocks:
        for call, point in enumerate(block.before if side == "before" else block.after):
            yield block, call, point


def _readings(reader: Reader, block: Block, part: Part) -> Iterator[Reading]:
    for call, points in enumerate(part.points):
        values = tuple(_value(reader, block, point) for point in points)
        time = max(reader.times[point] for point in points)
        value: Value = values if part.kind is Kind.COORDINATE else values[0]
        if part.kind is Kind.BRANCH and len(values) > 1:  # each branch's share is a tensor of its own
            value = torch.stack(values, 1)
        yield Reading(block.layer, part, call, value, time)


def _value(reader: Reader, block: Block, point: Point) -> Tensor:
    if point not in reader.taken:
        raise ModelError(
            f"{block.layer or 'the network'} does not compute for this input what it computed when it was looked at, "
            "so its attention cannot be read"
        )
    try:
        value = point.layout.canonical(reader.taken[point])
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"{block.layer or 'the network'} was looked at with features of another size: look again at this one"
        ) from error
    return 1 / value if point.inverse else value


__all__ = ["Change", "Reader", "Reading", "Readings", "read"]

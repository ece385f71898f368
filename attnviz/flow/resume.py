"""Going on from one value of a pass: what follows it is computed again, for many of its values at once."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from attnviz.errors import AttnvizError
from attnviz.flow.graph import Frame, Graph, Op, Value
from attnviz.flow.memory import overwritten
from attnviz.flow.record import counted_as, record
from attnviz.flow.replay import between, needed, random, replay
from attnviz.flow.sight import Point


class ResumeError(AttnvizError):
    """A pass that cannot be gone on with from a value."""


class Resume:
    """What follows a value in a network's pass, up to its output.

    Args:
        graph: a recorded pass of one picture.
        source: the value that is varied.
        ops: what is computed from it, in order.
        stands: the value of the graph that it is in the pass, where ``source`` is that value in one use alone.

    ``keep`` runs the network once and keeps what these operations need of the rest of the pass; ``base`` is then the
    source's own value, and ``outputs`` and ``gradient`` may be asked for.
    """

    def __init__(self, graph: Graph, source: Value, ops: list[Op], stands: Value | None = None) -> None:
        if len(graph.outputs) != 1:
            raise ResumeError("the network gives several tensors")
        self._graph, self._source, self._ops, self._target = graph, source, ops, graph.outputs[0]
        self._stands = stands or source
        if random(ops):
            raise ResumeError("random numbers are drawn on the way")
        self._kept: dict[int, Tensor] = {}

    def keep(
        self, model: nn.Module, x: Tensor, around: Callable[[], AbstractContextManager[Any]] = nullcontext
    ) -> None:
        """Run the network, and keep what going on needs. Raises ResumeError where it computes something else now."""
        wanted = {value.id for value in needed(self._ops, [self._source]) if value.tensor is None} | {self._stands.id}
        lost = overwritten(self._graph) & wanted
        kept: dict[int, Tensor] = {}

        def listen(value: Value, tensor: Tensor) -> None:
            known = self._graph.values[value.id] if value.id < len(self._graph.values) else None
            if known is None or known.shape != value.shape or _name(known) != _name(value):
                raise ResumeError("the network does not do the same twice")
            if value.id in wanted:
                kept[value.id] = tensor.detach().clone() if value.id in lost else tensor.detach()

        record(model, [x], double=False, listener=listen, around=around)
        self._kept = kept

    @property
    def base(self) -> Tensor:
        """The source's value in the pass that was kept."""
        return self._kept[self._stands.id]

    def outputs(self, values: Tensor) -> Tensor:
        """The network's output for each of several values (V, *base.shape) in place of the source's: (V, ...)."""
        with torch.no_grad():
            return torch.vmap(self._onwards)(values)

    def gradient(self, of: Callable[[Tensor], Tensor]) -> Tensor:
        """The gradient of a number, made from the network's output, in the source's value."""
        source = self.base.detach().clone().requires_grad_()
        with torch.enable_grad():
            [found] = torch.autograd.grad(of(self._onwards(source)), source)
        return found

    def _onwards(self, value: Tensor) -> Tensor:
        return replay(self._ops, {self._source.id: value}, self._get, self._target)

    def _get(self, value: Value) -> Tensor:
        if value.tensor is not None:
            return value.tensor
        return self._kept[value.id]


def _name(value: Value) -> str:
    return value.op.name if value.op is not None else ""


def after_module(graph: Graph, path: str, call: int | None) -> Resume:
    """Going on from what a module gives in one of its runs; None: the only one."""
    run = graph.runs.get(Frame(path, call or 0))
    several = call is None and Frame(path, 1) in graph.runs
    if run is None or len(run.outputs) != 1 or several:
        raise ResumeError(f"{path} gives no single tensor")
    return Resume(graph, run.outputs[0], between(graph, [run.outputs[0]], graph.outputs[0]))


def after_point(graph: Graph, point: Point) -> Resume:
    """Going on from what stands at a point."""
    op = next((op for op in graph.ops if op.func is not None and _is_at(op, point)), None)
    if op is None:
        raise ResumeError(f"{point.path} does not compute this here")
    if point.where == "result":
        return Resume(graph, op.outputs[point.index], between(graph, [op.outputs[point.index]], graph.outputs[0]))
    seen = op.inputs[point.index]
    alone = replace(seen, id=len(graph.values))  # in this use alone

    def put(argument: Any) -> Any:
        if isinstance(argument, list | tuple):
            return [put(each) for each in argument]
        return alone if argument is seen else argument

    used = replace(op, args=tuple(put(op.args)), inputs=tuple(alone if each is seen else each for each in op.inputs))
    return Resume(graph, alone, [used, *between(graph, op.outputs, graph.outputs[0])], seen)


def _is_at(op: Op, point: Point) -> bool:
    frame = op.stack[-1] if op.stack else Frame("", 0)
    same = frame == (point.path, point.call) and counted_as(op.name) == counted_as(point.name)
    return same and op.ordinal == point.ordinal

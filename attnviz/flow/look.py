"""Looking at a network: record, label, find, put into blocks, name, place, verify."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from attnviz.errors import ModelError, OptionError
from attnviz.flow.assemble import assemble
from attnviz.flow.block import holders
from attnviz.flow.claim import Found
from attnviz.flow.find import find
from attnviz.flow.graph import Graph, Value
from attnviz.flow.label import label
from attnviz.flow.merge import merged
from attnviz.flow.name import name
from attnviz.flow.place import Place, place
from attnviz.flow.record import record
from attnviz.flow.sight import Point, Sight
from attnviz.flow.trace import VIEWS, walk
from attnviz.flow.verify import DivergedError, verify


def look(model: nn.Module, *inputs: Tensor) -> Sight:
    """What attention a network has, and what only looks like it.

    Two or three passes are run, in evaluation mode and without gradients; a batch of one is run as two of the same
    (where the network takes no two, as one). The network is left as it was: hooks, modes, flags and the random state.

    Args:
        model: any module; of a compiled one, the original is looked at.
        inputs: its arguments, (B, ...) each.

    Raises ModelError for traced and scripted models, OptionError without inputs; what the network raises goes through.
    """
    model = original(model)
    check(model, inputs)
    looked = _looked(model, inputs)
    if looked.diverged is not None:  # what a network builds in its first pass, and keeps, is there in the next
        looked = _looked(model, inputs)
    if looked.diverged is not None:
        for each in looked.placed:
            for part in each.holder.parts:
                part.error, part.why = float("inf"), f"{str(looked.diverged).capitalize()}."
    _outside(looked.found)
    _guessed(looked.found)
    classes = {path: type(module).__name__ for path, module in model.named_modules()}
    return assemble(looked.found, looked.placed, classes, looked.samples)


class Looked(NamedTuple):
    """What is found, where its blocks stand, verified, with samples; or why they cannot be verified."""

    found: Found
    placed: list[Place]
    samples: dict[Point, Tensor]
    diverged: DivergedError | None = None


def _looked(model: nn.Module, inputs: Sequence[Tensor]) -> Looked:
    graph, double = recorded(model, inputs)
    label(graph)
    found = find(graph)
    made = merged(found, holders(found))
    for holder in made:
        holder.mechanism = name(holder)
    placed = [place(found, holder) for holder in made]
    try:
        return Looked(found, placed, verify(model, inputs, found, placed, double=double))
    except DivergedError as error:
        return Looked(found, placed, {}, error)


def original(model: nn.Module) -> nn.Module:
    """The module itself, of a compiled one."""
    inner = getattr(model, "_orig_mod", None)
    return inner if isinstance(inner, nn.Module) else model


def check(model: nn.Module, inputs: Sequence[Tensor]) -> None:
    """Refuse what cannot be looked at."""
    if isinstance(model, torch.jit.ScriptModule):
        raise ModelError("a traced or scripted model hides its modules: give the module that it was made of")
    if not inputs or not all(isinstance(each, Tensor) for each in inputs):
        given = ", ".join(type(each).__name__ for each in inputs) or "nothing"
        raise OptionError(f"a network is looked at with the tensors that it takes, (B, ...) each, not {given}")


def recorded(
    model: nn.Module, inputs: Sequence[Tensor], around: Callable[[], AbstractContextManager[Any]] = nullcontext
) -> tuple[Graph, bool]:
    """A pass's graph, of the picture twice where the network takes that, and whether it does."""
    try:
        return record(model, inputs, double=True, around=around)[0], True
    except Exception:  # whatever it is that a network raises for a batch of two, it is asked again with its own
        return record(model, inputs, double=False, around=around)[0], False


def _outside(found: Found) -> None:
    """Say where features meet what was computed outside torch: numbers from NumPy and the like."""
    graph = found.graph
    for op in graph.ops:
        if op.name not in ("mul", "add", "bmm") or not op.live or graph.batch == 1:
            continue
        for value in op.inputs:
            if not value.depends and any(_strange(each, graph.batch) for each, _ in walk(value, VIEWS)):
                found.remark(op, "computed outside torch", "What meets the features was computed in NumPy or so.")


def _guessed(found: Found) -> None:
    """Say which operations on the way to what was found, or dropped, have no rule of axes."""
    seen: set[str] = set()
    for claim in found.claims:
        for op in claim.chain:
            if op.guessed and op.name not in seen:
                seen.add(op.name)
                reason = (
                    f"No rule says what the axes of {op.name} mean, so what is said of what it leads to is a guess."
                )
                found.remark(op, "axes guessed", reason)


def _strange(value: Value, batch: int) -> bool:
    """Whether a value from outside has an entry for each picture, as no weight has."""
    return value.op is None and not value.name and len(value.shape) > 1 and value.shape[0] == batch

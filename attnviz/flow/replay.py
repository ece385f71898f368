"""Computing a part of a recorded pass again, from values that were kept, with some of them replaced."""

import functools
from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from attnviz.flow.graph import Graph, Op, Value
from attnviz.flow.record import RANDOM, written

Get = Callable[[Value], Tensor]
PART = 1_000_000  # entries that are compared at a time


def between(graph: Graph, sources: Sequence[Value], target: Value) -> list[Op]:
    """The operations from some values on to a target, in order: what has to be computed again."""
    live = {value.id for value in sources}
    start = min((value.op.id if value.op is not None else -1) for value in sources)
    end = target.op.id if target.op is not None else -1
    found = []
    for op in graph.ops[start + 1 : end + 1]:
        if target.ancestors >> op.id & 1 and any(value.id in live for value in op.inputs):
            found.append(op)
            live |= {value.id for value in op.outputs if value.op is op}
    return found


def needed(ops: Sequence[Op], sources: Sequence[Value]) -> set[Value]:
    """The values from outside a replay that it takes."""
    made = {value.id for op in ops for value in op.outputs} | {value.id for value in sources}
    return {value for op in ops for value in op.inputs if value.id not in made}


def random(ops: Sequence[Op]) -> bool:
    """Whether a replay would draw random numbers."""
    return any(op.name in RANDOM for op in ops)


def replay(ops: Sequence[Op], given: dict[int, Tensor], get: Get, target: Value) -> Tensor:
    """The target, computed again.

    Args:
        ops: in order, of ``between``.
        given: the values that replace those recorded, by id.
        get: gives the recorded tensor of any other value.
        target: the value that is asked for.
    """
    known = dict(given)

    def take(argument: Any) -> Any:
        if isinstance(argument, Value):
            return known[argument.id] if argument.id in known else get(argument)
        if isinstance(argument, list):
            return [take(each) for each in argument]
        return argument

    with torch.autocast(next(iter(given.values())).device.type, enabled=False):  # what was recorded has its types
        for op in ops:
            if op.func is None:
                results: Any = _written_through(op, take)
            else:
                results = _call(op, take)
            for value, result in zip(op.outputs, _several(results), strict=False):
                if value.id not in given and isinstance(result, Tensor):
                    known[value.id] = result
    return known[target.id] if target.id in known else get(target)


@functools.cache
def functional(func: Any) -> Any:
    """The form of an operation that writes into nothing; None where it has none of the same arguments."""
    if not written(func):
        return func
    name = func._schema.name.partition("::")[2].removesuffix("_")
    found = getattr(getattr(getattr(torch.ops, func.namespace), name, None), func._overloadname, None)
    return found if found is not None and not written(found) else None


def _call(op: Op, take: Callable[[Any], Any]) -> Any:
    args = [take(each) for each in op.args]
    kwargs = {key: take(each) for key, each in op.kwargs.items()}
    plain = functional(op.func)
    if plain is not None:
        return plain(*args, **kwargs)
    for place, name, is_out in written(op.func):
        if is_out:
            kwargs[name] = torch.empty(0)
        elif place < len(args) and isinstance(args[place], Tensor):
            args[place] = args[place].clone()
    return op.func(*args, **kwargs)


def _several(results: Any) -> Iterator[Any]:
    if isinstance(results, list | tuple):
        yield from results
    else:
        yield results


def _written_through(op: Op, take: Callable[[Any], Any]) -> Tensor:
    """What another view of the same memory sees of a write."""
    assert op.strides is not None
    old, new = (take(each) for each in op.inputs)
    writer, reader = op.strides
    if writer == reader:
        return new
    if prod(reader.shape) >= prod(writer.shape):
        dense = torch.empty_strided(reader.shape, reader.steps, dtype=old.dtype, device=old.device).copy_(old)
        return torch.as_strided_scatter(dense, new, writer.shape, writer.steps, writer.offset - reader.offset)
    dense = torch.empty_strided(writer.shape, writer.steps, dtype=new.dtype, device=new.device).copy_(new)
    return torch.as_strided(dense, reader.shape, reader.steps, reader.offset - writer.offset)


def peak(value: Tensor) -> Tensor:
    """Its largest entry without its sign; not a number where one is none. Takes no memory."""
    return torch.stack(value.aminmax()).abs().max()


def difference(one: Tensor, two: Tensor) -> float:
    """The largest difference, relative to the peak of the second; infinite where shapes differ."""
    if one.shape != two.shape:
        return float("inf")
    if not two.numel():
        return 0.0
    pairs = zip(_parts(one), _parts(two), strict=True)
    largest = [torch.stack([peak(mine - theirs), peak(theirs)]) for mine, theirs in pairs]
    error, top = torch.stack(largest).amax(0).tolist()
    error /= top or 1.0
    return error if error == error else float("inf")


def _parts(tensor: Tensor) -> Iterator[Tensor]:
    """A few entries of its first axis at a time, so that comparing takes little memory, in a type that can be taken
    from another.
    """
    rows = tensor if tensor.dim() else tensor[None]
    for part in rows.chunk(1 + tensor.numel() // PART):
        yield part if part.dtype == torch.float32 else part.double()

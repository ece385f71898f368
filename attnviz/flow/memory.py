"""Which values may lose what they hold, for something is written into their memory."""

from collections.abc import Iterator

from attnviz.flow.graph import Graph, Op, Value
from attnviz.flow.record import written

UNSAID = frozenset({"_unsafe_view", "unsafe_split", "unsafe_split_with_sizes", "unsafe_chunk"})  # views by no schema


def overwritten(graph: Graph) -> frozenset[int]:
    """The ids of all values in memory that is written into at any time, but for buffers of ``out=`` before they are
    given.
    """
    memory: dict[int, int] = {}
    lost: set[int] = set()
    for op in graph.ops:
        changed = {memory.get(value.id, value.id) for value in _changed(op)}
        lost |= changed
        shared = _shared(op)
        for out in (value for value in op.outputs if value.op is op):
            memory[out.id] = memory.get(shared.id, shared.id) if shared is not None else out.id
            if changed and shared is None:
                lost.add(out.id)
    return frozenset(value.id for value in graph.values if memory.get(value.id, value.id) in lost)


def _shared(op: Op) -> Value | None:
    """The value in whose memory an operation gives its own, as a view does; None where it takes new memory."""
    if op.func is None or _alias(op):
        return op.inputs[0] if op.inputs else None
    return None


def _alias(op: Op) -> bool:
    return op.name in UNSAID or (
        any(each.alias_info is not None for each in op.func._schema.returns)
        and not any(is_out for _, _, is_out in written(op.func))
    )


def _changed(op: Op) -> Iterator[Value]:
    """The values into which an operation writes."""
    if op.func is None:
        yield op.inputs[0]
        return
    for place, name, _ in written(op.func):
        value = op.args[place] if place < len(op.args) else op.kwargs.get(name)
        yield from [value] if isinstance(value, Value) else op.inputs

"""A block's steps: the operations between its input and its output, each with its tensor, its axes and its formula."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from attnviz.errors import OptionError
from attnviz.flow.atoms import BATCH, BRANCH, NAMES, Axis
from attnviz.flow.formulas import formula
from attnviz.flow.graph import Frame, Graph, Op, Value
from attnviz.flow.label import label
from attnviz.flow.look import check, original, recorded
from attnviz.flow.record import counted_as, record
from attnviz.flow.sight import Block, Point
from attnviz.flow.trace import VIEWS

WORDS = {
    "_softmax": "softmax",
    "addmm": "linear",
    "amax": "max",
    "bmm": "matrix product",
    "mm": "matrix product",
    "cat": "concatenate",
    "clamp_min": "clamp",
    "max_pool2d_with_indices": "max pool",
    "mul": "product",
    "add": "sum",
    "sub": "difference",
    "div": "quotient",
    "rsub": "difference",
    "native_batch_norm": "batch norm",
    "_native_batch_norm_legit_no_training": "batch norm",
    "native_group_norm": "group norm",
    "native_layer_norm": "layer norm",
    "upsample_bilinear2d": "enlarge",
    "upsample_nearest2d": "enlarge",
    "_adaptive_avg_pool2d": "mean of windows",
    "adaptive_max_pool2d": "max of windows",
    "avg_pool2d": "mean of windows",
}


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One operation of a block: what it is called, its formula (LaTeX, with the symbols of the steps before it), its
    own symbol, its value for the first picture, the names of its axes, and the module in which it ran.
    """

    name: str
    formula: str
    symbol: str
    value: Tensor
    axes: tuple[str, ...]
    layer: str


def steps(
    model: nn.Module,
    block: Block,
    *inputs: Tensor,
    call: int = 0,
    around: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> tuple[Step, ...]:
    """The steps of a block for these inputs; the last one's value is the block's output.

    Args:
        model: the network.
        block: of a sight of it.
        inputs: the network's arguments; the first picture of a batch is shown.
        call: which run of the block.
        around: what each pass runs in, as a reader that makes changes.

    Views are no steps. Raises OptionError for a call that there is not.
    """
    model = original(model)
    check(model, inputs)
    if not 0 <= call < len(block.after):
        raise OptionError(f"{block.layer or 'the block'} ran {len(block.after)} times; there is no call {call}")
    graph, double = recorded(model, inputs, around)
    label(graph)
    output = _at(graph, block.after[call])
    chosen = _chosen(graph, block, call, output)
    wanted = {op.out.id for op in chosen}
    kept: dict[int, Tensor] = {}

    def keep(value: Value, tensor: Tensor) -> None:
        if value.id in wanted:
            kept[value.id] = tensor.detach().clone()

    record(model, inputs, double=double, listener=keep, around=around)
    symbols = _symbols(chosen, graph, Frame(block.layer, block.after[call].call))
    return tuple(_step(op, symbols, kept[op.out.id], graph.batch) for op in chosen if op.out.id in kept)


def _at(graph: Graph, point: Point) -> Value:
    """The value at a point of a recorded pass."""
    frame = Frame(point.path, point.call)
    if point.where in ("input", "output"):
        run = graph.runs[frame]
        return (run.inputs if point.where == "input" else run.outputs)[point.index]
    for op in graph.ops:
        if (
            counted_as(op.name) == counted_as(point.name)
            and op.ordinal == point.ordinal
            and op.address[:2] == (point.path, point.call)
        ):
            return op.inputs[point.index] if point.where == "operand" else op.outputs[point.index]
    raise OptionError(f"{point.path or 'the network'} does not compute for this input what it computed before")


def _chosen(graph: Graph, block: Block, call: int, output: Value) -> list[Op]:
    """The operations that are steps: those of the module that lead to its output, or, in the network's own forward,
    those from the features on.
    """
    before, after = block.before[call], block.after[call]
    ops = graph.chosen(output.ancestors)
    if after.where == "output":
        frame = Frame(after.path, after.call)
        inside = [op for op in ops if frame in op.stack]
    else:
        earlier = _at(graph, before).ancestors
        inside = [op for op in ops if not earlier >> op.id & 1]
    computed = [op for op in inside if op.live and op.outputs and op.out.depends]  # a new buffer holds nothing yet
    return [op for op in computed if op.func is not None and not _is_view(op)]


def _is_view(op: Op) -> bool:
    """Whether it shows the same numbers; several tensors put together are a step."""
    return op.name in VIEWS and not (op.name in ("cat", "stack") and len(op.live) > 1)


def _symbols(chosen: list[Op], graph: Graph, frame: Frame) -> dict[int, str]:
    """A symbol for each value: x for what comes in, y with a number for each step; a view has its source's."""
    symbols: dict[int, str] = {}
    numbers = {op.id: number for number, op in enumerate(chosen, 1)}
    run = graph.runs.get(frame)
    several = [value for value in (run.inputs if run else []) if value.depends]
    for number, value in enumerate(several):
        symbols[value.id] = "x" if len(several) == 1 else f"x_{{{number + 1}}}"
    for op in graph.ops:
        for value in op.outputs:
            if op.id in numbers:
                symbols[value.id] = f"y_{{{numbers[op.id]}}}"
            elif op.live and value.id not in symbols:
                shows = _is_view(op) or op.func is None  # a buffer that was written has the symbol of what was
                symbols[value.id] = symbols.get(op.live[0].id, "x") if shows else "x"
    return symbols


def _step(op: Op, symbols: dict[int, str], value: Tensor, batch: int) -> Step:
    given = [symbols.get(each.id, "x") for each in op.live]
    shown, axes = _first(op.out, value, batch)
    layer = op.stack[-1].path if op.stack else ""
    return Step(
        WORDS.get(op.name, op.name.strip("_").replace("_", " ")),
        formula(op, given),
        symbols[op.out.id],
        shown,
        axes,
        layer,
    )


def _first(value: Value, tensor: Tensor, batch: int) -> tuple[Tensor, tuple[str, ...]]:
    """The first picture's part of a tensor, and the names of its axes."""
    names = [_name(axis) for axis in value.label]
    for place, axis in enumerate(value.label):
        if any(BATCH in atom.kinds for atom in axis):
            whole = int(tensor.shape[place])
            share = whole // batch if batch and whole % batch == 0 else whole
            tensor = tensor.narrow(place, 0, share)
            if share == 1:
                return tensor.squeeze(place), tuple(names[:place] + names[place + 1 :])
            names[place] = NAMES[BRANCH]  # several of one picture were put into the batch
            break
    return tensor, tuple(names)


def _name(axis: Axis) -> str:
    kinds: list[Any] = [kind for atom in axis for kind in sorted(atom.kinds - {BATCH})]
    return " x ".join(NAMES[kind] for kind in kinds) or "1"

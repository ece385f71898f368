"""Walking a graph backwards: what a value goes back to, and what squashed it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod

from attnviz.flow.atoms import BATCH, Label, aligned, kinds, varies
from attnviz.flow.graph import Graph, Op, Value
from attnviz.flow.rules.pointwise import BATCH_NORMS, BINARY, NORMS, SOFTMAX, UNARY
from attnviz.flow.rules.reduce import REDUCE, RESAMPLE
from attnviz.flow.rules.table import dims

VIEWS = frozenset({
    "_conj", "_reshape_alias", "_to_copy", "_unsafe_view", "alias", "as_strided", "cat", "chunk", "clone",
    "constant_pad_nd", "contiguous", "copy", "detach", "dropout", "expand", "expand_copy", "flatten", "flip",
    "lift_fresh", "lift_fresh_copy", "movedim", "narrow", "native_dropout", "numpy_T", "permute", "repeat", "reshape",
    "roll", "select", "slice", "split", "split_with_sizes", "squeeze", "stack", "swapaxes", "t", "to", "transpose",
    "unbind", "unsafe_chunk", "unsafe_split", "unsqueeze", "view", "view_copy", "repeat_interleave",
})  # fmt: skip
SEES = VIEWS - {"cat", "stack"}  # what shows one tensor
SHARE = "a / (a + b)"
SUM = "a + b"
SOFT = SOFTMAX | {"log-softmax"}
RANGES = {
    "sigmoid": "(0, 1)", "hardsigmoid": "[0, 1]", "tanh": "(-1, 1)", "_softmax": "(0, 1)", "_safe_softmax": "(0, 1)",
    "log-softmax": "(0, 1)", "hardtanh": "clamped", "clamp": "clamped", "exp": "(0, inf)", "1 / (1 + exp)": "(0, 1)",
    SHARE: "(0, 1)", SUM: "(0, 2)",
}  # fmt: skip
BOUNDED = frozenset(RANGES)
NORMALIZERS = frozenset({
    "rsqrt", "sqrt", "reciprocal", "linalg_vector_norm", "norm", "std", "var", "var_mean", "std_mean", "div",
})  # fmt: skip
POINTWISE = UNARY | BINARY | BATCH_NORMS | {
    "alias", "alias_write", "clone", "contiguous", "copy", "detach", "expand", "fill", "lift_fresh", "_to_copy",
}  # fmt: skip
SCALES = frozenset({"add", "sub", "mul", "div", "rsub", "neg", "masked_fill", "true_divide", "where"})
DEEP = 400


@dataclass(frozen=True, eq=False)
class Root:
    """Where a value comes from, through views, resampling and scaling: the operation's output, and what squashed it."""

    value: Value
    op: Op | None
    squash: str


def scaled(op: Op) -> Value | None:
    """The one value that an operation shifts or scales by what is no map: by numbers, weights, whole-tensor means."""
    if op.name not in SCALES:
        return None
    live = [value for value in op.live if not value.whole]
    wide = [value for value in live if _is_map(value)]
    shifting = op.name in ("add", "sub", "rsub")
    rest = wide if len(wide) == 1 and (shifting or len(live) == 1) else live
    if len(rest) != 1 or (op.name in ("div", "true_divide") and op.inputs[0] is not rest[0]):
        return None
    return rest[0]


def _is_map(value: Value) -> bool:
    """Whether it differs along anything but the batch."""
    return any(kinds(axis) - {BATCH} for axis in value.label)


def walk(value: Value, through: Iterable[str], path: list[Op] | None = None) -> list[tuple[Value, Op | None]]:
    """The operations that gave a value, through those named; ``path`` collects what was passed."""
    through, path = frozenset(through), [] if path is None else path
    seen: set[int] = set()
    found: list[tuple[Value, Op | None]] = []
    left = [value]
    while left:
        now = left.pop()
        if now.id in seen:
            continue
        seen.add(now.id)
        op = now.op
        if op is None:
            found.append((now, None))
            continue
        onwards = _onwards(op, through)
        if onwards:
            path.append(op)
            left += onwards
        else:
            found.append((now, op))
    return found


def _onwards(op: Op, through: frozenset[str]) -> list[Value]:
    if op.name == "alias_write":
        old, new = op.inputs
        return [new, old] if old.depends else [new]
    if op.name == "copy":
        return [op.inputs[1]]
    if op.name in through and op.inputs:
        return op.live or list(op.inputs)
    if "scaled" in through and (value := scaled(op)) is not None:
        return [value]
    return []


GATES = VIEWS | RESAMPLE | {"scaled"}
MEETS = frozenset({"add", "maximum", "minimum"})


def roots(value: Value, through: Iterable[str] = GATES) -> list[Root]:
    """A gate's roots."""
    path: list[Op] = []
    found = walk(value, through, path)
    once = any(op.name in ("mul", "div") for op in path)
    return [Root(each, op, "relu6" if _bare_relu6(op) and not once else squash(op)) for each, op in found]


def _bare_relu6(op: Op | None) -> bool:
    return op is not None and op.name == "hardtanh" and tuple(op.args[1:3]) == (0.0, 6.0)


def squash(op: Op | None) -> str:
    """What bounds an operation's output; its own name where nothing does."""
    if op is None:
        return "input"
    if op.name == "exp" and op.live:
        found = [each for _, each in walk(op.live[0], GATES) if each is not None]
        if any(each.name == "_log_softmax" for each in found):
            return "log-softmax"
        return "sigmoid" if any(each.name == "log_sigmoid_forward" for each in found) else "exp"
    if softmax_by_hand(op) is not None:
        return "_softmax"
    if shared_among(op):
        return SHARE
    if _sum_of_gates(op):
        return SUM
    if op.name in ("sqrt", "pow", "square") and len(op.live) == 1 and bounded(bent := roots(op.live[0])):
        return bent[0].squash
    if op.name in ("reciprocal", "div", "true_divide"):
        below = op.inputs[-1]
        found = [each for _, each in walk(below, GATES) if each is not None]
        lone = op.name == "reciprocal" or len(op.live) == 1
        return "1 / (1 + exp)" if lone and len(found) == 1 and found[0].name == "exp" else "div"
    if op.name in ("convolution", "addmm", "mm", "bmm", "baddbmm") or op.name in NORMS:
        return "none"
    return op.name


def _sum_of_gates(op: Op) -> bool:
    """Whether sigmoids are added or compared that vary along different axes, as gates of channels and of places do."""
    if op.name not in MEETS or len(op.live) != 2:
        return False
    found = [(value, made) for each in op.live for value, made in walk(each, GATES | MEETS)]
    over = {frozenset(varying(aligned(value.label, len(op.out.shape)))) for value, _ in found}
    return len(over) > 1 and all(made is not None and made.name in ("sigmoid", "hardsigmoid") for _, made in found)


def bounded(found: list[Root]) -> bool:
    """Whether a value is squashed, wherever it comes from."""
    return any(root.squash in BOUNDED for root in found) and all(
        root.squash in BOUNDED or root.op is None for root in found
    )


def softmax_of(root: Root) -> Op | None:
    """The softmax behind a root, also where it is the exponential of a log-softmax."""
    if root.op is None or root.squash not in SOFT:
        return None
    if is_softmax(root.op):
        return root.op
    return next(each for _, each in walk(root.op.live[0], GATES) if each is not None and each.name == "_log_softmax")


def softmax_axis(op: Op) -> int:
    """The axis along which a softmax sums to one."""
    by_hand = softmax_by_hand(op)
    return int(op.argument(1, "dim", -1)) % max(len(op.out.shape), 1) if by_hand is None else by_hand


def softmax_by_hand(op: Op) -> int | None:
    """The axis of a softmax that is written out, an exponential divided by its own sum; None for others."""
    if op.name not in ("div", "true_divide") or len(op.live) != 2:
        return None
    above, below = op.inputs
    sums = [each for _, each in walk(below, {"expand", "view", "unsqueeze"})]
    if len(sums) != 1 or sums[0] is None or sums[0].name != "sum" or sums[0].inputs[0] is not above:
        return None
    axes = dims(sums[0].argument(1, "dim"), len(above.shape))
    powers = [each for _, each in walk(above, VIEWS)]
    return axes[0] if len(axes) == 1 and all(each is not None and each.name == "exp" for each in powers) else None


def shared_among(op: Op) -> frozenset[int]:
    """The exponentials among which one is shared out, a / (a + b): the ids of those, or none for other operations."""
    if op.name not in ("div", "true_divide") or len(op.live) != 2:
        return frozenset()
    above, below = ({each.id for each, made in walk(value, VIEWS | {"add"}) if _is_exp(made)} for value in op.inputs)
    whole = all(_is_exp(made) for _, made in walk(op.inputs[1], VIEWS | {"add"}))
    return frozenset(below) if whole and len(above) == 1 and len(below) > 1 and above < below else frozenset()


def _is_exp(op: Op | None) -> bool:
    return op is not None and op.name == "exp"


def is_softmax(op: Op | None) -> bool:
    return op is not None and bool(op.outputs) and (op.name in SOFTMAX or softmax_by_hand(op) is not None)


class Origins:
    """For each value the value of which it is a function entry by entry, remembered."""

    def __init__(self) -> None:
        self._known: dict[int, Value] = {}

    def __call__(self, value: Value, depth: int = 0) -> Value:
        if value.id in self._known:
            return self._known[value.id]
        self._known[value.id] = value
        op = value.op
        if op is None or depth > DEEP or op.name not in POINTWISE:
            return value
        below = {found.id: found for each in op.live for found in [self(each, depth + 1)]}
        if len(below) == 1:
            [found] = below.values()
            if found.shape == value.shape or (found.shape and prod(found.shape) == prod(value.shape)):
                self._known[value.id] = found
        return self._known[value.id]


def chain(graph: Graph, gate: Value, features: Value) -> list[Op]:
    """The operations that compute a gate and are not needed for the features."""
    return list(graph.chosen(gate.ancestors & ~features.ancestors))


def varying(label: Label) -> set[int]:
    """The places of the axes along which entries can differ."""
    return {i for i, axis in enumerate(label) if varies(axis)}


def products_in(value: Value) -> Iterator[Op]:
    """The product that a value is, through views."""
    return (op for _, op in walk(value, VIEWS) if op is not None and op.name in ("mul", "addcmul"))


DISTANCES = frozenset({"_euclidean_dist", "_cdist_forward"})
LEARNED = frozenset({"convolution", "addmm", "mm", "bmm", "baddbmm", "mkldnn_rnn_layer"})


def computes(op: Op) -> bool:
    """Whether an operation is more than a function entry by entry."""
    return op.name in LEARNED | DISTANCES or op.name in REDUCE or "pool" in op.name or (op.name in NORMS - BATCH_NORMS)


def descends(value: Value, ancestor: Value) -> bool:
    """Whether a value was computed from another (of the same operation only the same output counts)."""
    if value is ancestor:
        return True
    if ancestor.op is None:
        return ancestor.depends and _reaches(value, ancestor)
    if not value.ancestors >> ancestor.op.id & 1:
        return False
    return len(ancestor.op.outputs) == 1 or _reaches(value, ancestor)


def _reaches(value: Value, ancestor: Value) -> bool:
    bit = 1 << ancestor.op.id if ancestor.op else 0
    seen, left = {value.id}, [value]
    while left:
        now = left.pop()
        if now is ancestor:
            return True
        if now.op is None or (bit and not now.ancestors & bit):
            continue
        for each in now.op.inputs:
            if each.id not in seen:
                seen.add(each.id)
                left.append(each)
    return False

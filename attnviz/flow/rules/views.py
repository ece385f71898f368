"""Axes through what moves entries about: views, slices, repetitions, copies."""

from attnviz.flow.atoms import CONSTANT, PLACES, UNKNOWN, Atom, Axis, Label, derived, kinds, new, piece, reshaped
from attnviz.flow.graph import Op
from attnviz.flow.rules.pointwise import broadcast
from attnviz.flow.rules.table import Labels, axes, dims, source

KEPT = (
    "alias", "clone", "contiguous", "detach", "lift_fresh", "lift_fresh_copy", "_to_copy", "to", "flip", "roll",
    "_conj", "resolve_conj", "resolve_neg", "conj_physical", "_reshape_from_tensor", "positive",
)  # fmt: skip


@axes(*KEPT)
def kept(op: Op) -> Labels:
    """Every axis stays."""
    return [source(op).label]


@axes("view", "_unsafe_view", "reshape", "_reshape_alias", "view_copy", "flatten", "unflatten")
def view(op: Op) -> Labels:
    """Axes are split and merged, in order."""
    return [reshaped(source(op).label, op.out.shape)]


@axes("permute", "permute_copy")
def permute(op: Op) -> Labels:
    label = source(op).label
    return [tuple(label[axis] for axis in dims(op.argument(1, "dims"), len(label)))]


@axes("transpose", "swapaxes", "transpose_copy")
def transpose(op: Op) -> Labels:
    label = list(source(op).label)
    one, two = dims([op.argument(1, "dim0"), op.argument(2, "dim1")], len(label))
    label[one], label[two] = label[two], label[one]
    return [tuple(label)]


@axes("t", "numpy_T")
def turned(op: Op) -> Labels:
    return [source(op).label[::-1]]


@axes("unsqueeze", "unsqueeze_copy")
def unsqueeze(op: Op) -> Labels:
    label = list(source(op).label)
    label.insert(op.argument(1, "dim") % (len(label) + 1), ())
    return [tuple(label)]


@axes("squeeze", "squeeze_copy")
def squeeze(op: Op) -> Labels:
    x = source(op)
    gone = dims(op.argument(1, "dim"), len(x.shape))
    return [tuple(axis for i, axis in enumerate(x.label) if not (i in gone and x.shape[i] == 1))]


@axes("expand", "expand_copy")
def expand(op: Op) -> Labels:
    """What is spread out is constant along the new entries."""
    x, shape = source(op), op.out.shape
    front = len(shape) - len(x.shape)
    return [
        tuple(
            x.label[i - front] if i >= front and x.shape[i - front] == size else new(CONSTANT, size)
            for i, size in enumerate(shape)
        )
    ]


@axes("repeat")
def repeat(op: Op) -> Labels:
    """The copies are a constant axis in front of what is copied."""
    x, shape = source(op), op.out.shape
    front = len(shape) - len(x.shape)
    label: list[Axis] = []
    for i, size in enumerate(shape):
        axis, had = (x.label[i - front], x.shape[i - front]) if i >= front else ((), 1)
        label.append(axis if size == had else (*new(CONSTANT, size // max(had, 1)), *axis))
    return [tuple(label)]


@axes("slice", "narrow", "slice_copy")
def slice_(op: Op) -> Labels:
    x = source(op)
    axis = op.argument(1, "dim", 0) % len(x.shape)
    total = x.shape[axis]
    start, end, step = op.argument(2, "start") or 0, op.argument(3, "end"), op.argument(4, "step", 1) or 1
    if op.name == "narrow":
        end, step = start + end, 1
    start, end, _ = slice(start, end, step).indices(total)
    label = list(x.label)
    label[axis] = piece(x.label[axis], start, end, step, total)
    return [tuple(label)]


@axes("select", "select_copy")
def select(op: Op) -> Labels:
    label = source(op).label
    axis = op.argument(1, "dim") % len(label)
    return [label[:axis] + label[axis + 1 :]]


@axes("unbind", "unbind_copy")
def unbind(op: Op) -> Labels:
    label = source(op).label
    axis = op.argument(1, "dim", 0) % len(label)
    return [label[:axis] + label[axis + 1 :]] * len(op.outputs)


@axes("split", "split_with_sizes", "unsafe_split", "chunk", "unsafe_chunk", "tensor_split", "split_copy")
def split(op: Op) -> Labels:
    x = source(op)
    axis = op.argument(2, "dim", 0) % len(x.shape)
    labels: list[Label] = []
    start = 0
    for value in op.outputs:
        label = list(x.label)
        label[axis] = piece(x.label[axis], start, start + value.shape[axis], 1, x.shape[axis])
        start += value.shape[axis]
        labels.append(tuple(label))
    return labels


@axes("copy", "copy_")
def copy(op: Op) -> Labels:
    """What was copied stands there now."""
    other = op.inputs[1]
    return [other.label if other.shape == op.out.shape else broadcast(op, op.out.shape)]


@axes("constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d", "replication_pad1d",
      "replication_pad2d", "replication_pad3d", "pad")  # fmt: skip
def pad(op: Op) -> Labels:
    """A longer axis of the same meaning."""
    x = source(op)
    ends = tuple(op.argument(1, "pad") or op.argument(1, "padding") or ())
    return [
        tuple(
            axis if had == size else derived(axis, size, ("pad", ends))
            for axis, had, size in zip(x.label, x.shape, op.out.shape, strict=True)
        )
    ]


@axes("alias_write")
def alias_write(op: Op) -> Labels:
    """A tensor whose memory was written through another: it has the meaning of what was written, where it had none.

    Axes are matched by their strides.
    """
    assert op.strides is not None
    old, wrote = op.inputs
    writer, reader = op.strides
    label: list[Axis] = []
    for i, axis in enumerate(old.label):
        match = next(
            (
                j
                for j, step in enumerate(writer.steps)
                if step == reader.steps[i] and writer.shape[j] > 1 and _says(wrote.label[j])
            ),
            None,
        )
        in_pieces = bool(axis) and "written" in axis[0].memo
        if reader.shape[i] == 1 or (_says(axis) and not in_pieces) or match is None or not wrote.depends:
            label.append(axis)
        elif writer.shape[match] == reader.shape[i]:
            label.append(wrote.label[match])
        else:
            start = (writer.offset - reader.offset) // reader.steps[i] if reader.steps[i] else 0
            label.append(
                _filled(axis, reader.shape[i], start % reader.shape[i], wrote.label[match], writer.shape[match])
            )
    return [tuple(label)]


def _filled(axis: Axis, size: int, start: int, written: Axis, length: int) -> Axis:
    """The axis of a buffer of which a piece was written: it remembers its pieces as a concatenation does."""
    pieces = dict(axis[0].memo.get("written", {})) if axis else {}
    pieces[start] = (written, length)
    parts: list[tuple[Axis, int]] = []
    end = 0
    for begin, (part, n) in sorted(pieces.items()):
        if begin > end:
            parts.append((new(UNKNOWN, begin - end), begin - end))
        parts.append((part, n))
        end = begin + n
    if end < size:
        parts.append((new(UNKNOWN, size - end), size - end))
    atom = Atom(frozenset(kind for part, _ in parts for kind in kinds(part)) - {UNKNOWN}, size, parts=tuple(parts))
    atom.memo["written"] = pieces
    return (atom,)


def _says(axis: Axis) -> bool:
    return bool(kinds(axis) & (PLACES | {"b", "f", "k", "w"}))

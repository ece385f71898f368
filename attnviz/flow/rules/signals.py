"""Axes through what cuts signals into frames, turns them into frequencies, or runs along time."""

from attnviz.flow.atoms import (
    BRANCH,
    COLUMNS,
    DEPTH,
    FEATURE,
    ROWS,
    WINDOW,
    Atom,
    Axis,
    derived,
    kinds,
    new,
)
from attnviz.flow.graph import Op, Value
from attnviz.flow.rules.table import Labels, axes, source


@axes("unfold")
def unfold(op: Op) -> Labels:
    """An axis cut into windows: which window stays in place, where in it comes last."""
    x = source(op)
    axis = op.argument(1, "dimension") % len(x.shape)
    high, low = windows(x.label[axis], op.out.shape[axis], op.out.shape[-1])
    return [(*x.label[:axis], high, *x.label[axis + 1 :], low)]


def windows(axis: Axis, count: int, length: int) -> tuple[Axis, Axis]:
    """Which window, and where in it: parts of the axis that never merge to it again, for windows may overlap."""
    if not kinds(axis):
        return new("x", count), new("x", length)
    base = axis[0] if len(axis) == 1 else derived(axis, sum(atom.size for atom in axis), "windows")[0]
    key = ("windows", count, length)
    if key not in base.memo:
        base.memo[key] = Atom(base.kinds, count, (base, 0, (-1, count))), Atom(base.kinds, length, (base, 1, (-2, 1)))
    high, low = base.memo[key]
    return ((high,) if count > 1 else ()), ((low,) if length > 1 else ())


@axes("as_strided", "as_strided_copy")
def as_strided(op: Op) -> Labels:
    """A view by strides: an axis of the tensor's own step is that axis; of a longer step, windows of it."""
    x = source(op)
    shape, steps = op.argument(1, "size"), op.argument(2, "stride")
    had: list[int] = []
    step = 1
    for size in reversed(x.shape):  # as of a contiguous tensor; others are copied before they are cut into frames
        had.insert(0, step)
        step *= size
    if list(shape) == list(x.shape) and list(steps) == had:
        return [x.label]
    last = len(x.shape) - 1
    label: list[Axis] = []
    cut = [i for i, s in enumerate(steps) if shape[i] > 1 and (last == 0 or s < had[last - 1])]
    for i, s in enumerate(steps):
        own = next((j for j in range(last) if had[j] == s and x.shape[j] == shape[i]), None)
        if own is not None:
            label.append(x.label[own])
        elif i in cut and len(cut) == 2:
            longer = s == max(steps[j] for j in cut)
            sizes = sorted(((steps[j], shape[j]) for j in cut), reverse=True)
            label.append(windows(x.label[last], sizes[0][1], sizes[1][1])[0 if longer else 1])
        else:
            label.append(x.label[last] if i in cut and len(cut) == 1 and shape[i] == x.shape[last] else ())
    return [tuple(label)] if len(label) == len(op.out.shape) else None


@axes("_fft_r2c", "_fft_c2r", "_fft_c2c")
def fft(op: Op) -> Labels:
    """Frequencies: of a frame of a signal they are a direction of their own, elsewhere still the axis's."""
    x = source(op)
    label = list(x.label)
    for axis in op.argument(1, "dim", []):
        size = op.out.shape[axis]
        atoms = label[axis]
        if len(atoms) == 1 and atoms[0].parent and atoms[0].parent[2][0] < 0:
            label[axis] = bands(atoms, x, size)
        elif size != x.shape[axis]:
            label[axis] = derived(atoms, size, "frequencies")
    return [tuple(label)]


def bands(axis: Axis, x: Value, size: int) -> Axis:
    """The frequencies within a frame, as rows or columns: whichever direction the signal does not take."""
    taken = {kind for other in x.label for kind in kinds(other)}
    free = [kind for kind in (ROWS, COLUMNS, DEPTH) if kind not in taken] or [WINDOW]
    key = ("bands", size)
    if key not in axis[0].memo:
        axis[0].memo[key] = Atom(free[0], size)
    return (axis[0].memo[key],)


@axes("view_as_real")
def parts(op: Op) -> Labels:
    """Real and imaginary, as two branches."""
    return [(*source(op).label, new(BRANCH, 2))]


@axes("view_as_complex")
def one(op: Op) -> Labels:
    return [source(op).label[:-1]]


@axes("im2col")
def im2col(op: Op) -> Labels:
    """(B, C, H, W) -> (B, C * window, places)."""
    x, shape = source(op), op.out.shape
    if len(x.shape) != 4:
        return None
    inside = new(WINDOW, shape[1] // max(x.shape[1], 1))
    grid = x.label[2] + x.label[3]
    if shape[2] != x.shape[2] * x.shape[3]:
        grid = new(kinds(grid) or "x", shape[2])
    return [(x.label[0], x.label[1] + inside, grid)]


@axes("mkldnn_rnn_layer", "lstm", "gru", "rnn_tanh", "rnn_relu")
def recurrent(op: Op) -> Labels:
    """A recurrent layer in one piece: moments and batch stay, channels are new; the rest is its states."""
    x = source(op)
    out = (*x.label[:-1], new(FEATURE, op.out.shape[-1]))
    return [out, *[None] * (len(op.outputs) - 1)]

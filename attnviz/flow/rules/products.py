"""Axes through what mixes entries by weights: convolutions and matrix products."""

from math import prod

from attnviz.flow.atoms import (
    BATCH,
    COLUMNS,
    DEPTH,
    FEATURE,
    PLACES,
    ROWS,
    UNKNOWN,
    WEIGHT,
    Atom,
    Axis,
    derived,
    kinds,
    new,
    places,
)
from attnviz.flow.graph import Op, Value
from attnviz.flow.rules.table import Labels, axes


@axes("convolution", "_convolution", "mkldnn_convolution", "cudnn_convolution", "slow_conv_dilated2d")
def convolution(op: Op) -> Labels:
    """Places stay places; channels are new ones, but for a depthwise convolution's and for pictures that were laid
    beside each other as groups of them.
    """
    x, weight = op.inputs[0], op.inputs[1]
    shape = op.out.shape
    if not x.depends or len(shape) != len(x.shape):
        return None
    batch, channels, grid = x.label[0], x.label[1], list(x.label[2:])
    groups = op.argument(8, "groups", 1)
    made, had = shape[1], x.shape[1]
    meaning = kinds(channels)
    if made > 1:
        bare = not meaning - {WEIGHT, UNKNOWN} and prod(weight.shape[2:]) > 1
        grid = [_as_place(axis, grid) if bare or any(atom.parent for atom in axis) else axis for axis in grid]
    kept = groups == made == had or (made == had and meaning and meaning <= PLACES)
    if kept:
        channel = channels
    elif (
        groups > 1 and channels and channels[0].kinds == {BATCH} and channels[0].size == groups
    ):  # weights for each picture
        channel = (channels[0], *new(FEATURE, made // groups))
    else:
        channel = new(FEATURE, made)
    how = ("conv", tuple(weight.shape[2:]), tuple(op.argument(3, "stride", ())), tuple(op.argument(4, "padding", ())))
    spread = [
        axis if n == size else derived(axis, size, how)
        for axis, n, size in zip(grid, x.shape[2:], shape[2:], strict=True)
    ]
    return [(batch, channel, *spread)]


def _as_place(axis: Axis, grid: list[Axis]) -> Axis:
    """Channels as a direction of a grid, from a convolution on that runs over them and over places: a filterbank's
    bands over time, or moments that came in as a part of the channels.
    """
    if len(grid) < 2 or not places(grid) or not kinds(axis) <= {FEATURE, WEIGHT} or len(axis) != 1 or axis[0].size == 1:
        return axis
    ways = (DEPTH, ROWS, COLUMNS) if len(grid) > 2 else (ROWS, COLUMNS)
    free = [kind for kind in ways if kind not in places(grid)]
    key = ("place", axis[0].size)
    if free and key not in axis[0].memo:
        axis[0].memo[key] = Atom(free[0], axis[0].size)
    return (axis[0].memo[key],) if free else axis


@axes("bmm", "baddbmm")
def bmm(op: Op) -> Labels:
    """(n, rows, k) by (n, k, columns)."""
    a, b = factors(op)
    batch = a.label[0] if a.depends and kinds(a.label[0]) else b.label[0] if b.depends else a.label[0]
    rows = a.label[1] if a.shape[1] > 1 else ()
    columns = b.label[2] if b.shape[2] > 1 else ()
    # A matrix of weights over places (a mixing of tokens) leaves them places.
    if _made(rows) and kinds(b.label[1]) & PLACES and a.shape[1] == b.shape[1]:
        rows = b.label[1]
    elif b.depends and not a.depends and rows and not places(b.label):  # else they may be queries that are weights
        rows = new(FEATURE, a.shape[1])
    if _made(columns) and kinds(a.label[2]) & PLACES and b.shape[2] == a.shape[2]:
        columns = a.label[2]
    elif a.depends and not b.depends:
        columns = new(FEATURE, b.shape[2])
    return [(batch, rows, columns)]


def _made(axis: Axis) -> bool:
    return not kinds(axis) - {WEIGHT, UNKNOWN}


@axes("_euclidean_dist", "_cdist_forward")
def cdist(op: Op) -> Labels:
    """(n, rows, k) and (n, columns, k): how far each row is from each column."""
    a, b = op.inputs[:2]
    return [(*(a if a.depends else b).label[:-2], a.label[-2], b.label[-2])]


@axes("mm", "addmm")
def mm(op: Op) -> Labels:
    """(rows, k) by (k, columns): by weights, the columns are new channels."""
    a, b = factors(op)
    if a.depends and not b.depends:
        meaning = kinds(a.label[1])
        stays = bool(meaning) and meaning <= PLACES and a.shape[1] == b.shape[1]
        return [(a.label[0], a.label[1] if stays else new(FEATURE, op.out.shape[1]))]
    if b.depends and not a.depends:
        meaning = kinds(b.label[0])
        stays = bool(meaning) and meaning <= PLACES and a.shape[0] == b.shape[0]
        return [(b.label[0] if stays else new(FEATURE, op.out.shape[0]), b.label[1])]
    return [(a.label[0], b.label[1])]


@axes("mv", "addmv")
def mv(op: Op) -> Labels:
    """(rows, k) by (k)."""
    a = op.inputs[-2]
    return [(a.label[0],)]


def factors(op: Op) -> tuple[Value, Value]:
    """The two matrices of a product, without what is added to it."""
    a, b = op.inputs[-2:]
    return a, b


@axes("embedding", "_embedding_bag")
def embedding(op: Op) -> Labels:
    """A vector of channels for each entry."""
    indices = op.inputs[1]
    return [(*indices.label, new(FEATURE, op.out.shape[-1])), *[None] * (len(op.outputs) - 1)]

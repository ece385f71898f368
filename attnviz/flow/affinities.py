"""Affinities and contexts: matrix products that read features by weights made from the input."""

from attnviz.flow.atoms import (
    BATCH,
    BRANCH,
    FEATURE,
    PLACES,
    UNKNOWN,
    WEIGHT,
    Axis,
    Label,
    aligned,
    is_batch,
    kinds,
    places,
    roots,
    size_of,
)
from attnviz.flow.claim import Claim, Found
from attnviz.flow.graph import Op, Value
from attnviz.flow.label import positions
from attnviz.flow.rules.products import factors
from attnviz.flow.trace import SEES, VIEWS, Root, chain, is_softmax, softmax_axis, squash, walk
from attnviz.mechanisms import Role

MATRICES = frozenset({"bmm", "baddbmm", "mm", "addmm"})
SCALED = VIEWS | {"scaled"}
BENT = VIEWS | {"relu", "leaky_relu", "sigmoid", "tanh", "scaled"}
COORDINATES = "expected coordinates", "A softmax over places is read out as coordinates (soft-argmax)."
MIXES = 4  # layers over heads that are looked through


def matrix(found: Found, op: Op) -> None:
    """Look at a matrix product: claim what it reads by."""
    a, b = factors(op)
    if not (a.depends and b.depends):
        _coordinates(found, op, a if a.depends else b, first=a.depends)
        return
    for value, read, first in ((a, b, True), (b, a, False)):
        if _by_softmax(found, op, value, read, first=first):
            return
    for value, read, first in ((a, b, True), (b, a, False)):
        if _without(found, op, value, read, first=first):
            return


def _coordinates(found: Found, op: Op, value: Value, *, first: bool) -> None:
    for _, made in walk(value, VIEWS):
        if made is not None and is_softmax(made):
            axis = softmax_axis(made)
            summed, _ = _ends(found, value, made.out, first=first)
            if axis in summed and places([made.out.label[axis]]):
                found.remark(
                    op, "expected coordinates", "A softmax over places is read out as coordinates (soft-argmax)."
                )


def _by_softmax(found: Found, op: Op, value: Value, read: Value, *, first: bool) -> bool:
    for made in _softmaxes(value):
        summed, kept = _ends(found, value, made.out, first=first)
        if softmax_axis(made) in summed or (not summed and _related(value, made, first=first)):
            _reading(found, op, value, read, made, softmax_axis(made), kept, Role.DISTRIBUTION)
            return True
    return False


def _ends(found: Found, value: Value, start: Value, *, first: bool) -> tuple[set[int], set[int]]:
    """The axes of ``start`` that a product sums over, and those that stay, where ``value`` is its first or second."""
    where = positions(found.graph, start, value)
    return (where[-1], where[-2]) if first else (where[-2], where[-1])


def _related(value: Value, made: Op, *, first: bool) -> bool:
    summed = value.label[-1] if first else value.label[-2]
    return bool(roots(summed) & roots(made.out.label[softmax_axis(made)]))


def _softmaxes(value: Value) -> list[Op]:
    """The softmaxes that a matrix goes back to, also through layers over heads and rows scaled to sum to one."""
    found = walk(value, SCALED)
    for _ in range(MIXES):
        more = []
        for each, op in found:
            inner = _inner(op) if op is not None and not is_softmax(op) else None
            more += walk(inner, SCALED) if inner is not None else [(each, op)]
        found = more
    return [op for _, op in found if op is not None and is_softmax(op)]


def _inner(op: Op) -> Value | None:
    """What an operation mixes over heads, or scales to sum to one; None for others."""
    live = op.live
    if op.name in ("div", "true_divide") and len(live) == 2:
        below = [each for _, each in walk(op.inputs[1], VIEWS)]
        scaled = len(below) == 1 and below[0] is not None and below[0].name == "sum"
        return op.inputs[0] if scaled and below[0] is not None and below[0].inputs[0] is op.inputs[0] else None
    if op.name not in ("addmm", "mm", "convolution") or len(live) != 1:
        return None
    over_softmax = any(is_softmax(each) for _, each in walk(live[0], SCALED))
    return live[0] if over_softmax else None


def _without(found: Found, op: Op, value: Value, read: Value, *, first: bool) -> bool:
    """A product of two products, or of pairs that a layer weighs: places by places without a softmax over the keys, or
    with one over another axis.
    """
    other = [made for _, made in walk(value, BENT) if made is not None and is_softmax(made)]
    start = other[0].live[0] if other else value
    for _, made in walk(start, BENT):
        if made is None or not (_product(made) or (_sum_of_pairs(made) and _only_keys(read, first=first))):
            continue
        summed, rows = (value.label[-1], value.label[-2]) if first else (value.label[-2], value.label[-1])
        if _product(made) and any(_softmaxes(each) for each in made.live):
            found.remark(op, "linear attention", "Keys are summed up before any query meets them (contexts, no pairs).")
            return True
        keys, queries = kinds(summed), kinds(rows)
        channels = bool(keys and queries) and keys | queries <= {FEATURE} and bool(places(read.label))
        if not (keys & PLACES and queries & PLACES) and not channels and not (BRANCH in keys and BRANCH in queries):
            continue
        where = other[0] if other else made
        key_axes, row_axes = _ends(found, value, where.out, first=first)
        if len(key_axes) != 1:
            continue
        note = ""
        if not other:  # what is read by is the scaled product, as it stands in the second one
            where, key_axes, row_axes = (
                value.op or made,
                {len(value.shape) - (1 if first else 2)},
                {len(value.shape) - (2 if first else 1)},
            )
        if other:
            over = where.out.shape[softmax_axis(where)]
            note = f"Its softmax runs over another axis, of {over} entries, and not over the keys."
        root = where.out if other else value
        _reading(found, op, value, read, where, key_axes.pop(), row_axes, Role.TERM, note, root)
        return True
    return False


def _product(made: Op) -> bool:
    return made.name in ("bmm", "mm", "baddbmm") and len(made.live) == 2


def _sum_of_pairs(made: Op) -> bool:
    """Whether a value is a layer's of pairs of embeddings laid side by side, or the sum of a term of each."""
    if made.name in ("convolution", "addmm", "mm") and len(made.live) == 1:
        found = [op for _, op in walk(made.live[0], SEES) if op is not None and op.name == "cat"]
        live = found[0].live if found else []
    else:
        live = made.live if made.name == "add" else []
    if len(live) != 2:
        return False
    over = [
        {i for i, axis in enumerate(aligned(each.label, rank)) if places([axis])}
        for each in live
        for rank in [len(made.out.shape)]
    ]
    return bool(over[0] and over[1]) and not over[0] & over[1]


def _only_keys(read: Value, *, first: bool) -> bool:
    """Whether what is read are features of the keys' places, and of no other places."""
    other = read.label[-1 if first else -2]
    return bool(kinds(other) & {FEATURE}) and not places([other])


def _reading(
    found: Found,
    op: Op,
    value: Value,
    read: Value,
    made: Op,
    key_axis: int,
    kept: set[int],
    role: Role,
    note: str = "",
    matrix: Value | None = None,
) -> None:
    """Claim a matrix, what ``made`` gives: ``read`` is read by it along its ``key_axis``; ``kept``: the rows' axes."""
    matrix = made.out if matrix is None else matrix
    label = matrix.label
    keys = label[key_axis]
    if size_of(keys) == 1:
        found.remark(op, "softmax over one entry", "It is 1 whatever it sees.")
        return
    rest = [i for i in range(len(label)) if i != key_axis and kinds(label[i]) - {BATCH}]
    row_axes = [i for i in rest if i in kept and kinds(label[i]) & PLACES and not is_batch(label[i])]
    row_axes = row_axes or [i for i in rest if kinds(label[i]) & PLACES and not is_batch(label[i])]
    rows = tuple(label[i] for i in row_axes)
    heads = tuple(label[i] for i in rest if i not in row_axes and not is_batch(label[i]))
    what, said = _what(label, keys, rows, [label[i] for i in rest])
    if any(BRANCH in kinds(axis) for axis in read.label[-2:] if size_of(axis) == size_of(keys)) and not rows:
        what, said = "branch", ""
    links = chain(found.graph, value, read) or [made]
    root = Root(matrix, made, squash(made))
    claim = Claim(op, role, what, value, read, [root], links, heads=heads, rows=rows, keys=keys, note=note or said)
    claim.soft = made if is_softmax(made) else None
    claim.row_axis, claim.key_axis = (row_axes[0] if len(row_axes) == 1 else None), key_axis
    found.claims.append(claim)


def _what(label: Label, keys: Axis, rows: tuple[Axis, ...], rest: list[Axis]) -> tuple[str, str]:
    """What kind of reading it is, and a remark."""
    over = kinds(keys) - {BATCH}
    others = frozenset(kind for axis in rest for kind in kinds(axis))
    if over & PLACES:
        return _over_places(label, keys, rows, rest)
    if BRANCH in over:
        return ("layers on layers", "Branches read branches.") if BRANCH in others else ("branch", "")
    if over & {FEATURE, WEIGHT} and others & PLACES:
        return "maps per place", "At each place a softmax over channels chooses among vectors."
    if over & {FEATURE, WEIGHT} and others & {FEATURE, WEIGHT, UNKNOWN}:
        return "channels on channels", "Channels read channels: there is no place in it."
    return "unknown", "What the softmax runs over could not be followed."


def _over_places(label: Label, keys: Axis, rows: tuple[Axis, ...], rest: list[Axis]) -> tuple[str, str]:
    """What kind of reading of places it is."""
    apart = [axis for axis in label if is_batch(axis) and kinds(axis) & PLACES]
    apart += [axis for axis in rest if kinds(axis) & PLACES and not any(axis is row for row in rows)]
    if _cut(keys) or (apart and any(_cut(axis) for axis in label)):
        return "window", "Places read the places of their own window."
    if apart or (rows and (_across(keys) or not kinds(keys) >= places(rows))):
        return "axial", "Places read along their own row or column."
    if rows:
        return "affinity", ""
    if any(kinds(axis) & {WEIGHT} for axis in rest):
        return "learned queries", "Queries that are weights read all places."
    maps = size_of(tuple(atom for axis in rest if not is_batch(axis) for atom in axis))
    if maps > 1 or any(FEATURE in kinds(axis) for axis in rest):
        return "contexts", f"{maps} softmaxes over places gather {maps} contexts."
    return "context", ""


def _cut(axis: Axis) -> bool:
    """Whether the places along an axis are only a part of the grid that they were split from."""
    have: dict[int, tuple[int, int]] = {}
    for atom in axis:
        if atom.kinds & PLACES:
            root = atom.root
            have[root.id] = (have.get(root.id, (1, 0))[0] * atom.size, root.size)
    return any(size < whole for size, whole in have.values())


def _across(keys: Axis) -> bool:
    """Whether keys are a row and a column laid end to end (criss-cross)."""
    return any(len({places([part]) for part, _ in atom.parts if places([part])}) > 1 for atom in keys)

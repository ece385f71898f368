"""Gates: products of features and of what was computed to scale them."""

from math import prod

from attnviz.flow.atoms import (
    BRANCH,
    CONSTANT,
    FEATURE,
    PLACES,
    UNKNOWN,
    WEIGHT,
    WINDOW,
    Label,
    aligned,
    features,
    is_batch,
    kinds,
    places,
    varies,
)
from attnviz.flow.claim import Claim, Found
from attnviz.flow.graph import Op, Value
from attnviz.flow.rules.table import dims
from attnviz.flow.trace import (
    BOUNDED,
    NORMALIZERS,
    SOFT,
    VIEWS,
    Root,
    bounded,
    chain,
    computes,
    descends,
    roots,
    shared_among,
    softmax_axis,
    softmax_by_hand,
    softmax_of,
    varying,
    walk,
)
from attnviz.flow.trace import (
    is_softmax as is_softmax_op,
)
from attnviz.mechanisms import Role

PRODUCTS = frozenset({"mul", "addcmul", "lerp", "div", "true_divide"})
CUTS = frozenset({"slice", "split", "split_with_sizes", "chunk", "select", "unbind", "narrow"})
COMPARISONS = frozenset({"gt", "lt", "ge", "le", "eq", "ne", "argmax", "argmin", "sign", "sgn"})


def product(found: Found, op: Op) -> None:
    """Look at a product: claim its gate, or say what it is instead."""
    pair = _operands(found, op)
    if pair is None:
        _read_out(found, op)
        return
    sides = _sides(op, *pair)
    if sides is None:
        return
    x, gate, gate_roots = sides
    factors = _factors(gate_roots)
    for factor in factors:
        _claim(found, op, x, factor, roots(factor), via=gate)
    if not factors:
        _claim(found, op, x, gate, gate_roots)


def _operands(found: Found, op: Op) -> tuple[Value, Value] | None:
    """The two values that are multiplied, where both hang on the input."""
    pair: list[Value] = [each for each in op.args if isinstance(each, Value)]
    if op.name in ("addcmul", "lerp"):
        pair = pair[1:3]
    if len(pair) != 2 or not all(each.depends and not each.whole for each in pair) or pair[0] is pair[1]:
        return None
    if softmax_by_hand(op) is not None or shared_among(op):
        return None
    if op.name in ("div", "true_divide") and not _over_exp(pair[1]):
        if places(pair[0].label) and varying(pair[0].label) >= varying(pair[1].label):
            found.remark(op, "normalization", "Features are divided by their own size.")
        return None
    return pair[0], pair[1]


def _read_out(found: Found, op: Op) -> None:
    """A softmax over places times coordinates, summed: where the middle of it is."""
    if op.name != "mul" or len(op.live) != 1:
        return
    if not _summed(found, op.out):
        return
    for _, made in walk(op.live[0], VIEWS):
        if made is not None and is_softmax_op(made) and kinds(made.out.label[softmax_axis(made)]) & PLACES:
            found.remark(op, "expected coordinates", "A softmax over places is read out as coordinates.")


def _over_exp(below: Value) -> bool:
    """x / (1 + exp(-z)) is x times a sigmoid."""
    found = [op for _, op in walk(below, {"scaled", "view", "expand"})]
    return len(found) == 1 and found[0] is not None and found[0].name == "exp"


def _sides(op: Op, a: Value, b: Value) -> tuple[Value, Value, list[Root]] | None:
    """Which is the features and which the gate: the gate varies over less; where both vary over the same, it is what
    is squashed, else what was computed from the other.
    """
    rank = len(op.out.shape)
    one, two = (varying(aligned(value.label, rank)) for value in (a, b))
    of_a, of_b = roots(a), roots(b)
    if op.name in ("div", "true_divide", "lerp"):
        return a, b, of_b
    if one > two:
        return a, b, of_b
    if two > one:
        return b, a, of_a
    if one != two:
        return None  # each varies where the other does not: two gates, seen again where they meet the features
    if bounded(of_a) != bounded(of_b):
        return (a, b, of_b) if bounded(of_b) else (b, a, of_a)
    if bounded(of_a):
        squashes = of_a[0].squash, of_b[0].squash
        if (squashes[0] == "tanh") != (squashes[1] == "tanh"):
            return (a, b, of_b) if squashes[0] == "tanh" else (b, a, of_a)
        return None
    if descends(b, a) or not descends(a, b):
        return a, b, of_b
    return b, a, of_a


def _factors(gate_roots: list[Root]) -> list[Value]:
    """The gates of which a gate is the product; none where it is one gate."""
    if len(gate_roots) != 1 or gate_roots[0].op is None or gate_roots[0].op.name != "mul":
        return []
    live = gate_roots[0].op.live
    if len(live) != 2 or not all(bounded(roots(each)) for each in live):
        return []
    rank = max(len(each.shape) for each in live)
    alike = varying(aligned(live[0].label, rank)) == varying(aligned(live[1].label, rank))
    return [] if alike else live  # two that vary over the same are one gate: a cell's state


def _claim(found: Found, op: Op, x: Value, gate: Value, gate_roots: list[Root], via: Value | None = None) -> None:
    rank = len(op.out.shape)
    on, over = aligned(x.label, rank), aligned(gate.label, rank)
    links = chain(found.graph, gate, x) or [root.op for root in gate_roots if root.op is not None]
    claim = Claim(op, Role.GATE, "", gate, x, gate_roots, links, on, over, varying(on) == varying(over), via=via)
    claim.divides = op.name in ("div", "true_divide")
    if said := _plain(found, claim):
        found.remark(op, *said)
        return
    claim.what, claim.note = meaning(on, over)
    soft = next((each for each in map(softmax_of, gate_roots) if each is not None), None)
    if soft is not None:
        _shares(found, claim, soft)
    if not links:
        return
    found.claims.append(claim)


def _plain(found: Found, claim: Claim) -> tuple[str, str] | None:
    """What a product is, where its form alone says that it is no attention."""
    origin_x, origin_gate = found.origin(claim.features), found.origin(claim.gate)
    if origin_x is origin_gate:
        return "activation", "A feature is multiplied by a function of itself alone."
    if claim.equal and _halves(origin_x, origin_gate):
        return "GLU", "One half of the channels is multiplied by the other (a gated linear unit)."
    squashes = [root.squash for root in claim.roots]
    if squashes and all(each in NORMALIZERS for each in squashes) and not claim.divides:
        return "normalization", "Features are scaled by the inverse of their own size."
    if not claim.bounded and any(op.name in COMPARISONS for op in claim.root_ops):
        return "mask", "Features are kept or dropped by a comparison."
    if claim.squash == "relu6":
        return "activation", "relu6 without its scale is an activation, not a gate."
    if claim.equal and not claim.bounded and not _large_kernel(found, claim):
        return "product", "Two maps of the same shape are multiplied, and neither is squashed."
    return None


def _halves(one: Value, two: Value) -> bool:
    ops = one.op, two.op
    if not all(op is not None and op.name in CUTS for op in ops):
        return False
    assert ops[0] is not None
    assert ops[1] is not None
    return ops[0].inputs[0] is ops[1].inputs[0]


def _large_kernel(found: Found, claim: Claim) -> bool:
    """x times convolutions of x over places, unsquashed (large kernel attention), unless it is summed up at once."""
    spatial = any(op.name == "convolution" and prod(op.inputs[1].shape[2:]) > 1 for op in claim.chain)
    users = found.graph.users[claim.out.id]
    summed = bool(users) and all(user.name in ("sum", "mean") for user in users)
    return spatial and descends(claim.gate, claim.features) and not summed


def meaning(on: Label, over: Label) -> tuple[str, str]:
    """Over what a gate varies, from the labels of features and gate as they meet, and a remark."""
    all_places = places(on)
    found: set[str] = set()
    grouped = windowed = False
    for axis, met in zip(over, on, strict=True):
        if not varies(axis):
            continue
        here = set(kinds(axis if places([axis]) or not places([met]) or kinds(axis) - {WEIGHT, UNKNOWN} else met))
        if is_batch(axis):
            grouped |= FEATURE in here
            windowed |= bool(here & PLACES)
            continue
        found |= here
        grouped |= FEATURE in here and _part_of(on, over, frozenset({FEATURE}))
        windowed |= bool(here & PLACES) and _part_of(on, over, PLACES)
    found -= {CONSTANT}
    if WINDOW in found:
        return "local weights", "Each place has weights of its own for the places around it."
    if UNKNOWN in found:
        return "unknown", "What the gate varies over could not be followed."
    if grouped:
        return "group", "The gate holds for a group of channels, not for each."
    if windowed:
        return "window", "The gate is computed in windows of the picture."
    return _of_kinds(found, all_places), ""


def _of_kinds(found: set[str], all_places: frozenset[str]) -> str:
    here = frozenset(found) & PLACES
    channels = bool(found & {FEATURE, WEIGHT})
    if BRANCH in found:
        return "branch"
    if not found:
        return "scalar"
    if not here:
        return "channel"
    if here == all_places:
        return "volume" if channels else "spatial"
    return "strip"


def _part_of(on: Label, over: Label, meanings: frozenset[str]) -> bool:
    """Whether the gate has only a part of channels, or of places, that were split, its other part nowhere in it."""
    atoms = [atom for each in over for atom in each if atom.kinds & meanings]
    if not atoms or not all(atom.parent for atom in atoms):
        return False
    families = {atom.root.id for atom in atoms}
    there = [atom for each in on for atom in each if atom.kinds & meanings and atom.root.id in families]
    return len(atoms) < len(there)


def _shares(found: Found, claim: Claim, soft: Op) -> None:
    """A softmax that multiplies: what it is a distribution over."""
    claim.role, claim.soft = Role.DISTRIBUTION, soft
    axis = soft.out.label[softmax_axis(soft)]
    if soft.out.shape[softmax_axis(soft)] == 1:
        claim.drop("softmax over one entry", "It is 1 whatever it sees.")
        return
    ids = {atom.id for atom in axis}
    here = {i for i, each in enumerate(claim.over) if {atom.id for atom in each} & ids}
    families = {atom.root.id for atom in axis}
    kin = {i for i, each in enumerate(claim.over) if {atom.root.id for atom in each} & families}
    summed = _summed(found, claim.out)
    if kinds(axis) & PLACES:
        if here and here <= summed:
            claim.what = "context"
        elif claim.what == "volume":
            claim.what, claim.note = "contexts", "Softmaxes over places, one a channel, weigh another map."
    elif not here or (here | kin) & summed:
        per_place = claim.what in ("spatial", "volume", "strip") or places(claim.over)
        claim.what = "shares at each place" if per_place else "branch"


def _summed(found: Found, value: Value) -> set[int]:
    """The axes along which a value is summed up next."""
    axes: set[int] = set()
    for user in found.graph.users[value.id]:
        if user.name == "sum":
            axes |= set(dims(user.argument(1, "dim"), len(value.shape)))
    return axes


def is_softmax(claim: Claim) -> bool:
    return any(root.squash in SOFT for root in claim.roots)


def learned(claim: Claim) -> bool:
    """Whether the gate is computed, not only bent entry by entry."""
    return any(computes(op) for op in claim.chain)


def features_of(label: Label) -> bool:
    return any(features(axis) for axis in label if varies(axis))


__all__ = ["BOUNDED", "PRODUCTS", "features_of", "is_softmax", "learned", "meaning", "product"]

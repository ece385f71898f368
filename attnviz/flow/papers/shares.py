"""The steps of SK, GC and Non-Local, as their papers name them."""

from math import prod
from typing import Any

from attnviz.flow.affinities import SCALED
from attnviz.flow.atoms import BRANCH, kinds, places
from attnviz.flow.block import same
from attnviz.flow.graph import Op, Value
from attnviz.flow.outcome import residual
from attnviz.flow.papers.trail import (
    BlockFlow,
    Landmark,
    Landmarks,
    Trail,
    activates,
    beside,
    logits_of,
    mark,
    sources,
)
from attnviz.flow.rules.pointwise import BATCH_NORMS, NORMS
from attnviz.flow.rules.products import factors
from attnviz.flow.tokens import LAYERS, token
from attnviz.flow.trace import SEES, scaled, walk
from attnviz.mechanisms import Kind, Role

CLOSE = 1e-4
PRODUCTS = ("bmm", "mm", "baddbmm")


def sk(block: BlockFlow) -> Landmarks | None:
    """Li et al. 2019, eq. 1-6."""
    part = block.part(Kind.BRANCH, Role.DISTRIBUTION)
    if part is None:
        return None
    soft = part.claim.soft
    logits = (soft.live[0],) if soft is not None else tuple(logits_of(spot.op) for spot in part.spots)
    # The layer that selects may be one, or one a branch.
    ways = [block.trail(value) for each in logits for value in beside(each) or [each]]
    compact = {way.given(-1).id: way.given(-1) for way in ways if way.layers}
    if len(compact) != 1:
        return None
    [hidden] = compact.values()
    way = block.trail(hidden)
    if not all(each.whole for each in ways) or len(way.layers) != 1 or not _bent_once(way):
        return None
    summed = next((i + 1 for i, op in enumerate(way.ops) if token(op) == "ksum"), 0)
    below = Trail(way.ops[summed - 1].out if summed else way.start, way.ops[summed:])
    at_once = not summed and bool(below.ops) and any(BRANCH in kinds(axis) for axis in below.ops[0].live[0].label)
    count = part.spots[0].layout.shape[0] if len(part.spots) == 1 else len(part.spots)
    maps = _branches(below.ops[0].out if at_once else below.start, count)
    if maps is None or below.squeezed is None:
        return None
    steps = {f"branch {i}": each for i, each in enumerate(maps, 1)}
    steps |= {} if at_once else {"fuse": mark(below.start, "cij")}  # summed over branches and places in one operation
    steps |= {
        "squeeze": mark(below.squeezed, "c"),
        "reduce": mark(hidden, "h"),
        "select": Landmark(logits, "mc"),
        "share": Landmark(tuple(part.spots), "mc"),
        "sum": mark(block.output, "cij"),
    }
    return Landmarks(steps, {"branches": len(maps)})


def _bent_once(way: Trail) -> bool:
    """Whether a layer and its norm are followed by one activation, and by nothing else."""
    last = way.gave(-1)
    place = next(i for i, op in enumerate(way.ops) if last in op.outputs)
    return activates(way.ops[place + 1 :])


def _branches(fused: Value, count: int) -> list[Landmark] | None:
    """The maps whose sum is what the branches are fused to."""
    op = next((op for _, op in walk(fused, SEES)), None)
    if op is None:
        return None
    if op.name == "sum" and any(BRANCH in kinds(axis) for axis in op.live[0].label):
        return [mark(op.live[0], "mcij", pick) for pick in range(count)]
    found: list[Value] = []
    left = [fused]
    while left and len(found) <= count:
        value = left.pop(0)
        added = sources(value, "add") if len(found) + len(left) + 1 < count else []
        left, found = [*added, *left], found if len(added) > 1 else [*found, value]
    return [mark(value, "cij") for value in found] if len(found) == count else None


def gc(block: BlockFlow) -> Landmarks | None:
    """Cao et al. 2019, eq. 4-5: the context and its transform, added or scaling or both."""
    context, term = block.part(Kind.CONTEXT), block.part(Kind.CHANNEL, Role.TERM)
    gate = block.part(Kind.CHANNEL, Role.GATE)
    if context is None or context.claim.soft is None:
        return None
    last = term or gate
    if last is None or not block.ends(last):
        return None
    if len(block.holder.parts) != 1 + (term is not None) + (gate is not None):
        return None
    gathered = context.claim.out  # by a matrix product, or by a product and a sum
    if places(gathered.label):
        sums = [op for op in block.found.graph.users[same(gathered).id] if token(op) == "gsum"]
        gathered = sums[0].out if len(sums) == 1 else gathered
    key = logits_of(context.claim.soft)
    if not block.trail(key).layer:
        return None
    steps = {
        "key": mark(key, "1ij"),
        "context map": mark(context.spots[0], "1ij"),
        "context": mark(gathered, "c"),
    }
    fusions: list[str] = []
    if gate is not None:
        fusions.append("channel_mul")
        logit = gate.claim.root_ops[0].live[0]
        if not _transforms(block, logit, gathered):
            return None
        steps |= {
            "mul transform": mark(logit, "c"),
            "mul gate": mark(gate.spots[0], "c"),
            "scale": mark(gate.claim.out if term is not None else block.output, "cij"),
        }
    if term is not None:
        fusions.append("channel_add")
        if not _transforms(block, term.claim.gate, gathered):
            return None
        steps |= {"add transform": mark(term.spots[0], "c"), "add": mark(block.output, "cij")}
    return Landmarks(steps, {"fusions": tuple(fusions)})


def _transforms(block: BlockFlow, value: Value, context: Value) -> bool:
    """Whether a value is the transform of the context: a layer, a layer norm, an activation, a layer."""
    way = block.trail(value, context)
    return way.mlp and len(way.layers) == 2 and any(op.name in NORMS - BATCH_NORMS for op in way.ops)


def non_local(block: BlockFlow) -> Landmarks | None:
    """Wang et al. 2018, eq. 1-6, but for the concatenation: embedded or not, with a softmax or the number of keys."""
    part = block.part(Kind.AFFINITY)
    if part is None or part.spots[0].layout.shape[0] != 1:
        return None
    soft, end = part.claim.soft, residual(block.found, part.claim)
    path: list[Op] = []
    start = logits_of(soft) if soft is not None else part.spots[0].value
    paired = [op for _, op in walk(start, SCALED, path)]
    if len(paired) != 1 or paired[0] is None or paired[0].name not in PRODUCTS or end is None:
        return None
    one, two = factors(paired[0])
    if soft is not None and _turned(soft, part.claim.key_axis, paired[0]):
        one, two = two, one
    added = [value for value in end[0].live if value is not end[1]]
    options = _pairing(block, (one, two), _scale(path))
    if len(added) != 1 or options is None or not _projects(block.trail(added[0], part.claim.out)):
        return None
    if not all(_embeds(block.trail(value, end[1])) for value in (one, two, part.claim.features)):
        return None
    steps = {
        "theta": mark(one, "qd"),
        "phi": mark(two, "kd"),
        "affinity": mark(part.spots[0], "mqk", 0),
        "g": mark(part.claim.features, "kd"),
        "aggregate": mark(part.claim.out, "qd"),
        "project": mark(added[0], "cij"),
        "residual": mark(block.output, "cij"),
    }
    return Landmarks(steps, options)


def _projects(way: Trail) -> bool:
    """Whether it is W_z: a layer, or what was read as it is, scaled at most."""
    return way.layer or all(scaled(op) is not None for op in way.ops)


def _embeds(way: Trail) -> bool:
    """Whether it is one layer or none, before or after which the map may be pooled."""
    rest = [op for op in way.ops if not (token(op).endswith("pool") or scaled(op) is not None or op.name in NORMS)]
    return len(way.layers) <= 1 and all(token(op).startswith(LAYERS) for op in rest)


def _pairing(block: BlockFlow, pair: tuple[Value, Value], scale: float) -> dict[str, Any] | None:
    """How queries and keys are compared, as the options of ``NonLocal``; None for what the paper does not have."""
    part = block.part(Kind.AFFINITY)
    assert part is not None
    _, queries, keys = part.spots[0].layout.shape
    embedded = {bool(block.trail(value).layers) for value in pair}
    subsampled = {"subsample": part.grids[0] != part.grids[1]}
    if len(embedded) != 1:
        return None
    if part.claim.soft is None:
        found = embedded == {True} and abs(scale * keys - 1) < CLOSE and not part.claim.note
        return {"pairwise": "dot_product"} | subsampled if found else None
    depth = prod(pair[0].shape) // (block.found.graph.batch * queries)
    options = {"pairwise": "embedded_gaussian" if True in embedded else "gaussian"} | subsampled
    if scale == 1:
        return options
    return options | ({"scale": True} if abs(scale * depth**0.5 - 1) < CLOSE else {"factor": scale})


def _turned(soft: Op, key_axis: int | None, product: Op) -> bool:
    """Whether the softmax runs over what the product's first factor has, so that its keys come first."""
    if key_axis is None:
        return False
    keys = set(soft.out.label[key_axis])
    return bool(keys & set(product.out.label[-2])) and not keys & set(product.out.label[-1])


def _scale(path: list[Op]) -> float:
    """What the products are multiplied by."""
    scale = 1.0
    for op in path:
        numbers = [float(each) for each in op.args if isinstance(each, int | float)]
        numbers += [float(v.tensor) for v in op.inputs if v.tensor is not None and prod(v.shape) == 1]
        if op.name in ("mul", "div") and numbers:
            scale *= numbers[0] if op.name == "mul" else 1 / numbers[0]
    return scale

"""Blocks: the smallest run of a module that holds a gate and its use, with all the parts that are in it."""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from attnviz.flow.atoms import FEATURE, Label, aligned, is_batch, kinds, places
from attnviz.flow.claim import Claim, Found
from attnviz.flow.graph import Frame, Graph, Op, Value, common, within
from attnviz.flow.layout import Layout, grid_of, lay_out
from attnviz.flow.terms import MIXERS
from attnviz.flow.trace import LEARNED, SHARE, VIEWS, chain, computes, roots, shared_among, walk
from attnviz.mechanisms import Kind, Role

KINDS = {
    "channel": Kind.CHANNEL,
    "spatial": Kind.SPATIAL,
    "volume": Kind.VOLUME,
    "branch": Kind.BRANCH,
    "context": Kind.CONTEXT,
    "affinity": Kind.AFFINITY,
    "term": Kind.CHANNEL,
}
CUTS = frozenset({"slice", "split", "split_with_sizes", "chunk", "select", "unbind", "narrow", "cat", "stack"})
NETWORK = Frame("", 0)


@dataclass(frozen=True, eq=False)
class Spot:
    """Where a part's value stands: as an operation's output, or as an operand where it is used."""

    value: Value
    op: Op
    slot: int | None  # of the output; None: it is read as an operand
    operand: int | None
    layout: Layout
    inverse: bool = False  # the value is one divided by what stands there


@dataclass(eq=False)
class Draft:
    """A part in the making."""

    claims: list[Claim]
    kind: Kind
    role: Role
    spots: list[Spot]
    name: str | None = None
    neutral: float | None = None
    error: float = float("inf")
    why: str = ""
    low: float = float("inf")
    high: float = float("-inf")
    deviation: float = 0.0

    @property
    def claim(self) -> Claim:
        return self.claims[0]

    @property
    def grids(self) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
        """An affinity's grids of queries and keys."""
        rows = self.claim.rows
        return (grid_of(rows[0]) if len(rows) == 1 else grid_of(sum(rows, ()))), grid_of(self.claim.keys)


@dataclass(eq=False)
class Holder:
    """A block in the making, in one run of its module; ``number`` is 1, 2, ... where that holds several, else 0.

    ``inner``: layers of that module make the features that the block acts on.
    """

    frame: Frame
    parts: list[Draft]
    number: int = 0
    mechanism: str | None = None
    frames: list[Frame] = field(default_factory=list)  # of the modules that it was put together from
    inner: bool = False

    @property
    def whole(self) -> bool:
        """Whether the module is the block: what goes in and comes out of one is the other's."""
        return self.frame != NETWORK and not self.number and not self.inner

    @property
    def first(self) -> int:
        """When its first part is used."""
        return min(claim.op.id for part in self.parts for claim in part.claims)

    @property
    def features(self) -> Value:
        """What its first part acts on."""
        claims = [claim for part in self.parts if part.role is not Role.LOGIT for claim in part.claims]
        return min(claims, key=lambda claim: claim.op.id).features


def holders(found: Found) -> list[Holder]:
    """The blocks of a graph, in the order in which they run; strips without their other half are dropped."""
    by_frame: dict[Frame, list[Claim]] = defaultdict(list)
    for claim in found.alive:
        by_frame[frame_of(found.graph, claim)].append(claim)
    made = [holder for frame, claims in by_frame.items() for holder in split(found, frame, drafts(found, claims))]
    return sorted(made, key=lambda holder: holder.first)


def split(found: Found, frame: Frame, parts: list[Draft]) -> Iterator[Holder]:
    """The blocks that one module's own forward holds: parts belong together that act on the same features, a gate
    and a gate or a term that acts on what it gave, and a context and what is made of what it read.
    """
    groups: list[list[Draft]] = []
    for part in parts:
        joined = [group for group in groups if any(_together(found, each, part) for each in group)]
        groups = [group for group in groups if group not in joined]
        groups.append([*(each for group in joined for each in group), part])
    groups.sort(key=lambda group: min(part.claim.op.id for part in group))
    for number, group in enumerate(groups, 1):
        holder = Holder(frame, sorted(group, key=lambda part: part.claim.op.id), number if len(groups) > 1 else 0)
        holder.inner = _inner(found.graph, holder)
        yield holder


def _inner(graph: Graph, holder: Holder) -> bool:
    """Whether layers of a gate's module make its features: the block is what is done to these."""
    if not any(part.role in (Role.GATE, Role.TERM) for part in holder.parts):
        return False  # values and branches are made of what comes in
    before = graph.chosen(holder.features.ancestors)
    return any(op.name in LEARNED and within(op, holder.frame) for op in before)


def _together(found: Found, one: Draft, two: Draft) -> bool:
    bases = [{same(part.claim.features).id, found.origin(part.claim.features).id} for part in (one, two)]
    if bases[0] & bases[1]:
        return True
    if any(a.kind is Kind.CONTEXT and a.claim.op in b.claim.chain for a, b in ((one, two), (two, one))):
        return True  # what the context read is what the other is made of
    return any(
        a.role is Role.GATE and b.role in (Role.GATE, Role.TERM) and same(b.claim.features) is same(a.claims[-1].out)
        for a, b in ((one, two), (two, one))
    )


def same(value: Value) -> Value:
    """The value itself, before it was viewed otherwise."""
    while value.op is not None and value.op.name in VIEWS - CUTS and len(value.op.live) == 1:
        value = value.op.live[0]
    return value


def frame_of(graph: Graph, claim: Claim) -> Frame:
    """The smallest module run that holds what computes the gate and what uses it.

    What is computed before the module is its input, however much of it the gate alone needs.
    """
    shared = common([op.stack for op in (*claim.root_ops, claim.op)])
    needed = list(graph.chosen(claim.gate.ancestors))
    for frame in reversed(shared):
        if claim.keys and len({value.id for value in graph.runs[frame].inputs}) > 1:  # queries that come ready-made
            inside = [op for op in needed if within(op, frame)]
            enough = any(op.name in MIXERS and len(op.live) < len(op.inputs) for op in inside)
        else:
            enough = any(computes(op) for op in claim.chain if within(op, frame))
        if enough:
            return frame
    for frame in reversed(shared):  # what it is computed from made the features as well
        if any(computes(op) for op in needed if within(op, frame)):
            return frame
    return NETWORK


def drafts(found: Found, claims: list[Claim]) -> list[Draft]:
    """The parts of one module run: strips in pairs, a value that is used several times once."""
    out: list[Draft] = []
    strips = [claim for claim in claims if claim.what == "strip"]
    pairs, alone = _pairs(strips)
    for claim in alone:
        claim.drop(*_lone_strip(claim))
        found.remarks.append(claim.excluded) if claim.excluded else None
    for one, two in pairs:
        spots = [spot(each, None, operand=False) for each in (one, two)]
        out.append(Draft([one, two], Kind.COORDINATE, Role.GATE, spots))
    shared = _shares(claims)
    for several in shared.values():
        spots = [spot(each, Kind.CHANNEL, operand=False) for each in several]
        out.append(Draft(several, Kind.BRANCH, Role.DISTRIBUTION, spots))
    for claim in claims:
        kind = KINDS.get(claim.what)
        if claim.what == "strip" or any(claim in several for several in shared.values()):
            continue
        assert kind is not None, claim.what
        known = next((d for d in out if _same_value(d, claim) and not _elsewhere(found, d.claim, claim)), None)
        if known is not None:
            known.claims.append(claim)
            known.spots = [spot(known.claim, known.kind, operand=any(_elsewhere(found, claim, c) for c in claims))]
            continue
        cut = kind is not Kind.BRANCH and (_cut(claim) or any(_elsewhere(found, claim, each) for each in claims))
        out.append(Draft([claim], kind, claim.role, [spot(claim, kind, operand=cut)]))
    out += [logit for draft in out if draft.kind is Kind.VOLUME for logit in logits(found.graph, draft)]
    return sorted(out, key=lambda draft: draft.claim.op.id)


def _shares(claims: list[Claim]) -> dict[frozenset[int], list[Claim]]:
    """Channel gates that share one sum of exponentials: a softmax over branches, written out."""
    found: dict[frozenset[int], list[Claim]] = defaultdict(list)
    for claim in claims:
        if claim.what == "channel" and claim.squash == SHARE and claim.root_ops:
            found[shared_among(claim.root_ops[0])].append(claim)
    return {among: several for among, several in found.items() if len(several) == len(among)}


def logits(graph: Graph, draft: Draft) -> list[Draft]:
    """The two maps whose sum or product a volume's squash takes, one of channels and one of places (BAM); or none."""
    summed = sum_below(draft.claim)
    if summed is None:
        return []
    rank = len(summed.out.shape)
    labels = [aligned(value.label, rank) for value in summed.live]
    whats = ["channel" if not places(label) else "spatial" for label in labels]
    if sorted(whats) != ["channel", "spatial"] or any(_both(label) for label in labels):
        return []
    made = []
    for what, value, label in zip(whats, summed.live, labels, strict=True):
        links = chain(graph, value, draft.claim.features)
        claim = Claim(summed, Role.LOGIT, what, value, draft.claim.features, roots(value), links, draft.claim.on, label)
        made.append(Draft([claim], KINDS[what], Role.LOGIT, [spot(claim, KINDS[what], operand=_cut(claim))]))
    return made


def _both(label: Label) -> bool:
    """Whether a map varies over channels and over places."""
    channels = any(FEATURE in kinds(axis) for axis in label if not is_batch(axis))
    return channels and bool(places(label))


def sum_below(claim: Claim) -> Op | None:
    """The sum or product of two maps that a squash takes; None where it takes something else."""
    root = claim.roots[0].op
    if root is None or len(root.live) != 1:
        return None
    below = [op for _, op in walk(root.live[0], VIEWS | {"native_batch_norm"}) if op is not None]
    fits = len(below) == 1 and below[0].name in ("add", "mul") and len(below[0].live) == 2
    return below[0] if fits else None


def _same_value(draft: Draft, claim: Claim) -> bool:
    one, two = draft.claim.root_ops, claim.root_ops
    if draft.kind is not Kind.BRANCH and any(_piece(each) for each in (draft.claim, claim)):
        return False  # a piece of what the squash gave is read where it is used
    return draft.role is claim.role and draft.claim.what == claim.what and bool(one) and one == two


def _elsewhere(found: Found, one: Claim, two: Claim) -> bool:
    """Whether one gate is used on two maps: each use is read by itself, and changed by itself."""
    gates = one.role is two.role is Role.GATE and "branch" not in (one.what, two.what)
    if not gates or one is two or not one.root_ops or one.root_ops != two.root_ops:
        return False
    bases = [{found.origin(end).id for end, _ in walk(claim.features, VIEWS)} for claim in (one, two)]
    return not bases[0] & bases[1]


def _piece(claim: Claim) -> bool:
    """Whether the gate is less than what its root gives, and not because the features are less, too."""
    path: list[Op] = []
    walk(claim.features, VIEWS, path)
    less = math.prod(claim.gate.shape) < math.prod(claim.roots[0].value.shape)
    return less and not any(op.name in CUTS for op in path)


def _cut(claim: Claim) -> bool:
    """Whether the gate is a piece of what its root gives, or put together of several."""
    path: list[Op] = []
    walk(claim.gate, VIEWS | {"scaled"}, path)
    return len(claim.roots) != 1 or any(op.name in CUTS for op in path)


def spot(claim: Claim, kind: Kind | None, *, operand: bool) -> Spot:
    """Where a claim's value is read: what its squash gave, or, where that is not all of it, the product's operand."""
    cut = operand or (kind is None and _cut(claim))
    value = claim.gate if cut or claim.divides else _rooted(claim)
    op = value.op
    if cut or claim.divides or op is None or op.name in VIEWS or op.name == "alias_write":
        value = claim.gate
        place = next((i for i, each in enumerate(claim.op.inputs) if each is value), None)
        if place is not None:
            return Spot(value, claim.op, None, place, lay_out(claim, value.label, kind), claim.divides)
        op = claim.op  # a factor of a product of gates: as that product's operand
        product = claim.roots[0].op
        via = claim.via.op if claim.via is not None else None
        for use in (via, product):
            place = next((i for i, each in enumerate(use.inputs) if each is value), None) if use is not None else None
            if use is not None and place is not None:
                return Spot(value, use, None, place, lay_out(claim, value.label, kind))
        value = _rooted(claim)
        op = value.op or op
    return Spot(value, op, value.slot, None, lay_out(claim, value.label, kind))


def _rooted(claim: Claim) -> Value:
    """What the squash gave; relu6(z + 3) is only that when it was divided by 6."""
    root = claim.roots[0].value
    op = root.op
    if op is None or op.name != "hardtanh" or op.argument(1, "min_val", -1) != 0:
        return root
    top = float(op.argument(2, "max_val", 1))
    value = claim.gate
    while value is not root and value.op is not None and value.op.live:
        numbers = [each for each in value.op.args if isinstance(each, int | float)]
        inverse = value.op.name in ("div", "true_divide")
        if value.op.name in ("mul", "div", "true_divide") and _scales(value.op, numbers, top, inverse=inverse):
            return value
        value = value.op.live[0]
    return root


def _scales(op: Op, numbers: list[float], top: float, *, inverse: bool) -> bool:
    if not numbers:
        numbers = [float(each.tensor) for each in op.inputs if each.tensor is not None and each.tensor.numel() == 1]
    return any(abs((1 / number if inverse else number) * top - 1) < 1e-4 for number in numbers if number)


def _pairs(strips: list[Claim]) -> tuple[list[tuple[Claim, Claim]], list[Claim]]:
    """Strips that belong together: along different directions, on the same features or one on what the other gave."""
    left, pairs = list(strips), []
    for one in strips:
        for two in strips:
            if one in left and two in left and one is not two and _belong(one, two):
                order = sorted((one, two), key=_direction, reverse=True)  # rows before columns
                pairs.append((order[0], order[1]))
                left.remove(one)
                left.remove(two)
    return pairs, left


def _direction(claim: Claim) -> str:
    return "".join(sorted(places(claim.over), reverse=True))


def _belong(one: Claim, two: Claim) -> bool:
    if _direction(one) == _direction(two) or _turned(one) or _turned(two):
        return False
    touching = one.features is two.features or two.features is one.out or one.features is two.out
    from_same = walk(two.features, VIEWS)[0][0] is one.out or walk(one.features, VIEWS)[0][0] is two.out
    return touching or from_same


def _turned(claim: Claim) -> bool:
    """Whether a strip was computed by a convolution that runs over channels as if they were places."""
    for op in claim.chain:
        if op.name == "convolution" and any(n > 1 for n in op.inputs[1].shape[2:]):
            grid = op.inputs[0].label[2:]
            if any(kinds(axis) == {FEATURE} for axis in grid):
                return True
    return False


def _lone_strip(claim: Claim) -> tuple[str, str]:
    if _turned(claim):
        return "turned gate", "A gate over a plane of channels by rows or columns (as in triplet attention)."
    return "one strip", "A gate for each channel along one direction, without the other strip."

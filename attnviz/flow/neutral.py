"""The value at which a block's output is its input: 1 for ``x * g``, 0 for ``x + x * g``, or none.

What follows a product is a line in the gate's value nearly always: it is solved from replays at two values, and
the answer is confirmed by a third. It is asked first where the product meets the features again, then at the product.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attnviz.flow.block import Draft, Holder, Spot, same
from attnviz.flow.claim import Claim, Found
from attnviz.flow.exclude import sums_with
from attnviz.flow.graph import Frame, Graph, Op, Value, within
from attnviz.flow.replay import Get, between, difference, replay
from attnviz.flow.residual import residual
from attnviz.flow.trace import scaled
from attnviz.mechanisms import Kind, Role

NONE = (
    "No value of it leaves the features as they are; to take the block out, hand its input on in place of its output."
)


@dataclass(frozen=True, eq=False)
class Meeting:
    """Where a gate's effect is judged: the operations to be replayed, what they give, and the features to compare."""

    ops: list[Op]
    target: Value
    features: Value


def meetings(found: Found, frame: Frame, draft: Draft) -> list[Meeting]:
    """The places where a part's neutral value is sought, the best first."""
    if draft.role is Role.LOGIT or draft.kind in (Kind.BRANCH, Kind.CONTEXT):
        return []
    claim = draft.claim
    values = [spot.value for spot in draft.spots]
    if draft.kind is Kind.AFFINITY:  # where it reads nothing, the features stay, if no bias is added to what is read
        end = residual(found, claim)
        return [Meeting(between(found.graph, values, end[0].out), end[0].out, end[1])] if end is not None else []
    made = []
    if claim.via is not None and claim.via.op is not None:  # one of several gates that are multiplied first
        others = [each for each in claim.via.op.live if each is not claim.gate]
        if others:
            made.append(Meeting(between(found.graph, values, claim.via), claim.via, others[0]))
    used = sorted(draft.claims, key=lambda each: each.op.id)
    first, last = (used[0], used[-1]) if draft.kind is Kind.COORDINATE else (claim, claim)
    for target in [*reversed(list(_onwards(found, frame, last))), last.out]:
        ops = between(found.graph, values, target)
        made.append(Meeting(ops, target, first.features))
    return made


def _onwards(found: Found, frame: Frame, claim: Claim) -> list[Value]:
    """What becomes of a product inside its block, as long as it is scaled by numbers or added to its own features."""
    out: list[Value] = []
    value = claim.out
    base = {same(claim.features).id, found.origin(claim.features).id}
    while True:
        following = None
        for op, other in sums_with(found, value):
            if within(op, frame) and same(other).id in base and op.out.shape == claim.features.shape:
                following = op.out
        if following is None:
            following = _scaled_by_number(found, frame, value)
        if following is None:
            return out
        out.append(following)
        value = following


def _scaled_by_number(found: Found, frame: Frame, value: Value) -> Value | None:
    users = [op for op in found.graph.users[value.id] if op.outputs]
    if len(users) != 1 or not within(users[0], frame) or users[0].name not in ("mul", "div"):
        return None
    op = users[0]
    return op.out if scaled(op) is value and all(each.depends or each.shape == () for each in op.inputs) else None


def solve(spots: Sequence[Spot], meeting: Meeting, get: Get) -> float | None:
    """The value of a part for which the target is the features; None where there is none."""
    features = get(meeting.features)
    inverse = any(spot.inverse for spot in spots)
    for guess in (1.0,) if inverse else (1.0, 0.0):
        made = _with(spots, meeting, get, guess)
        if difference(made, _wide(features, made)) < tolerance(features):
            return guess
    low, high = (1.0, 2.0) if inverse else (0.0, 1.0)
    one, two = (_with(spots, meeting, get, value) for value in (low, high))
    features = _wide(features, one)
    if one.shape != features.shape or not bool(torch.isfinite(one).all() and torch.isfinite(two).all()):
        return None
    slope = (two - one).double()
    length = float((slope * slope).sum())
    if not length:
        return None
    value = low + (high - low) * float(((features - one).double() * slope).sum()) / length
    rounded = round(value, 2) if abs(value - round(value, 2)) < 1e-3 else round(value, 6)
    if inverse and rounded == 0:
        return None
    error = difference(_with(spots, meeting, get, rounded), features)
    return rounded + 0.0 if error < tolerance(features) else None


def _wide(features: Tensor, like: Tensor) -> Tensor:
    """The features as wide as what they are compared with: one gate of two that are multiplied."""
    if features.dim() != like.dim() or not all(n in (1, m) for n, m in zip(features.shape, like.shape, strict=True)):
        return features
    return features.expand_as(like)


def _with(spots: Sequence[Spot], meeting: Meeting, get: Get, value: float) -> Tensor:
    given = {spot.value.id: torch.full_like(get(spot.value), 1 / value if spot.inverse else value) for spot in spots}
    return replay(meeting.ops, given, get, meeting.target)


def tolerance(like: Tensor) -> float:
    return max(1e-5, 8 * torch.finfo(like.dtype).eps) if like.is_floating_point() else 1e-5


def even(draft: Draft) -> float | None:
    """Branches have no neutral share: an even split is what "off" means."""
    branches = len(draft.spots) if len(draft.spots) > 1 else draft.spots[0].layout.shape[0]
    return 1 / branches if draft.kind is Kind.BRANCH else None


def side_by_side(holder: Holder) -> list[Draft]:
    """A block's gates, where there are several and they act on the same features; [] for others."""
    gates = [part for part in holder.parts if part.role is Role.GATE]
    bases = {same(part.claim.features).id for part in gates}
    return gates if len(gates) > 1 and len(bases) == 1 and all(one.claim.via is None for one in gates) else []


def meeting(graph: Graph, claims: list[Claim]) -> Value | None:
    """Where what claims make of features is put together; None where that has another shape than each."""
    ends = [claim.out.op for claim in claims]
    meet = next((op for op in graph.ops if all(end and op.ancestors >> end.id & 1 for end in ends)), None)
    return meet.out if meet is not None and meet.out.shape == claims[0].features.shape else None


def joint(holder: Holder, output: Value, found: Found) -> tuple[list[Draft], Meeting] | None:
    """The gates of a block that act side by side on the same features, and where they meet; None for others."""
    gates = side_by_side(holder)
    if not gates:
        return None
    met = meeting(found.graph, [part.claim for part in gates])
    target = met if met is not None else output
    ops = between(found.graph, [spot.value for part in gates for spot in part.spots], target)
    return gates, Meeting(ops, target, gates[0].claim.features)

"""The value at which a block's output is its input: 1 for ``x * g``, 0 for ``x + x * g``, or none.

What follows a product is a line in the gate's value nearly always: it is solved from replays at two values, and
the answer is confirmed by a third. It is asked first where the product meets the features again, then at the product.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attnviz.flow.block import Draft, Holder, Spot
from attnviz.flow.claim import Found
from attnviz.flow.graph import Op, Value
from attnviz.flow.outcome import meeting, onwards, residual, side_by_side
from attnviz.flow.replay import Get, between, difference, replay
from attnviz.mechanisms import Kind, Role

NONE = (
    "No value of it alone leaves the features as they are (a layer after it may have a bias); make it uniform instead."
)


@dataclass(frozen=True, eq=False)
class Meeting:
    """Where a gate's effect is judged: the operations to be replayed, what they give, and the features to compare."""

    ops: list[Op]
    target: Value
    features: Value


def meetings(found: Found, holder: Holder, draft: Draft) -> list[Meeting]:
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
    bases = tuple(dict.fromkeys((first.features, holder.features)))
    for target in reversed(list(onwards(found, holder.frame, last.out, (last.features, *bases)))):
        made += [Meeting(between(found.graph, values, target), target, features) for features in reversed(bases)]
    return [*made, Meeting(between(found.graph, values, last.out), last.out, first.features)]


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
    for digits in (2, 6):
        rounded = round(value, digits) + 0.0
        if not (inverse and rounded == 0) and difference(_with(spots, meeting, get, rounded), features) < tolerance(
            features
        ):
            return rounded
    return None


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


def joint(holder: Holder, output: Value, found: Found) -> tuple[list[Draft], Meeting] | None:
    """The gates of a block that act side by side on the same features, and where they meet; None for others."""
    gates = side_by_side(holder)
    if not gates:
        return None
    met = meeting(found.graph, [part.claim for part in gates])
    base = gates[0].claim.features
    target = output if met is None else [met, *onwards(found, holder.frame, met, (base,))][-1]
    ops = between(found.graph, [spot.value for part in gates for spot in part.spots], target)
    return gates, Meeting(ops, target, base)

"""What comes of an attention value in its block: where several meet, where features are added, what the block gives."""

from collections.abc import Iterator

from attnviz.flow.block import Draft, Holder, same
from attnviz.flow.claim import Claim, Found
from attnviz.flow.exclude import sums_with
from attnviz.flow.graph import Frame, Graph, Op, Value, within
from attnviz.flow.replay import between
from attnviz.flow.trace import VIEWS, descends, scaled
from attnviz.mechanisms import Role

LONG = 400  # operations that are replayed at most
LONGEST = 24  # operations between what was read and the sum


def output_of(found: Found, holder: Holder, draft: Draft) -> Value:
    """The output of a block's module that a part leads to; where that is not the block, what comes of the product."""
    graph, out = found.graph, draft.claims[-1].out
    run = graph.runs.get(holder.frame)
    if run is None or not holder.whole or out.op is None:
        return _end(found, holder, draft)
    for value in run.outputs:
        if value.ancestors >> out.op.id & 1 and len(between(graph, [out], value)) <= LONG:
            return value
    return out


def _end(found: Found, holder: Holder, draft: Draft) -> Value:
    """What a part makes of the features in a module that does more: with what other gates, or other branches, make of
    them beside it, and with the features themselves where they are added.
    """
    gates = side_by_side(holder)
    claims = [part.claim for part in gates] if draft in gates else draft.claims
    met = meeting(found.graph, claims) if len(claims) > 1 else None
    out = draft.claims[-1].out if met is None else met
    return [out, *onwards(found, holder.frame, out, (draft.claim.features, holder.features))][-1]


def onwards(found: Found, frame: Frame, value: Value, features: tuple[Value, ...]) -> Iterator[Value]:
    """What becomes of a product inside its block, as long as it is scaled by numbers or added to the features."""
    base = {each.id for value in features for each in (same(value), found.origin(value))}
    shape = features[0].shape
    while True:
        sums = [
            op.out
            for op, other in sums_with(found, value)
            if within(op, frame) and _bare(other).id in base and op.out.shape == shape
        ]
        following = sums[-1] if sums else _scaled_by_number(found, frame, value)
        if following is None:
            return
        yield following
        value = following


def _bare(value: Value) -> Value:
    """A value before it was viewed otherwise, or scaled by a number."""
    value = same(value)
    while value.op is not None and value.op.name in ("mul", "div") and scaled(value.op) is not None:
        if any(not each.depends and each.shape != () for each in value.op.inputs):
            break
        value = same(value.op.live[0])
    return value


def _scaled_by_number(found: Found, frame: Frame, value: Value) -> Value | None:
    users = [op for op in found.graph.users[value.id] if op.outputs]
    if len(users) != 1 or not within(users[0], frame) or users[0].name not in ("mul", "div"):
        return None
    op = users[0]
    return op.out if scaled(op) is value and all(each.depends or each.shape == () for each in op.inputs) else None


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


def residual(found: Found, claim: Claim) -> tuple[Op, Value] | None:
    """The sum, and the features in it, or None where what was read is not added to what it is made of.

    On the way it may go through layers, as a projection, each of which takes it alone.
    """
    value = claim.out
    for _ in range(LONGEST):
        users = [op for op in found.graph.users[value.id] if any(found.graph.users[out.id] for out in op.outputs)]
        for op in users:
            others = [each for each in op.live if each is not value]
            if op.name == "add" and len(others) == 1 and descends(claim.features, others[0]):
                return op, others[0]
        onwards = [op for op in users if len(op.live) == 1 or op.name in VIEWS]
        if len(onwards) != 1 or len(users) != 1:
            return None
        value = onwards[0].out
    return None

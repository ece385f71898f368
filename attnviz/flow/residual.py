"""Where what was read from places is added to the features that it was read for."""

from attnviz.flow.claim import Claim, Found
from attnviz.flow.graph import Op, Value
from attnviz.flow.trace import VIEWS, descends

LONGEST = 24  # operations between what was read and the sum


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

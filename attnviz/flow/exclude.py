"""What is not attention though it has its form: each test names it, in a word or two, and says why in a sentence.

A test takes the claims that stand so far and drops some. ``TESTS`` is the order in which they are asked.
"""

from collections.abc import Callable, Iterator

from attnviz.flow.atoms import places, varies
from attnviz.flow.claim import Claim, Found
from attnviz.flow.gates import is_softmax, learned
from attnviz.flow.graph import Op, Value
from attnviz.flow.rules.pointwise import SOFTMAX
from attnviz.flow.rules.table import dims
from attnviz.flow.terms import MIXERS
from attnviz.flow.trace import GATES, VIEWS, descends, products_in, roots, walk
from attnviz.mechanisms import Role

FEW = 4  # channels of a picture, a mask or depth with it
THROUGH = VIEWS | {"scaled"}


def exclude(found: Found) -> None:
    """Drop the claims that are known to be something else, and double ones."""
    for test in TESTS:
        test(found)
    found.remarks += [claim.excluded for claim in found.claims if claim.excluded is not None]


def gates(found: Found) -> Iterator[Claim]:
    return (claim for claim in found.alive if claim.role is Role.GATE)


def sums_with(found: Found, value: Value) -> Iterator[tuple[Op, Value]]:
    """The sums that a value goes into next, and what else they add."""
    left, seen = [value], {value.id}
    while left:
        now = left.pop()
        for user in found.graph.users[now.id]:
            if user.name in ("add", "sub", "rsub") and len(user.inputs) >= 2:
                yield from ((user, each) for each in user.inputs if each is not now)
            elif user.name in VIEWS and user.outputs and user.out.id not in seen and user.name not in ("cat", "stack"):
                seen.add(user.out.id)
                left.append(user.out)


def complements(gate: Value) -> bool:
    """Whether a gate is written as one minus another."""
    path: list[Op] = []
    walk(gate, GATES, path)
    return any(op.name in ("rsub", "sub", "neg") for op in path)


def sources(claim: Claim) -> set[int]:
    """What the first layers behind a gate take: the gates of one cell take the same."""
    found: set[int] = set()
    left = [root.value for root in claim.roots]
    seen: set[int] = set()
    while left:
        now = left.pop()
        if now.id in seen or now.op is None or not now.depends:
            continue
        seen.add(now.id)
        if now.op.name in MIXERS or now.op.name in ("bmm", "baddbmm"):
            found |= {value.id for value in now.op.live}
        else:
            left += now.op.live
    return found


# Blends and cells


def blends(found: Found) -> None:
    """g a + (1 - g) b, also where one side is constant; and b + g (a - b)."""
    for claim in gates(found):
        beside = (op for _, other in sums_with(found, claim.out) for op in products_in(other))
        if claim.op.name == "lerp" or any(_rest(claim, op) for op in beside):
            claim.drop("blend", "A gate and what is left of it mix two maps: g a + (1 - g) b.")
        elif _toward(found, claim):
            claim.drop("blend", "A map is moved toward another: b + g (a - b).")


def _rest(claim: Claim, op: Op) -> bool:
    """Whether another product is by one minus the same gate."""
    own = {root.id for root in claim.root_ops}
    for operand in op.live:
        theirs = {root.op.id for root in roots(operand) if root.op is not None}
        if own & theirs and complements(operand) != complements(claim.gate):
            return True
    return False


def _toward(found: Found, claim: Claim) -> bool:
    """Whether the features are a difference, and one side of it is what the product is added to."""
    difference = claim.features.op
    if not claim.equal or difference is None or difference.name != "sub" or len(difference.live) != 2:
        return False
    ends = {found.origin(each).id for each in difference.inputs} | {each.id for each in difference.inputs}
    return any(other.id in ends for _, other in sums_with(found, claim.out))


def cells(found: Found) -> None:
    """Gates of recurrent cells: they feed a blend, or one sum with a gated tanh, from the same layers."""
    blended = [claim for claim in found.claims if claim.excluded is not None and claim.excluded.what == "blend"]
    for claim in gates(found):
        if not claim.equal:
            continue
        own = found.alike(sources(claim))
        if any(descends(each.out, claim.out) and found.alike(sources(each)) & own for each in blended):
            claim.drop("recurrent cell", "The gate feeds a blend that is made from the same state.")
            continue
        squashed = _bent_by_tanh(claim.features) and not descends(claim.gate, claim.features)
        added = [op for _, other in sums_with(found, claim.out) for op in products_in(other)]
        twin = any(_tanh_product(op) for op in added)
        if squashed and (added or _is_memory(claim.features)):
            claim.drop(
                "recurrent cell", "A gate on a squashed state: the output or the input gate of a recurrent cell."
            )
        elif squashed:
            claim.drop("GLU", "A squashed map times a sigmoid of another: a gated linear unit.")
        elif twin and claim.bounded:
            claim.drop("recurrent cell", "It keeps a part of a state to which a gated part is added: a forget gate.")


def _bent_by_tanh(value: Value) -> bool:
    return any(root.squash == "tanh" for root in roots(value, THROUGH))


def _is_memory(value: Value) -> bool:
    """Whether a tanh is of a sum of products: a cell's memory."""
    for root in roots(value, VIEWS):
        for each in root.op.live if root.op is not None else ():
            if any(op is not None and op.name in ("add", "mul") for _, op in walk(each, VIEWS)):
                return True
    return False


def _tanh_product(op: Op) -> bool:
    return any(_bent_by_tanh(each) for each in op.live)


# Masks, modulations, mixtures


def masks(found: Found) -> None:
    """Products with the network's own input."""
    for claim in gates(found):
        origins = [root.op for root in roots(claim.features, VIEWS)]
        picture = all(op is None for op in origins) and bool(origins)
        channels = claim.features.shape[1] if len(claim.features.shape) > 2 else FEW + 1
        if picture and claim.what in ("spatial", "volume") and channels <= FEW:
            claim.drop("input mask", "The network's own input is masked.")


def modulations(found: Found) -> None:
    """Scale and shift from one vector (FiLM), or a scale that is made from something else than the features."""
    for claim in gates(found):
        if is_softmax(claim) or claim.what not in ("channel", "volume"):
            continue
        foreign = not descends(claim.gate, _behind(found, claim.features))
        added = [each for _, each in sums_with(found, claim.out)]
        added += [claim.op.live[0]] if claim.op.name == "addcmul" and len(claim.op.live) > 2 else []
        vectors = [each for each in added if each.depends and places([*each.label]) <= places(claim.over)]
        shifts = [
            each
            for each in vectors
            if found.alike(sources_of(each)) & found.alike(sources(claim))
            or (foreign and not descends(each, _behind(found, claim.features)))
        ]
        if (foreign and shifts) or (not claim.bounded and (foreign or shifts)):
            claim.drop("modulation", "One vector says scale and shift of the features (FiLM).")
    scaled = [claim.out for claim in found.claims if claim.excluded is not None and claim.excluded.what == "modulation"]
    for claim in found.alive:
        if claim.role is Role.TERM and any(
            descends(claim.features, out) for out in scaled if out.op is claim.features.op
        ):
            claim.drop("modulation", "One vector says scale and shift of the features (FiLM).")


def sources_of(value: Value) -> set[int]:
    return sources(Claim(value.op, Role.TERM, "", value, value, roots(value), [])) if value.op is not None else set()


def _behind(found: Found, value: Value) -> Value:
    """The features themselves, before they were bent entry by entry, viewed or resampled."""
    while True:
        value = found.origin(value)
        op = value.op
        if op is None or op.name not in GATES or len(op.live) != 1:
            return value
        value = op.live[0]


def lines(found: Found) -> None:
    """Several lines through the same features of which the largest counts: an activation with slopes of its own."""
    for claim in [claim for claim in gates(found) if _is_slope(found, claim)]:
        reason = "The largest of several lines through the features, whose slopes are made from them (DyReLU)."
        claim.drop("dynamic activation", reason)
        for each in found.alive:
            if each.role is Role.TERM and any(claim.op is op for op in products_in(each.features)):
                each.drop("dynamic activation", reason)


def _is_slope(found: Found, claim: Claim) -> bool:
    """Whether the largest counts of a product's entries along an axis that the features have not; or of it and of
    another one of the same features, whose gate is made by the same layer.
    """
    for op in _maxima(found, claim.out):
        if len(op.live) == 1 and len(claim.on) == len(op.live[0].shape):
            axes = dims(op.argument(1, "dim"), len(claim.on))
            if any(op.live[0].shape[axis] > 1 and not varies(claim.on[axis]) for axis in axes):
                return True
        for each in gates(found):
            same = found.alike(sources(each)) & found.alike(sources(claim))
            alike = each is not claim and each.what == claim.what == "channel" and same
            if alike and op in _maxima(found, each.out) and _same_base(found, each, claim):
                return True
    return False


def _same_base(found: Found, one: Claim, two: Claim) -> bool:
    return _behind(found, one.features) is _behind(found, two.features)


def _maxima(found: Found, value: Value) -> Iterator[Op]:
    """The maxima that a value is compared in next, also once something was added to it."""
    left, seen = [value], {value.id}
    while left:
        for user in found.graph.users[left.pop().id]:
            if user.name in ("max", "amax", "maximum"):
                yield user
            elif user.name in VIEWS | {"add", "sub"} and user.outputs and user.out.id not in seen:
                seen.add(user.out.id)
                left.append(user.out)


def mixtures(found: Found) -> None:
    """One weight for a whole map: branches of features that are added, or experts."""
    for claim in found.alive:
        on = claim.on or claim.features.label
        if claim.what != "scalar" and not (claim.what == "branch" and not places(on)):
            continue
        if claim.role is Role.DISTRIBUTION and places(on):
            claim.what = "branch"
        elif is_softmax(claim):
            claim.drop("mixture of experts", "Vectors of several experts are weighed and added.")
        else:
            claim.drop("one weight for a whole map", "It varies over nothing but the batch.")


def vectors(found: Found) -> None:
    """Gates on features without places."""
    for claim in found.alive:
        if claim.on and not places(claim.on):
            claim.drop("gate on a vector", "What it multiplies has no places: features after pooling, or a state.")


def scores(found: Found) -> None:
    """A product of what is squashed on both sides at the network's end."""
    for claim in gates(found):
        squashed = all(root.squash in ("sigmoid", *SOFTMAX) for root in roots(claim.features, VIEWS))
        if squashed and not any(op.name in MIXERS and op.ancestors >> claim.op.id & 1 for op in found.graph.ops):
            claim.drop("product of scores", "Scores are multiplied by scores at the network's end.")


# Steps, doubles, what no kind describes


def signed(found: Found) -> None:
    """A tanh times a map that it was not computed from."""
    for claim in gates(found):
        if claim.equal and claim.squash == "tanh" and not descends(claim.gate, _behind(found, claim.features)):
            claim.drop("product", "A map is multiplied by a squashed one that was not computed from it.")


def steps(found: Found) -> None:
    """What is only a step inside another gate's computation."""
    for claim in found.alive:
        if (claim.role is Role.GATE and claim.bounded) or claim.role is Role.DISTRIBUTION:
            continue
        inside = (
            each
            for each in found.claims
            if each is not claim and each.role in (Role.GATE, Role.DISTRIBUTION) and claim.op in each.chain
        )
        if any(each.stack == claim.stack and (claim.role is Role.GATE or each.role is Role.GATE) for each in inside):
            claim.drop("step", "It is a step in the computation of another gate.")


def pointless(found: Found) -> None:
    """Unsquashed gates that no layer and no pooling computed."""
    for claim in gates(found):
        if not claim.bounded and not learned(claim):
            claim.drop("product", "The factor is bent entry by entry, and no layer computed it.")


def doubles(found: Found) -> None:
    """One softmax that is read twice is one affinity."""
    seen: dict[tuple[int, str], Claim] = {}
    for claim in found.alive:
        if not claim.keys:
            continue
        key = (claim.roots[0].value.id, claim.what)
        if key in seen:
            found.claims.remove(claim)
        seen.setdefault(key, claim)


def unnamed(found: Found) -> None:
    """What was understood and is of no kind that there is."""
    said = {
        "scalar": "It varies over nothing but the batch.",
        "unknown": "What it varies over could not be followed.",
        "group": "A gate for a group of channels at each place.",
        "window": "Attention in windows of the picture.",
        "axial": "Places read along their own row or column.",
        "contexts": "Several softmaxes over places gather as many contexts.",
        "channels on channels": "Channels read channels: there is no place in it.",
        "maps per place": "At each place a softmax over channels.",
        "layers on layers": "Branches read branches.",
        "learned queries": "Queries that are weights read all places.",
        "local weights": "Each place has weights of its own for the places around it.",
        "shares at each place": "Branches are weighed at each place (branch shares on a grid).",
    }
    for claim in found.alive:
        if claim.what in said:
            words = {"group": "gate of groups", "window": "window attention", "axial": "axial attention"}
            claim.drop(words.get(claim.what, claim.what), claim.note or said[claim.what])
        elif claim.what == "branch" and places(claim.over):
            claim.drop("shares at each place", said["shares at each place"])


TESTS: tuple[Callable[[Found], None], ...] = (
    blends, cells, masks, lines, modulations, mixtures, vectors, scores, signed, steps, pointless, doubles, unnamed,
)  # fmt: skip
__all__ = ["TESTS", "exclude"]

"""Terms that are added to every place, and weights of convolutions that are made from the input."""

from collections.abc import Iterator
from math import prod

from attnviz.flow.atoms import FEATURE, UNKNOWN, Label, aligned, kinds, places, varies
from attnviz.flow.claim import Claim, Found
from attnviz.flow.graph import Op, Value
from attnviz.flow.trace import BOUNDED, VIEWS, chain, descends, products_in, roots, varying, walk
from attnviz.mechanisms import Role

MIXERS = frozenset({"convolution", "addmm", "mm"})
WEIGHTED = MIXERS | {"bmm", "baddbmm"}


def term(found: Found, op: Op) -> None:
    """Look at a sum, or a difference: claim the side that is the same at every place, where it was computed from the
    other.
    """
    pair = [each for each in op.args if isinstance(each, Value)]
    if len(pair) != 2 or not all(each.depends for each in pair) or pair[0] is pair[1]:
        return
    rank = len(op.out.shape)
    labels = [aligned(each.label, rank) for each in pair]
    one, two = varying(labels[0]), varying(labels[1])
    if not (one > two or two > one):
        return
    x, added = (0, 1) if one > two else (1, 0)
    on, over = labels[x], labels[added]
    if op.name == "sub" and added == 0:
        return
    if not _constant_over_places(on, over):
        return
    bases = [each for each in (pair[x], *_scaled_by_gate(pair[x])) if _mixed(found, pair[added], each)]
    if not bases:
        return
    made_of = [each for each in bases if descends(pair[added], found.origin(each)) or _pooled_from(pair[added], each)]
    links = chain(found.graph, pair[added], (made_of or bases)[0])
    claim = Claim(op, Role.TERM, "term", pair[added], pair[x], roots(pair[added]), links, on, over)
    if not made_of:
        claim.drop("added vector", "A vector that was not computed from these features is added to them.")
    found.claims.append(claim)


def _scaled_by_gate(x: Value) -> Iterator[Value]:
    """The features in a product with what varies over less than they do, as a gate does; also where it is added to
    them.
    """
    added = [value for _, op in walk(x, VIEWS) if op is not None and op.name == "add" for value in op.live]
    for op in (op for value in (x, *added) for op in products_in(value)):
        for value in op.live:
            others = [varying(aligned(each.label, len(x.shape))) for each in op.live if each is not value]
            if others and all(each < varying(aligned(value.label, len(x.shape))) for each in others):
                yield value


def _constant_over_places(on: Label, over: Label) -> bool:
    known = all(UNKNOWN not in kinds(axis) for axis in (*on, *over))
    channels = any(kinds(axis) & {FEATURE} for axis in over if varies(axis))
    return known and channels and bool(places(on)) and not places(over)


def _mixed(found: Found, added: Value, x: Value) -> bool:
    """Whether weights had a part in it: a mean that is taken away is a normalization."""
    links = chain(found.graph, added, x)
    return any(op.name in WEIGHTED and not all(value.depends for value in op.inputs) for op in links)


def _pooled_from(added: Value, x: Value) -> bool:
    """Whether the term goes back to the features that it is added to, by any operation of theirs."""
    return x.op is not None and bool(added.ancestors >> x.op.id & 1)


def dynamic(found: Found, op: Op) -> None:
    """Look at a convolution whose weights hang on the input."""
    x, weight = op.inputs[0], op.inputs[1]
    if not weight.depends:
        return
    made = roots(weight)
    lone = bool(weight.shape[1:]) and prod(weight.shape[1:]) == 1
    if lone and x.depends and any(root.squash in BOUNDED for root in made):
        links = chain(found.graph, weight, x) or [root.op for root in made if root.op is not None]
        found.claims.append(
            Claim(op, Role.GATE, "channel", weight, x, made, links, note="as the weights of a depthwise convolution")
        )
        return
    found.remark(op, "dynamic convolution", "The weights of a convolution are made from the input.")

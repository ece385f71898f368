"""Names: which paper's mechanism a block's flow is. It says whose steps are tried, and nothing else hangs on it."""

from collections.abc import Callable
from dataclasses import dataclass

from attnviz.flow.affinities import MATRICES
from attnviz.flow.atoms import Label, aligned, kinds, places
from attnviz.flow.block import Draft, Holder, same, sum_below
from attnviz.flow.graph import Frame, Op, Value, within
from attnviz.flow.tokens import LAYERS, tokens
from attnviz.flow.trace import GATES, LEARNED, POINTWISE, VIEWS, descends, varying, walk
from attnviz.mechanisms import Kind, Role

CROSS = "cross-attention"
SPLIT = VIEWS | POINTWISE  # between a convolution and the pieces that it is taken apart into


@dataclass(frozen=True)
class Words:
    """A part's words, and questions to them."""

    list: tuple[str, ...]

    def has(self, *words: str) -> bool:
        return any(word in self.list for word in words)

    def count(self, *words: str) -> int:
        return sum(self.list.count(word) for word in words)

    @property
    def layers(self) -> int:
        return sum(word.startswith(LAYERS) for word in self.list)

    @property
    def mean(self) -> bool:
        return self.has("gavg", "gsum", "avgpool")


def name(holder: Holder) -> str | None:
    """The mechanism of a block from the names of its parts."""
    parts = [part for part in holder.parts if part.role is not Role.LOGIT]
    names = [part_name(part) for part in parts]
    for part, found in zip(parts, names, strict=True):
        part.name = found
        if part.kind is Kind.AFFINITY and holder.whole and _of_two(part, holder.frame):
            return CROSS
    several = together(parts)
    if several:
        return several
    known = set(names)
    return known.pop() if len(known) == 1 else None


def part_name(part: Draft) -> str | None:
    """The mechanism that one part alone would be."""
    if part.role is Role.GATE and not _of_its_features(part):
        return None
    words = Words(tuple(tokens(part.claim)))
    for (kind, role), ask in NAMES.items():
        if part.kind is kind and role in (part.role, None):
            return ask(part, words)
    return None


def _of_its_features(part: Draft) -> bool:
    """Whether a gate is made of the features that it scales, or of what these were bent from."""
    path: list[Op] = []
    ends = walk(part.claim.features, VIEWS | POINTWISE, path)
    return any(descends(part.claim.gate, value) for value in (*(end for end, _ in ends), *(op.out for op in path)))


def together(parts: list[Draft]) -> str | None:
    """The mechanism of several parts."""
    kinds_of = [part.kind for part in parts]
    names = [part.name for part in parts]
    if set(kinds_of) == {Kind.CHANNEL, Kind.SPATIAL} and len(parts) == 2:
        channel, spatial = (next(part for part in parts if part.kind is kind) for kind in (Kind.CHANNEL, Kind.SPATIAL))
        side = same(channel.claim.features) is same(spatial.claim.features) and channel.claim.via is None
        if side and spatial.name == "sSE" and channel.name in ("SE", "eSE"):
            return "scSE"
        if "CBAM" in names:
            return "CBAM"
    if Kind.CONTEXT in kinds_of and len(parts) > 1:
        return "GC"
    return None


def _channel(_: Draft, words: Words) -> str | None:
    fully = words.count("fc", "gfc")
    if words.has("bmm", "softmax"):
        return "GC" if words.has("bmm", "sum", "gsum") else None
    if words.has("gmax") and words.mean and fully >= 2:
        return "CBAM"
    if words.has("gstd") and words.has("gfc", "convC", "convCW"):
        return "SRM"
    if words.has("convC"):
        return "ECA"
    spread = words.has("gstd", "l2", "gl2") or (words.has("sqrt", "pow") and words.count("gsum", "gavg") >= 1)
    if spread:
        return "SE" if fully >= 2 else "GCT" if words.has("tanh") and not fully else None
    if words.has("exp") and words.mean and not fully:
        return "GCT"
    if words.mean and (fully >= 2 or (fully and words.has("pw"))):
        return "SE"
    return "eSE" if words.mean and fully == 1 else None


def _spatial(_: Draft, words: Words) -> str | None:
    if words.has("cmax") and words.has("cavg", "csum"):
        return "CBAM"
    if set(words.list) <= {"pw1", "pw", "sigmoid", "hardsigmoid"} and words.count("pw1", "pw") == 1:
        return "sSE"
    return "BAM" if words.has("convd", "dwd") else None


def _volume(part: Draft, words: Words) -> str | None:
    if sums_of(part) == {"channels", "places"}:
        return "BAM"
    if words.mean and words.has("pow", "gstd", "div") and not words.layers:
        return "SimAM"
    if any(word.startswith("s") and word[1:].startswith(("conv", "dw")) for word in words.list) and words.has("up"):
        return "ESA"
    if set(words.list) <= {"pw", "sigmoid", "relu", "bn"} and words.has("pw"):
        return "pixel attention"
    return None


def sums_of(part: Draft) -> set[str]:
    """What a volume's squash is a sum or a product of, where each varies over less: strips, channels, places."""
    summed = sum_below(part.claim)
    if summed is None:
        return set()
    rank = len(summed.out.shape)
    labels = [aligned(value.label, rank) for value in summed.live]
    one, two = (varying(label) for label in labels)
    if not one or not two or one >= two or two >= one:
        return set()
    return {_word(label) for label in labels}


def _word(label: Label) -> str:
    ways = places(label)
    if len(ways) == 1 and any(kinds(axis) - places([axis]) for axis in label[1:]):
        return "strips"
    return "places" if ways else "channels"


def _affinity(part: Draft, _: Words) -> str | None:
    heads = part.spots[0].layout.shape[0]
    return "Non-Local" if heads == 1 else "self-attention"


def _of_two(part: Draft, frame: Frame) -> bool:
    """Whether queries are made of one value that comes into the module, and keys of another."""
    ends = [op for root in part.claim.root_ops for value in root.live for _, op in walk(value, GATES)]
    pair = next((op.live for op in ends if op is not None and op.name in MATRICES and len(op.live) > 1), ())
    sides = [_entered(value, frame) for value in pair]
    return all(sides) and len(sides) > 1 and not sides[0] & sides[1]


def _entered(value: Value, frame: Frame) -> set[int]:
    """What comes into a module's run and a value is made of, before it was viewed, shifted or scaled."""
    found: set[int] = set()
    left, seen = [value], set[int]()
    while left:
        now = left.pop()
        if now.op is None or not within(now.op, frame):
            found |= {end.id for end, _ in walk(now, VIEWS | {"scaled"})}
        elif now.id not in seen:
            left += now.op.live
        seen.add(now.id)
    return found


def _branch(part: Draft, _: Words) -> str | None:
    shares = part.spots[0].layout.shape
    if part.role is not Role.DISTRIBUTION or shares[-1] == 1:
        return None
    made = {value.id for claim in part.claims for value, _ in walk(claim.features, SPLIT)}
    return "SK" if len(made) > 1 else "split attention"


def _strips(part: Draft, _: Words) -> str | None:
    """Strips that one layer transforms together; those with a layer each are no paper's of ours."""
    first, *others = sorted(part.claims, key=lambda claim: claim.op.id)
    joint = [op for op in first.chain if op.name in LEARNED and all(c.gate.ancestors >> op.id & 1 for c in others)]
    return "CA" if joint and others else None


def _always(word: str | None) -> Callable[[Draft, Words], str | None]:
    return lambda *_: word


NAMES: dict[tuple[Kind, Role | None], Callable[[Draft, Words], str | None]] = {
    (Kind.CHANNEL, Role.GATE): _channel,
    (Kind.SPATIAL, None): _spatial,
    (Kind.VOLUME, None): _volume,
    (Kind.COORDINATE, None): _strips,
    (Kind.BRANCH, None): _branch,
    (Kind.CONTEXT, None): _always(None),
    (Kind.AFFINITY, None): _affinity,
}

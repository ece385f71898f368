"""The steps of SE, eSE, ECA, CBAM, BAM, scSE and Coordinate Attention, as their papers name them."""

from attnviz.flow.atoms import COLUMNS, ROWS, places
from attnviz.flow.block import Draft
from attnviz.flow.graph import Value
from attnviz.flow.papers.trail import (
    ACTIVATIONS,
    BlockFlow,
    Landmark,
    Landmarks,
    Trail,
    before_squash,
    beside,
    mark,
    sources,
)
from attnviz.flow.rules.pointwise import BATCH_NORMS, NORMS
from attnviz.flow.tokens import token
from attnviz.flow.trace import scaled
from attnviz.mechanisms import Kind, Role

TWO = 2  # layers of an excitation


def _excitation(block: BlockFlow, part: Draft | None, layers: int) -> Trail | None:
    """The way from pooled features through so many layers to a channel gate's squash; None where it is another."""
    logit = before_squash(part.claim) if part is not None else None
    found = block.trail(logit) if logit is not None else None
    if found is None or len(found.layers) != layers or found.squeezed is None or not found.whole:
        return None
    return found


def _two_layers(found: Trail) -> tuple[Value, Value, Value, Value] | None:
    """What is squeezed, what the first layer gives, its activation, what the second gives."""
    squeezed, hidden = found.squeezed, found.activated(0)
    return None if squeezed is None or hidden is None else (squeezed, found.gave(0), hidden, found.gave(1))


def se(block: BlockFlow) -> Landmarks | None:
    """Hu et al. 2018, eq. 2-4."""
    part = block.part(Kind.CHANNEL, Role.GATE)
    found = _excitation(block, part, TWO)
    values = _two_layers(found) if found is not None else None
    if part is None or found is None or values is None or not block.ends(part):
        return None
    squeezed, first, hidden, second = values
    steps = {
        "squeeze": mark(squeezed, "c"),
        "fc1": mark(first, "h"),
        "relu": mark(hidden, "h"),
        "fc2": mark(second, "c"),
        "gate": mark(part.spots[0], "c"),
        "scale": mark(block.output, "cij"),
    }
    return Landmarks(steps, {"squeeze": found.pooling})


def ese(block: BlockFlow) -> Landmarks | None:
    """Lee and Park 2020, eq. 3."""
    return _one_layer(block, "fc2")


def eca(block: BlockFlow) -> Landmarks | None:
    """Wang et al. 2020, eq. 9."""
    return _one_layer(block, "conv1d")


def _one_layer(block: BlockFlow, layer: str) -> Landmarks | None:
    part = block.part(Kind.CHANNEL, Role.GATE)
    found = _excitation(block, part, 1)
    if part is None or found is None or found.squeezed is None or found.pooling == "max" or not block.ends(part):
        return None
    return Landmarks(
        {
            "squeeze": mark(found.squeezed, "c"),
            layer: mark(found.gave(0), "c"),
            "gate": mark(part.spots[0], "c"),
            "scale": mark(block.output, "cij"),
        }
    )


def cbam(block: BlockFlow) -> Landmarks | None:
    """Woo et al. 2018, eq. 1-3; either half may stand alone."""
    channel, spatial = block.part(Kind.CHANNEL, Role.GATE), block.part(Kind.SPATIAL, Role.GATE)
    last = spatial or channel
    if last is None or not block.ends(last) or len(block.holder.parts) != len({channel, spatial} - {None}):
        return None
    steps: dict[str, Landmark] = {}
    for part, half in ((channel, _channel_half), (spatial, _spatial_half)):
        found = half(block, part) if part is not None else {}
        if found is None:
            return None
        steps |= found
    steps["spatial scale" if spatial is not None else "channel scale"] = mark(block.output, "cij")
    return Landmarks(steps, {"halves": "both" if channel and spatial else "channel" if channel else "spatial"})


def _channel_half(block: BlockFlow, part: Draft) -> dict[str, Landmark] | None:
    logit = before_squash(part.claim)
    ways = [block.trail(value) for value in sources(logit, "add")] if logit is not None else []
    by_pool = {way.pooling: way for way in ways if len(way.layers) == TWO and way.squeezed is not None}
    steps: dict[str, Landmark] = {}
    if set(by_pool) != {"avg", "max"} or any(
        by_pool["avg"].weights(i) != by_pool["max"].weights(i) for i in range(TWO)
    ):
        return None  # the paper's MLP is one
    if not all(way.whole for way in by_pool.values()):
        return None
    for pool in ("avg", "max"):
        values = _two_layers(by_pool[pool]) if pool in by_pool else None
        if values is None:
            return None
        steps |= {
            f"squeeze {pool}": mark(values[0], "c"),
            f"hidden {pool}": mark(values[2], "h"),
            f"mlp {pool}": mark(values[3], "c"),
        }
    gate = mark(part.spots[0], "c")
    return steps | {"channel gate": gate, "channel scale": mark(part.claim.out, "cij")}


def _spatial_half(block: BlockFlow, part: Draft) -> dict[str, Landmark] | None:
    logit = before_squash(part.claim)
    found = block.trail(logit) if logit is not None else None
    if found is None or not found.layer:
        return None
    pools = {_pool(block, value): value for value in beside(found.start)}
    if set(pools) != {"avg", "max"}:
        return None
    return {
        "spatial pool": Landmark((pools["avg"], pools["max"]), "mij"),
        "conv": mark(found.gave(0), "1ij"),
        "spatial gate": mark(part.spots[0], "1ij"),
        "spatial scale": mark(part.claim.out, "cij"),
    }


def _pool(block: BlockFlow, value: Value) -> str:
    """How channels were pooled to a map: "avg", "max" or another word."""
    return next((token(op)[1:] for op in block.trail(value).ops[-1:] if token(op).startswith("c")), "")


def bam(block: BlockFlow) -> Landmarks | None:
    """Park et al. 2018, eq. 2-5."""
    channel, spatial = block.part(Kind.CHANNEL, Role.LOGIT), block.part(Kind.SPATIAL, Role.LOGIT)
    gate = block.part(Kind.VOLUME)
    combined = before_squash(gate.claim) if gate is not None else None
    if channel is None or spatial is None or gate is None or combined is None:
        return None
    way, beside_it = block.trail(channel.claim.gate), block.trail(spatial.claim.gate)
    squeezed = way.squeezed
    if squeezed is None or _two_layers(way) is None or not way.whole or not _bam_map(beside_it):
        return None
    last = way.ops[-1].name in BATCH_NORMS
    joined = channel.claim.op.name
    steps = {
        "squeeze": mark(squeezed, "c"),
        "channel logits": mark(channel.spots[0], "c"),
        "spatial logits": mark(spatial.spots[0], "1ij"),
        "combine": mark(combined, "cij"),
        "gate": mark(gate.spots[0], "cij"),
        "scale": mark(block.output, "cij"),
    }
    choices = {"combine": "product" if joined == "mul" else "sum", "norm": "paper" if last else "code"}
    return Landmarks(steps, choices)


def _bam_map(way: Trail) -> bool:
    """Whether a map is made by a layer that reduces, two convolutions, and a layer that leaves one map."""
    kinds = [token(way.ops[place]) for place in way.layers]
    between = [op for i, op in enumerate(way.ops) if i not in way.layers]
    bent = all(op.name in NORMS or op.name in ACTIVATIONS or scaled(op) is not None for op in between)
    return bent and way.layers[:1] == [0] and len(kinds) == 4 and kinds[0] == "pw" and kinds[-1] == "pw1" and way.whole


def scse(block: BlockFlow) -> Landmarks | None:
    """Roy et al. 2018, eq. 1-4."""
    channel, spatial = block.part(Kind.CHANNEL, Role.GATE), block.part(Kind.SPATIAL, Role.GATE)
    found = _excitation(block, channel, TWO)
    logits = before_squash(spatial.claim) if spatial is not None else None
    values = _two_layers(found) if found is not None else None
    if channel is None or spatial is None or values is None or logits is None:
        return None
    joined = next((name for name in ("add", "maximum", "max") if len(sources(block.output, name)) == TWO), None)
    if joined is None:
        return None
    steps = {
        "squeeze": mark(values[0], "c"),
        "hidden": mark(values[2], "h"),
        "channel logits": mark(values[3], "c"),
        "cse gate": mark(channel.spots[0], "c"),
        "cse": mark(channel.claim.out, "cij"),
        "spatial logits": mark(logits, "1ij"),
        "sse gate": mark(spatial.spots[0], "1ij"),
        "sse": mark(spatial.claim.out, "cij"),
        "fuse": mark(block.output, "cij"),
    }
    return Landmarks(steps, {"fusion": "sum" if joined == "add" else "max"})


def coordinate(block: BlockFlow) -> Landmarks | None:
    """Hou et al. 2021, eq. 4-9."""
    part = block.part(Kind.COORDINATE)
    if part is None or not block.ends(part):
        return None
    ways = []
    for claim in part.claims:
        logit = before_squash(claim)
        ways.append(block.trail(logit) if logit is not None else None)
    if any(way is None or len(way.layers) != TWO or not way.mlp for way in ways):
        return None
    if any(claim.squash not in ("sigmoid", "hardsigmoid") for claim in part.claims):
        return None
    way = ways[0]
    assert way is not None
    pools: dict[str, Value] = {}
    for value in beside(way.start):
        pooled = block.trail(value)
        over = "".join(sorted(places(value.label)))
        if len(pooled.ops) and token(pooled.ops[0]).endswith(("avg", "sum")):
            pools[over] = pooled.ops[-1].out
    if set(pools) != {ROWS, COLUMNS}:
        return None
    return Landmarks(
        {
            "pool h": mark(pools[ROWS], "ci1"),
            "pool w": mark(pools[COLUMNS], "cj1"),
            "concatenate": mark(way.start, "cl1"),
            "transform": mark(way.given(1), "hl1"),
            "gate h": mark(part.spots[0], "ci1"),
            "gate w": mark(part.spots[1], "c1j"),
            "scale": mark(block.output, "cij"),
        }
    )

"""Nine mechanisms, each written in ten styles: what a reader of any of them should be told."""

from torch import nn

from attnviz.mechanisms import Kind, Role
from tests.unit.flow.corpus import (
    style_chunk,
    style_einsum,
    style_functional,
    style_in_place,
    style_products,
    style_rearranged,
    style_sequential,
    style_sigmoid,
    style_unfold,
    style_whole,
)
from tests.unit.flow.corpus.answers import (
    PICTURES,
    Around,
    Claim,
    Network,
    Shown,
    affinity,
    branch,
    channel,
    context,
    spatial,
    term,
    volume,
)

STYLES: dict[str, dict[str, type[nn.Module]]] = {
    "functional": style_functional.STYLE,
    "sequential": style_sequential.STYLE,
    "in place": style_in_place.STYLE,
    "einsum": style_einsum.STYLE,
    "rearranged": style_rearranged.STYLE,
    "unfold": style_unfold.STYLE,
    "chunk": style_chunk.STYLE,
    "F.sigmoid": style_sigmoid.STYLE,
    "@": style_products.STYLE,
    "in the network's forward": style_whole.STYLE,
}

GRID = (14, 22)
STRIPS = Shown(Kind.COORDINATE, Role.GATE, ((16, 14), (16, 22)), 1.0)
LOGITS = (Shown(Kind.CHANNEL, Role.LOGIT, (16,)), Shown(Kind.SPATIAL, Role.LOGIT, GRID))

# As their papers have them, and as attnviz.mechanisms declares them: (part's name, part).
PARTS: dict[str, dict[str | None, Shown]] = {
    "SE": {None: channel(16)},
    "ECA": {None: channel(16)},
    "CBAM": {"channel": channel(16), "spatial": spatial()},
    "BAM": {"channel": LOGITS[0], "spatial": LOGITS[1], "combined": volume(16, *GRID, neutral=0.0)},
    "SK": {None: branch(2, 16)},
    "scSE": {"cse": channel(16, neutral=0.5), "sse": spatial(neutral=0.5)},  # two halves that are summed
    "Non-Local": {None: affinity(GRID)},
    "GC": {"context": context(), "add": term(16)},
    "CA": {None: STRIPS},
}
MAXIMUM = {"cse": channel(16), "sse": spatial()}  # the larger of two halves: both at 1 leave the features
POOLED = {None: affinity(GRID, (7, 11))}

# Where a style's writer made one of the choices that the papers leave.
CHOICES: dict[tuple[str, str], dict[str | None, Shown]] = {
    ("scSE", "rearranged"): MAXIMUM,
    ("scSE", "unfold"): MAXIMUM,
    ("scSE", "F.sigmoid"): MAXIMUM,
    ("Non-Local", "sequential"): POOLED,
    ("Non-Local", "F.sigmoid"): POOLED,
}


def parts(mechanism: str, style: str) -> dict[str | None, Shown]:
    """The parts to be found, by name."""
    return CHOICES.get((mechanism, style), PARTS[mechanism])


def network(mechanism: str, style: str) -> Network:
    """With the parts that touch the features; logits are asked for besides."""
    make = STYLES[style][mechanism]
    shown = tuple(part for part in parts(mechanism, style).values() if part.role != Role.LOGIT)
    if issubclass(make, style_whole.Net):
        return Network(make, PICTURES, (Claim("", shown, mechanism, whole=False, kept=False),))
    claim = Claim("attention", shown, mechanism, kept=False)
    return Network(lambda: Around(make(), 16), PICTURES, (claim,))


WRITTEN: dict[str, Network] = {
    f"{mechanism}, {style}": network(mechanism, style) for style in STYLES for mechanism in PARTS
}

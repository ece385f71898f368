"""What attention a network should have, by the classes of its modules alone; and whether that is what was found."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import nn

from attnviz.flow import Block, Note, Sight

# Classes that are one block each, whatever modules they hold.
KNOWN = frozenset({
    "SEModule", "SqueezeExcite", "SqueezeExcitation", "SqueezeExciteCl", "SEBlock", "EffectiveSEModule", "EseModule",
    "EcaModule", "CecaModule", "CbamModule", "LightCbamModule", "CbamBlock", "BamBlock", "SelectiveKernel",
    "SKConvBlock", "SplitAttn", "NonLocalAttn", "BatNonLocalAttn", "GlobalContext", "CoordAttn", "EfficientLocalAttn",
    "SimpleCoordAttn", "StripAttn", "BottleneckAttn", "HaloAttn", "LambdaLayer", "DIAAttention", "Attention",
    "Attention2d", "AttentionCl", "AttentionRope", "WindowAttention", "RelPosAttention", "RelPosAttentionCl",
    "ClassAttn", "EvaAttention", "MultiQueryAttention2d", "MultiQueryAttentionV2", "MultiheadAttention",
    "LinearSelfAttention", "SpatialAttention", "OutlookAttention", "MultiScaleAttention", "CascadedGroupAttention",
    "LocalWindowAttention", "SHSA", "AttentionPoolLatent", "AttentionPool2d", "RotAttentionPool2d",
})  # fmt: skip
LIKE = re.compile(r"Attn|Attention|Excit|SE(Module|Layer|Block)$|Cbam|CBAM|Eca[A-Z]|MHSA|SHMA|GatherExcite")


@dataclass(frozen=True)
class Expected:
    """A module that should be a block: its path and its class."""

    path: str
    kind: str


@dataclass(frozen=True)
class Agreement:
    """What became of the expected modules, by class, and of the blocks that no module announces."""

    expected: Counter[str]
    found: Counter[str]
    noted: tuple[tuple[Expected, Note], ...]
    missed: tuple[Expected, ...]
    surplus: tuple[Block, ...]


def expected(model: nn.Module, ran: Iterable[str]) -> list[Expected]:
    """The modules of known classes, and of classes named like attention that hold none of these; of those that ran."""
    classes = {path: type(module).__name__ for path, module in model.named_modules()}
    known = [path for path, kind in classes.items() if kind in KNOWN]
    outer = [path for path in known if not any(within(path, each) for each in known if each != path)]
    like = [path for path, kind in classes.items() if kind not in KNOWN and LIKE.search(kind)]
    inner = [path for path in like if not any(within(each, path) for each in [*like, *outer] if each != path)]
    alone = [path for path in inner if not any(within(path, each) for each in outer)]
    there = set(ran)
    return [Expected(path, classes[path]) for path in classes if path in {*outer, *alone} & there]


def agreement(wanted: list[Expected], sight: Sight) -> Agreement:
    """Found: a block in the module, or the nearest module around that is a block. Noted: named as something else."""
    found: Counter[str] = Counter()
    noted, missed, used = [], [], set()
    for each in wanted:
        blocks = [block for block in sight.blocks if related(block.layer, each.path)]
        used |= {block.layer for block in blocks}
        note = next((note for note in sight.noted if within(note.layer, each.path)), None)
        if blocks:
            found[each.kind] += 1
        elif note is not None:
            noted.append((each, note))
        else:
            missed.append(each)
    surplus = tuple(block for block in sight.blocks if block.layer not in used)
    return Agreement(Counter(each.kind for each in wanted), found, tuple(noted), tuple(missed), surplus)


def related(layer: str, path: str) -> bool:
    """Whether a block's module is, is within, or is the parent or grandparent of another."""
    around = layer != "" and within(path, layer) and path.count(".") - layer.count(".") <= 2
    return within(layer, path) or around


def within(path: str, outer: str) -> bool:
    """Whether a module is another or is in it."""
    return path == outer or not outer or path.startswith(f"{outer}.")


def kinds(blocks: Iterable[Block]) -> Iterator[str]:
    """What the blocks are: their parts' kinds and roles, joined."""
    for block in blocks:
        yield " + ".join(dict.fromkeys(f"{part.kind} {part.role}" for part in block.parts))

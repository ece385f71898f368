"""What was found in a network, and whether it is what it is taken for.

Each block's output is recomputed, through its mechanism's formula, from the attention that was read in it, and
compared with what the network gave; and the mechanism, given the block's input, has to give the same again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from attnviz.capture.flowing import FlowBlock
from attnviz.capture.passes import Pass
from attnviz.capture.values import raw
from attnviz.mechanisms import Block, Kind, Mechanism

CLOSE = 1e-4  # of the output's largest value: float32 leaves 1e-6, another formula a hundredth
OTHER_READING = "The block's output does not follow from the attention that was read in it."
OTHER_FORMULA = "The mechanism, given the block's input, gives another output than the block."


@dataclass(frozen=True)
class Finding:
    """One attention block.

    Attributes:
        layer: its dotted path.
        mechanism: its name.
        kinds: of its parts.
        verified: whether its output follows from the attention that was read in it.
        error: the largest difference between the two, relative to the output's largest value.
        why: what failed, where it is not verified and that is known.
        constant: whether a part of it is the same everywhere, in the pass of noise that was looked at.
    """

    layer: str
    mechanism: str
    kinds: tuple[Kind, ...]
    verified: bool
    error: float
    why: str = ""
    constant: bool = False


@dataclass(frozen=True)
class Findings:
    """All of a network's blocks; ``skipped``: what was seen and is not claimed, with the reason, a line each."""

    blocks: tuple[Finding, ...]
    skipped: tuple[str, ...] = ()

    @property
    def unverified(self) -> frozenset[str]:
        """The paths of the blocks that were read but not verified."""
        return frozenset(finding.layer for finding in self.blocks if not finding.verified)

    def __str__(self) -> str:
        wrong = len(self.unverified)
        count = len(self.blocks) - wrong
        blocks = "block" if count == 1 else "blocks"
        return f"{count} {blocks} read and verified, {wrong} read but not verified, {len(self.skipped)} skipped"


@torch.no_grad()
def examine(blocks: Mapping[str, Block], watcher: Pass) -> tuple[Finding, ...]:
    """A finding for each block that ran in a pass, which kept the blocks' inputs and outputs."""
    found = []
    for layer, block in blocks.items():
        kinds = tuple(part.kind for part in block.parts)
        if isinstance(block, FlowBlock):
            seen = block.seen
            constant = any(part.constant for part in seen.parts)
            found.append(Finding(layer, block.label, kinds, seen.verified, seen.error, seen.why, constant))
            continue
        assert isinstance(block, Mechanism)
        errors = [_errors(block, watcher, layer, call) for path, call in watcher.flows if path == layer]
        if errors:
            read, given = (max(each) for each in zip(*errors, strict=True))
            why = OTHER_READING if read > CLOSE else OTHER_FORMULA if given > CLOSE else ""
            found.append(Finding(layer, block.label, kinds, not why, max(read, given), why))
    return tuple(found)


def _errors(block: Mechanism, watcher: Pass, layer: str, call: int) -> tuple[float, float]:
    """Of the output, recomputed from the attention that was read, and by the mechanism from the block's input."""
    flow = watcher.flows[layer, call]
    readings = [reading for reading in watcher.readings if (reading.layer, reading.call) == (layer, call)]
    attention = {reading.part.name: raw(reading.part.kind, reading.value) for reading in readings}
    assert flow.input is not None
    assert flow.output is not None
    if len(attention) < len(block.parts):
        return float("inf"), 0.0
    try:
        again = [block.recompose(flow.input.clone(), attention), block(flow.input.clone())]
    except RuntimeError:  # shapes that do not meet: it is another formula
        return 0.0, float("inf")
    return _difference(again[0], flow.output), _difference(again[1], flow.output)


def _difference(found: Tensor, given: Tensor) -> float:
    if found.shape != given.shape:
        return float("inf")
    largest = float(given.abs().max())
    if not largest:  # from an output of zeros nothing follows about what was read
        return float("inf")
    error = float((found - given).abs().max()) / largest
    return error if error == error else float("inf")

"""Whether attention is found and read: every listed network, built with drawn weights, and verified."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from attnviz.capture import AffinityMap, Backbone, Coordinate
from attnviz.capture.findings import Findings
from attnviz.explanation import AttentionRecord, explain
from attnviz.measures import entropy
from attnviz.stock import entries
from attnviz.zoo.drawn import draw
from attnviz.zoo.libraries import build

ALIVE, EVEN = 0.05, 0.98  # a gate's least deviation, a distribution's most entropy (of uniform)


@dataclass(frozen=True)
class Checked:
    """One network: what was found in it, and how many of its attention values are degenerate."""

    name: str
    params: int
    findings: Findings
    degenerate: int

    @property
    def kinds(self) -> dict[str, int]:
        """How many blocks of each mechanism."""
        return dict(Counter(finding.mechanism for finding in self.findings.blocks))

    @property
    def error(self) -> float:
        """The largest difference between a block's output and its recomputation, relative to the output's peak."""
        return max((finding.error for finding in self.findings.blocks), default=0.0)


def check_listed() -> Iterator[Checked]:
    """Every network of the catalogue that comes from another library."""
    for entry in entries().values():
        yield check(entry.card.id, build(entry), (3, entry.card.input_size, entry.card.input_size))


def check(name: str, model: nn.Module, size: tuple[int, ...]) -> Checked:
    """Draw a network's weights, read it and verify it; ``size``: (C, H, W) of its input."""
    params = sum(weight.numel() for weight in model.parameters())
    backbone = Backbone(draw(model, size), search=True)
    x = torch.randn(1, *size, generator=torch.Generator().manual_seed(1))
    records = explain(backbone, x).attention
    return Checked(name, params, backbone.findings(x), sum(degenerate(record) for record in records))


def degenerate(record: AttentionRecord) -> bool:
    """Whether a gate hardly varies, or a distribution is hardly another than uniform."""
    if isinstance(record.values, AffinityMap):
        values = record.values.matrix()
    elif isinstance(record.values, Coordinate):
        return min(float(strip.std()) for strip in record.values) < ALIVE
    else:
        values = record.values
    if record.role == "distribution":
        shares = values.movedim(0, -1) if record.kind == "branch" else values
        shares = shares.flatten() if record.kind == "context" else shares.flatten(1) if shares.dim() == 3 else shares
        return float(entropy(shares).mean()) >= EVEN
    scale = float(values.abs().mean()) if record.role == "term" else 1.0
    return float(values.std()) < ALIVE * scale


def table(rows: Iterator[Checked]) -> Iterator[str]:
    """The networks as lines of a table in Markdown."""
    yield "| Network | Parameters | Blocks | Read and verified | Largest error | Degenerate |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        kinds = ", ".join(f"{count} {name}" for name, count in row.kinds.items()) or "none"
        verified = len(row.findings.blocks) - len(row.findings.unverified)
        yield (
            f"| {row.name} | {row.params / 1e6:.2f} M | {kinds} | {verified} of {len(row.findings.blocks)}"
            f"{_skipped(row.findings)} | {f'{row.error:.0e}' if row.error else 0} | {row.degenerate} |"
        )


def _skipped(findings: Findings) -> str:
    count = len(findings.skipped)
    return f"; {count} skipped, first {findings.skipped[0]}" if count else ""

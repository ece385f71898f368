"""CBAM: a gate for each channel, then a gate for each position."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from attnviz.mechanisms.base import (
    Halves,
    Kind,
    Mechanism,
    Part,
    Placement,
    Role,
    Step,
    choose,
    hidden_width,
    spread,
    squeeze,
    switch,
)

_CHANNEL = r"M_c(F) = \sigma(\mathrm{MLP}(\mathrm{AvgPool}\,F) + \mathrm{MLP}(\mathrm{MaxPool}\,F)),\quad F' = M_c(F) \otimes F"
_SPATIAL = r"M_s(F') = \sigma(f^{7\times 7}([\mathrm{Avg}\,F';\,\mathrm{Max}\,F'])),\quad F'' = M_s(F') \otimes F'"


class CBAM(Mechanism):
    """Convolutional Block Attention Module (Woo et al. 2018, eq. 1-3).

    Args:
        channels: C of the feature map (B, C, H, W).
        reduction: r; the shared MLP's hidden layer has C // r units.
        min_hidden: the fewest hidden units (0: C // r alone decides, and must be at least 1).
        pools: what the channel half squeezes with: "both" (the paper), "avg" or "max".
        kernel_size: 7 (the paper) or 3, of the spatial half's convolution over [avg; max].
        norm: BatchNorm on the spatial map before its sigmoid (the reference code; not the paper).
        bias: biases in the shared MLP (the reference code has them).
        halves: "both", or "channel" or "spatial" alone.
    """

    label = "CBAM"
    formula = _CHANNEL + r",\quad " + _SPATIAL
    citation = "Woo, Park, Lee, Kweon: CBAM: Convolutional Block Attention Module, ECCV 2018"
    paper = "1807.06521"
    axes: ClassVar = {"spatial pool": "mij"}
    placement = Placement.BRANCH

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        min_hidden: int = 0,
        pools: Literal["both", "avg", "max"] = "both",
        kernel_size: int = 7,
        norm: bool = False,
        bias: bool = True,
        halves: Halves = "both",
    ) -> None:
        super().__init__(channels)
        choose("CBAM", "pools", pools, ("both", "avg", "max"))
        choose("CBAM", "kernel_size", kernel_size, (3, 7))
        choose("CBAM", "halves", halves, ("both", "channel", "spatial"))
        switch("CBAM", norm=norm, bias=bias)
        if halves != "both":
            self.formula = _CHANNEL if halves == "channel" else _SPATIAL
        self.halves, self.pools = halves, ("avg", "max") if pools == "both" else (pools,)
        parts = []
        if halves != "spatial":
            hidden = hidden_width("CBAM", channels, reduction, min_hidden)
            self.fc1 = nn.Linear(channels, hidden, bias=bias)
            self.relu = nn.ReLU()
            self.fc2 = nn.Linear(hidden, channels, bias=bias)
            self.channel_gate = nn.Sigmoid()
            parts.append(Part("channel", Kind.CHANNEL, Role.GATE, ("channel_gate",), off=1.0))
        if halves != "channel":
            self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)
            self.bn = nn.BatchNorm2d(1) if norm else nn.Identity()
            self.spatial_gate = nn.Sigmoid()
            parts.append(Part("spatial", Kind.SPATIAL, Role.GATE, ("spatial_gate",), off=1.0))
        self.parts = tuple(parts)

    def compute(self, x: Tensor) -> Iterator[Step]:
        if self.halves != "spatial":
            logits = []
            for pool in self.pools:
                z = squeeze(x, pool)
                yield Step(f"squeeze {pool}", rf"\mathrm{{{pool.title()}Pool}}\,F", z)
                h = self.relu(self.fc1(z))
                yield Step(f"hidden {pool}", rf"\delta(W_0\,\mathrm{{{pool.title()}Pool}}\,F)", h)
                logits.append(self.fc2(h))
                yield Step(f"mlp {pool}", rf"\mathrm{{MLP}}(\mathrm{{{pool.title()}Pool}}\,F)", logits[-1])
            c = self.channel_gate(sum(logits[1:], logits[0]))
            yield Step("channel gate", r"M_c(F) = \sigma(\textstyle\sum \mathrm{MLP}(\cdot))", c)
            x = x * spread(c)
            yield Step("channel scale", r"F' = M_c(F) \otimes F", x)
        if self.halves != "channel":
            pooled = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
            yield Step("spatial pool", r"[\mathrm{Avg}\,F';\,\mathrm{Max}\,F']", pooled)
            logit = self.bn(self.conv(pooled))
            yield Step("conv", r"f^{k\times k}([\mathrm{Avg}\,F';\,\mathrm{Max}\,F'])", logit)
            s = self.spatial_gate(logit)
            yield Step("spatial gate", r"M_s(F') = \sigma(f^{k\times k}(\cdot))", s)
            yield Step("spatial scale", r"F'' = M_s(F') \otimes F'", x * s)

    def recompose(self, x: Tensor, attention: Mapping[str | None, Any]) -> Tensor:
        if self.halves != "spatial":
            x = x * spread(attention["channel"])
        return x * attention["spatial"] if self.halves != "channel" else x

    def equations(self) -> dict[str, str]:
        refined = "x" if self.halves == "spatial" else "channel scale"
        return {
            **{f"squeeze {pool}": f"z_{{<c>}} = <squeeze {pool}>" for pool in self.pools},
            **{f"mlp {pool}": rf"\mathrm{{MLP}}(\mathbf{{z}})_{{<c>}} = <mlp {pool}>" for pool in self.pools},
            "channel gate": rf"M_c(F)_{{<c>}} = \sigma({' + '.join(f'<mlp {p}>' for p in self.pools)}) = <channel gate>",
            "channel scale": r"F'_{<c>}(<i>,<j>) = <channel gate> \cdot <x> = <channel scale>",
            "conv": r"f^{k\times k}(<i>,<j>) = <conv>",
            "spatial gate": r"M_s(F')(<i>,<j>) = \sigma(<conv>) = <spatial gate>",
            "spatial scale": rf"F''_{{<c>}}(<i>,<j>) = <spatial gate> \cdot <{refined}> = <spatial scale>",
        }

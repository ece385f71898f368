"""scSE: a channel gate and a spatial gate side by side, then joined."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

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
)


class SCSE(Mechanism):
    """Concurrent spatial and channel squeeze-and-excitation (Roy et al. 2018, eq. 1-5).

    Args:
        channels: C of the feature map (B, C, H, W).
        reduction: r; the channel half's hidden layer has C // r units (the paper: 2).
        min_hidden: the fewest hidden units (0: C // r alone decides, and must be at least 1).
        fusion: "sum" of the two scaled maps (2018a) or their "max" (2018b).
        halves: "both", or "channel" (cSE) or "spatial" (sSE) alone.
    """

    label = "scSE"
    formula = (
        r"\hat{U}_{cSE} = \sigma(W_1\,\delta(W_2\,\mathbf{z})) \odot U,\quad \hat{U}_{sSE} = \sigma(W_{sq} \star U) \odot U,\quad "
        r"\hat{U}_{scSE} = \hat{U}_{cSE} + \hat{U}_{sSE}"
    )
    citation = (
        "Roy, Navab, Wachinger: Concurrent Spatial and Channel Squeeze & Excitation in Fully Convolutional Networks, "
        "MICCAI 2018; Recalibrating Fully Convolutional Networks with Spatial and Channel SE Blocks, IEEE TMI 2018"
    )
    paper = "1803.02579"
    placement = Placement.BRANCH

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 2,
        min_hidden: int = 0,
        fusion: Literal["sum", "max"] = "sum",
        halves: Halves = "both",
    ) -> None:
        super().__init__(channels)
        choose("SCSE", "fusion", fusion, ("sum", "max"))
        choose("SCSE", "halves", halves, ("both", "channel", "spatial"))
        self.fusion, self.halves = fusion, halves
        # A dropped branch: 0 in a sum; NaN, which apply passes over, in a maximum. Half and half,
        # or one and one, is the identity.
        off, block_off = (0.0, 0.5) if fusion == "sum" else (float("nan"), 1.0)
        if halves != "both":
            off = block_off = 1.0
        parts = []
        if halves != "spatial":
            hidden = hidden_width("SCSE", channels, reduction, min_hidden)
            self.fc1 = nn.Linear(channels, hidden)
            self.relu = nn.ReLU()
            self.fc2 = nn.Linear(hidden, channels)
            self.cse = nn.Sigmoid()
            parts.append(Part("cse", Kind.CHANNEL, Role.GATE, ("cse",), off=off, block_off=block_off))
        if halves != "channel":
            self.conv = nn.Conv2d(channels, 1, 1)
            self.sse = nn.Sigmoid()
            parts.append(Part("sse", Kind.SPATIAL, Role.GATE, ("sse",), off=off, block_off=block_off))
        self.parts = tuple(parts)

    def compute(self, x: Tensor) -> Iterator[Step]:
        gates: dict[str | None, Tensor] = {}
        if self.halves != "spatial":
            z = squeeze(x, "avg")
            yield Step("squeeze", r"z_c = \frac{1}{HW}\sum_{i,j} u_c(i,j)", z)
            h = self.relu(self.fc1(z))
            yield Step("hidden", r"\delta(W_2\,\mathbf{z})", h)
            h = self.fc2(h)
            yield Step("channel logits", r"W_1\,\delta(W_2\,\mathbf{z})", h)
            gates["cse"] = self.cse(h)
            yield Step("cse gate", r"\sigma(W_1\,\delta(W_2\,\mathbf{z}))", gates["cse"])
            yield Step("cse", r"\hat{U}_{cSE} = \sigma(\hat{\mathbf{z}}) \odot U", x * spread(gates["cse"]))
        if self.halves != "channel":
            q = self.conv(x)
            yield Step("spatial logits", r"\mathbf{q} = W_{sq} \star U", q)
            gates["sse"] = self.sse(q)
            yield Step("sse gate", r"\sigma(\mathbf{q})", gates["sse"])
            yield Step("sse", r"\hat{U}_{sSE} = \sigma(\mathbf{q}) \odot U", x * gates["sse"])
        if self.halves == "both":
            joined = r"\hat{U}_{cSE} + \hat{U}_{sSE}" if self.fusion == "sum" else r"\max(\hat{U}_{cSE}, \hat{U}_{sSE})"
            yield Step("fuse", rf"\hat{{U}}_{{scSE}} = {joined}", self.recompose(x, gates))

    def recompose(self, x: Tensor, attention: Mapping[str | None, Any]) -> Tensor:
        if self.halves == "channel":
            return x * spread(attention["cse"])
        if self.halves == "spatial":
            return x * attention["sse"]
        c, s = spread(attention["cse"]), attention["sse"]
        if self.fusion == "sum":
            return x * c + x * s
        # A dropped gate (NaN) is taken out before it meets x, so that gradients stay numbers.
        cse, sse = x * c.nan_to_num(), x * s.nan_to_num()
        return torch.where(c.isnan(), sse, torch.where(s.isnan(), cse, torch.maximum(cse, sse)))

    def equations(self) -> dict[str, str]:
        joined = "<cse> + <sse>" if self.fusion == "sum" else r"\max(<cse>, <sse>)"
        return {
            "squeeze": r"z_{<c>} = <squeeze>",
            "channel logits": r"\hat{z}_{<c>} = <channel logits>",
            "cse gate": r"\sigma(\hat{z}_{<c>}) = \sigma(<channel logits>) = <cse gate>",
            "cse": r"\hat{U}_{cSE} = <cse gate> \cdot <x> = <cse>",
            "spatial logits": r"q(<i>,<j>) = <spatial logits>",
            "sse gate": r"\sigma(q(<i>,<j>)) = \sigma(<spatial logits>) = <sse gate>",
            "sse": r"\hat{U}_{sSE} = <sse gate> \cdot <x> = <sse>",
            "fuse": rf"\hat{{U}}_{{scSE}} = {joined} = <fuse>",
        }

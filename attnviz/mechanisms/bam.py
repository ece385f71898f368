"""BAM: one gate for each channel and position, from a channel and a spatial branch."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from torch import Tensor, nn

from attnviz.mechanisms.base import (
    Kind,
    Mechanism,
    Part,
    Placement,
    Role,
    Step,
    choose,
    hidden_width,
    positive,
    spread,
    squeeze,
)

_CHANNEL = r"\mathrm{MLP}(\mathrm{AvgPool}\,F)"
_SPATIAL = r"f_3^{1\times 1}(f_2^{3\times 3}(f_1^{3\times 3}(f_0^{1\times 1}(F))))"


class BAM(Mechanism):
    """Bottleneck Attention Module (Park et al. 2018, eq. 1-4).

    Args:
        channels: C of the feature map (B, C, H, W).
        reduction: r; both branches reduce to C // r channels.
        min_hidden: the fewest reduced channels (0: C // r alone decides, and must be at least 1).
        dilation: d of the spatial branch's two 3x3 convolutions (padding d keeps the size).
        combine: "sum" of the branches' logits (the paper) or "product" (the published code).
        norm: "paper" ends each branch with BatchNorm (eq. 3 and 4); "code" has BatchNorm and ReLU
            after every hidden layer and none at the end (the published code).
    """

    label = "BAM"
    formula = r"F' = F + F \otimes M(F)"
    citation = "Park, Woo, Lee, Kweon: BAM: Bottleneck Attention Module, BMVC 2018"
    paper = "1807.06514"
    placement = Placement.STAGE

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        min_hidden: int = 0,
        dilation: int = 4,
        combine: Literal["sum", "product"] = "sum",
        norm: Literal["paper", "code"] = "paper",
    ) -> None:
        super().__init__(channels)
        hidden = hidden_width("BAM", channels, reduction, min_hidden)
        positive("BAM", dilation=dilation)
        choose("BAM", "combine", combine, ("sum", "product"))
        choose("BAM", "norm", norm, ("paper", "code"))
        self.combine = combine
        sign = "+" if combine == "sum" else r"\cdot"
        last = "" if norm == "code" else r"\mathrm{BN}"
        self._branches = (rf"M_c(F) = {_around(last, _CHANNEL)}", rf"M_s(F) = {_around(last, _SPATIAL)}")
        gate = rf"M(F) = \sigma(M_c(F) {sign} M_s(F))"
        self.formula = r",\quad ".join((gate, *self._branches, self.formula))
        neutral = 0.0 if combine == "sum" else 1.0
        self.parts = (
            Part("channel", Kind.CHANNEL, Role.LOGIT, ("channel",), off=neutral, touches=False),
            Part("spatial", Kind.SPATIAL, Role.LOGIT, ("spatial",), off=neutral, touches=False),
            Part("combined", Kind.VOLUME, Role.GATE, ("gate",), off=0.0),
        )
        code = norm == "code"

        def conv(inputs: int, outputs: int, size: int) -> nn.Module:
            dilated = dilation if size == 3 else 1
            return nn.Conv2d(inputs, outputs, size, padding=dilated * (size // 2), dilation=dilated)

        def after() -> list[nn.Module]:
            return [nn.BatchNorm2d(hidden), nn.ReLU()] if code else []

        bottom = [nn.BatchNorm1d(hidden), nn.ReLU()] if code else [nn.ReLU()]
        end = [] if code else [nn.BatchNorm1d(channels)]
        self.channel = nn.Sequential(nn.Linear(channels, hidden), *bottom, nn.Linear(hidden, channels), *end)
        self.spatial = nn.Sequential(
            *(conv(channels, hidden, 1), *after()),
            *(conv(hidden, hidden, 3), *after()),
            *(conv(hidden, hidden, 3), *after()),
            conv(hidden, 1, 1),
            *([] if code else [nn.BatchNorm2d(1)]),
        )
        self.gate = nn.Sigmoid()

    def compute(self, x: Tensor) -> Iterator[Step]:
        z = squeeze(x, "avg")
        yield Step("squeeze", r"\mathrm{AvgPool}\,F", z)
        c = self.channel(z)
        yield Step("channel logits", self._branches[0], c)
        s = self.spatial(x)
        yield Step("spatial logits", r"M_s(F)", s)
        sign = "+" if self.combine == "sum" else r"\cdot"
        logit = spread(c) + s if self.combine == "sum" else spread(c) * s
        yield Step("combine", rf"M_c(F) {sign} M_s(F)", logit)
        m = self.gate(logit)
        yield Step("gate", rf"M(F) = \sigma(M_c(F) {sign} M_s(F))", m)
        yield Step("scale", r"F' = F + F \otimes M(F)", x + x * m)

    def recompose(self, x: Tensor, attention: Mapping[str | None, Any]) -> Tensor:
        return x + x * attention["combined"]

    def equations(self) -> dict[str, str]:
        sign = "+" if self.combine == "sum" else r"\cdot"
        return {
            "squeeze": r"\mathrm{AvgPool}(F)_{<c>} = <squeeze>",
            "channel logits": r"M_c(F)_{<c>} = <channel logits>",
            "spatial logits": r"M_s(F)(<i>,<j>) = <spatial logits>",
            "combine": rf"<channel logits> {sign} <spatial logits> = <combine>",
            "gate": r"M(F)_{<c>}(<i>,<j>) = \sigma(<combine>) = <gate>",
            "scale": r"F'_{<c>}(<i>,<j>) = <x> + <x> \cdot <gate> = <scale>",
        }


def _around(function: str, inner: str) -> str:
    return f"{function}({inner})" if function else inner

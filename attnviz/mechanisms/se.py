"""Squeeze-and-Excitation: one gate a channel, from the channels' means."""

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
    spread,
    squeeze,
    switch,
)


class SE(Mechanism):
    """Squeeze-and-Excitation block (Hu et al. 2018, eq. 2-4).

    Args:
        channels: C of the feature map (B, C, H, W).
        reduction: r; the hidden layer has C // r units.
        min_hidden: the fewest hidden units (0: C // r alone decides, and must be at least 1).
        squeeze: "avg" (the paper) or "max" pooling over positions.
        bias: whether the two fully connected layers have biases (eq. 3 has none; the released networks do).
    """

    label = "SE"
    formula = r"\mathbf{s} = \sigma(W_2\,\delta(W_1\,\mathbf{z})),\quad z_c = \frac{1}{HW}\sum_{i,j} x_c(i,j),\quad \tilde{x}_c = s_c\,x_c"
    citation = "Hu, Shen, Albanie, Sun, Wu: Squeeze-and-Excitation Networks, CVPR 2018"
    paper = "1709.01507"
    placement = Placement.BRANCH
    parts = (Part(None, Kind.CHANNEL, Role.GATE, ("gate",), off=1.0),)

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 16,
        min_hidden: int = 0,
        squeeze: Literal["avg", "max"] = "avg",
        bias: bool = True,
    ) -> None:
        super().__init__(channels)
        hidden = hidden_width("SE", channels, reduction, min_hidden)
        choose("SE", "squeeze", squeeze, ("avg", "max"))
        switch("SE", bias=bias)
        self.pool = squeeze
        self.fc1 = nn.Linear(channels, hidden, bias=bias)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden, channels, bias=bias)
        self.gate = nn.Sigmoid()

    def compute(self, x: Tensor) -> Iterator[Step]:
        z = squeeze(x, self.pool)
        yield Step("squeeze", r"z_c = \operatorname{pool}_{i,j}\, x_c(i,j)", z)
        h = self.fc1(z)
        yield Step("fc1", r"W_1\,\mathbf{z}", h)
        h = self.relu(h)
        yield Step("relu", r"\delta(W_1\,\mathbf{z})", h)
        h = self.fc2(h)
        yield Step("fc2", r"W_2\,\delta(W_1\,\mathbf{z})", h)
        s = self.gate(h)
        yield Step("gate", r"\mathbf{s} = \sigma(W_2\,\delta(W_1\,\mathbf{z}))", s)
        yield Step("scale", r"\tilde{x}_c = s_c\,x_c", x * spread(s))

    def recompose(self, x: Tensor, attention: Mapping[str | None, Any]) -> Tensor:
        return x * spread(attention[None])

    def equations(self) -> dict[str, str]:
        return {
            "squeeze": r"z_{<c>} = <squeeze>",
            "fc2": r"(W_2\,\mathbf{h})_{<c>} = <fc2>",
            "gate": r"s_{<c>} = \sigma(<fc2>) = <gate>",
            "scale": r"\tilde{x}_{<c>}(<i>,<j>) = <gate> \cdot <x> = <scale>",
        }


class ESE(SE):
    """Effective Squeeze-and-Excitation (Lee and Park 2020, eq. 3): one layer of C x C, a hard sigmoid."""

    label = "eSE"
    formula = (
        r"\mathbf{s} = \sigma(W\,\mathbf{z}),\quad z_c = \frac{1}{HW}\sum_{i,j} x_c(i,j),\quad \tilde{x}_c = s_c\,x_c"
    )
    citation = "Lee, Park: CenterMask: Real-Time Anchor-Free Instance Segmentation, CVPR 2020"
    paper = "1911.06667"

    def __init__(self, channels: int) -> None:
        super().__init__(channels, reduction=1)
        del self.fc1, self.relu

    def compute(self, x: Tensor) -> Iterator[Step]:
        z = squeeze(x, "avg")
        yield Step("squeeze", r"z_c = \frac{1}{HW}\sum_{i,j} x_c(i,j)", z)
        h = self.fc2(z)
        yield Step("fc2", r"W\,\mathbf{z}", h)
        s = self.gate(h)
        yield Step("gate", r"\mathbf{s} = \sigma(W\,\mathbf{z})", s)
        yield Step("scale", r"\tilde{x}_c = s_c\,x_c", x * spread(s))

    def equations(self) -> dict[str, str]:
        return super().equations() | {"fc2": r"(W\,\mathbf{z})_{<c>} = <fc2>"}

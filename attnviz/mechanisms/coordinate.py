"""Coordinate Attention: for each channel a gate along the height and one along the width."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from attnviz.mechanisms.base import Kind, Mechanism, Part, Placement, Role, Step, hidden_width


class CoordinateAttention(Mechanism):
    """Coordinate Attention (Hou et al. 2021, eq. 4-9).

    Args:
        channels: C of the feature map (B, C, H, W).
        reduction: r; the shared transform has max(C // r, min_hidden) channels.
        min_hidden: the smallest width of the shared transform (the authors' code: 8).
    """

    label = "CA"
    formula = (
        r"\mathbf{f} = \delta(F_1([\mathbf{z}^h, \mathbf{z}^w])),\quad \mathbf{g}^h = \sigma(F_h(\mathbf{f}^h)),\quad "
        r"\mathbf{g}^w = \sigma(F_w(\mathbf{f}^w)),\quad y_c(i,j) = x_c(i,j)\,g^h_c(i)\,g^w_c(j)"
    )
    citation = "Hou, Zhou, Feng: Coordinate Attention for Efficient Mobile Network Design, CVPR 2021"
    paper = "2103.02907"
    axes: ClassVar = {
        "pool h": "ci1",
        "pool w": "cj1",
        "concatenate": "cl1",
        "transform": "hl1",
        "gate h": "ci1",
        "gate w": "c1j",
    }
    placement = Placement.BRANCH
    parts = (Part(None, Kind.COORDINATE, Role.GATE, ("gate_h", "gate_w"), off=1.0),)

    def __init__(self, channels: int, *, reduction: int = 32, min_hidden: int = 8) -> None:
        super().__init__(channels)
        hidden = hidden_width("CoordinateAttention", channels, reduction, min_hidden)
        self.conv = nn.Conv2d(channels, hidden, 1)
        self.bn = nn.BatchNorm2d(hidden)
        self.act = nn.Hardswish()
        self.conv_h = nn.Conv2d(hidden, channels, 1)
        self.conv_w = nn.Conv2d(hidden, channels, 1)
        self.gate_h = nn.Sigmoid()
        self.gate_w = nn.Sigmoid()

    def compute(self, x: Tensor) -> Iterator[Step]:
        z_h = x.mean(3, keepdim=True)
        yield Step("pool h", r"z^h_c(i) = \frac{1}{W}\sum_j x_c(i,j)", z_h)
        z_w = x.mean(2, keepdim=True).transpose(2, 3)
        yield Step("pool w", r"z^w_c(j) = \frac{1}{H}\sum_i x_c(i,j)", z_w)
        z = torch.cat([z_h, z_w], dim=2)
        yield Step("concatenate", r"[\mathbf{z}^h, \mathbf{z}^w]", z)
        f = self.act(self.bn(self.conv(z)))
        yield Step("transform", r"\mathbf{f} = \delta(F_1([\mathbf{z}^h, \mathbf{z}^w]))", f)
        f_h, f_w = f.split([x.shape[2], x.shape[3]], dim=2)
        g_h = self.gate_h(self.conv_h(f_h))
        yield Step("gate h", r"\mathbf{g}^h = \sigma(F_h(\mathbf{f}^h))", g_h)
        g_w = self.gate_w(self.conv_w(f_w.transpose(2, 3)))
        yield Step("gate w", r"\mathbf{g}^w = \sigma(F_w(\mathbf{f}^w))", g_w)
        yield Step("scale", r"y_c(i,j) = x_c(i,j)\,g^h_c(i)\,g^w_c(j)", x * g_h * g_w)

    def recompose(self, x: Tensor, attention: Mapping[str | None, Any]) -> Tensor:
        g_h, g_w = attention[None]
        return x * g_h * g_w

    def equations(self) -> dict[str, str]:
        return {
            "pool h": r"z^h_{<c>}(<i>) = <pool h>",
            "pool w": r"z^w_{<c>}(<j>) = <pool w>",
            "gate h": r"g^h_{<c>}(<i>) = <gate h>",
            "gate w": r"g^w_{<c>}(<j>) = <gate w>",
            "scale": r"y_{<c>}(<i>,<j>) = <x> \cdot <gate h> \cdot <gate w> = <scale>",
        }

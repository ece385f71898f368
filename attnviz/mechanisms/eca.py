"""Efficient Channel Attention: one gate a channel, from its neighbours' means."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from attnviz.errors import OptionError
from attnviz.mechanisms.base import Kind, Mechanism, Part, Placement, Role, Step, finite, positive, spread, squeeze

WIDEST = 65_535  # channels that a kernel may span


class ECA(Mechanism):
    """Efficient Channel Attention (Wang et al. 2020, eq. 9 and 12).

    Args:
        channels: C of the feature map (B, C, H, W).
        gamma, b: of the rule for the kernel's size, k = odd(|(log2 C + b) / gamma|).
        kernel: k itself, odd; the rule is then not used.
        min_kernel: the smallest k that the rule may give (the rule says 1 under 8 channels).
    """

    label = "ECA"
    formula = r"\boldsymbol{\omega} = \sigma(\mathrm{C1D}_k(\mathbf{z})),\quad k = \left|\frac{\log_2 C + b}{\gamma}\right|_{\mathrm{odd}},\quad \tilde{x}_c = \omega_c\,x_c"
    citation = "Wang, Wu, Zhu, Li, Zuo, Hu: ECA-Net: Efficient Channel Attention for Deep Convolutional Neural Networks, CVPR 2020"
    paper = "1910.03151"
    placement = Placement.BRANCH
    parts = (Part(None, Kind.CHANNEL, Role.GATE, ("gate",), off=1.0),)

    def __init__(
        self,
        channels: int,
        *,
        gamma: float = 2,
        b: float = 1,
        kernel: int | None = None,
        min_kernel: int = 1,
    ) -> None:
        super().__init__(channels)
        if kernel is None:
            kernel = max(kernel_size(channels, gamma, b), _odd("min_kernel", min_kernel))
        self.conv = nn.Conv1d(1, 1, _odd("kernel", kernel), padding=kernel // 2, bias=False)
        self.gate = nn.Sigmoid()

    def compute(self, x: Tensor) -> Iterator[Step]:
        z = squeeze(x, "avg")
        yield Step("squeeze", r"z_c = \frac{1}{HW}\sum_{i,j} x_c(i,j)", z)
        h = self.conv(z[:, None])[:, 0]
        yield Step("conv1d", r"\mathrm{C1D}_k(\mathbf{z})", h)
        s = self.gate(h)
        yield Step("gate", r"\boldsymbol{\omega} = \sigma(\mathrm{C1D}_k(\mathbf{z}))", s)
        yield Step("scale", r"\tilde{x}_c = \omega_c\,x_c", x * spread(s))

    def recompose(self, x: Tensor, attention: Mapping[str | None, Any]) -> Tensor:
        return x * spread(attention[None])

    def equations(self) -> dict[str, str]:
        return {
            "squeeze": r"z_{<c>} = <squeeze>",
            "conv1d": r"\mathrm{C1D}_k(\mathbf{z})_{<c>} = <conv1d>",
            "gate": r"\omega_{<c>} = \sigma(<conv1d>) = <gate>",
            "scale": r"\tilde{x}_{<c>}(<i>,<j>) = <gate> \cdot <x> = <scale>",
        }


def kernel_size(channels: int, gamma: float = 2, b: float = 1) -> int:
    """k = |(log2 C + b) / gamma|, truncated and raised to the next odd number (eq. 12)."""
    finite("ECA", gamma=gamma, b=b)
    if not gamma:
        raise OptionError(f"ECA: gamma is {gamma!r}; it divides, so it must not be 0")
    t = abs((math.log2(channels) + b) / gamma)
    if t > WIDEST:
        raise OptionError(f"ECA: gamma {gamma!r} and b {b!r} give a kernel of {t:.3g}; at most {WIDEST} makes sense")
    return int(t) if int(t) % 2 else int(t) + 1


def _odd(option: str, value: int) -> int:
    positive("ECA", **{option: value})
    if value % 2 == 0:
        raise OptionError(f"ECA: {option} is {value}; it must be odd, so that each channel is its window's centre")
    return value

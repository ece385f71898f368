"""Selective Kernel: for each channel, a share between branches of different kernel size."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from attnviz.errors import OptionError
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
    squeeze,
    switch,
)


class SK(Mechanism):
    """Selective Kernel convolution (Li et al. 2019, eq. 1-6): split, fuse, select.

    Args:
        channels: C, in and out.
        branches: M; branch i sees a window of 3 + 2i pixels.
        groups: G of every branch's convolution; it divides C.
        reduction, min_hidden: r and L of d = max(C // r, L), the width of z.
        stride: of every branch's convolution.
        kernels: "dilated" 3x3 convolutions of dilation i + 1 (the paper's choice) or "plain" large ones.
        norm: BatchNorm and ReLU on z (eq. 3) or neither.
    """

    label = "SK"
    formula = (
        r"U = \sum_m U_m,\quad \mathbf{z} = \delta(\mathcal{B}(W\,\mathrm{AvgPool}\,U)),\quad "
        r"a_{m,c} = \frac{e^{A_{m,c}\,\mathbf{z}}}{\sum_{m'} e^{A_{m',c}\,\mathbf{z}}},\quad V_c = \sum_m a_{m,c}\,U_{m,c}"
    )
    citation = "Li, Wang, Hu, Yang: Selective Kernel Networks, CVPR 2019"
    paper = "1903.06586"
    axes: ClassVar = {"select": "mc", "share": "mc"}
    placement = Placement.CONV

    def __init__(
        self,
        channels: int,
        *,
        branches: int = 2,
        groups: int = 32,
        reduction: int = 16,
        min_hidden: int = 32,
        stride: int = 1,
        kernels: Literal["dilated", "plain"] = "dilated",
        norm: bool = True,
    ) -> None:
        super().__init__(channels)
        hidden = hidden_width("SK", channels, reduction, min_hidden)
        positive("SK", branches=branches, groups=groups, stride=stride)
        choose("SK", "kernels", kernels, ("dilated", "plain"))
        switch("SK", norm=norm)
        if branches < 2:
            raise OptionError("SK: branches is 1; selecting needs 2 or more")
        if channels % groups:
            raise OptionError(f"SK: groups is {groups}, which does not divide {channels} channels")

        def branch(i: int) -> nn.Module:
            size, dilation = (3, i + 1) if kernels == "dilated" else (3 + 2 * i, 1)
            conv = nn.Conv2d(
                channels, channels, size, stride, padding=i + 1, dilation=dilation, groups=groups, bias=False
            )
            return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU())

        self.branches = nn.ModuleList(branch(i) for i in range(branches))
        self.reduce = nn.Linear(channels, hidden, bias=not norm)
        self.z_norm = nn.Sequential(nn.BatchNorm1d(hidden), nn.ReLU()) if norm else nn.Identity()
        self.select = nn.Linear(hidden, branches * channels, bias=False)
        self.share = nn.Softmax(dim=1)
        self.parts = (Part(None, Kind.BRANCH, Role.DISTRIBUTION, ("share",), off=1 / branches),)

    def compute(self, x: Tensor) -> Iterator[Step]:
        maps = []
        for i, branch in enumerate(self.branches):
            maps.append(branch(x))
            yield Step(
                f"branch {i + 1}", rf"U_{{{i + 1}}} = \delta(\mathcal{{B}}(\mathcal{{F}}_{{{i + 1}}}(X)))", maps[-1]
            )
        fused = sum(maps[1:], maps[0])
        yield Step("fuse", r"U = \sum_m U_m", fused)
        s = squeeze(fused, "avg")
        yield Step("squeeze", r"s_c = \frac{1}{HW}\sum_{i,j} U_c(i,j)", s)
        z = self.z_norm(self.reduce(s))
        yield Step("reduce", r"\mathbf{z} = \delta(\mathcal{B}(W\,\mathbf{s}))", z)
        logits = self.select(z).unflatten(1, (len(maps), self.channels))
        yield Step("select", r"A_{m,c}\,\mathbf{z}", logits)
        a = self.share(logits)
        yield Step("share", r"a_{m,c} = e^{A_{m,c}\mathbf{z}} / \sum_{m'} e^{A_{m',c}\mathbf{z}}", a)
        yield Step("sum", r"V_c = \sum_m a_{m,c}\,U_{m,c}", _weighted(maps, a))

    def recompose(self, x: Tensor, attention: Mapping[str | None, Any]) -> Tensor:
        return _weighted([branch(x) for branch in self.branches], attention[None])

    def equations(self) -> dict[str, str]:
        count = len(self.branches)
        weighted = " + ".join(rf"<share.{m}> \cdot <branch {m + 1}>" for m in range(count))
        exponentials = " + ".join(f"e^{{<select.{m}>}}" for m in range(count))
        return {
            **{f"branch {m + 1}": rf"U_{{{m + 1},<c>}}(<i>,<j>) = <branch {m + 1}>" for m in range(count)},
            "fuse": rf"U_{{<c>}}(<i>,<j>) = {' + '.join(f'<branch {m + 1}>' for m in range(count))} = <fuse>",
            "squeeze": r"s_{<c>} = <squeeze>",
            "select": r"(A_1\,\mathbf{z})_{<c>} = <select.0>",
            "share": rf"a_{{1,<c>}} = e^{{<select.0>}} / ({exponentials}) = <share.0>",
            "sum": rf"V_{{<c>}}(<i>,<j>) = {weighted} = <sum>",
        }


def _weighted(maps: list[Tensor], share: Tensor) -> Tensor:
    return torch.stack([u * share[:, m, :, None, None] for m, u in enumerate(maps)]).sum(0)

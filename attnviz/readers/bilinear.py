"""Bilinear attention, as timm has it."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnviz.mechanisms import Kind, Mechanism, Part, Placement, Role, Step
from attnviz.mechanisms.non_local import Affinity, factors
from attnviz.readers.registry import reads
from attnviz.readers.twin import Function, Twin, assemble, chain


class Bilinear(Mechanism):
    """Bilinear attentional transform (Chi et al. 2020, eq. 5-7): rows of blocks and columns of blocks are mixed.

    On a grid of side x side blocks, block (i, j) reads (k, l) with P[i, k] Q[l, j]; P's rows and Q's columns sum
    to 1. Each group of channels has matrices of its own, and is a part.
    """

    label = "BAT"
    formula = r"z = x + F_2(P\,F_1(x)\,Q),\quad a_{(i,j),(k,l)} = P_{i,k}\,Q_{l,j}"
    citation = "Chi, Yuan, Mu: Non-Local Neural Networks With Grouped Bilinear Attentional Transforms, CVPR 2020"
    paper = "https://openaccess.thecvf.com/CVPR2020"
    placement = Placement.CONV
    axes: ClassVar = {"rows": "", "columns": "", "reduce": "mij", "mix": "mij"}
    reduce: nn.Module
    matrices: nn.Module
    after: nn.Module

    def __init__(self, channels: int, groups: int, side: int) -> None:
        super().__init__(channels)
        self.side = side
        self.affinities = nn.ModuleList(Affinity("matrix") for _ in range(groups))
        self.parts = tuple(
            Part(f"group {i}", Kind.AFFINITY, Role.DISTRIBUTION, (f"affinities.{i}",)) for i in range(groups)
        )

    def query_grid(self, grid: tuple[int, ...]) -> tuple[int, ...]:
        return self.side, self.side

    key_grid = query_grid

    def compute(self, x: Tensor) -> Iterator[Step]:
        f = self.reduce(x)
        yield Step("reduce", r"F_1(x)", f)
        pq = self.matrices(f)
        for name, letter, matrix in (("rows", "P", pq[0]), ("columns", "Q", pq[1])):
            yield Step(name, letter, matrix)
        read = [self._affinity(i, *pq) for i in range(len(self.affinities))]
        for i, a in enumerate(read):
            yield Step(f"affinity {i}", r"a_{(i,j),(k,l)} = P_{i,k}\,Q_{l,j}", a)
        y = self._mix(f, read)
        yield Step("mix", r"P\,F_1(x)\,Q", y)
        y = self.after(y)
        yield Step("transform", r"F_2(P\,F_1(x)\,Q)", y)
        yield Step("residual", r"z = x + F_2(P\,F_1(x)\,Q)", y + x)

    def axes_of(self, name: str, shape: tuple[int, ...]) -> str:
        return "qk" if name.startswith("affinity ") else super().axes_of(name, shape)

    def recompose(self, x: Tensor, attention: Mapping[str | None, Any]) -> Tensor:
        return self.after(self._mix(self.reduce(x), [attention[part.name] for part in self.parts])) + x

    def equations(self) -> dict[str, str]:
        return {
            "reduce": r"F_1(x)_1(<i>,<j>) = <reduce.0>",
            "transform": r"F_2(\cdot)_{<c>}(<i>,<j>) = <transform>",
            "residual": r"z_{<c>}(<i>,<j>) = <transform> + <x> = <residual>",
        }

    def _affinity(self, group: int, p: Tensor, q: Tensor) -> Tensor:
        matrix = torch.einsum("bik,blj->bijkl", p[:, group], q[:, group]).flatten(3).flatten(1, 2)
        return self.affinities[group](*factors(matrix))

    def _mix(self, f: Tensor, read: list[Tensor]) -> Tensor:
        """Each group's affinity over its channels; a place within a block reads the same place of other blocks."""
        side, (height, width) = self.side, f.shape[2:]
        a = torch.stack(read, 1).reshape(len(f), len(read), side, side, side, side)
        blocks = f.reshape(len(f), len(read), -1, side, height // side, side, width // side)
        mixed = torch.einsum("bgijkl,bgckulv->bgciujv", a, blocks)
        return mixed.reshape(len(f), -1, height, width)


@reads("timm.layers.non_local_attn.BatNonLocalAttn")
def timm_bilinear(module: Any) -> Twin:
    """Timm's BAT, whose matrices are calls in its forward."""
    part = module.get_submodule
    side, groups = int(module.ba.block_size), int(module.ba.groups)
    first, conv_p, conv_q = part("ba.conv1"), part("ba.conv_p"), part("ba.conv_q")

    def matrices(f: Tensor) -> Tensor:
        out = first(f)
        rows, columns = F.adaptive_max_pool2d(out, (side, 1)), F.adaptive_max_pool2d(out, (1, side))
        p = conv_p(rows).view(len(f), groups, side, side).sigmoid()
        q = conv_q(columns).view(len(f), groups, side, side).sigmoid()
        return torch.stack([p / p.sum(3, keepdim=True), q / q.sum(2, keepdim=True)])

    channels = int(part("conv1.conv").in_channels)
    made = assemble(
        lambda: Bilinear(channels, groups, side),
        reduce=chain(part("conv1")),
        matrices=Function(matrices),
        after=chain(part("ba.conv2"), part("conv2"), part("dropout")),
    )
    return Twin(made, {})

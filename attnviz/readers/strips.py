"""Coordinate attention and its relatives, as timm and the authors' code have them."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from attnviz.mechanisms import CoordinateAttention, Kind, Mechanism, Part, Placement, Role, Step
from attnviz.readers.registry import reads, reads_like
from attnviz.readers.twin import Function, Twin, assemble, chain

SKIP = r"y_c(i,j) + x_c(i,j)"


class ResidualCoordinate(CoordinateAttention):
    """Coordinate attention whose input is added to its output."""

    def compute(self, x: Tensor) -> Iterator[Step]:
        for step in super().compute(x):
            yield step
        yield Step("skip", SKIP, step.value + x)

    def recompose(self, x: Tensor, attention: Mapping[str | None, Any]) -> Tensor:
        return super().recompose(x, attention) + x


def _coordinate(module: Any, gate: nn.Module, points: dict[str, str], *, skip: bool) -> Twin:
    conv, bn, act, conv_h, conv_w = map(module.get_submodule, ("conv1", "bn1", "act", "conv_h", "conv_w"))
    kind = ResidualCoordinate if skip else CoordinateAttention
    made = assemble(
        lambda: kind(int(conv.weight.shape[1])),
        conv=chain(conv),
        bn=chain(bn),
        act=chain(act),
        conv_h=chain(conv_h),
        conv_w=chain(conv_w),
        gate_h=chain(gate),
        gate_w=chain(gate),
    )
    return Twin(made, points)


@reads("timm.layers.coord_attn.CoordAttn")
def timm_coordinate(module: Any) -> Twin:
    """Timm's, whose one gate runs twice: along the height, then along the width."""
    points = {"gate_h": "gate", "gate_w": "gate"}
    return _coordinate(module, module.get_submodule("gate"), points, skip=bool(module.has_skip))


@reads_like("CoordAtt", "conv1", "bn1", "act", "conv_h", "conv_w")
def authors_coordinate(module: Any) -> Twin:
    """The authors' class, whose sigmoids are calls in its forward."""
    return _coordinate(module, nn.Sigmoid(), {}, skip=False)


class Strips(Mechanism):
    """Gates from the means along the height and the width, each through layers of its own."""

    axes: ClassVar = {
        **dict.fromkeys(("pool h", "along h", "gate h"), "ci1"),
        **dict.fromkeys(("pool w", "along w", "gate w"), "c1j"),
    }
    placement = Placement.BRANCH
    along_h: nn.Module
    along_w: nn.Module

    def __init__(self, channels: int, *, skip: bool) -> None:
        super().__init__(channels)
        self.skip = skip
        if skip:
            self.formula += " + x_c(i,j)"

    @abstractmethod
    def gates(self, f_h: Tensor, f_w: Tensor) -> Iterator[Step]:
        """The steps from the two strips to the gate or gates."""

    def compute(self, x: Tensor) -> Iterator[Step]:
        z_h, z_w = x.mean(3, keepdim=True), x.mean(2, keepdim=True)
        yield Step("pool h", r"z^h_c(i) = \frac{1}{W}\sum_j x_c(i,j)", z_h)
        yield Step("pool w", r"z^w_c(j) = \frac{1}{H}\sum_i x_c(i,j)", z_w)
        f_h, f_w = self.along_h(z_h), self.along_w(z_w)
        yield Step("along h", r"F_h(\mathbf{z}^h)", f_h)
        yield Step("along w", r"F_w(\mathbf{z}^w)", f_w)
        y = x
        for step in self.gates(f_h, f_w):
            yield step
            y = y * step.value
        yield Step("scale", r"y_c(i,j)", y)
        if self.skip:
            yield Step("skip", SKIP, y + x)

    def recompose(self, x: Tensor, attention: Mapping[str | None, Any]) -> Tensor:
        y = x
        for gate in attention[None] if isinstance(attention[None], tuple) else (attention[None],):
            y = y * gate
        return y + x if self.skip else y


class LocalAttention(Strips):
    """Efficient Local Attention (Xu and Wan 2024, eq. 5-7): a gate along the height and one along the width."""

    label = "ELA"
    formula = (
        r"\mathbf{g}^h = \sigma(F_h(\mathbf{z}^h)),\quad \mathbf{g}^w = \sigma(F_w(\mathbf{z}^w)),\quad "
        r"y_c(i,j) = x_c(i,j)\,g^h_c(i)\,g^w_c(j)"
    )
    citation = "Xu, Wan: ELA: Efficient Local Attention for Deep Convolutional Neural Networks, 2024"
    paper = "2403.01123"
    parts = (Part(None, Kind.COORDINATE, Role.GATE, ("gate_h", "gate_w"), off=1.0),)
    gate_h: nn.Module
    gate_w: nn.Module

    def gates(self, f_h: Tensor, f_w: Tensor) -> Iterator[Step]:
        yield Step("gate h", r"\mathbf{g}^h = \sigma(F_h(\mathbf{z}^h))", self.gate_h(f_h))
        yield Step("gate w", r"\mathbf{g}^w = \sigma(F_w(\mathbf{z}^w))", self.gate_w(f_w))

    def equations(self) -> dict[str, str]:
        return {
            "gate h": r"g^h_{<c>}(<i>) = \sigma(<along h>) = <gate h>",
            "gate w": r"g^w_{<c>}(<j>) = \sigma(<along w>) = <gate w>",
            "scale": r"y_{<c>}(<i>,<j>) = <x> \cdot <gate h> \cdot <gate w> = <scale>",
        }


class StripGate(Strips):
    """Coordinate attention in one gate: the strips are added, and a sigmoid follows (timm)."""

    label = "Strip gate"
    formula = r"g_c(i,j) = \sigma(F_h(\mathbf{z}^h)_c(i) + F_w(\mathbf{z}^w)_c(j)),\quad y_c(i,j) = x_c(i,j)\,g_c(i,j)"
    citation = CoordinateAttention.citation
    paper = CoordinateAttention.paper
    parts = (Part(None, Kind.VOLUME, Role.GATE, ("gate",), off=1.0),)
    gate: nn.Module

    def gates(self, f_h: Tensor, f_w: Tensor) -> Iterator[Step]:
        yield Step("gate", r"g_c(i,j) = \sigma(F_h(\mathbf{z}^h)_c(i) + F_w(\mathbf{z}^w)_c(j))", self.gate(f_h + f_w))

    def equations(self) -> dict[str, str]:
        return {
            "gate": r"g_{<c>}(<i>,<j>) = \sigma(<along h> + <along w>) = <gate>",
            "scale": r"y_{<c>}(<i>,<j>) = <x> \cdot <gate> = <scale>",
        }


@reads("timm.layers.coord_attn.EfficientLocalAttn")
def timm_local(module: Any) -> Twin:
    """Timm's ELA, whose one gate runs twice."""
    part = module.get_submodule
    act, gate = part("act"), part("gate")
    made = assemble(
        lambda: LocalAttention(part("conv_h").in_channels, skip=bool(module.has_skip)),
        along_h=chain(part("conv_h"), part("norm_h"), act),
        along_w=chain(part("conv_w"), part("norm_w"), act),
        gate_h=chain(gate),
        gate_w=chain(gate),
    )
    return Twin(made, {"gate_h": "gate", "gate_w": "gate"})


class AnyWidth(StripGate):
    """It learns from its first input how many channels there are: the module may hold no layer that says so."""

    def check_shape(self, x: Tensor) -> None:
        self.channels = self.in_channels = x.shape[1]
        super().check_shape(x)


@reads("timm.layers.coord_attn.StripAttn")
def timm_strip(module: Any) -> Twin:
    """Timm's smallest: both means, a depthwise convolution each, one gate."""
    along_h, along_w, gate = map(module.get_submodule, ("conv_h", "conv_w", "gate"))
    made = assemble(
        lambda: AnyWidth(1, skip=bool(module.has_skip)),
        along_h=chain(along_h),
        along_w=chain(along_w),
        gate=chain(gate),
    )
    return Twin(made, {"gate": "gate"})


@reads("timm.layers.coord_attn.SimpleCoordAttn")
def timm_simple(module: Any) -> Twin:
    """Timm's simplified one: shared linear layers, added before one gate."""
    fc1, act, fc_h, fc_w, gate = map(module.get_submodule, ("fc1", "act", "fc_h", "fc_w", "gate"))

    def along(last: nn.Module, axis: int) -> Function:
        def run(z: Tensor) -> Tensor:
            hidden = act(fc1(z.squeeze(axis).transpose(1, 2)))
            return last(hidden).transpose(1, 2).unsqueeze(axis)

        return Function(run)

    made = assemble(
        lambda: StripGate(fc1.in_features, skip=bool(module.has_skip)),
        along_h=along(fc_h, 3),
        along_w=along(fc_w, 2),
        gate=chain(gate),
    )
    return Twin(made, {"gate": "gate"})

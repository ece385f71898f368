"""Global Context: one context for all positions, added to every one of them."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from torch import Tensor, nn

from attnviz.errors import OptionError
from attnviz.mechanisms.base import (
    Kind,
    Mechanism,
    Part,
    Placement,
    Role,
    SpatialSoftmax,
    Step,
    choose,
    finite,
    positive,
)

Fusion = Literal["channel_add", "channel_mul"]


_TERM = r"W_{v2}\,\mathrm{ReLU}(\mathrm{LN}(W_{v1}\,\mathbf{c}))"
_GATE = r"\sigma(W'_{v2}\,\mathrm{ReLU}(\mathrm{LN}(W'_{v1}\,\mathbf{c}))) \odot x_i"
_CONTEXT = r"\mathbf{c} = \sum_j \frac{e^{W_k x_j}}{\sum_m e^{W_k x_m}}\,x_j"


class GC(Mechanism):
    """Global Context block (Cao et al. 2019, eq. 5 and 6).

    Args:
        channels: C of the feature map (B, C, H, W).
        pooling: "att", a softmax over positions (the paper), or "avg", the plain mean.
        fusions: ("channel_add",) (the paper), ("channel_mul",) or both; the product comes first.
        ratio: of the bottleneck's width to C; int(C * ratio) units.
        min_hidden: the fewest bottleneck units (0: the ratio alone decides, and must leave 1).
    """

    label = "GC"
    formula = rf"z_i = x_i + {_TERM},\quad {_CONTEXT}"
    citation = (
        "Cao, Xu, Lin, Wei, Hu: GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond, ICCV-W 2019"
    )
    paper = "1904.11492"
    placement = Placement.BRANCH

    def __init__(
        self,
        channels: int,
        *,
        pooling: Literal["att", "avg"] = "att",
        fusions: tuple[Fusion, ...] = ("channel_add",),
        ratio: float = 1 / 16,
        min_hidden: int = 0,
    ) -> None:
        super().__init__(channels)
        choose("GC", "pooling", pooling, ("att", "avg"))
        known = ("channel_add", "channel_mul")
        given = fusions if isinstance(fusions, tuple | list) else ()
        if not given or any(f not in known or given.count(f) > 1 for f in given):
            raise OptionError(f"GC: fusions is {fusions!r}; it must be a tuple of 'channel_add', 'channel_mul' or both")
        finite("GC", ratio=ratio)
        positive("GC", 0, min_hidden=min_hidden)
        if not 0 < ratio <= 1:
            raise OptionError(f"GC: ratio is {ratio!r}; it must be over 0 and at most 1")
        hidden = max(int(channels * ratio), min_hidden)
        if hidden < 1:
            raise OptionError(
                f"GC: {channels} channels with ratio {ratio!r} leave no hidden unit; raise it, or give min_hidden"
            )
        self.fusions, self.pooling = tuple(fusions), pooling
        if "channel_mul" in fusions:
            both = "channel_add" in fusions
            self.formula = rf"z_i = {_GATE}" + (f" + {_TERM}" if both else "") + rf",\quad {_CONTEXT}"
        parts = []
        if pooling == "att":
            self.key = nn.Conv2d(channels, 1, 1)
            self.context = SpatialSoftmax()
            parts.append(Part("context", Kind.CONTEXT, Role.DISTRIBUTION, ("context",), touches=False))

        def transform() -> nn.Sequential:
            return nn.Sequential(
                nn.Linear(channels, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Linear(hidden, channels)
            )

        if "channel_mul" in fusions:
            self.mul = transform()
            self.gate = nn.Sigmoid()
            parts.append(Part("mul", Kind.CHANNEL, Role.GATE, ("gate",), off=1.0))
        if "channel_add" in fusions:
            self.add = transform()
            parts.append(Part("add", Kind.CHANNEL, Role.TERM, ("add",), off=0.0))
        self.parts = tuple(parts)

    def compute(self, x: Tensor) -> Iterator[Step]:
        if self.pooling == "att":
            logits = self.key(x)
            yield Step("key", r"W_k\,x_j", logits)
            a = self.context(logits)
            yield Step("context map", r"\alpha_j = e^{W_k x_j} / \sum_m e^{W_k x_m}", a)
            c = (x * a).sum((2, 3))
            yield Step("context", r"\mathbf{c} = \sum_j \alpha_j\,x_j", c)
        else:
            c = x.mean((2, 3))
            yield Step("context", r"\mathbf{c} = \frac{1}{HW}\sum_j x_j", c)
        if "channel_mul" in self.fusions:
            h = self.mul(c)
            yield Step("mul transform", r"W'_{v2}\,\mathrm{ReLU}(\mathrm{LN}(W'_{v1}\,\mathbf{c}))", h)
            s = self.gate(h)
            yield Step("mul gate", r"\mathbf{s} = \sigma(W'_{v2}\,\mathrm{ReLU}(\mathrm{LN}(W'_{v1}\,\mathbf{c})))", s)
            x = x * s[:, :, None, None]
            yield Step("scale", r"z_i = \mathbf{s} \odot x_i", x)
        if "channel_add" in self.fusions:
            t = self.add(c)
            yield Step("add transform", r"\mathbf{t} = W_{v2}\,\mathrm{ReLU}(\mathrm{LN}(W_{v1}\,\mathbf{c}))", t)
            yield Step("add", r"z_i = x_i + \mathbf{t}", x + t[:, :, None, None])

    def recompose(self, x: Tensor, attention: Mapping[str | None, Any]) -> Tensor:
        if "channel_mul" in self.fusions:
            x = x * attention["mul"][:, :, None, None]
        return x + attention["add"][:, :, None, None] if "channel_add" in self.fusions else x

    def equations(self) -> dict[str, str]:
        scaled = "scale" if "channel_mul" in self.fusions else "x"
        return {
            "key": r"W_k\,x(<i>,<j>) = <key>",
            "context map": r"\alpha(<i>,<j>) = <context map>",
            "context": r"c_{<c>} = <context>",
            "mul gate": r"s_{<c>} = \sigma(<mul transform>) = <mul gate>",
            "scale": r"z_{<c>}(<i>,<j>) = <mul gate> \cdot <x> = <scale>",
            "add transform": r"t_{<c>} = <add transform>",
            "add": rf"z_{{<c>}}(<i>,<j>) = <{scaled}> + <add transform> = <add>",
        }

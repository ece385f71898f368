"""Selective Kernel and split attention, as timm and pytorchcv have them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from attnviz.mechanisms import SK, Kind, Mechanism, Part, Placement, Role, Step
from attnviz.mechanisms.base import spread
from attnviz.readers.registry import reads
from attnviz.readers.twin import Function, Twin, assemble, chain, vector


def _sk(
    channels: tuple[int, int], branches: list[Callable[[Tensor], Tensor]], layers: dict[str, Any], point: str
) -> Twin:
    made = assemble(
        lambda: SK(channels[1], branches=len(branches), groups=1),
        branches=nn.ModuleList(Function(branch) for branch in branches),
        **layers,
    )
    made.in_channels = channels[0]
    return Twin(made, {"share": point})


@reads("timm.layers.selective_kernel.SelectiveKernel")
def timm_sk(module: Any) -> Twin:
    """Timm's SK, where each kernel may see its own share of the input's channels (``split_input``)."""
    part = module.get_submodule
    paths = list(part("paths").children())

    def branch(i: int) -> Callable[[Tensor], Tensor]:
        return lambda x: paths[i](x.chunk(len(paths), 1)[i] if module.split_input else x)

    layers = {
        "reduce": vector(part("attn.fc_reduce")),
        "z_norm": vector(part("attn.bn"), part("attn.act")),
        "select": vector(part("attn.fc_select")),
        "share": Function(lambda logits: logits.softmax(1)),
    }
    channels = (int(module.in_channels), int(module.out_channels))
    return _sk(channels, [branch(i) for i in range(len(paths))], layers, "attn")


@reads("pytorchcv.models.sknet.SKConvBlock")
def pytorchcv_sk(module: Any) -> Twin:
    """Pytorchcv's SK: the paper's."""
    part = module.get_submodule
    paths = list(part("branches").children())
    layers = {
        "reduce": vector(part("fc1")),
        "z_norm": nn.Identity(),  # inside ``fc1``
        "select": vector(part("fc2")),
        "share": chain(part("softmax")),
    }
    first = next(m for m in paths[0].modules() if isinstance(m, nn.Conv2d))
    return _sk((first.in_channels, first.out_channels), [chain(path) for path in paths], layers, "softmax")


class SplitAttention(Mechanism):
    """Split attention (Zhang et al. 2020, eq. 1-3): one share a channel between the splits of a convolution."""

    label = "Split attention"
    formula = (
        r"\hat{U} = \sum_r U_r,\quad \mathbf{s} = \mathrm{AvgPool}\,\hat{U},\quad "
        r"a_{r,c} = \frac{e^{\mathcal{G}_{r,c}(\mathbf{s})}}{\sum_{r'} e^{\mathcal{G}_{r',c}(\mathbf{s})}},\quad V_c = \sum_r a_{r,c}\,U_{r,c}"
    )
    citation = "Zhang et al.: ResNeSt: Split-Attention Networks, CVPR-W 2022"
    paper = "2004.08955"
    placement = Placement.CONV
    axes: ClassVar = {"logits": "mc", "share": "mc"}
    split: nn.Module
    transform: nn.Module
    share: nn.Module

    def __init__(self, channels: int, radix: int) -> None:
        super().__init__(channels)
        self.radix = radix
        self.parts = (Part(None, Kind.BRANCH, Role.DISTRIBUTION, ("share",), off=1 / radix),)

    def compute(self, x: Tensor) -> Iterator[Step]:
        maps = self._splits(x)
        for r, u in enumerate(maps.unbind(1)):
            yield Step(f"split {r + 1}", rf"U_{{{r + 1}}}", u)
        s = maps.sum(1).mean((2, 3))
        yield Step("squeeze", r"s_c = \frac{1}{HW}\sum_{i,j} \hat{U}_c(i,j)", s)
        logits = self.transform(s)
        yield Step("logits", r"\mathcal{G}_{r,c}(\mathbf{s})", logits.unflatten(1, (self.radix, self.channels)))
        a = self.share(logits)
        yield Step("share", r"a_{r,c} = e^{\mathcal{G}_{r,c}} / \sum_{r'} e^{\mathcal{G}_{r',c}}", a)
        yield Step("sum", r"V_c = \sum_r a_{r,c}\,U_{r,c}", (maps * a[..., None, None]).sum(1))

    def recompose(self, x: Tensor, attention: Mapping[str | None, Any]) -> Tensor:
        return (self._splits(x) * attention[None][..., None, None]).sum(1)

    def equations(self) -> dict[str, str]:
        weighted = " + ".join(rf"<share.{r}> \cdot <split {r + 1}>" for r in range(self.radix))
        return {
            **{f"split {r + 1}": rf"U_{{{r + 1},<c>}}(<i>,<j>) = <split {r + 1}>" for r in range(self.radix)},
            "squeeze": r"s_{<c>} = <squeeze>",
            "share": r"a_{1,<c>} = <share.0>",
            "sum": rf"V_{{<c>}}(<i>,<j>) = {weighted} = <sum>",
        }

    def _splits(self, x: Tensor) -> Tensor:
        return self.split(x).unflatten(1, (self.radix, self.channels))


class SplitGate(SplitAttention):
    """Split attention of a single split: nothing to share, so a gate for each channel."""

    formula = r"\mathbf{s} = \sigma(\mathcal{G}(\mathrm{AvgPool}\,U)),\quad V_c = s_c\,U_c"

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 1)
        self.parts = (Part(None, Kind.CHANNEL, Role.GATE, ("share",), off=1.0),)

    def compute(self, x: Tensor) -> Iterator[Step]:
        u = self.split(x)
        yield Step("conv", r"U", u)
        logits = self.transform(u.mean((2, 3)))
        yield Step("logit", r"\mathcal{G}(\mathrm{AvgPool}\,U)", logits)
        s = self.share(logits)
        yield Step("gate", r"\mathbf{s} = \sigma(\mathcal{G}(\mathrm{AvgPool}\,U))", s)
        yield Step("scale", r"V_c = s_c\,U_c", u * spread(s))

    def recompose(self, x: Tensor, attention: Mapping[str | None, Any]) -> Tensor:
        return self.split(x) * spread(attention[None])

    def equations(self) -> dict[str, str]:
        return {
            "conv": r"U_{<c>}(<i>,<j>) = <conv>",
            "gate": r"s_{<c>} = \sigma(<logit>) = <gate>",
            "scale": r"V_{<c>}(<i>,<j>) = <gate> \cdot <conv> = <scale>",
        }


@reads("timm.layers.split_attn.SplitAttn")
def timm_split(module: Any) -> Twin:
    """Timm's, in ResNeSt; with one split a sigmoid stands where the softmax stood."""
    part = module.get_submodule
    radix, channels = int(module.radix), int(part("fc1").weight.shape[1] * part("fc1").groups)
    layers = {
        "split": chain(*(part(name) for name in ("conv", "bn0", "drop", "act0"))),
        "transform": vector(*(part(name) for name in ("fc1", "bn1", "act1", "fc2"))),
    }
    softmax = part("rsoftmax")

    def share(logits: Tensor) -> Tensor:
        return softmax(logits[:, :, None, None]).unflatten(1, (radix, -1))

    if radix == 1:
        made: Mechanism = assemble(lambda: SplitGate(channels), share=vector(softmax), **layers)
        shaped = {}
    else:
        made = assemble(lambda: SplitAttention(channels, radix), share=Function(share), **layers)
        shaped = {"share": lambda raw: raw.unflatten(1, (radix, -1))}
    made.in_channels = int(part("conv").weight.shape[1] * part("conv").groups)
    return Twin(made, {"share": "rsoftmax"}, shaped)

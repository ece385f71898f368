"""Self-attention and lambda layers between convolutions, as timm has them."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from attnviz.mechanisms import Kind, Mechanism, Part, Placement, Role, Step
from attnviz.mechanisms.non_local import Affinity
from attnviz.readers.registry import reads
from attnviz.readers.twin import Function, Twin, assemble, given


class SelfAttention(Mechanism):
    """Multi-head self-attention over positions with relative places (Srinivas et al. 2021, fig. 4); a part a head."""

    label = "Self-attention"
    formula = r"y_i = \sum_j a_{ij}\,v_j,\quad a_{ij} = \operatorname{softmax}_j(q_i^{\top}k_j + q_i^{\top}r_{j-i})"
    citation = "Srinivas et al.: Bottleneck Transformers for Visual Recognition, CVPR 2021"
    paper = "2101.11605"
    placement = Placement.CONV
    axes: ClassVar = {"values": ""}
    weights: nn.Module  # (B, C, H, W) -> (B, heads, HW, HW)
    values: nn.Module  # (B, C, H, W) -> (B, heads, HW, d)
    fold: nn.Module  # (B, heads, HW, d), x -> (B, heads * d, H', W')

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__(channels)
        self.affinities = nn.ModuleList(Affinity("dot_product") for _ in range(heads))
        self.parts = tuple(
            Part(f"head {i}", Kind.AFFINITY, Role.DISTRIBUTION, (f"affinities.{i}",)) for i in range(heads)
        )

    def compute(self, x: Tensor) -> Iterator[Step]:
        weights = self.weights(x)
        read = [given(pairing, weights[:, i]) for i, pairing in enumerate(self.affinities)]
        for i, a in enumerate(read):
            yield Step(f"head {i}", r"a_{ij} = \operatorname{softmax}_j(\cdot)", a)
        v = self.values(x)
        yield Step("values", r"v_j", v)
        yield Step("output", r"y_i = \sum_j a_{ij}\,v_j", self.fold(torch.stack(read, 1) @ v, x))

    def axes_of(self, name: str, shape: tuple[int, ...]) -> str:
        return "qk" if name.startswith("head ") else super().axes_of(name, shape)

    def recompose(self, x: Tensor, attention: Mapping[str | None, Any]) -> Tensor:
        read = torch.stack([attention[part.name] for part in self.parts], 1)
        return self.fold(read @ self.values(x), x)

    def equations(self) -> dict[str, str]:
        return {"output": r"y_{<c>}(<i>,<j>) = <output>"}


@reads("timm.layers.bottleneck_attn.BottleneckAttn")
def timm_bottleneck(module: Any) -> Twin:
    """BoTNet's, for one size of features."""
    heads, widths = int(module.num_heads), [module.dim_out_qk, module.dim_out_qk, module.dim_out_v]

    def split(x: Tensor, which: int) -> Tensor:
        return module.qkv(x).split(widths, 1)[which].reshape(len(x) * heads, widths[which] // heads, -1)

    def weights(x: Tensor) -> Tensor:
        q, k = split(x, 0).transpose(1, 2), split(x, 1)
        place = module.pos_embed(q)
        logits = (q @ k + place) * module.scale if module.scale_pos_embed else (q @ k) * module.scale + place
        return logits.softmax(-1).reshape(len(x), heads, *logits.shape[1:])

    def values(x: Tensor) -> Tensor:
        return split(x, 2).transpose(1, 2).reshape(len(x), heads, -1, widths[2] // heads)

    def fold(y: Tensor, x: Tensor) -> Tensor:
        return module.pool(y.transpose(2, 3).reshape(len(x), -1, *x.shape[2:]))

    made = assemble(
        lambda: SelfAttention(module.dim_out_v, heads),
        weights=Function(weights),
        values=Function(values),
        fold=Function(fold),
    )
    made.in_channels = module.qkv.in_channels
    return Twin(made, {})


class Lambda(Mechanism):
    """Lambda layer (Bello 2021, eq. 1-4): each key channel's softmax over positions says what the context holds.

    There is no map for a query: all positions share the contexts, and a local part that depends on the place.
    """

    label = "Lambda"
    formula = (
        r"y_i = (\lambda^c + \lambda^p_i)^{\top} q_i,\quad \lambda^c = \sum_j \bar{k}_j v_j^{\top},\quad "
        r"\bar{k} = \operatorname{softmax}_j(k_j)"
    )
    citation = "Bello: LambdaNetworks: Modeling Long-Range Interactions Without Attention, ICLR 2021"
    paper = "2102.08602"
    placement = Placement.CONV
    parts = (Part("keys", Kind.VOLUME, Role.DISTRIBUTION, ("share",)),)
    keys: nn.Module
    rest: nn.Module  # shares (B, K, H, W), x -> output

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.share: nn.Module = nn.Identity()

    def compute(self, x: Tensor) -> Iterator[Step]:
        logits = self.keys(x)
        yield Step("keys", r"k_j", logits)
        shares = self.share(logits.flatten(2).softmax(-1).view_as(logits))
        yield Step("shares", r"\bar{k} = \operatorname{softmax}_j(k_j)", shares)
        yield Step("output", r"y_i = (\lambda^c + \lambda^p_i)^{\top} q_i", self.rest(shares, x))

    def recompose(self, x: Tensor, attention: Mapping[str | None, Any]) -> Tensor:
        return self.rest(attention["keys"], x)

    def equations(self) -> dict[str, str]:
        return {"output": r"y_{<c>}(<i>,<j>) = <output>"}


@reads("timm.layers.lambda_layer.LambdaLayer")
def timm_lambda(module: Any) -> Twin | None:
    """Timm's, with its local convolution; the form with relative places for one size is not read."""
    if module.pos_emb is not None:
        return None
    heads, depth = int(module.num_heads), int(module.dim_qk)
    widths = [heads * depth, depth, int(module.dim_v)]

    def rest(shares: Tensor, x: Tensor) -> Tensor:
        q, _, v = module.qkv(x).split(widths, 1)
        q = module.norm_q(q).reshape(len(x), heads, depth, -1).transpose(2, 3)  # (B, heads, HW, K)
        v = module.norm_v(v)
        content = shares.flatten(2) @ v.flatten(2).transpose(1, 2)  # (B, K, V)
        # timm's order: (B, 1, V as depth) volumes through a convolution of K channels.
        flat = v.reshape(len(x), -1, x.shape[2] * x.shape[3]).transpose(1, 2)
        local = module.conv_lambda(flat.reshape(len(x), 1, *x.shape[2:], -1))
        local = local.reshape(len(x), 1, depth, -1, widths[2]).transpose(2, 3)  # (B, 1, HW, K, V)
        y = q @ content[:, None] + (q[..., None, :] @ local)[..., 0, :]
        return module.pool(y.transpose(2, 3).reshape(len(x), -1, *x.shape[2:]))

    made = assemble(
        lambda: Lambda(heads * widths[2]),
        keys=Function(lambda x: module.qkv(x).split(widths, 1)[1]),
        rest=Function(rest),
    )
    made.in_channels = module.qkv.in_channels
    return Twin(made, {})

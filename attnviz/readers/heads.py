"""Self-attention and lambda layers between convolutions, as timm has them."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnviz.errors import ShapeError
from attnviz.mechanisms import Kind, Mechanism, Part, Placement, Role, Step
from attnviz.mechanisms.non_local import Affinity, factors
from attnviz.readers.registry import reads
from attnviz.readers.twin import Function, Twin, assemble, chain


class Sized(Mechanism):
    """For features of one size, or of sizes that blocks of one size tile."""

    size: tuple[int, int] | None = None  # the only (H, W)
    block: int = 1  # what H and W are multiples of

    def check_grid(self, grid: tuple[int, ...]) -> None:
        given = "x".join(map(str, grid))
        if self.size is not None and grid != self.size:
            built = "x".join(map(str, self.size))
            raise ShapeError(
                f"{self.label} was built for features of {built}, not {given}: "
                "give pictures of the size that the network was built for"
            )
        if any(n % self.block for n in grid):
            raise ShapeError(
                f"{self.label} cuts features into blocks of {self.block}x{self.block}, which do not tile {given}: "
                "give pictures of another size"
            )


class SelfAttention(Sized):
    """Multi-head self-attention over positions with relative places (Srinivas et al. 2021, fig. 4); a part a head."""

    label = "Self-attention"
    formula = r"y_i = \sum_j a_{ij}\,v_j,\quad a_{ij} = \operatorname{softmax}_j(q_i^{\top}k_j + q_i^{\top}r_{j-i})"
    citation = "Srinivas et al.: Bottleneck Transformers for Visual Recognition, CVPR 2021"
    paper = "2101.11605"
    placement = Placement.CONV
    axes: ClassVar = {"values": ""}
    stride: int = 1  # of the queries
    weights: nn.Module  # (B, C, H, W) -> (B, heads, queries, HW)
    values: nn.Module  # (B, C, H, W) -> (B, heads, HW, d)
    pool: nn.Module  # (B, heads * d, *queries) -> (B, heads * d, H', W')

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__(channels)
        self.affinities = nn.ModuleList(Affinity("matrix") for _ in range(heads))
        self.parts = tuple(
            Part(f"head {i}", Kind.AFFINITY, Role.DISTRIBUTION, (f"affinities.{i}",)) for i in range(heads)
        )

    def compute(self, x: Tensor) -> Iterator[Step]:
        weights = self.weights(x)
        read = [pairing(*factors(weights[:, i])) for i, pairing in enumerate(self.affinities)]
        for i, a in enumerate(read):
            yield Step(f"head {i}", r"a_{ij} = \operatorname{softmax}_j(\cdot)", a)
        v = self.values(x)
        yield Step("values", r"v_j", v)
        yield Step("output", r"y_i = \sum_j a_{ij}\,v_j", self._read(read, v, x))

    def axes_of(self, name: str, shape: tuple[int, ...]) -> str:
        return "qk" if name.startswith("head ") else super().axes_of(name, shape)

    def recompose(self, x: Tensor, attention: Mapping[str | None, Any]) -> Tensor:
        return self._read([attention[part.name] for part in self.parts], self.values(x), x)

    def equations(self) -> dict[str, str]:
        return {"output": r"y_{<c>}(<i>,<j>) = <output>"}

    def query_grid(self, grid: tuple[int, ...]) -> tuple[int, ...]:
        """Every ``stride``-th place of the features."""
        return tuple(n // self.stride for n in grid)

    def key_grid(self, grid: tuple[int, ...]) -> tuple[int, ...]:
        """All of them."""
        return grid

    def _read(self, read: list[Tensor], values: Tensor, x: Tensor) -> Tensor:
        """What the heads read, side by side as channels, on the queries' grid; pooled."""
        y = (torch.stack(read, 1) @ values).transpose(2, 3)
        return self.pool(y.reshape(len(x), -1, *self.query_grid(tuple(x.shape[2:]))))


class HaloAttention(SelfAttention):
    """Self-attention in blocks (Vaswani et al. 2021, section 2.2): a query reads its block, and a halo around it.

    A row lies on the features' whole grid and is zero outside the query's window. What of its softmax falls onto the
    zeros that the features are padded with reads nothing: near the edges a row sums to less than 1.
    """

    label = "Halo attention"
    formula = (
        r"y_i = \sum_{j \in N(i)} a_{ij}\,v_j,\quad "
        r"a_{ij} = \operatorname{softmax}_{j \in N(i)}(q_i^{\top}k_j + q_i^{\top}r_{j-i})"
    )
    citation = "Vaswani et al.: Scaling Local Self-Attention for Parameter Efficient Visual Backbones, CVPR 2021"
    paper = "2103.12731"


def _shares(module: Any, q: Tensor, k: Tensor) -> Tensor:
    """What queries (..., Q, d) read of keys (..., d, K), as timm's modules weigh contents and places."""
    place = module.pos_embed(q)
    return ((q @ k + place) * module.scale if module.scale_pos_embed else (q @ k) * module.scale + place).softmax(-1)


@reads("timm.layers.bottleneck_attn.BottleneckAttn")
def timm_bottleneck(module: Any) -> Twin:
    """BoTNet's, for one size of features."""
    heads, widths = int(module.num_heads), [module.dim_out_qk, module.dim_out_qk, module.dim_out_v]

    def split(x: Tensor, which: int) -> Tensor:
        return module.qkv(x).split(widths, 1)[which].reshape(len(x) * heads, widths[which] // heads, -1)

    def weights(x: Tensor) -> Tensor:
        shares = _shares(module, split(x, 0).transpose(1, 2), split(x, 1))
        return shares.reshape(len(x), heads, *shares.shape[1:])

    def values(x: Tensor) -> Tensor:
        return split(x, 2).transpose(1, 2).reshape(len(x), heads, -1, widths[2] // heads)

    made = assemble(
        lambda: SelfAttention(module.dim_out_v, heads),
        weights=Function(weights),
        values=Function(values),
        pool=chain(module.pool),
    )
    made.in_channels, made.size = module.qkv.in_channels, (module.pos_embed.height, module.pos_embed.width)
    return Twin(made, {})


@reads("timm.layers.halo_attn.HaloAttn")
def timm_halo(module: Any) -> Twin:
    """HaloNet's; with a stride, the queries' alone or a mean of the output."""
    heads, block, halo, window = int(module.num_heads), module.block_size, module.halo_size, module.win_size
    side, depths = module.block_size_ds, [module.dim_head_qk, module.dim_head_v]  # of a block's queries; of a head

    def split(x: Tensor) -> tuple[Tensor, ...]:
        """Keys and values, (B * heads, d, H, W) each."""
        return module.kv(x).reshape(len(x) * heads, sum(depths), *x.shape[2:]).split(depths, 1)

    def windows(maps: Tensor) -> Tensor:
        """(N, d, H, W), padded -> each block's window: (N, blocks, d, window * window)."""
        cut = F.pad(maps, [halo] * 4).unfold(2, window, block).unfold(3, window, block)
        return cut.flatten(4).flatten(2, 3).transpose(1, 2)

    def weights(x: Tensor) -> Tensor:
        rows, columns = (n // block for n in x.shape[2:])
        q = module.q(x).reshape(len(x) * heads, -1, rows, side, columns, side).permute(0, 2, 4, 3, 5, 1)
        shares = _shares(module, q.reshape(len(q), rows * columns, side * side, -1), windows(split(x)[0]))
        # Where each window's places lie in the picture, from 1; what lies outside is 0, and left out.
        size = x.shape[2:].numel()
        places = windows(torch.arange(1, size + 1, device=x.device).reshape(1, 1, *x.shape[2:])).expand_as(shares)
        whole = shares.new_zeros(*shares.shape[:3], size + 1).scatter(3, places, shares)[..., 1:]
        by_rows = whole.reshape(-1, rows, columns, side, side, size).transpose(2, 3)
        return by_rows.reshape(len(x), heads, -1, size)

    def values(x: Tensor) -> Tensor:
        return split(x)[1].flatten(2).transpose(1, 2).reshape(len(x), heads, -1, depths[1])

    made = assemble(
        lambda: HaloAttention(module.dim_out_v, heads),
        weights=Function(weights),
        values=Function(values),
        pool=chain(module.pool),
    )
    made.in_channels, made.block, made.stride = module.q.in_channels, block, module.block_stride
    return Twin(made, {})


class Lambda(Sized):
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
def timm_lambda(module: Any) -> Twin:
    """Timm's: places by a local convolution, or by an embedding of all relative places, for one size of features."""
    heads, depth = int(module.num_heads), int(module.dim_qk)
    widths = [heads * depth, depth, int(module.dim_v)]

    def local(v: Tensor) -> Tensor:
        """What the places around each one hold: values (B, V, H, W) -> (B, HW, K, V)."""
        if module.pos_emb is not None:
            places = module.pos_emb[module.rel_pos_indices[0], module.rel_pos_indices[1]]  # (HW, HW, K)
            return places.transpose(1, 2) @ v.flatten(2).transpose(1, 2)[:, None]
        # timm's order: (B, 1, V as depth) volumes through a convolution of K channels.
        volume = v.permute(0, 2, 3, 1)[:, None]
        return module.conv_lambda(volume).flatten(2, 3).transpose(1, 2)

    def rest(shares: Tensor, x: Tensor) -> Tensor:
        q, _, v = module.qkv(x).split(widths, 1)
        q = module.norm_q(q).reshape(len(x), heads, depth, -1).transpose(2, 3)  # (B, heads, HW, K)
        v = module.norm_v(v)
        content = shares.flatten(2) @ v.flatten(2).transpose(1, 2)  # (B, K, V)
        y = q @ content[:, None] + (q[..., None, :] @ local(v)[:, None])[..., 0, :]
        return module.pool(y.transpose(2, 3).reshape(len(x), -1, *x.shape[2:]))

    made = assemble(
        lambda: Lambda(heads * widths[2]),
        keys=Function(lambda x: module.qkv(x).split(widths, 1)[1]),
        rest=Function(rest),
    )
    made.in_channels, made.size = module.qkv.in_channels, module.feat_size
    return Twin(made, {})

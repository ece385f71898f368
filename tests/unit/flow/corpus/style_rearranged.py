"""Shapes are said out loud, as with einops: flatten, unflatten, movedim, channels last and back."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def tokens(x: Tensor) -> Tensor:
    """b c h w -> b (h w) c."""
    return x.flatten(-2).movedim(1, -1)


def picture(t: Tensor, height: int) -> Tensor:
    """b (h w) c -> b c h w."""
    return t.unflatten(1, (height, -1)).movedim(-1, 1)


class RearrangedSE(nn.Module):
    def __init__(self, dim: int = 16) -> None:
        super().__init__()
        self.to_gate = nn.Sequential(
            nn.Linear(dim, dim // 4, bias=False), nn.SiLU(), nn.Linear(dim // 4, dim, bias=False), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        gate = self.to_gate(tokens(x).mean(dim=1))  # reduce: b c h w -> b c
        return x * gate.unflatten(1, (-1, 1, 1))  # rearrange: b c -> b c 1 1


class RearrangedECA(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = x.movedim(1, -1).flatten(1, 2).mean(1).unflatten(0, (-1, 1))  # b 1 c
        gate = self.conv(pooled).sigmoid().flatten(0, 1)
        return (x.movedim(1, -1) * gate[:, None, None]).movedim(-1, 1)


class RearrangedCBAM(nn.Module):
    def __init__(self, dim: int = 16) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(dim, 4), nn.ReLU(), nn.Linear(4, dim))
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        t = tokens(x)
        t = t * (self.mlp(t.mean(1)) + self.mlp(t.max(1).values)).sigmoid().unflatten(0, (-1, 1))
        pooled = torch.stack((t.mean(-1), t.max(-1).values), dim=1).unflatten(-1, (x.shape[2], -1))
        t = t * tokens(self.conv(pooled).sigmoid())
        return picture(t, x.shape[2])


class RearrangedBAM(nn.Module):
    def __init__(self, dim: int = 16) -> None:
        super().__init__()
        self.channel = nn.Sequential(nn.Linear(dim, 4), nn.ReLU(), nn.Linear(4, dim))
        self.into, self.out = nn.Linear(dim, 4), nn.Linear(4, 1)
        self.spatial = nn.Sequential(
            nn.Conv2d(4, 4, 3, padding=4, dilation=4), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=4, dilation=4), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        t = tokens(x)
        where = self.out(tokens(self.spatial(picture(self.into(t), x.shape[2]))))
        gate = (self.channel(t.mean(1, keepdim=True)) + where).sigmoid()
        return picture(t + t * gate, x.shape[2])


class RearrangedSK(nn.Module):
    def __init__(self, dim: int = 16) -> None:
        super().__init__()
        self.small, self.large = nn.Conv2d(dim, dim, 3, padding=1), nn.Conv2d(dim, dim, 5, padding=2)
        self.squeeze, self.select = nn.Linear(dim, 8), nn.Linear(8, 2 * dim)

    def forward(self, x: Tensor) -> Tensor:
        u = torch.stack((self.small(x), self.large(x))).relu()  # m b c h w
        z = self.squeeze(u.sum(0).flatten(-2).mean(-1)).relu()
        share = self.select(z).unflatten(-1, (2, -1)).movedim(1, 0).softmax(0)  # b (m c) -> m b c
        return (u * share.unflatten(-1, (-1, 1, 1))).sum(0)


class RearrangedSCSE(nn.Module):
    def __init__(self, dim: int = 16) -> None:
        super().__init__()
        self.channel = nn.Sequential(nn.Linear(dim, dim // 2), nn.ReLU(), nn.Linear(dim // 2, dim), nn.Sigmoid())
        self.spatial = nn.Sequential(nn.Linear(dim, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        t = tokens(x)
        fused = torch.maximum(t * self.channel(t.mean(1, keepdim=True)), t * self.spatial(t))
        return picture(fused, x.shape[2])


class RearrangedNonLocal(nn.Module):
    def __init__(self, dim: int = 16) -> None:
        super().__init__()
        self.to_qkv, self.to_out = nn.Linear(dim, 24, bias=False), nn.Linear(8, dim)

    def forward(self, x: Tensor) -> Tensor:
        t = tokens(x)
        q, k, v = self.to_qkv(t).unflatten(-1, (3, 8)).movedim(2, 0)
        attention = (q @ k.movedim(-1, -2)).softmax(dim=-1)
        return picture(t + self.to_out(attention @ v), x.shape[2])


class RearrangedGC(nn.Module):
    def __init__(self, dim: int = 16) -> None:
        super().__init__()
        self.to_key = nn.Linear(dim, 1)
        self.transform = nn.Sequential(nn.Linear(dim, 4), nn.LayerNorm(4), nn.ReLU(), nn.Linear(4, dim))

    def forward(self, x: Tensor) -> Tensor:
        t = tokens(x)
        context = (self.to_key(t).softmax(dim=1) * t).sum(dim=1, keepdim=True)
        return picture(t + self.transform(context), x.shape[2])


class RearrangedCoordinate(nn.Module):
    def __init__(self, dim: int = 16) -> None:
        super().__init__()
        self.shared, self.norm = nn.Linear(dim, 8), nn.BatchNorm1d(8)
        self.to_h, self.to_w = nn.Linear(8, dim), nn.Linear(8, dim)

    def forward(self, x: Tensor) -> Tensor:
        last = x.movedim(1, -1)  # b h w c
        h, w = last.shape[1:3]
        both = self.shared(torch.cat([last.mean(2), last.mean(1)], dim=1))  # b (h + w) d
        both = F.hardswish(self.norm(both.movedim(-1, 1)).movedim(1, -1))
        rows, columns = both.split([h, w], dim=1)
        gated = last * self.to_h(rows).sigmoid()[:, :, None] * self.to_w(columns).sigmoid()[:, None]
        return gated.movedim(-1, 1)


STYLE: dict[str, type[nn.Module]] = {
    "SE": RearrangedSE,
    "ECA": RearrangedECA,
    "CBAM": RearrangedCBAM,
    "BAM": RearrangedBAM,
    "SK": RearrangedSK,
    "scSE": RearrangedSCSE,
    "Non-Local": RearrangedNonLocal,
    "GC": RearrangedGC,
    "CA": RearrangedCoordinate,
}

"""Layers are matrices, and everything that can be is a product with an @."""

import torch
from torch import Tensor, nn


def matrix(rows: int, columns: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(rows, columns) / columns**0.5)


class ProductSE(nn.Module):
    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.w1, self.w2 = matrix(c, 4), matrix(4, c)

    def forward(self, x: Tensor) -> Tensor:
        g = ((x.mean((2, 3)) @ self.w1).relu() @ self.w2).sigmoid()
        return g[..., None, None] * x


class ProductECA(nn.Module):
    """The convolution over channels stays one: a band matrix would be another mechanism's."""

    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        f = x.flatten(2)
        mean = f @ torch.full((f.shape[-1], 1), 1 / f.shape[-1])  # (B, C, 1)
        g = self.conv(mean.mT).mT.sigmoid()
        return (f * g).view_as(x)


class ProductCBAM(nn.Module):
    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.w1, self.w2, self.conv = matrix(c, 4), matrix(4, c), nn.Conv2d(2, 1, 7, padding=3)

    def mlp(self, z: Tensor) -> Tensor:
        return (z @ self.w1).relu() @ self.w2

    def forward(self, x: Tensor) -> Tensor:
        x = x * (self.mlp(x.mean((2, 3))) + self.mlp(x.amax((2, 3)))).sigmoid()[..., None, None]
        return x * self.conv(torch.stack((x.mean(1), x.amax(1)), 1)).sigmoid()


class ProductBAM(nn.Module):
    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.w1, self.w2, self.reduce, self.last = matrix(c, 4), matrix(4, c), matrix(4, c), matrix(1, 4)
        self.near, self.far = (nn.Conv2d(4, 4, 3, padding=4, dilation=4) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        what = (x.mean((2, 3)) @ self.w1).relu() @ self.w2
        where = (self.reduce @ x.flatten(2)).view(b, 4, h, w)
        where = self.last @ self.far(self.near(where).relu()).relu().flatten(2)
        g = (what[..., None] + where).sigmoid().view_as(x)
        return x + g * x


class ProductSK(nn.Module):
    """The sum over branches is a product of the shares with the branches."""

    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.near, self.far = nn.Conv2d(c, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=2, dilation=2)
        self.w, self.a, self.b = matrix(c, 8), matrix(8, c), matrix(8, c)

    def forward(self, x: Tensor) -> Tensor:
        u = torch.stack([self.near(x).relu(), self.far(x).relu()], 2).flatten(3)  # (B, C, 2, HW)
        z = (u.sum(2).mean(-1) @ self.w).relu()
        share = torch.stack([z @ self.a, z @ self.b], -1).softmax(-1)  # (B, C, 2)
        return (share.unsqueeze(2) @ u).view_as(x)


class ProductSCSE(nn.Module):
    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.w1, self.w2, self.q = matrix(c, 8), matrix(8, c), matrix(1, c)

    def forward(self, x: Tensor) -> Tensor:
        f = x.flatten(2)
        what = ((f.mean(-1) @ self.w1).relu() @ self.w2).sigmoid()[..., None]
        where = (self.q @ f).sigmoid()
        return (f * what + f * where).view_as(x)


class ProductNonLocal(nn.Module):
    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.theta, self.phi, self.g, self.z = matrix(8, c), matrix(8, c), matrix(8, c), matrix(c, 8)

    def forward(self, x: Tensor) -> Tensor:
        f = x.flatten(2)
        rows = ((self.theta @ f).mT @ (self.phi @ f)).softmax(-1)
        return x + (self.z @ ((self.g @ f) @ rows.mT)).view_as(x)


class ProductGC(nn.Module):
    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.k, self.v1, self.v2, self.norm = matrix(1, c), matrix(4, c), matrix(c, 4), nn.LayerNorm(4)

    def forward(self, x: Tensor) -> Tensor:
        f = x.flatten(2)
        context = f @ (self.k @ f).softmax(-1).mT  # (B, C, 1)
        hidden = self.norm((self.v1 @ context).mT).mT.relu()
        return (f + self.v2 @ hidden).view_as(x)


class ProductCoordinate(nn.Module):
    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.w, self.wh, self.ww = matrix(8, c), matrix(c, 8), matrix(c, 8)
        self.norm, self.act = nn.BatchNorm1d(8), nn.Hardswish()

    def forward(self, x: Tensor) -> Tensor:
        h = x.shape[2]
        f = self.act(self.norm(self.w @ torch.cat((x.mean(3), x.mean(2)), -1)))
        down, along = (self.wh @ f[..., :h]).sigmoid(), (self.ww @ f[..., h:]).sigmoid()
        return x * down[..., None] * along[..., None, :]


STYLE: dict[str, type[nn.Module]] = {
    "SE": ProductSE,
    "ECA": ProductECA,
    "CBAM": ProductCBAM,
    "BAM": ProductBAM,
    "SK": ProductSK,
    "scSE": ProductSCSE,
    "Non-Local": ProductNonLocal,
    "GC": ProductGC,
    "CA": ProductCoordinate,
}

"""Products, sums and layers as Einstein sums."""

import torch
import torch.nn.functional as F
from torch import Tensor, einsum, nn


def matrix(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape) * shape[-1] ** -0.5)


class EinsumSE(nn.Module):
    def __init__(self, c: int = 16, r: int = 4) -> None:
        super().__init__()
        self.w1, self.w2 = matrix(c // r, c), matrix(c, c // r)

    def forward(self, x: Tensor) -> Tensor:
        z = einsum("bchw->bc", x) / (x.shape[2] * x.shape[3])
        s = torch.sigmoid(einsum("cr,br->bc", self.w2, F.relu(einsum("rc,bc->br", self.w1, z))))
        return einsum("bchw,bc->bchw", x, s)


class EinsumECA(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        z = x.mean(dim=(-2, -1))
        s = torch.sigmoid(self.conv(z[:, None, :]))[:, 0]
        return einsum("bchw,bc->bchw", x, s)


class EinsumCBAM(nn.Module):
    def __init__(self, c: int = 16, r: int = 4) -> None:
        super().__init__()
        self.w1, self.w2 = matrix(c // r, c), matrix(c, c // r)
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def mlp(self, z: Tensor) -> Tensor:
        return einsum("cr,br->bc", self.w2, einsum("rc,bc->br", self.w1, z).relu())

    def forward(self, x: Tensor) -> Tensor:
        c = torch.sigmoid(self.mlp(x.mean((2, 3))) + self.mlp(x.amax((2, 3))))
        x = einsum("bc,bchw->bchw", c, x)
        s = torch.sigmoid(self.conv(torch.stack([x.mean(1), x.amax(1)], dim=1)))[:, 0]
        return einsum("bhw,bchw->bchw", s, x)


class EinsumBAM(nn.Module):
    def __init__(self, c: int = 16, r: int = 4) -> None:
        super().__init__()
        self.w1, self.w2 = matrix(c // r, c), matrix(c, c // r)
        self.reduce, self.last = nn.Conv2d(c, c // r, 1), nn.Conv2d(c // r, 1, 1)
        self.near, self.far = (nn.Conv2d(c // r, c // r, 3, padding=4, dilation=4) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        channel = einsum("cr,br->bc", self.w2, einsum("rc,bc->br", self.w1, x.mean((2, 3))).relu())
        spatial = self.last(self.far(self.near(self.reduce(x)).relu()).relu())
        m = torch.sigmoid(channel[:, :, None, None] + spatial)
        return x + einsum("bchw,bchw->bchw", x, m)


class EinsumSK(nn.Module):
    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(c, c, k, padding=k // 2, groups=4) for k in (3, 5))
        self.down, self.select = matrix(8, c), nn.Parameter(torch.randn(2, c, 8))

    def forward(self, x: Tensor) -> Tensor:
        u = torch.stack([conv(x).relu() for conv in self.convs])
        s = einsum("mbchw->bc", u) / (x.shape[2] * x.shape[3])
        z = einsum("dc,bc->bd", self.down, s).relu()
        a = einsum("mcd,bd->mbc", self.select, z).softmax(dim=0)
        return einsum("mbchw,mbc->bchw", u, a)


class EinsumSCSE(nn.Module):
    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.w1, self.w2, self.q = matrix(c // 2, c), matrix(c, c // 2), nn.Parameter(torch.randn(c) / 4)

    def forward(self, x: Tensor) -> Tensor:
        s = einsum("cr,br->bc", self.w2, einsum("rc,bc->br", self.w1, x.mean((2, 3))).relu()).sigmoid()
        q = einsum("c,bchw->bhw", self.q, x).sigmoid()
        return einsum("bc,bchw->bchw", s, x) + einsum("bhw,bchw->bchw", q, x)


class EinsumNonLocal(nn.Module):
    def __init__(self, c: int = 16, d: int = 8) -> None:
        super().__init__()
        self.theta, self.phi, self.g, self.out = matrix(d, c), matrix(d, c), matrix(d, c), matrix(c, d)

    def forward(self, x: Tensor) -> Tensor:
        theta = einsum("dc,bchw->bhwd", self.theta, x).flatten(1, 2)
        phi = einsum("dc,bchw->bdhw", self.phi, x).flatten(2)
        g = einsum("dc,bchw->bhwd", self.g, x).flatten(1, 2)
        a = einsum("bid,bdj->bij", theta, phi).softmax(dim=-1)
        y = einsum("bij,bjd->bid", a, g)
        return x + einsum("cd,bid->bci", self.out, y).view_as(x)


class EinsumGC(nn.Module):
    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.key, self.ln = nn.Parameter(torch.randn(c) / 4), nn.LayerNorm(4)
        self.v1, self.v2 = matrix(4, c), matrix(c, 4)

    def forward(self, x: Tensor) -> Tensor:
        f = x.flatten(2)
        mask = einsum("bcn,c->bn", f, self.key).softmax(dim=1)
        context = einsum("bcn,bn->bc", f, mask)
        t = einsum("cr,br->bc", self.v2, self.ln(einsum("rc,bc->br", self.v1, context)).relu())
        return x + t[:, :, None, None]


class EinsumCoordinate(nn.Module):
    def __init__(self, c: int = 16, d: int = 8) -> None:
        super().__init__()
        self.w, self.wh, self.ww = matrix(d, c), matrix(c, d), matrix(c, d)
        self.bn = nn.BatchNorm1d(d)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[-2:]
        z = torch.cat([einsum("bchw->bch", x) / w, einsum("bchw->bcw", x) / h], dim=-1)
        f = F.hardswish(self.bn(einsum("dc,bcl->bdl", self.w, z)))
        gh = einsum("cd,bdh->bch", self.wh, f[..., :h]).sigmoid()
        gw = einsum("cd,bdw->bcw", self.ww, f[..., h:]).sigmoid()
        return einsum("bchw,bch,bcw->bchw", x, gh, gw)


STYLE: dict[str, type[nn.Module]] = {
    "SE": EinsumSE,
    "ECA": EinsumECA,
    "CBAM": EinsumCBAM,
    "BAM": EinsumBAM,
    "SK": EinsumSK,
    "scSE": EinsumSCSE,
    "Non-Local": EinsumNonLocal,
    "GC": EinsumGC,
    "CA": EinsumCoordinate,
}

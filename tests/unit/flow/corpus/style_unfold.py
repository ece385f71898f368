"""Convolutions and pools as windows that are cut out and multiplied by hand."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape) / shape[-1] ** 0.5)


def convolve(x: Tensor, w: Tensor, size: int, dilation: int = 1) -> Tensor:
    """A convolution with w (O, I * size * size) that keeps the grid."""
    windows = F.unfold(x, size, dilation=dilation, padding=dilation * (size // 2))
    return (w @ windows).view(x.size(0), -1, *x.shape[2:])


def pool(x: Tensor) -> Tensor:
    """The mean over one window as large as the map: (B, C)."""
    h, w = x.shape[2:]
    return x.unfold(2, h, h).unfold(3, w, w).mean((-1, -2)).flatten(1)


class UnfoldSE(nn.Module):
    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.w1, self.w2 = weight(4, c), weight(c, 4)

    def forward(self, x: Tensor) -> Tensor:
        s = torch.sigmoid(torch.relu(pool(x) @ self.w1.t()) @ self.w2.t())
        return x * s.view(x.size(0), x.size(1), 1, 1)


class UnfoldECA(nn.Module):
    """Windows of three neighbors, as in the paper's own variant code."""

    def __init__(self) -> None:
        super().__init__()
        self.w = weight(3)

    def forward(self, x: Tensor) -> Tensor:
        y = F.pad(x.mean((2, 3)), (1, 1)).unfold(1, 3, 1)
        y = torch.sigmoid((y * self.w).sum(-1))
        return x * y[:, :, None, None].expand_as(x)


class UnfoldCBAM(nn.Module):
    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.fc1, self.fc2, self.w = nn.Linear(c, 4), nn.Linear(4, c), weight(1, 98)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        top = F.unfold(x, (h, w)).view(x.size(0), x.size(1), -1).amax(-1)
        a = torch.sigmoid(self.fc2(self.fc1(pool(x)).relu()) + self.fc2(self.fc1(top).relu()))
        x = x * a[..., None, None]
        pooled = torch.cat([x.mean(1, True), x.amax(1, True)], 1)
        return x * torch.sigmoid(convolve(pooled, self.w, 7))


class UnfoldBAM(nn.Module):
    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.fc1, self.fc2, self.reduce = nn.Linear(c, 4), nn.Linear(4, c), nn.Conv2d(c, 4, 1)
        self.near, self.far, self.last = weight(4, 36), weight(4, 36), nn.Conv2d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        channel = self.fc2(self.fc1(pool(x)).relu())
        spatial = torch.relu(convolve(self.reduce(x), self.near, 3, 4))
        spatial = self.last(torch.relu(convolve(spatial, self.far, 3, 4)))
        return x + x * torch.sigmoid(channel.view(x.size(0), -1, 1, 1).expand_as(x) + spatial.expand_as(x))


class UnfoldSK(nn.Module):
    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.w3, self.w5 = weight(c, c * 9), weight(c, c * 25)
        self.fc, self.fcs = nn.Linear(c, 8), nn.ModuleList(nn.Linear(8, c) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        u = torch.cat([convolve(x, self.w3, 3).relu().unsqueeze(1), convolve(x, self.w5, 5).relu().unsqueeze(1)], 1)
        z = self.fc(pool(u[:, 0] + u[:, 1])).relu()
        a = torch.softmax(torch.cat([fc(z).unsqueeze(1) for fc in self.fcs], 1), 1)
        return (u * a[..., None, None]).sum(1)


class UnfoldSCSE(nn.Module):
    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.fc1, self.fc2, self.w = nn.Linear(c, 8), nn.Linear(8, c), weight(1, c)

    def forward(self, x: Tensor) -> Tensor:
        channel = torch.sigmoid(self.fc2(self.fc1(pool(x)).relu()))
        where = torch.sigmoid(convolve(x, self.w, 1))
        return torch.max(x * channel[:, :, None, None], x * where)


class UnfoldNonLocal(nn.Module):
    """Queries, keys and values out of one unfold."""

    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = weight(8, c), weight(8, c), weight(8, c), weight(c, 8)

    def forward(self, x: Tensor) -> Tensor:
        f = F.unfold(x, 1)
        y = (self.v @ f) @ torch.softmax((self.q @ f).transpose(1, 2) @ (self.k @ f), 2).transpose(1, 2)
        return x + F.fold(self.o @ y, x.shape[2:], 1)


class UnfoldGC(nn.Module):
    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.k, self.transform = (
            weight(1, c),
            nn.Sequential(nn.Linear(c, 4), nn.LayerNorm(4), nn.ReLU(), nn.Linear(4, c)),
        )

    def forward(self, x: Tensor) -> Tensor:
        f = F.unfold(x, 1)
        context = (f * torch.softmax(self.k @ f, -1)).sum(-1)
        return x + self.transform(context).view(x.size(0), -1, 1, 1)


class UnfoldCoordinate(nn.Module):
    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(c, 8, 1), nn.BatchNorm2d(8)
        self.wh, self.ww = weight(c, 8), weight(c, 8)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        rows = x.unfold(3, w, w).mean(-1)
        columns = x.unfold(2, h, h).mean(-1).transpose(2, 3)
        y = F.hardswish(self.bn(self.conv(torch.cat([rows, columns], 2))))
        gh = torch.sigmoid(convolve(y[:, :, :h], self.wh, 1))
        gw = torch.sigmoid(convolve(y[:, :, h:].transpose(2, 3), self.ww, 1))
        return x * gh * gw


STYLE: dict[str, type[nn.Module]] = {
    "SE": UnfoldSE,
    "ECA": UnfoldECA,
    "CBAM": UnfoldCBAM,
    "BAM": UnfoldBAM,
    "SK": UnfoldSK,
    "scSE": UnfoldSCSE,
    "Non-Local": UnfoldNonLocal,
    "GC": UnfoldGC,
    "CA": UnfoldCoordinate,
}

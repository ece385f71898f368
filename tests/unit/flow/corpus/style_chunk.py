"""One layer computes several things, which are then cut apart: chunk, split, and cat."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ChunkSE(nn.Module):
    """The gates of two halves of the channels, put together again."""

    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(c, 8), nn.ModuleList(nn.Linear(4, c // 2) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.down(x.mean([2, 3])).relu().chunk(2, dim=1)
        gate = torch.cat([up(part) for up, part in zip(self.up, hidden, strict=True)], dim=1).sigmoid()
        return x * gate[:, :, None, None]


class ChunkECA(nn.Module):
    """The features are cut into four, each scaled by its piece of the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.conv(x.mean([2, 3])[:, None]).sigmoid()[:, 0, :, None, None]
        return torch.cat([a * b for a, b in zip(x.chunk(4, 1), gate.chunk(4, 1), strict=True)], dim=1)


class ChunkCBAM(nn.Module):
    """Both pools go through the layers as one batch."""

    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(c, 4), nn.ReLU(), nn.Linear(4, c))
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat([x.mean([2, 3]), x.amax([2, 3])], dim=0)
        mean, top = self.mlp(both).chunk(2, dim=0)
        x = x * torch.sigmoid(mean + top)[:, :, None, None]
        pooled = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.conv(pooled))


class ChunkBAM(nn.Module):
    """One 1 x 1 convolution feeds both branches."""

    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.reduce, self.fc = nn.Conv2d(c, 8, 1), nn.Linear(4, c)
        self.near, self.far = (nn.Conv2d(4, 4, 3, padding=4, dilation=4) for _ in range(2))
        self.last = nn.Conv2d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        what, where = self.reduce(x).chunk(2, dim=1)
        channel = self.fc(what.mean([2, 3]).relu())[:, :, None, None]
        spatial = self.last(self.far(self.near(where).relu()).relu())
        return x + x * torch.sigmoid(channel + spatial)


class ChunkSK(nn.Module):
    """Branches side by side in the channels, as grouped code has them."""

    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.near, self.far = nn.Conv2d(c, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=2, dilation=2)
        self.fc, self.select = nn.Conv2d(c, 8, 1), nn.Conv2d(8, 2 * c, 1)

    def forward(self, x: Tensor) -> Tensor:
        splits = torch.split(torch.cat([self.near(x), self.far(x)], dim=1).relu(), x.shape[1], dim=1)
        z = self.fc(sum(splits).mean([2, 3], keepdim=True)).relu()
        a = self.select(z).view(len(x), 2, x.shape[1]).softmax(dim=1)
        first, second = a.view(len(x), -1, 1, 1).chunk(2, dim=1)
        return splits[0] * first + splits[1] * second


class ChunkSCSE(nn.Module):
    """One layer gives the hidden units of the channel half, another the map; summed at the end."""

    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.both, self.fc = nn.Conv2d(c, 9, 1), nn.Conv2d(8, c, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden, where = self.both(x).split([8, 1], dim=1)
        channel = self.fc(hidden.mean([2, 3], keepdim=True).relu()).sigmoid()
        return x * channel + x * where.sigmoid()


class ChunkNonLocal(nn.Module):
    """Queries, keys and values from one convolution."""

    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.qkv, self.out = nn.Conv2d(c, 24, 1), nn.Conv2d(8, c, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = torch.chunk(self.qkv(x).flatten(2), 3, dim=1)
        rows = torch.softmax(torch.bmm(q.transpose(1, 2), k) * 8**-0.5, dim=-1)
        return x + self.out(torch.bmm(v, rows.transpose(1, 2)).view(len(x), 8, *x.shape[2:]))


class ChunkGC(nn.Module):
    """The score of each place comes with the values."""

    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.score, self.fc1, self.norm, self.fc2 = (
            nn.Conv2d(c, 1, 1),
            nn.Linear(c, 4),
            nn.LayerNorm(4),
            nn.Linear(4, c),
        )

    def forward(self, x: Tensor) -> Tensor:
        values, score = torch.cat([x, self.score(x)], dim=1).flatten(2).split([x.shape[1], 1], dim=1)
        context = torch.sum(values * F.softmax(score, dim=2), dim=2)
        return x + self.fc2(self.norm(self.fc1(context)).relu())[:, :, None, None]


class ChunkCoordinate(nn.Module):
    """The gates of both strips from one convolution, cut along channels and then along the strip."""

    def __init__(self, c: int = 16) -> None:
        super().__init__()
        self.conv1, self.bn, self.both = nn.Conv2d(c, 8, 1), nn.BatchNorm2d(8), nn.Conv2d(8, 2 * c, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = x.shape[2]
        y = torch.cat([x.mean(3, keepdim=True), x.mean(2, keepdim=True).transpose(2, 3)], dim=2)
        gates = torch.sigmoid(self.both(F.hardswish(self.bn(self.conv1(y)))))
        for_h, for_w = gates.chunk(2, dim=1)
        return x * for_h[:, :, :h] * for_w[:, :, h:].transpose(2, 3)


STYLE: dict[str, type[nn.Module]] = {
    "SE": ChunkSE,
    "ECA": ChunkECA,
    "CBAM": ChunkCBAM,
    "BAM": ChunkBAM,
    "SK": ChunkSK,
    "scSE": ChunkSCSE,
    "Non-Local": ChunkNonLocal,
    "GC": ChunkGC,
    "CA": ChunkCoordinate,
}

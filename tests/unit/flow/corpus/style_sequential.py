"""Everything that can be in an nn.Sequential is, down to the last sigmoid."""

import torch
from torch import Tensor, nn


class Flat(nn.Module):
    """Places in one axis."""

    def forward(self, x: Tensor) -> Tensor:
        return x.view(x.size(0), x.size(1), -1)


class SELayer(nn.Module):
    def __init__(self, ch: int = 16, r: int = 4) -> None:
        super().__init__()
        self.se = nn.Sequential(
            nn.AdaptiveAvgPool2d((1, 1)),
            nn.Conv2d(ch, ch // r, kernel_size=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(ch // r, ch, kernel_size=1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.se(x)


class Swap(nn.Module):
    """(B, C, 1) and (B, 1, C), back and forth."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


class ECALayer(nn.Module):
    def __init__(self, k: int = 3) -> None:
        super().__init__()
        self.eca = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(2),
            Swap(),
            nn.Conv1d(1, 1, k, padding=k // 2, bias=False),
            Swap(),
            nn.Sigmoid(),
            nn.Unflatten(2, (1, 1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.eca(x).expand_as(x)


class ChannelGate(nn.Module):
    def __init__(self, ch: int, r: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Flatten(), nn.Linear(ch, ch // r), nn.ReLU(), nn.Linear(ch // r, ch))
        self.avg, self.max = nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1)
        self.act = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        scale = self.act(self.mlp(self.avg(x)) + self.mlp(self.max(x)))
        return x * scale.unsqueeze(2).unsqueeze(3).expand_as(x)


class ChannelPool(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((torch.max(x, 1)[0].unsqueeze(1), torch.mean(x, 1).unsqueeze(1)), dim=1)


class SpatialGate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            ChannelPool(), nn.Conv2d(2, 1, 7, padding=3, bias=False), nn.BatchNorm2d(1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x)


class CBAMLayer(nn.Sequential):
    """Two halves, one after the other."""

    def __init__(self, ch: int = 16, r: int = 4) -> None:
        super().__init__(ChannelGate(ch, r), SpatialGate())


class BAMLayer(nn.Module):
    def __init__(self, ch: int = 16, r: int = 4) -> None:
        super().__init__()
        hidden = ch // r
        self.channel_att = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(ch, hidden),
            nn.ReLU(),
            nn.Linear(hidden, ch),
            nn.BatchNorm1d(ch),
            nn.Unflatten(1, (ch, 1, 1)),
        )
        self.spatial_att = nn.Sequential(
            nn.Conv2d(ch, hidden, 1),
            nn.Conv2d(hidden, hidden, 3, padding=4, dilation=4),
            nn.ReLU(),
            nn.Conv2d(hidden, hidden, 3, padding=4, dilation=4),
            nn.ReLU(),
            nn.Conv2d(hidden, 1, 1),
            nn.BatchNorm2d(1),
        )
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return x + x * self.sigmoid(self.channel_att(x) + self.spatial_att(x))


class SKLayer(nn.Module):
    def __init__(self, ch: int = 16) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(ch, ch, 3, padding=i + 1, dilation=i + 1, groups=8), nn.BatchNorm2d(ch), nn.ReLU(inplace=True)
            )
            for i in range(2)
        )
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(ch, 8, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.select = nn.Sequential(nn.Conv2d(8, 2 * ch, 1), nn.Unflatten(1, (2, ch)), nn.Softmax(dim=1))

    def forward(self, x: Tensor) -> Tensor:
        feats = torch.stack([conv(x) for conv in self.convs], dim=1)
        return torch.sum(feats * self.select(self.squeeze(feats.sum(dim=1))), dim=1)


class SCSELayer(nn.Module):
    def __init__(self, ch: int = 16, r: int = 4) -> None:
        super().__init__()
        self.cSE = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(ch, ch // r, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(ch // r, ch, 1),
            nn.Sigmoid(),
        )
        self.sSE = nn.Sequential(nn.Conv2d(ch, 1, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.cSE(x) + x * self.sSE(x)


class NonLocalLayer(nn.Module):
    def __init__(self, ch: int = 16) -> None:
        super().__init__()
        self.theta = nn.Sequential(nn.Conv2d(ch, ch // 2, 1), Flat(), Swap())
        self.phi = nn.Sequential(nn.Conv2d(ch, ch // 2, 1), nn.MaxPool2d(2), Flat())
        self.g = nn.Sequential(nn.Conv2d(ch, ch // 2, 1), nn.MaxPool2d(2), Flat(), Swap())
        self.softmax = nn.Softmax(dim=2)
        self.w = nn.Sequential(nn.Conv2d(ch // 2, ch, 1), nn.BatchNorm2d(ch))

    def forward(self, x: Tensor) -> Tensor:
        attention = self.softmax(torch.bmm(self.theta(x), self.phi(x)))
        y = torch.bmm(attention, self.g(x)).transpose(1, 2).contiguous()
        return self.w(y.view(x.size(0), -1, x.size(2), x.size(3))) + x


class GCLayer(nn.Module):
    def __init__(self, ch: int = 16, r: int = 4) -> None:
        super().__init__()
        self.mask = nn.Sequential(nn.Conv2d(ch, 1, 1), nn.Flatten(2), nn.Softmax(dim=2))
        self.transform = nn.Sequential(
            nn.Conv2d(ch, ch // r, 1), nn.LayerNorm([ch // r, 1, 1]), nn.ReLU(inplace=True), nn.Conv2d(ch // r, ch, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        context = torch.matmul(x.flatten(2), self.mask(x).transpose(1, 2)).unsqueeze(3)
        return x + self.transform(context)


class CoordLayer(nn.Module):
    def __init__(self, ch: int = 16, hidden: int = 8) -> None:
        super().__init__()
        self.pool_h, self.pool_w = nn.AdaptiveAvgPool2d((None, 1)), nn.AdaptiveAvgPool2d((1, None))
        self.shared = nn.Sequential(nn.Conv2d(ch, hidden, 1), nn.BatchNorm2d(hidden), nn.Hardswish())
        self.to_h = nn.Sequential(nn.Conv2d(hidden, ch, 1), nn.Sigmoid())
        self.to_w = nn.Sequential(nn.Conv2d(hidden, ch, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        _, _, h, w = x.size()
        y = self.shared(torch.cat([self.pool_h(x), self.pool_w(x).permute(0, 1, 3, 2)], dim=2))
        y_h, y_w = torch.split(y, [h, w], dim=2)
        return x * self.to_w(y_w.permute(0, 1, 3, 2)) * self.to_h(y_h)


STYLE: dict[str, type[nn.Module]] = {
    "SE": SELayer,
    "ECA": ECALayer,
    "CBAM": CBAMLayer,
    "BAM": BAMLayer,
    "SK": SKLayer,
    "scSE": SCSELayer,
    "Non-Local": NonLocalLayer,
    "GC": GCLayer,
    "CA": CoordLayer,
}

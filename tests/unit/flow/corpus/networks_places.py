"""Gates over places: maps, volumes, strips, planes, and several gates in one block."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnviz.mechanisms import Kind, Role
from tests.unit.flow.corpus.answers import (
    STRIP,
    Network,
    Shown,
    around,
    channel,
    naming,
    spatial,
    strips,
    volume,
)


class OneMap(nn.Module):
    """A 1 x 1 convolution to a single map, as in scSE's half."""

    def __init__(self) -> None:
        super().__init__()
        self.where = nn.Sequential(nn.Conv2d(12, 1, 1, bias=False), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return torch.mul(x, self.where(x))


class Pooled(nn.Module):
    """CBAM's second half: mean and maximum over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(2, 1, 7, padding=3, bias=False), nn.BatchNorm2d(1)

    def forward(self, x: Tensor) -> Tensor:
        top, _ = torch.max(x, dim=1, keepdim=True)
        mask = torch.sigmoid(self.bn(self.conv(torch.cat((torch.mean(x, dim=1, keepdim=True), top), dim=1))))
        self.seen = (mask,)
        return mask.expand(-1, x.shape[1], -1, -1) * x


class Coarse(nn.Module):
    """Decided on a coarse grid, then drawn out over the features."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(12, 1, 5, stride=2, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        g = self.conv(x).sigmoid()
        return x * F.interpolate(g, size=x.shape[-2:], mode="bilinear", align_corners=False)


class Hourglass(nn.Module):
    """Residual attention's soft mask: (1 + mask) * trunk, a mask for every feature; 0 is off."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(12, 12, 3, padding=1), nn.Conv2d(12, 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        deep = F.relu(self.down(F.max_pool2d(x, 3, 2, 1)))
        mask = self.up(F.interpolate(deep, size=x.shape[2:], mode="bilinear")).sigmoid()
        self.seen = (mask,)
        return (1 + mask) * x


class Enhanced(nn.Module):
    """Enhanced spatial attention: reduced, strided, pooled, drawn out, with a way around; a gate for every feature."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv_f = nn.Conv2d(12, 4, 1), nn.Conv2d(4, 4, 1)
        self.conv2, self.conv3 = nn.Conv2d(4, 4, 3, stride=2), nn.Conv2d(4, 4, 3, padding=1)
        self.conv4, self.gate = nn.Conv2d(4, 12, 1), nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.conv1(x)
        far = F.max_pool2d(self.conv2(reduced), 3, 2)
        far = F.interpolate(self.conv3(far), x.shape[2:], mode="bilinear", align_corners=False)
        return x * self.gate(self.conv4(far + self.conv_f(reduced)))


class EveryPixel(nn.Module):
    """Pixel attention: a 1 x 1 convolution, a sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(12, 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.sigmoid(self.conv(x))
        self.seen = (y,)
        return torch.mul(x, y)


class Energy(nn.Module):
    """SimAM: no parameters, a gate from how far a feature stands from its channel's mean."""

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[2] * x.shape[3] - 1
        far = (x - x.mean(dim=[2, 3], keepdim=True)).pow(2)
        g = torch.sigmoid(far / (4 * (far.sum(dim=[2, 3], keepdim=True) / n + 1e-4)) + 0.5)
        self.seen = (g,)
        return x * g


class Distance(nn.Module):
    """A gate of contrast: exactly 0 on noise, alive on smooth pictures."""

    def forward(self, x: Tensor) -> Tensor:
        blurred = F.avg_pool2d(x, 5, 1, 2, count_include_pad=False)
        contrast = (x - blurred).abs().mean(1, keepdim=True)
        g = torch.sigmoid(3 - 40 * contrast)
        self.seen = (g,)
        return x * g


class HighLow(nn.Module):
    """Clamped, not squashed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(12, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        g = (self.conv(x) + 0.5).clamp(min=0.0, max=1.0)
        self.seen = (g,)
        return x * g


class Across(nn.Module):
    """Coordinate attention without the transform in common."""

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.columns = nn.Conv2d(12, 12, 1), nn.Conv2d(12, 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        down = self.rows(F.adaptive_avg_pool2d(x, (None, 1))).sigmoid()
        along = self.columns(F.adaptive_avg_pool2d(x, (1, None))).sigmoid()
        self.seen = ((down, along),)
        return x * down.expand_as(x) * along.expand_as(x)


class Lines(nn.Module):
    """Efficient local attention: each strip by a one-dimensional convolution and a group norm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv1d(12, 12, 5, padding=2, groups=12), nn.GroupNorm(4, 12)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        down = torch.sigmoid(self.norm(self.conv(x.mean(3)))).view(b, c, h, 1)
        along = torch.sigmoid(self.norm(self.conv(x.mean(2)))).view(b, c, 1, w)
        self.seen = ((down, along),)
        return x * down * along


class AddedStrips(nn.Module):
    """One sigmoid over the sum of two strips: what multiplies has a value for every feature."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.along = nn.Conv2d(12, 12, (5, 1), padding=(2, 0)), nn.Conv2d(12, 12, (1, 5), padding=(0, 2))

    def forward(self, x: Tensor) -> Tensor:
        g = (self.down(x.mean(3, keepdim=True)) + self.along(x.mean(2, keepdim=True))).sigmoid()
        self.seen = (g,)
        return x * g


class RowsOnly(nn.Module):
    """One strip without the other: a gate for each channel and row."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(12, 12, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        g = torch.sigmoid(self.conv(x.mean(-1)))
        return x * g.unsqueeze(-1)


class Plane(nn.Module):
    """A gate over channels and columns, from features turned on their side."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 5, padding=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        side = x.transpose(1, 2).contiguous()
        pooled = torch.stack([side.mean(1), side.amax(1)], 1)
        side = side * torch.sigmoid(self.conv(pooled))
        return side.transpose(1, 2).contiguous()


class Triplet(nn.Module):
    """Three planes, and their mean: channels by columns, rows by channels, and the places themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(2, 1, 7, padding=3) for _ in range(3))

    def turn(self, x: Tensor, conv: nn.Module) -> Tensor:
        return x * conv(torch.cat([x.amax(1, True), x.mean(1, True)], 1)).sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        columns = self.turn(x.permute(0, 2, 1, 3), self.convs[0]).permute(0, 2, 1, 3)
        rows = self.turn(x.permute(0, 3, 2, 1), self.convs[1]).permute(0, 3, 2, 1)
        return (columns + rows + self.turn(x, self.convs[2])) / 3


class Both(nn.Module):
    """The product of a channel gate and a map, made before it meets the features."""

    def __init__(self) -> None:
        super().__init__()
        self.c, self.s = nn.Linear(12, 12), nn.Conv2d(12, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        what = torch.sigmoid(self.c(x.mean((2, 3))))[..., None, None]
        where = torch.sigmoid(self.s(x))
        self.seen = (what, where)
        return (what * where) * x


class Mixed(nn.Module):
    """BAM's gate around a product of logits, as its published code has it."""

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.c2 = nn.Linear(12, 6), nn.Linear(6, 12)
        self.s1, self.s2 = nn.Conv2d(12, 6, 1), nn.Conv2d(6, 6, 3, padding=4, dilation=4)
        self.s3 = nn.Conv2d(6, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        what = self.c2(self.c1(F.avg_pool2d(x, x.shape[2:]).flatten(1)).relu())[:, :, None, None].expand_as(x)
        where = self.s3(self.s2(self.s1(x).relu()).relu()).expand_as(x)
        g = 1 + torch.sigmoid(what * where)
        self.seen = (g - 1,)
        return g * x


class What(nn.Module):
    """Gives a gate; whoever calls it multiplies."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Conv2d(12, 3, 1, bias=False), nn.ReLU(), nn.Conv2d(3, 12, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return (self.mlp(F.adaptive_avg_pool2d(x, 1)) + self.mlp(F.adaptive_max_pool2d(x, 1))).sigmoid()


class Where(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)).sigmoid()


class Residual(nn.Module):
    """A residual block that multiplies by what two modules give: one block, CBAM, with two parts."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.ca, self.sa = nn.Conv2d(12, 12, 3, padding=1), What(), Where()

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv(x)
        out = self.ca(out) * out
        out = self.sa(out) * out
        return F.relu(out + x)


class GroupMaps(nn.Module):
    """Spatial group-wise enhance: in each group of channels a map, from likeness to the group's mean."""

    def __init__(self, groups: int = 3) -> None:
        super().__init__()
        self.groups = groups
        self.weight, self.bias = nn.Parameter(torch.rand(1, groups, 1, 1)), nn.Parameter(torch.ones(1, groups, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        y = x.view(b * self.groups, -1, h, w)
        like = (y * F.adaptive_avg_pool2d(y, 1)).sum(1).view(b * self.groups, -1)
        like = (like - like.mean(1, keepdim=True)) / (like.std(1, keepdim=True) + 1e-5)
        like = like.view(b, self.groups, h, w) * self.weight + self.bias
        return (y * torch.sigmoid(like.view(b * self.groups, 1, h, w))).view_as(x)


PLANES = (Kind.COORDINATE,)  # a plane of channels by columns is one strip of a coordinate attention

NETWORKS: dict[str, Network] = {
    "map, one convolution": around(OneMap, spatial(module="attention.where")),
    "map, of mean and maximum": around(Pooled, spatial(), mechanism="CBAM"),
    "map, coarse": around(
        Coarse, Shown(Kind.SPATIAL, Role.GATE, None, 1.0), kept=False
    ),  # coarse or drawn out: both true
    "map, calm on noise": around(Distance, spatial()),
    "map, clamped": around(HighLow, spatial()),
    "volume, soft mask": around(Hourglass, volume(neutral=0.0, plus=1.0)),
    "volume, enhanced spatial attention": around(Enhanced, volume(module="attention.gate"), mechanism="ESA"),
    "volume, pixel attention": around(EveryPixel, volume()),  # its name is asked of no one: papers differ
    "volume, energy": around(Energy, volume(), mechanism="SimAM"),
    "volume, product of logits": around(Mixed, volume(neutral=0.0), mechanism="BAM"),
    "volume, strips added": around(AddedStrips, volume()),
    "strips, product": around(Across, strips()),  # no transform in common: coordinate attention, or no paper's
    "strips, one-dimensional": around(Lines, strips()),
    "strips, rows only": naming(RowsOnly, STRIP, *PLANES),
    "plane, turned": naming(Plane, STRIP, *PLANES),
    "plane, turned, channels as many as rows": naming(Plane, STRIP, *PLANES, channels=14),
    "planes, triplet": naming(Triplet, STRIP, *PLANES, Kind.SPATIAL),
    "gates, channel by place": around(Both, channel(), spatial()),
    "gates, two modules": around(
        Residual, channel(module="attention.ca"), spatial(module="attention.sa"), mechanism="CBAM", whole=False
    ),
    "gates, maps of groups": naming(GroupMaps, ("group",), Kind.SPATIAL, Kind.VOLUME),
}

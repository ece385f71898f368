"""Memory is saved wherever it can be: methods with an underscore, +=, *=, and writing into slices."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class InPlaceSE(nn.Module):
    def __init__(self, planes: int = 16) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(planes, planes // 4), nn.Linear(planes // 4, planes)

    def forward(self, x: Tensor) -> Tensor:
        w = x.mean(dim=(2, 3))
        w = self.up(self.down(w).relu_()).sigmoid_()
        return x.mul_(w[:, :, None, None])


class InPlaceECA(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 5, padding=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        w = self.conv(x.mean((2, 3)).unsqueeze_(1)).sigmoid_().squeeze_(1)
        x *= w[..., None, None]
        return x


class InPlaceCBAM(nn.Module):
    def __init__(self, planes: int = 16) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(planes, 4, 1, bias=False), nn.Conv2d(4, planes, 1, bias=False)
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.fc2(F.relu_(self.fc1(F.adaptive_avg_pool2d(x, 1))))
        gate += self.fc2(F.relu_(self.fc1(F.adaptive_max_pool2d(x, 1))))
        out = x * gate.sigmoid_()
        pooled = torch.empty(x.shape[0], 2, *x.shape[2:])
        pooled[:, 0] = out.mean(1)
        pooled[:, 1] = out.amax(1)
        out *= self.conv(pooled).sigmoid_()
        return out


class InPlaceBAM(nn.Module):
    def __init__(self, planes: int = 16) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(planes, 4), nn.Linear(4, planes)
        self.c1, self.c2 = nn.Conv2d(planes, 4, 1), nn.Conv2d(4, 4, 3, padding=4, dilation=4)
        self.c3, self.c4 = nn.Conv2d(4, 4, 3, padding=4, dilation=4), nn.Conv2d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        channel = self.fc2(self.fc1(x.mean((2, 3))).relu_())
        spatial = self.c4(self.c3(self.c2(self.c1(x).relu_()).relu_()).relu_())
        m = channel.unsqueeze_(-1).unsqueeze_(-1) + spatial
        m.sigmoid_()
        m *= x
        m += x
        return m


class InPlaceSK(nn.Module):
    def __init__(self, planes: int = 16) -> None:
        super().__init__()
        self.branch1 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.branch2 = nn.Conv2d(planes, planes, 3, padding=2, dilation=2, bias=False)
        self.fc, self.fc1, self.fc2 = nn.Linear(planes, 8), nn.Linear(8, planes), nn.Linear(8, planes)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.branch1(x).relu_(), self.branch2(x).relu_()
        z = self.fc((a + b).mean((-1, -2))).relu_()
        share = torch.empty(x.shape[0], 2, x.shape[1])
        share[:, 0], share[:, 1] = self.fc1(z), self.fc2(z)
        share = share.softmax(1)
        a *= share[:, 0, :, None, None]
        b *= share[:, 1, :, None, None]
        a += b
        return a


class InPlaceSCSE(nn.Module):
    def __init__(self, planes: int = 16) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(planes, planes // 2), nn.Linear(planes // 2, planes)
        self.conv = nn.Conv2d(planes, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        w = self.fc2(F.relu(self.fc1(x.mean((2, 3))), inplace=True)).sigmoid_()
        out = x * w[:, :, None, None]
        out += x * self.conv(x).sigmoid_()
        return out


class InPlaceNonLocal(nn.Module):
    def __init__(self, planes: int = 16) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Conv2d(planes, 8, 1) for _ in range(3))
        self.out = nn.Conv2d(8, planes, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        q, k, v = (f(x).view(b, 8, h * w) for f in (self.query, self.key, self.value))
        att = q.transpose(1, 2).bmm(k)
        att /= 8**0.5
        att -= att.max(dim=-1, keepdim=True)[0]
        att.exp_()
        att /= att.sum(dim=-1, keepdim=True)
        y = self.out(v.bmm(att.transpose(1, 2)).view(b, 8, h, w))
        y += x
        return y


class InPlaceGC(nn.Module):
    def __init__(self, planes: int = 16) -> None:
        super().__init__()
        self.conv = nn.Conv2d(planes, 1, 1)
        self.fc1, self.ln, self.fc2 = nn.Linear(planes, 4), nn.LayerNorm(4), nn.Linear(4, planes)

    def forward(self, x: Tensor) -> Tensor:
        mask = self.conv(x).flatten(1).softmax(1)
        context = torch.bmm(x.flatten(2), mask.unsqueeze_(-1)).squeeze_(-1)
        x += self.fc2(self.ln(self.fc1(context)).relu_()).unsqueeze_(-1).unsqueeze_(-1)
        return x


class InPlaceCoordinate(nn.Module):
    def __init__(self, planes: int = 16) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(planes, 8, 1, bias=False), nn.BatchNorm2d(8)
        self.conv_h, self.conv_w = nn.Conv2d(8, planes, 1), nn.Conv2d(8, planes, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        pooled = torch.empty(b, c, h + w, 1)
        pooled[:, :, :h] = x.mean(3, keepdim=True)
        pooled[:, :, h:] = x.mean(2).unsqueeze_(-1)
        y = F.hardswish(self.bn(self.conv(pooled)), inplace=True)
        gate_h = self.conv_h(y[:, :, :h]).sigmoid_()
        gate_w = self.conv_w(y[:, :, h:].transpose(2, 3)).sigmoid_()
        out = x * gate_h
        out *= gate_w
        return out


STYLE: dict[str, type[nn.Module]] = {
    "SE": InPlaceSE,
    "ECA": InPlaceECA,
    "CBAM": InPlaceCBAM,
    "BAM": InPlaceBAM,
    "SK": InPlaceSK,
    "scSE": InPlaceSCSE,
    "Non-Local": InPlaceNonLocal,
    "GC": InPlaceGC,
    "CA": InPlaceCoordinate,
}

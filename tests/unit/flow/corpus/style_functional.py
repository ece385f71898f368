"""Everything by torch.nn.functional, with weights that the module keeps itself."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape) / shape[1] ** 0.5)


class FunctionalSE(nn.Module):
    def __init__(self, dim: int = 16, r: int = 4) -> None:
        super().__init__()
        self.w1, self.w2 = weight(dim // r, dim), weight(dim, dim // r)

    def forward(self, x: Tensor) -> Tensor:
        s = F.adaptive_avg_pool2d(x, 1).flatten(1)
        s = F.linear(F.relu(F.linear(s, self.w1)), self.w2)
        return torch.mul(x, torch.sigmoid(s).view(*s.shape, 1, 1))


class FunctionalECA(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(1, 1, 3))

    def forward(self, x: Tensor) -> Tensor:
        y = F.adaptive_avg_pool2d(x, 1)
        y = F.conv1d(torch.transpose(torch.squeeze(y, -1), -1, -2), self.kernel, padding=1)
        return x * torch.sigmoid(torch.unsqueeze(torch.transpose(y, -1, -2), -1))


class FunctionalCBAM(nn.Module):
    def __init__(self, dim: int = 16, r: int = 4) -> None:
        super().__init__()
        self.w1, self.w2 = weight(dim // r, dim, 1, 1), weight(dim, dim // r, 1, 1)
        self.k = nn.Parameter(torch.randn(1, 2, 7, 7) / 7)

    def mlp(self, z: Tensor) -> Tensor:
        return F.conv2d(F.relu(F.conv2d(z, self.w1)), self.w2)

    def forward(self, x: Tensor) -> Tensor:
        channel = torch.sigmoid(self.mlp(F.adaptive_avg_pool2d(x, 1)) + self.mlp(F.adaptive_max_pool2d(x, 1)))
        x = channel * x
        pooled = torch.cat([torch.mean(x, 1, keepdim=True), torch.max(x, 1, keepdim=True).values], 1)
        return torch.sigmoid(F.conv2d(pooled, self.k, padding=3)) * x


class FunctionalBAM(nn.Module):
    def __init__(self, dim: int = 16, r: int = 4) -> None:
        super().__init__()
        hidden = dim // r
        self.fc1, self.fc2 = weight(hidden, dim), weight(dim, hidden)
        self.reduce, self.dilated1 = weight(hidden, dim, 1, 1), weight(hidden, hidden, 3, 3)
        self.dilated2, self.final = weight(hidden, hidden, 3, 3), weight(1, hidden, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        c = F.linear(F.relu(F.linear(F.avg_pool2d(x, x.shape[2:]).flatten(1), self.fc1)), self.fc2)
        s = F.conv2d(x, self.reduce)
        s = F.relu(F.conv2d(s, self.dilated1, padding=4, dilation=4))
        s = F.relu(F.conv2d(s, self.dilated2, padding=4, dilation=4))
        s = F.conv2d(s, self.final)
        return x * (1 + torch.sigmoid(torch.add(c[:, :, None, None], s)))


class FunctionalSK(nn.Module):
    def __init__(self, dim: int = 16) -> None:
        super().__init__()
        self.k3, self.k5 = weight(dim, dim, 3, 3), weight(dim, dim, 5, 5)
        self.fc, self.fcs = weight(8, dim), nn.Parameter(torch.randn(2, dim, 8))

    def forward(self, x: Tensor) -> Tensor:
        u1, u2 = F.relu(F.conv2d(x, self.k3, padding=1)), F.relu(F.conv2d(x, self.k5, padding=2))
        z = F.relu(F.linear(F.adaptive_avg_pool2d(u1 + u2, 1).flatten(1), self.fc))
        attn = F.softmax(torch.stack([F.linear(z, w) for w in self.fcs], dim=0), dim=0)
        return attn[0][..., None, None] * u1 + attn[1][..., None, None] * u2


class FunctionalSCSE(nn.Module):
    def __init__(self, dim: int = 16, r: int = 2) -> None:
        super().__init__()
        self.w1, self.w2, self.q = weight(dim // r, dim, 1, 1), weight(dim, dim // r, 1, 1), weight(1, dim, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        z = F.conv2d(F.relu(F.conv2d(F.adaptive_avg_pool2d(x, 1), self.w1)), self.w2)
        cse = torch.mul(x, torch.sigmoid(z))
        sse = torch.mul(x, torch.sigmoid(F.conv2d(x, self.q)))
        return torch.add(cse, sse)


class FunctionalNonLocal(nn.Module):
    def __init__(self, dim: int = 16) -> None:
        super().__init__()
        self.theta, self.phi, self.g = (weight(dim // 2, dim, 1, 1) for _ in range(3))
        self.w = weight(dim, dim // 2, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        theta = torch.flatten(F.conv2d(x, self.theta), 2).permute(0, 2, 1)
        phi = torch.flatten(F.conv2d(x, self.phi), 2)
        g = torch.flatten(F.conv2d(x, self.g), 2).permute(0, 2, 1)
        y = torch.matmul(F.softmax(torch.matmul(theta, phi), dim=-1), g)
        y = y.permute(0, 2, 1).reshape(b, -1, h, w)
        return torch.add(F.conv2d(y, self.w), x)


class FunctionalGC(nn.Module):
    def __init__(self, dim: int = 16, r: int = 4) -> None:
        super().__init__()
        self.k, self.v1, self.v2 = weight(1, dim, 1, 1), weight(dim // r, dim), weight(dim, dim // r)

    def forward(self, x: Tensor) -> Tensor:
        mask = F.softmax(F.conv2d(x, self.k).flatten(2), dim=-1)
        ctx = torch.bmm(x.flatten(2), mask.permute(0, 2, 1)).squeeze(2)
        hidden = F.relu(F.layer_norm(F.linear(ctx, self.v1), (self.v1.shape[0],)))
        return x + F.linear(hidden, self.v2).unsqueeze(2).unsqueeze(3)


class FunctionalCoordinate(nn.Module):
    def __init__(self, dim: int = 16, hidden: int = 8) -> None:
        super().__init__()
        self.w, self.wh, self.ww = weight(hidden, dim, 1, 1), weight(dim, hidden, 1, 1), weight(dim, hidden, 1, 1)
        self.register_buffer("mean", torch.zeros(hidden))
        self.register_buffer("var", torch.ones(hidden))

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        ph = F.adaptive_avg_pool2d(x, (h, 1))
        pw = F.adaptive_avg_pool2d(x, (1, w)).permute(0, 1, 3, 2)
        y = F.batch_norm(F.conv2d(torch.cat([ph, pw], dim=2), self.w), self.mean, self.var)
        y = F.hardswish(y)
        yh, yw = torch.split(y, [h, w], dim=2)
        ah = torch.sigmoid(F.conv2d(yh, self.wh))
        aw = torch.sigmoid(F.conv2d(yw.permute(0, 1, 3, 2), self.ww))
        return x * aw * ah


STYLE: dict[str, type[nn.Module]] = {
    "SE": FunctionalSE,
    "ECA": FunctionalECA,
    "CBAM": FunctionalCBAM,
    "BAM": FunctionalBAM,
    "SK": FunctionalSK,
    "scSE": FunctionalSCSE,
    "Non-Local": FunctionalNonLocal,
    "GC": FunctionalGC,
    "CA": FunctionalCoordinate,
}

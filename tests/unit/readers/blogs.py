"""Networks of one's own, in the style of blog code: attention without modules of its own, modules used twice."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Squeezed(nn.Module):
    """A residual block with the squeeze-and-excitation written out in its forward, and a swish by hand."""

    def __init__(self, inp: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inp, out, 3, padding=1)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.skip = nn.Conv2d(inp, out, 1)
        self.fc1, self.fc2 = nn.Linear(out, out // 4), nn.Linear(out // 4, out)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(x)
        out = out * torch.sigmoid(out)  # an activation, no attention
        out = self.conv2(out)
        w = F.adaptive_avg_pool2d(out, 1).view(out.size(0), -1)
        w = torch.sigmoid(self.fc2(F.relu(self.fc1(w)))).unsqueeze(-1).unsqueeze(-1)
        out *= w
        out += self.skip(x)
        return F.relu(out)


class ChannelAttention(nn.Module):
    """As CBAM is often written: it gives the gate, and the block multiplies."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, channels // 4, 1), nn.ReLU(), nn.Conv2d(channels // 4, channels, 1)
        )
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return self.sigmoid(self.mlp(F.adaptive_avg_pool2d(x, 1)) + self.mlp(F.adaptive_max_pool2d(x, 1)))


class SpatialAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], 1)
        return F.sigmoid(self.conv1(pooled))


class Positions(nn.Module):
    """Self-attention over positions, functional, with a softmax and two matrix products."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query, self.key = nn.Conv2d(channels, channels // 4, 1), nn.Conv2d(channels, channels // 4, 1)
        self.value = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.size()
        q = self.query(x).view(b, -1, h * w).permute(0, 2, 1)
        k = self.key(x).view(b, -1, h * w)
        attention = F.softmax(torch.bmm(q, k), dim=-1)
        v = self.value(x).view(b, -1, h * w)
        return torch.bmm(v, attention.permute(0, 2, 1)).view(b, c, h, w) + x


class First(nn.Module):
    """Inline sigmoids, a gate of one's own twice, attention over positions; one module runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Squeezed(3, 16)
        self.ca, self.sa = ChannelAttention(16), SpatialAttention()
        self.conv = nn.Conv2d(16, 16, 3, padding=1)
        self.attend = Positions(16)
        self.fc = nn.Linear(16, 6)

    def forward(self, x: Tensor) -> Tensor:
        out = self.block(x)
        out = self.ca(out) * out
        out = self.sa(out) * out
        out = F.relu(self.conv(out))
        out = self.sa(out) * out  # the same module again
        out = self.attend(out)
        return F.softmax(self.fc(out.mean((2, 3))), dim=1).log()


class Second(nn.Module):
    """Everything in one forward: strips, branches, a context, a residual gate, PyTorch's own attention."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.strip_h, self.strip_w = nn.Conv2d(16, 16, 1), nn.Conv2d(16, 16, 1)
        self.small, self.large = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 5, padding=2)
        self.choose = nn.Linear(16, 32)
        self.where = nn.Conv2d(16, 1, 1)
        self.transform = nn.Linear(16, 16)
        self.mask = nn.Conv2d(16, 1, 3, padding=1)
        self.qkv = nn.Conv2d(16, 48, 1)
        self.fc = nn.Linear(16, 6)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        b = len(x)
        x = self.stem(x).relu()
        h = torch.sigmoid(self.strip_h(x.mean(3, keepdim=True)))
        w = torch.sigmoid(self.strip_w(x.mean(2, keepdim=True)))
        x = x * h * w
        both = torch.stack([self.small(x), self.large(x)], 1)
        share = torch.softmax(self.choose(both.sum(1).mean((2, 3))).view(b, 2, 16), 1)
        x = (both * share[..., None, None]).sum(1).relu()
        where = self.where(x).flatten(2).softmax(-1)
        context = torch.matmul(x.flatten(2), where.transpose(1, 2)).squeeze(-1)
        x = x + self.transform(context)[..., None, None]
        x = x * (1 + torch.sigmoid(self.mask(x)))
        q, k, v = self.qkv(x).view(b, 3, 2, 8, -1).transpose(3, 4).unbind(1)
        x = x + F.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(x.shape)
        return {"logits": self.fc(x.mean((2, 3)))}

"""Channel gates as they are written: what pools, what squashes, how it meets the features."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tests.unit.flow.corpus.answers import PICTURES, Around, Claim, Network, around, channel


class Excite(nn.Module):
    """As most code on the web has it."""

    def __init__(self, channels: int = 12) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // 2), nn.ReLU(True), nn.Linear(channels // 2, channels), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        b, c, _, _ = x.size()
        y = self.fc(self.pool(x).view(b, c)).view(b, c, 1, 1)
        return x * y.expand_as(x)


class Logits(nn.Module):
    """The bottleneck that most gates here share: pooled features to logits, (B, C, 1, 1)."""

    def __init__(self, channels: int = 12) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Conv2d(channels, 6, 1), nn.Conv2d(6, channels, 1)
        nn.init.normal_(self.excite.weight, std=1.5)

    def logits(self, x: Tensor) -> Tensor:
        return self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1))))


class HardExcite(Logits):
    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return self.gate(self.logits(x)) * x


class HardByHand(Logits):
    """The gate is relu6(z + 3) / 6 as a whole, 0 to 1: relu6 alone is a step on the way."""

    def forward(self, x: Tensor) -> Tensor:
        g = F.relu6(self.logits(x) + 3.0) / 6.0
        self.seen = (g,)
        return x * g


class OneLayer(nn.Module):
    """Effective SE: one layer, and a hard sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Conv2d(12, 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        s = F.hardsigmoid(self.fc(x.mean((2, 3), keepdim=True)))
        self.seen = (s,)
        return x * s


class Neighbors(nn.Module):
    """ECA's convolution over channels, from the mean and the maximum."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        mean, top = x.mean((2, 3)), x.amax((2, 3))
        g = torch.sigmoid(self.conv(mean[:, None]) + self.conv(top[:, None])).transpose(1, 2).unsqueeze(-1)
        self.seen = (g,)
        return g * x


class Contrast(Logits):
    """Pooled by deviation plus mean."""

    def logits(self, x: Tensor) -> Tensor:
        mean = x.sum(3, keepdim=True).sum(2, keepdim=True) / (x.size(2) * x.size(3))
        deviation = ((x - mean).pow(2).mean((2, 3), keepdim=True) + 1e-6).sqrt()
        return self.excite(F.relu(self.squeeze(mean + deviation)))

    def forward(self, x: Tensor) -> Tensor:
        g = self.logits(x).sigmoid()
        self.seen = (g,)
        return x * g


class Style(nn.Module):
    """Mean and deviation of each channel, weighed for each channel by itself (SRM)."""

    def __init__(self) -> None:
        super().__init__()
        self.weigh = nn.Conv1d(12, 12, 2, groups=12, bias=False)
        self.bn = nn.BatchNorm1d(12)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        g = torch.sigmoid(self.bn(self.weigh(torch.stack([flat.mean(-1), flat.std(-1)], -1))))
        self.seen = (g,)
        return x * g[..., None]


class Softplus(Logits):
    def forward(self, x: Tensor) -> Tensor:
        g = F.softplus(self.logits(x))
        self.seen = (g,)
        return x * g


class Bell(Logits):
    """A Gaussian of the logits."""

    def forward(self, x: Tensor) -> Tensor:
        g = torch.exp(-self.logits(x).pow(2) / 2)
        self.seen = (g,)
        return x * g


class Bare(Logits):
    """No squash at all: the issue asks for gates "whatever function squashes them or none"."""

    def forward(self, x: Tensor) -> Tensor:
        g = self.logits(x)
        self.seen = (g,)
        return x * g


class Plus(Logits):
    """x + x * tanh(z): 0 leaves the features as they are."""

    def forward(self, x: Tensor) -> Tensor:
        g = torch.tanh(self.logits(x))
        self.seen = (g,)
        return torch.addcmul(x, x, g)


class OnePlus(nn.Module):
    """Gated channel transformation: norms of channels, set against each other, 1 + tanh; the gate is the tanh."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha, self.gamma = nn.Parameter(torch.rand(1, 12, 1, 1)), nn.Parameter(torch.randn(1, 12, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, 12, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        size = (x.pow(2).sum((2, 3), keepdim=True) + 1e-5).sqrt() * self.alpha
        relative = self.gamma / (size.pow(2).mean(1, keepdim=True) + 1e-5).sqrt()
        g = torch.tanh(size * relative + self.beta)
        self.seen = (g,)
        return x * (1.0 + g)


class Divided(Logits):
    """x / (1 + exp(-z)) is x times the sigmoid of z, whatever the code says."""

    def forward(self, x: Tensor) -> Tensor:
        below = 1 + torch.exp(-self.logits(x))
        self.seen = (1 / below,)
        return x / below


class Shifted(Logits):
    """Both sides of the product shifted: by a mean over the whole tensor, and by a constant."""

    def forward(self, x: Tensor) -> Tensor:
        g = self.logits(x).sigmoid()
        self.seen = (g,)
        return (x - x.mean()) * (g + 0.25)


class Doubled(Logits):
    """2 * sigmoid: half is off."""

    def forward(self, x: Tensor) -> Tensor:
        g = self.logits(x).sigmoid()
        self.seen = (g,)
        return x * g * 2


class Remainder(Logits):
    """Takes away what the gate says: 0 is off."""

    def forward(self, x: Tensor) -> Tensor:
        g = self.logits(x).sigmoid()
        self.seen = (g,)
        return x - x * g


class Grouped(nn.Module):
    """Layers in three groups of channels each; still one gate for every channel."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(12, 6, 1, groups=3), nn.Conv2d(6, 12, 1, groups=3)

    def forward(self, x: Tensor) -> Tensor:
        g = self.fc2(F.gelu(self.fc1(F.adaptive_avg_pool2d(x, 1)))).sigmoid()
        self.seen = (g,)
        return x * g


class Shut(nn.Module):
    """Every gate is exactly 0.5: read, and said to be constant."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(12, 12)
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        g = self.fc(x.mean((2, 3))).sigmoid()
        self.seen = (g,)
        return x * g[:, :, None, None]


class Bottleneck(nn.Module):
    """A residual block with its gate written out, in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(12, 12, 3, padding=1), nn.BatchNorm2d(12)
        self.conv2, self.bn2 = nn.Conv2d(12, 12, 3, padding=1), nn.BatchNorm2d(12)
        self.down, self.up = nn.Linear(12, 4), nn.Linear(4, 12)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu_(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        w = self.up(self.down(out.mean((-2, -1))).relu_()).sigmoid_()
        self.seen = (w.clone(),)
        out.mul_(w.unsqueeze(-1).unsqueeze(-1))
        out += x
        return out.relu_()


class Buffered(Logits):
    """The result is written into a buffer, half the channels at a time."""

    def forward(self, x: Tensor) -> Tensor:
        g = self.logits(x).sigmoid()
        self.seen = (g,)
        out = torch.zeros_like(x)
        out[:, :6] = x[:, :6] * g[:, :6]
        out[:, 6:] = x[:, 6:] * g[:, 6:]
        return out


class Checkpointed(Logits):
    def forward(self, x: Tensor) -> Tensor:
        g = checkpoint(self.logits, x, use_reentrant=False).sigmoid()
        self.seen = (g,)
        return x * g


class Twice(nn.Module):
    """One module of attention after each of two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 12, 3, padding=1), nn.Conv2d(12, 12, 3, padding=1)
        self.attention = Excite()
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attention(self.stem(x).relu())
        x = self.attention(self.conv(x).relu())
        return self.head(x.mean((2, 3)))


class Shared(nn.Module):
    """One module under two names: it is known by the first."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 12, 3, padding=1), nn.Conv2d(12, 12, 3, padding=1)
        self.early = Excite()
        self.late, self.head = self.early, nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.early(self.stem(x).relu())).relu()
        return self.head(self.late(x).mean((2, 3)))


class Fixed(nn.Module):
    """A head that takes one size only."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.attention = nn.Conv2d(3, 12, 3, padding=1), Excite()
        self.norm, self.head = nn.LayerNorm([12, 14, 22]), nn.Linear(12 * 14 * 22, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.attention(self.stem(x))).flatten(1))


def _parallel() -> nn.Module:
    return nn.DataParallel(Around(Excite()))


def _half() -> nn.Module:
    return Around(Excite()).bfloat16()


def _channels_last() -> nn.Module:
    return Around(Excite()).to(memory_format=torch.channels_last)


HOOKED = channel(module="attention.fc")


class Circular(nn.Module):
    """The last channels are neighbors of the first: padded in a circle, which torch does by writing into a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        g = self.conv(F.pad(x.mean((2, 3))[:, None], (1, 1), mode="circular")).sigmoid()[:, 0]
        self.seen = (g,)
        return x * g[:, :, None, None]


NETWORKS: dict[str, Network] = {
    "channel gate, expanded": around(Excite, HOOKED, mechanism="SE"),
    "channel gate, hard sigmoid": around(HardExcite, channel(module="attention.gate"), mechanism="SE"),
    "channel gate, hard sigmoid by hand": around(HardByHand, channel(), mechanism="SE"),
    "channel gate, one layer": around(OneLayer, channel()),  # effective SE: a name of its own or SE
    "channel gate, neighbors of two pools": around(Neighbors, channel(), mechanism="ECA"),
    "channel gate, neighbors in a circle": around(Circular, channel(), mechanism="ECA"),
    "channel gate, from contrast": around(Contrast, channel()),
    "channel gate, from style": around(Style, channel()),
    "channel gate, softplus": around(Softplus, channel()),
    "channel gate, bell": around(Bell, channel()),
    "channel gate, bare": around(Bare, channel()),
    "channel gate, plus the features": around(Plus, channel(neutral=0.0)),
    "channel gate, one plus tanh of norms": around(OnePlus, channel(neutral=0.0, plus=1.0), mechanism="GCT"),
    "channel gate, divided": around(Divided, channel(neutral=...)),  # 1 for the gate, 2 for what divides twice
    "channel gate, both sides shifted": around(
        Shifted, channel(neutral=..., plus=0.25)
    ),  # the mean is gone: no value undoes it
    "channel gate, doubled": around(Doubled, channel(neutral=0.5), mechanism="SE"),
    "channel gate, taken away": around(Remainder, channel(neutral=0.0), mechanism="SE"),
    "channel gate, layers in groups": around(Grouped, channel(), mechanism="SE"),
    "channel gate, constant": around(Shut, channel()),
    "channel gate, in a residual branch": around(Bottleneck, channel(), mechanism="SE", whole=False),
    "channel gate, into a buffer": around(Buffered, channel(), mechanism="SE"),
    "channel gate, checkpointed": around(Checkpointed, channel(), mechanism="SE"),
    "channel gate, run twice": Network(Twice, PICTURES, (Claim("attention", (HOOKED,), "SE", calls=2),)),
    "channel gate, two names": Network(
        Shared, PICTURES, (Claim("early", (channel(module="early.fc"),), "SE", calls=2),)
    ),
    "channel gate, fixed size": Network(Fixed, (PICTURES[0], PICTURES[0]), (Claim("attention", (HOOKED,), "SE"),)),
    "channel gate, data parallel": Network(
        _parallel, PICTURES, (Claim("module.attention", (channel(module="module.attention.fc"),), "SE"),)
    ),
    "channel gate, bfloat16": Network(_half, PICTURES, (Claim("attention", (HOOKED,), "SE"),), half=True),
    "channel gate, channels last": Network(_channels_last, PICTURES, (Claim("attention", (HOOKED,), "SE"),)),
}

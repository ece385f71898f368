"""No attention: activations, gated units, normalizations, layers as they come, and what ends a network."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.unit.flow.corpus.answers import (
    ACTIVATION,
    COORDINATES,
    GLU,
    NORMALIZATION,
    PICTURES,
    PRODUCT,
    SIGNALS,
    Named,
    Network,
    naming,
)


class Act(nn.Module):
    """An activation written by hand on a convolution's features: named so, or not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(12, 12, 3, padding=1), nn.BatchNorm2d(12)
        self.beta = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv(x))

    def act(self, x: Tensor) -> Tensor:
        raise NotImplementedError


class Swish(Act):
    def act(self, x: Tensor) -> Tensor:
        return x.mul(torch.sigmoid(self.beta * x))


class QuickGelu(Act):
    def act(self, x: Tensor) -> Tensor:
        return torch.sigmoid(1.702 * x) * x


class MishByHand(Act):
    def act(self, x: Tensor) -> Tensor:
        return x * torch.tanh(F.softplus(x))


class HardSwishByHand(Act):
    def act(self, x: Tensor) -> Tensor:
        return x * (F.relu6(x + 3) / 6)


class GeluByHand(Act):
    def act(self, x: Tensor) -> Tensor:
        return 0.5 * x * (1 + torch.erf(x / 2**0.5))


class OfNorm(Act):
    """SiLU where the gate sees a batch norm and the features do not."""

    def act(self, x: Tensor) -> Tensor:
        return x * self.bn(x).sigmoid()


class Steps(Act):
    """A hard threshold, a maximum of halves, a signed root."""

    def act(self, x: Tensor) -> Tensor:
        x = x * (x > 0.1)
        x = torch.maximum(*x.repeat(1, 2, 1, 1).chunk(2, 1))
        return x.sign() * x.abs().add(1e-6).sqrt()


class SwishFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        (x,) = ctx.saved_tensors
        s = x.sigmoid()
        return grad * (s * (1 + x * (1 - s)))


class MemoryEfficient(Act):
    def act(self, x: Tensor) -> Tensor:
        return SwishFunction.apply(x)


class ReadyMade(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        acts = (
            nn.SiLU(),
            nn.GELU(),
            nn.Mish(),
            nn.Hardswish(),
            nn.PReLU(),
            nn.ELU(),
            nn.Hardsigmoid(),
            nn.LogSigmoid(),
        )
        self.layers = nn.Sequential(*(layer for act in acts for layer in (nn.Conv2d(12, 12, 1), act)))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Halves(nn.Module):
    """A gated linear unit: one half of a convolution's channels opens and shuts the other."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(12, 24, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = torch.chunk(self.conv(x), 2, dim=1)
        return value * torch.sigmoid(gate)


class Wave(nn.Module):
    """WaveNet's unit: tanh of one half, sigmoid of the other."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv1d(12, 24, 3, padding=2, dilation=2), nn.Conv1d(12, 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return x + self.out(torch.tanh(y[:, :12]) * torch.sigmoid(y[:, 12:]))


class Swiglu(nn.Module):
    """Of transformers' feed-forward layers, without the attention."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.back = nn.Linear(12, 48), nn.Linear(24, 12)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.wide(x.permute(0, 2, 3, 1)).split(24, -1)
        return x + self.back(F.silu(a) * b).permute(0, 3, 1, 2)


class SimpleGate(nn.Module):
    """A half times the other, no squash."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(12, 24, 1)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.conv(x).chunk(2, 1)
        return a * b


class GluFunction(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(12, 24, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.glu(self.conv(x), dim=1)


class TwoViews(nn.Module):
    """The product of two convolutions' features, neither squashed."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(12, 12, 3, padding=1), nn.Conv2d(12, 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) * self.b(x)


class RootMean(nn.Module):
    """RMS norm over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(12, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(1, keepdim=True) + 1e-6) * self.weight


class InstanceByHand(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        mean, var = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True)
        return (x - mean) / torch.sqrt(var + 1e-5)


class Directions(nn.Module):
    """Divided by the length of each place's features."""

    def forward(self, x: Tensor) -> Tensor:
        return x / (x.norm(dim=1, keepdim=True) + 1e-6)


class Response(nn.Module):
    """Global response normalization: a channel's norm over the mean of all; its paper calls it a normalization."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.randn(1, 12, 1, 1)), nn.Parameter(torch.randn(1, 12, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        size = x.norm(dim=(2, 3), keepdim=True)
        return self.gamma * (x * (size / (size.mean(1, keepdim=True) + 1e-6))) + self.beta + x


class Norms(nn.Module):
    """All that are ready made."""

    def __init__(self) -> None:
        super().__init__()
        self.group, self.instance = nn.GroupNorm(3, 12), nn.InstanceNorm2d(12, affine=True)
        self.batch, self.local, self.layer = nn.BatchNorm2d(12), nn.LocalResponseNorm(3), nn.LayerNorm(12)

    def forward(self, x: Tensor) -> Tensor:
        x = self.local(self.batch(self.instance(self.group(x))))
        return self.layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Scaled(nn.Module):
    """Layer scale, and a learned gate that no picture changes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(12, 12, 3, padding=1)
        self.gamma, self.gate = nn.Parameter(torch.full((12, 1, 1), 0.1)), nn.Parameter(torch.zeros(12, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate.sigmoid() + self.gamma * self.conv(x)


class Mixes(nn.Module):
    """A softmax of parameters over three operations, as in architecture search; weights that no picture changes."""

    def __init__(self) -> None:
        super().__init__()
        self.ops = nn.ModuleList((nn.Conv2d(12, 12, 1), nn.MaxPool2d(3, 1, 1), nn.Identity()))
        self.alpha = nn.Parameter(torch.randn(3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([w * op(x) for w, op in zip(self.alpha.softmax(0), self.ops, strict=True)]).sum(0)


class Wrapped(nn.Module):
    """A network that ends in what ``end`` makes of its scores."""

    def __init__(self, end: nn.Module) -> None:
        super().__init__()
        self.conv, self.fc, self.end = nn.Conv2d(3, 12, 3, 2, 1), nn.Linear(12, 5), end

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.fc(self.conv(x).relu().mean((2, 3))))


class Segments(nn.Module):
    """A map of probabilities at the end."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 12, 3, padding=1), nn.Conv2d(12, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.out(self.conv(x).relu())
        return y.sigmoid() if y.shape[1] == 1 else y.softmax(1)


class Confident(nn.Module):
    """Classes and a confidence for each place, as two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.classes, self.sure = nn.Conv2d(3, 12, 3, 2, 1), nn.Conv2d(12, 5, 1), nn.Conv2d(12, 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.conv(x).relu()
        return self.classes(x).softmax(1), self.sure(x).sigmoid()


class SoftArgmax(nn.Module):
    """Where a keypoint is: heat maps' softmax times coordinates."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.heat = nn.Conv2d(3, 12, 3, padding=1), nn.Conv2d(12, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        heat = self.heat(self.conv(x).relu())
        share = heat.flatten(2).softmax(-1).view_as(heat)
        rows = torch.linspace(-1, 1, heat.shape[2]).view(1, 1, -1, 1)
        columns = torch.linspace(-1, 1, heat.shape[3])
        return torch.stack([(share * rows).sum((2, 3)), (share.sum(2) * columns).sum(-1)], -1)


class DynamicLines(nn.Module):
    """Two lines through each channel, slopes and shifts from the mean, the larger one counts (a dynamic ReLU)."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(12, 6), nn.Linear(6, 48)

    def coefficients(self, x: Tensor) -> Tensor:
        return 2 * self.fc2(self.fc1(x.mean((2, 3))).relu()).view(len(x), 12, 4).sigmoid() - 1

    def forward(self, x: Tensor) -> Tensor:
        k = self.coefficients(x) * torch.tensor([1.0, 1.0, 0.5, 0.5]) + torch.tensor([1.0, 0.0, 0.0, 0.0])
        y = x.permute(2, 3, 0, 1).unsqueeze(-1)
        return (y * k[:, :, :2] + k[:, :, 2:]).max(-1)[0].permute(2, 3, 0, 1)


class TwoLines(DynamicLines):
    """The same, each line written out."""

    def forward(self, x: Tensor) -> Tensor:
        a, b, s, t = self.coefficients(x)[..., None, None].unbind(2)
        return torch.maximum(x * (1 + a) + s, x * b + t)


NETWORKS: dict[str, Network] = {
    "swish": naming(Swish, ACTIVATION),
    "quick GELU": naming(QuickGelu, ACTIVATION),
    "mish": naming(MishByHand, ACTIVATION),
    "hard swish": naming(HardSwishByHand, ACTIVATION),
    "GELU": naming(GeluByHand, ACTIVATION),
    "SiLU of a batch norm": naming(OfNorm, ACTIVATION),
    "swish of a custom function": naming(MemoryEfficient, ACTIVATION),
    "thresholds": naming(Steps),
    "activations, ready made": naming(ReadyMade),
    "lines, the largest": naming(DynamicLines),
    "lines, written out": naming(TwoLines, ACTIVATION),
    "GLU of halves": naming(Halves, GLU),
    "GLU of WaveNet": naming(Wave, GLU, sizes=SIGNALS),
    "SwiGLU": naming(Swiglu, (*GLU, *PRODUCT)),
    "simple gate": naming(SimpleGate, (*GLU, *PRODUCT)),
    "GLU, PyTorch's": naming(GluFunction),
    "product of two convolutions": naming(TwoViews, PRODUCT),
    "RMS norm": naming(RootMean, NORMALIZATION),
    "instance norm by hand": naming(InstanceByHand, NORMALIZATION),
    "directions": naming(Directions, NORMALIZATION),
    "global response norm": naming(Response, NORMALIZATION),
    "norms, ready made": naming(Norms),
    "layer scale": naming(Scaled),
    "operations weighed by parameters": naming(Mixes),
    "softmax at the end": Network(lambda: Wrapped(nn.Softmax(1)), PICTURES),
    "sigmoid at the end": Network(lambda: Wrapped(nn.Sigmoid()), PICTURES),
    "map of a sigmoid at the end": Network(lambda: Segments(1), PICTURES),
    "maps of a softmax at the end": Network(lambda: Segments(4), PICTURES),
    "two endings": Network(Confident, PICTURES),
    "soft-argmax": Network(SoftArgmax, PICTURES, named=(Named(COORDINATES),)),
}

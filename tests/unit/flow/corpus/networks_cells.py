"""No attention: recurrent cells, mixtures, dynamic weights, modulations, masks, solvers, and plain networks."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.unit.flow.corpus.answers import (
    BLEND,
    CELL,
    CLIPS,
    DYNAMIC,
    MASK,
    MIXTURE,
    MODULATION,
    PICTURES,
    SIGNALS,
    Named,
    Network,
    naming,
)


class ConvLstm(nn.Module):
    """A convolutional LSTM over the frames of a clip, or over one picture four times."""

    def __init__(self) -> None:
        super().__init__()
        self.gates = nn.Conv2d(24, 48, 3, padding=1)

    def forward(self, clip: Tensor) -> Tensor:
        h = c = torch.zeros_like(clip[:, :, 0])
        for x in clip.unbind(2):
            i, f, o, g = self.gates(torch.cat([x, h], 1)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h


class SeparateLstm(nn.Module):
    """The same with a convolution for each gate, on one picture three times."""

    def __init__(self) -> None:
        super().__init__()
        self.i, self.f, self.o, self.g = (nn.Conv2d(24, 12, 3, padding=1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        h, c = torch.zeros_like(x), torch.zeros_like(x)
        for _ in range(3):
            both = torch.cat([x, h], 1)
            c = self.f(both).sigmoid() * c + self.i(both).sigmoid() * self.g(both).tanh()
            h = self.o(both).sigmoid() * c.tanh()
        return h


class ConvGru(nn.Module):
    """A refinement that runs a GRU's cell; its first state is zeros, so its first blend has a constant side."""

    def __init__(self) -> None:
        super().__init__()
        self.z, self.r, self.q = (nn.Conv2d(24, 12, 3, padding=1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros_like(x)
        for _ in range(3):
            both = torch.cat([h, x], 1)
            z, r = torch.sigmoid(self.z(both)), torch.sigmoid(self.r(both))
            h = (1 - z) * h + z * torch.tanh(self.q(torch.cat([r * h, x], 1)))
        return h


class FirstStep(nn.Module):
    """A minimal gated unit over time, with a first state that is a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.z, self.n, self.h0 = nn.Linear(24, 12), nn.Linear(12, 12), nn.Parameter(torch.zeros(1, 12))

    def forward(self, x: Tensor) -> Tensor:
        h = self.h0.expand(len(x), -1)
        for moment in x.unbind(-1):
            z = self.z(torch.cat([h, moment], 1)).sigmoid()
            h = z * h + (1 - z) * self.n(moment).tanh()
        return h


class Recurrent(nn.Module):
    """PyTorch's own layers."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.lstm = nn.GRU(12, 12, batch_first=True), nn.LSTM(12, 12, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(self.gru(x.transpose(1, 2))[0])[0][:, -1]


class Highway(nn.Module):
    """t * H(x) + (1 - t) * x: a blend."""

    def __init__(self) -> None:
        super().__init__()
        self.h, self.t = nn.Conv2d(12, 12, 3, padding=1), nn.Conv2d(12, 12, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        t = self.t(x).sigmoid()
        return t * self.h(x).relu() + (1 - t) * x


class Experts(nn.Module):
    """Four experts on pooled features, weighed for each picture."""

    def __init__(self) -> None:
        super().__init__()
        self.experts, self.router = nn.Linear(12, 48), nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        v = x.mean((2, 3))
        share = self.router(v).softmax(-1)
        return (self.experts(v).relu().view(-1, 4, 12) * share.unsqueeze(-1)).sum(1)


class Kernels(nn.Module):
    """Dynamic convolution: a kernel mixed of four for each picture."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels, self.mix = nn.Parameter(torch.randn(4, 12, 12, 3, 3) / 10), nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        share = torch.softmax(self.mix(x.mean((2, 3))) / 4, dim=1)
        kernel = (share @ self.kernels.view(4, -1)).view(b * c, c, 3, 3)
        return F.conv2d(x.reshape(1, b * c, h, w), kernel, padding=1, groups=b).view(b, c, h, w)


class Generated(nn.Module):
    """A kernel for each channel, made from pooled features and normalized by a softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.make = nn.Linear(12, 12 * 9)

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.make(x.mean((2, 3))).view(-1, 9).softmax(-1).view(-1, 1, 3, 3)
        y = x.reshape(1, -1, *x.shape[2:])
        return F.conv2d(y, kernel, padding=1, groups=y.shape[1]).view_as(x)


class Conditioned(nn.Module):
    """FiLM: a second input says scale and shift."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.film, self.fc = nn.Conv2d(3, 12, 3, padding=1), nn.Linear(7, 24), nn.Linear(12, 5)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        scale, shift = self.film(told).chunk(2, -1)
        x = self.conv(x) * (1 + scale[..., None, None]) + shift[..., None, None]
        return self.fc(x.relu().mean((2, 3)))


class SelfConditioned(nn.Module):
    """Scale and shift from one vector that is pooled from the features themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.scale, self.shift = nn.Linear(12, 8), nn.Linear(8, 12), nn.Linear(8, 12)

    def forward(self, x: Tensor) -> Tensor:
        v = self.read(x.mean((2, 3))).relu()
        return x * self.scale(v)[:, :, None, None] + self.shift(v)[:, :, None, None]


class InputMask(nn.Module):
    """What is drawn out of a recording: a mask times the network's own input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.mask = nn.Conv2d(3, 12, 3, padding=1), nn.Conv2d(12, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.mask(self.conv(x).relu()).sigmoid()


class MaskThenMore(nn.Module):
    """A map times the picture, which then goes through the network.

    A map over places it is, but of the input, where there are no features yet: an input mask, however it is used.
    """

    def __init__(self) -> None:
        super().__init__()
        self.look, self.conv, self.fc = nn.Conv2d(3, 1, 5, padding=2), nn.Conv2d(3, 12, 3, padding=1), nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(self.look(x).sigmoid() * x).relu().mean((2, 3)))


class Curves(nn.Module):
    """Light is turned up by a curve, four times over: an iterated solver's steps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.curves = nn.Conv2d(3, 12, 3, padding=1), nn.Conv2d(12, 12, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        for curve in self.curves(self.conv(x).relu()).tanh().chunk(4, 1):
            x = x + curve * (x.pow(2) - x)
        return x


class Unrolled(nn.Module):
    """A sparse code by shrinking, step by step."""

    def __init__(self) -> None:
        super().__init__()
        self.there, self.back = nn.Conv2d(12, 16, 3, padding=1), nn.Conv2d(16, 12, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        code = torch.zeros(len(x), 16, *x.shape[2:])
        for _ in range(4):
            code = code - 0.1 * self.there(self.back(code) - x)
            code = code.sign() * F.relu(code.abs() - 0.05)
        return self.back(code)


class Steepest(nn.Module):
    """Gradient steps whose size is worked out from the residual, as in conjugate gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(12, 12, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.zeros_like(x)
        for _ in range(3):
            r = x - self.a(y)
            y = y + r * (
                (r * r).sum((1, 2, 3), keepdim=True) / (r * self.a(r)).sum((1, 2, 3), keepdim=True).abs().add(1)
            )
        return y


class OneEntry(nn.Module):
    """A softmax over a single entry is 1, whatever it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.score, self.value = nn.Linear(12, 1), nn.Linear(12, 12)

    def forward(self, x: Tensor) -> Tensor:
        v = x.mean((2, 3)).unsqueeze(1)
        return (self.score(v).softmax(1) * self.value(v)).sum(1)


class Residual(nn.Module):
    """A residual branch that rolls, flips, and folds its features on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.mix = nn.Conv2d(12, 12, 3, padding=1), nn.Conv1d(12, 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x.roll((1, 2), (2, 3)).flip(3)).relu()
        order = torch.arange(y[0, 0].numel() - 1, -1, -1)
        return x + self.mix(y.flatten(2)[..., order]).view_as(x)


class ThroughNumpy(nn.Module):
    """A residual branch, part of it worked out in NumPy."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(12, 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.from_numpy(self.conv(x).detach().numpy().clip(0, 1))


class Bilinear(nn.Module):
    """Bilinear pooling: every channel times every channel, which ends in a vector; nothing reads anything."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(144, 12)

    def forward(self, x: Tensor) -> Tensor:
        f = x.flatten(2)
        return self.fc(F.normalize((f @ f.mT / f.shape[-1]).flatten(1)))


class Mixer(nn.Module):
    """A linear layer over places."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.channels, self.norm = nn.Linear(14 * 22, 14 * 22), nn.Linear(12, 12), nn.LayerNorm(12)

    def forward(self, x: Tensor) -> Tensor:
        y = x.flatten(2).mT
        y = y + self.tokens(self.norm(y).mT).mT
        return (y + F.gelu(self.channels(self.norm(y)))).mT.reshape(x.shape)


class Warped(nn.Module):
    """A spatial transformer: where to look is a grid, not a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(12, 6)

    def forward(self, x: Tensor) -> Tensor:
        theta = self.fc(x.mean((2, 3))).view(-1, 2, 3) + torch.eye(2, 3)
        grid = F.affine_grid(theta, list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, align_corners=False)


class Ladder(nn.Module):
    """Down and up with a skip, a shuffle of pixels and of channels, dropout, two heads of pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(12, 16, 3, 2, 1), nn.Conv2d(16, 48, 1)
        self.out, self.drop = nn.Conv2d(24, 12, 3, padding=1), nn.Dropout2d(0.3)

    def forward(self, x: Tensor) -> Tensor:
        up = F.pixel_shuffle(self.up(self.drop(self.down(x).relu())), 2)
        both = torch.cat([x, up], 1)
        b, c, h, w = both.shape
        return self.out(both.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w))


NETWORKS: dict[str, Network] = {
    "convolutional LSTM, clip": naming(ConvLstm, CELL, sizes=CLIPS),
    "convolutional LSTM, gate by gate": naming(SeparateLstm, CELL),
    "convolutional GRU": naming(ConvGru, CELL),
    "gated unit over time": naming(FirstStep, CELL, sizes=SIGNALS),
    "recurrent layers": naming(Recurrent, sizes=SIGNALS),
    "highway": naming(Highway, BLEND),
    "mixture of experts": naming(Experts, MIXTURE),
    "dynamic convolution": naming(Kernels, DYNAMIC),
    "generated kernels": naming(Generated, DYNAMIC),
    "FiLM": Network(Conditioned, (((1, 3, 14, 22), (1, 7)), ((1, 3, 18, 26), (1, 7))), named=(Named(MODULATION),)),
    "FiLM of oneself": naming(SelfConditioned, MODULATION),
    "input mask": Network(InputMask, PICTURES, named=(Named(MASK),)),
    "input mask, then a network": Network(MaskThenMore, PICTURES, named=(Named(MASK),)),
    "curves": Network(Curves, PICTURES),  # named as steps, products or masks: all true
    "unrolled shrinking": naming(Unrolled),
    "steepest descent": naming(Steepest),
    "softmax over one entry": naming(OneEntry),
    "residual branch": naming(Residual),
    "residual branch through NumPy": naming(ThroughNumpy),
    "bilinear pooling": naming(Bilinear),
    "mixer": naming(Mixer, sizes=(PICTURES[0], PICTURES[0])),
    "spatial transformer": naming(Warped),
    "ladder": naming(Ladder),
}

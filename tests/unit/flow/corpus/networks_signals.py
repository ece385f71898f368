"""Signals, frames, clips and volumes: where the places are not those of a picture."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnviz.mechanisms import Kind
from tests.unit.flow.corpus.answers import (
    CLIPS,
    SIGNALS,
    Around,
    Claim,
    Network,
    Shapes,
    affinity,
    around,
    channel,
    context,
    naming,
    spatial,
    volume,
)


class Excite1d(nn.Module):
    def __init__(self, channels: int = 12) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(channels, 4), nn.Linear(4, channels)

    def forward(self, x: Tensor) -> Tensor:
        g = self.up(self.down(x.mean(-1)).relu()).sigmoid()
        self.seen = (g,)
        return x * g[:, :, None]


class When(nn.Module):
    """A gate for each moment."""

    def __init__(self, channels: int = 12) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        g = self.conv(x).sigmoid()
        self.seen = (g,)
        return x * g


class RecurrentGate(nn.Module):
    """A recurrent layer reads the signal and says at each moment how far to open."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.fc = nn.GRU(12, 6, batch_first=True, bidirectional=True), nn.Linear(12, 1)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.rnn(x.transpose(1, 2))
        g = torch.sigmoid(self.fc(states))
        self.seen = (g,)
        return x * g.transpose(1, 2)


class CellByCell(nn.Module):
    """The same with a cell and a loop: a list of T gates, stacked. They are moments, no branches."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.fc = nn.GRUCell(12, 6), nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        state, gates = x.new_zeros(len(x), 6), []
        for moment in x.unbind(-1):
            state = self.cell(moment, state)
            gates.append(self.fc(state).sigmoid())
        g = torch.stack(gates, dim=-1)
        self.seen = (g,)
        return x * g


class ReadsTime(nn.Module):
    """Recurrent states weighed over time and summed up."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.score = nn.LSTM(12, 12, batch_first=True), nn.Linear(12, 1)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.rnn(x.transpose(1, 2))
        weights = F.softmax(self.score(states).squeeze(-1), dim=1)
        self.seen = (weights,)
        return torch.bmm(weights.unsqueeze(1), states).squeeze(1)


class Reads(nn.Module):
    """Every moment reads every other one."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Conv1d(12, 12, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        rows = (self.q(x).transpose(1, 2) @ self.k(x) / 12**0.5).softmax(-1)
        self.seen = (rows,)
        return x + self.v(x) @ rows.transpose(1, 2)


class Torchs(nn.Module):
    """PyTorch's module over time."""

    def __init__(self) -> None:
        super().__init__()
        self.mha, self.norm = nn.MultiheadAttention(12, 2, batch_first=True), nn.LayerNorm(12)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.transpose(1, 2)
        read, _ = self.mha(tokens, tokens, tokens)
        return self.norm(tokens + read).transpose(1, 2)


class Raw(nn.Module):
    """(B, N) in, as an audio file is."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.attention, self.head = nn.Conv1d(1, 12, 9, 2, 4), When(), nn.Linear(12, 3)

    def forward(self, wave: Tensor) -> Tensor:
        return self.head(self.attention(self.stem(wave.unsqueeze(1)).relu()).amax(-1))


class Frames(nn.Module):
    """Overlapping frames by strides, their spectra, then a network over bins and frames."""

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.attention, self.head = attention, nn.Linear(12, 3)
        self.conv = nn.Conv2d(1, 12, 3, padding=1)

    def spectrum(self, wave: Tensor) -> Tensor:
        b, n = wave.shape
        frames = wave.as_strided((b, (n - 16) // 8 + 1, 16), (n, 8, 1))
        return torch.fft.rfft(frames * torch.hann_window(16), dim=-1).abs().transpose(1, 2)  # (B, 9, frames)

    def forward(self, wave: Tensor) -> Tensor:
        x = self.conv(torch.log1p(self.spectrum(wave)).unsqueeze(1)).relu()
        return self.head(self.attention(x).mean((2, 3)))


class Unfolded(Frames):
    """Frames by unfold; the spectrum by products with cosines and sines."""

    def spectrum(self, wave: Tensor) -> Tensor:
        frames = wave.unfold(-1, 16, 8)
        turn = 2 * torch.pi * torch.arange(9)[:, None] * torch.arange(16) / 16
        return ((frames @ turn.cos().T) ** 2 + (frames @ turn.sin().T) ** 2).transpose(1, 2)


class Bank(Frames):
    """A bank of filters that are learned: its channels become the rows of a picture."""

    def __init__(self, attention: nn.Module) -> None:
        super().__init__(attention)
        self.bank = nn.Conv1d(1, 9, 16, stride=8)

    def spectrum(self, wave: Tensor) -> Tensor:
        return self.bank(wave.unsqueeze(1)).abs()


class WherePicture(nn.Module):
    """A gate for each bin and frame."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(12, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        g = torch.sigmoid(self.conv(x))
        self.seen = (g,)
        return g * x


class Excite2d(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Conv2d(12, 4, 1), nn.ReLU(), nn.Conv2d(4, 12, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc(x.mean((-2, -1), keepdim=True))


class Excite3d(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Sequential(nn.Conv3d(12, 3, 1), nn.ReLU(), nn.Conv3d(3, 12, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(x)) * x


class Where3d(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(2, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        g = self.conv(torch.cat([x.mean(1, True), x.amax(1, True)], 1)).sigmoid()
        self.seen = (g,)
        return x * g


class Voxels(nn.Module):
    """A gate for every feature of a volume."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(12, 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        g = self.conv(x).sigmoid()
        self.seen = (g,)
        return x * g


class Clip(nn.Module):
    """Non-Local over a clip, keys pooled in space alone."""

    def __init__(self) -> None:
        super().__init__()
        self.theta, self.phi, self.g = (nn.Conv3d(12, 6, 1) for _ in range(3))
        self.pool, self.out = nn.MaxPool3d((1, 2, 2)), nn.Conv3d(6, 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.theta(x).flatten(2), self.pool(self.phi(x)).flatten(2), self.pool(self.g(x)).flatten(2)
        rows = torch.softmax(q.mT @ k, dim=-1)
        self.seen = (rows,)
        return self.out((rows @ v.mT).mT.reshape(len(x), 6, *x.shape[2:])) + x


class WhichFrame(nn.Module):
    """A gate for each frame of a clip."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(12, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.conv(x.mean((3, 4))).sigmoid()[..., None, None]


WAVES: tuple[Shapes, Shapes] = (((1, 96),), ((1, 128),))  # 11 and 15 frames of 16, each 8 further


def heard(build: type[Frames], attention: type[nn.Module]) -> Network:
    part = spatial(9, 11) if attention is WherePicture else channel(module="attention.fc")
    return Network(lambda: build(attention()), WAVES, (Claim("attention", (part,)),))


NETWORKS: dict[str, Network] = {
    "signal, channel gate": around(Excite1d, channel(), mechanism="SE", sizes=SIGNALS),
    "signal, gate over time": around(When, spatial(40), sizes=SIGNALS),
    "signal, gate from a recurrent layer": around(RecurrentGate, spatial(40), sizes=SIGNALS),
    "signal, gate from a cell in a loop": around(CellByCell, spatial(40), sizes=SIGNALS),
    "signal, pooled over recurrent states": around(ReadsTime, context(40), sizes=SIGNALS),
    "signal, all pairs": around(Reads, affinity((40,)), sizes=SIGNALS),
    "signal, PyTorch's module": Network(
        lambda: Around(Torchs(), dims=1),
        SIGNALS,
        (Claim("attention.mha", (affinity((40,), heads=2),), ..., False, False),),
    ),
    "wave, gate over time": Network(Raw, WAVES, (Claim("attention", (spatial(48),)),)),
    "wave, strided frames, gate over places": heard(Frames, WherePicture),
    "wave, strided frames, channel gate": heard(Frames, Excite2d),
    "wave, unfolded frames, gate over places": heard(Unfolded, WherePicture),
    "wave, filterbank, gate over places": heard(Bank, WherePicture),
    "wave, filterbank, channel gate": heard(Bank, Excite2d),
    "clip, channel gate": around(Excite3d, channel(module="attention.fc"), mechanism="SE", sizes=CLIPS),
    "clip, gate over places": around(Where3d, spatial(4, 10, 14), sizes=CLIPS),
    "clip, gate for every feature": around(Voxels, volume(12, 4, 10, 14), sizes=CLIPS),
    "clip, pooled keys": around(Clip, affinity((4, 10, 14), (4, 5, 7)), mechanism="Non-Local", sizes=CLIPS),
    "clip, gate for each frame": naming(
        WhichFrame, ("strip", "frame", "place", "depth", "spatial"), Kind.COORDINATE, Kind.SPATIAL, sizes=CLIPS
    ),
    "clip, one frame": around(
        Excite3d, channel(module="attention.fc"), sizes=(((1, 3, 1, 10, 14),), ((1, 3, 1, 8, 8),))
    ),
}

"""Places that read places: all pairs, pooled keys, heads, windows, and channels that read channels."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnviz.mechanisms import Kind, Role
from tests.unit.flow.corpus.answers import (
    CHANNELS_ON_CHANNELS,
    PICTURES,
    WINDOWS,
    Claim,
    Network,
    Shown,
    affinity,
    around,
    naming,
)

GRID = (14, 22)
HALF = (7, 11)


class Embedded(nn.Module):
    """Three embeddings of half the channels, and a way back."""

    def __init__(self, channels: int = 12, inner: int = 6) -> None:
        super().__init__()
        self.inner = inner
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.out = nn.Conv2d(inner, channels, 1)

    def back(self, y: Tensor, x: Tensor) -> Tensor:
        return x + self.out(y.transpose(1, 2).contiguous().view(len(x), self.inner, *x.shape[2:]))


class Gaussian(Embedded):
    def forward(self, x: Tensor) -> Tensor:
        theta, phi, g = (f(x).view(len(x), self.inner, -1) for f in (self.theta, self.phi, self.g))
        f = F.softmax(torch.matmul(theta.permute(0, 2, 1), phi), dim=-1)
        self.seen = (f,)
        return self.back(torch.matmul(f, g.permute(0, 2, 1)), x)


class DotProduct(Embedded):
    """Divided by the number of keys, without a softmax."""

    def forward(self, x: Tensor) -> Tensor:
        theta, phi, g = (f(x).flatten(2) for f in (self.theta, self.phi, self.g))
        f = torch.bmm(theta.transpose(1, 2), phi)
        f = f / f.size(-1)
        self.seen = (f,)
        return self.back(torch.bmm(f, g.transpose(1, 2)), x)


class PooledKeys(Embedded):
    """Keys and values sub-sampled, the usual form."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        queries = self.theta(x).flatten(2).transpose(1, 2)
        keys, values = self.pool(self.phi(x)).flatten(2), self.pool(self.g(x)).flatten(2)
        f = torch.softmax(queries @ keys, -1)
        self.seen = (f,)
        return self.back(f @ values.transpose(1, 2), x)


class StridedKeys(nn.Module):
    """As a pyramid transformer: one convolution reduces the grid that keys and values are made of; two heads."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce, self.q, self.kv = nn.Conv2d(12, 12, 2, 2), nn.Linear(12, 12), nn.Linear(12, 24)
        self.proj = nn.Linear(12, 12)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        q = self.q(tokens).reshape(b, h * w, 2, 6).permute(0, 2, 1, 3)
        small = self.reduce(x).reshape(b, c, -1).permute(0, 2, 1)
        k, v = self.kv(small).reshape(b, -1, 2, 2, 6).permute(2, 0, 3, 1, 4)
        rows = (q @ k.transpose(-2, -1) * 6**-0.5).softmax(dim=-1)
        self.seen = (rows,)
        tokens = tokens + self.proj((rows @ v).transpose(1, 2).reshape(b, h * w, c))
        return tokens.transpose(1, 2).reshape(b, c, h, w)


class Heads(nn.Module):
    """Three heads from one projection."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Conv2d(12, 36, 1), nn.Conv2d(12, 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        q, k, v = self.qkv(x).view(b, 3, 3, 4, h * w).unbind(1)
        rows = torch.softmax(torch.einsum("bndi,bndj->bnij", q, k) / 2, dim=-1)
        self.seen = (rows,)
        return x + self.proj(torch.einsum("bnij,bndj->bndi", rows, v).reshape(b, c, h, w))


class Fused(nn.Module):
    """PyTorch's own product."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(12, 36)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        q, k, v = (t.view(b, h * w, 2, 6).transpose(1, 2) for t in self.qkv(x.flatten(2).mT).chunk(3, dim=-1))
        self.seen = ((q @ k.mT / math.sqrt(6)).softmax(-1),)
        return x + F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h * w, c).mT.view(b, c, h, w)


class Relative(Embedded):
    """Logits with a table of relative positions, as tall and wide as the features were built for."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.along = nn.Parameter(torch.randn(6, 14, 1)), nn.Parameter(torch.randn(6, 1, 22))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (f(x).flatten(2) for f in (self.theta, self.phi, self.g))
        where = (self.down + self.along).view(1, 6, -1)
        rows = (q.mT @ k + q.mT @ where).softmax(-1)
        self.seen = (rows,)
        return self.back((v @ rows.mT).mT, x)


class Cosine(Embedded):
    """Likeness of directions, with a temperature that is learned."""

    def __init__(self) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.tensor(5.0))

    def forward(self, x: Tensor) -> Tensor:
        q, k = F.normalize(self.theta(x).flatten(2), dim=1), F.normalize(self.phi(x).flatten(2), dim=1)
        rows = (q.mT @ k * self.temperature).softmax(-1)
        self.seen = (rows,)
        return self.back(rows @ self.g(x).flatten(2).mT, x)


class OverHeads(Heads):
    """Normalized over heads, not keys: places read places all the same, and it must be said over which axis."""

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        q, k, v = self.qkv(x).view(b, 3, 3, 4, h * w).unbind(1)
        shares = (q.transpose(-2, -1) @ k).softmax(dim=1)
        self.seen = (shares,)
        return x + self.proj((v @ shares.transpose(-2, -1)).reshape(b, c, h, w))


class NoDim(Heads):
    """A softmax that is told no axis takes the second of four: the heads."""

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        q, k, v = self.qkv(x).view(b, 3, 3, 4, h * w).unbind(1)
        shares = F.softmax(torch.matmul(q.transpose(2, 3), k))
        self.seen = (shares,)
        return x + self.proj(torch.matmul(v, shares.transpose(2, 3)).reshape(b, c, h, w))


class Criss(nn.Module):
    """Each row reads itself, place by place along it."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k = nn.Conv2d(12, 6, 1), nn.Conv2d(12, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.q(x).permute(0, 2, 3, 1), self.k(x).permute(0, 2, 1, 3), x.permute(0, 2, 3, 1)
        return x + ((q @ k).softmax(-1) @ v).permute(0, 3, 1, 2)


class Windows(nn.Module):
    """Windows of 7 x 11, each reads itself."""

    def __init__(self, high: int = 7, wide: int = 11) -> None:
        super().__init__()
        self.high, self.wide, self.qkv = high, wide, nn.Linear(12, 36)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        y = x.permute(0, 2, 3, 1).reshape(b, h // self.high, self.high, w // self.wide, self.wide, c)
        y = y.permute(0, 1, 3, 2, 4, 5).reshape(-1, self.high * self.wide, c)
        q, k, v = self.qkv(y).chunk(3, -1)
        y = (q @ k.transpose(1, 2) / c**0.5).softmax(-1) @ v
        y = y.reshape(b, h // self.high, w // self.wide, self.high, self.wide, c).permute(0, 5, 1, 3, 2, 4)
        return x + y.reshape(b, c, h, w)


class ByChannels(nn.Module):
    """Channels read channels: no place in it."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((1,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        energy = torch.bmm(x.view(b, c, -1), x.view(b, c, -1).permute(0, 2, 1))
        energy = energy.amax(-1, keepdim=True) - energy
        return self.gamma * torch.bmm(energy.softmax(dim=-1), x.view(b, c, -1)).view(b, c, h, w) + x


class CrossCovariance(nn.Module):
    """Channels of each of two heads read each other, by directions over places."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Conv2d(12, 36, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.reshape(len(x), 2, 6, -1) for t in self.qkv(x).chunk(3, dim=1))
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        return x + ((q @ k.transpose(-2, -1)).softmax(-1) @ v).reshape(x.shape)


class LearnedQueries(nn.Module):
    """Four queries that are parameters read all places, as in a perceiver."""

    def __init__(self) -> None:
        super().__init__()
        self.queries, self.kv, self.out = nn.Parameter(torch.randn(4, 12)), nn.Linear(12, 24), nn.Linear(48, 12)

    def forward(self, x: Tensor) -> Tensor:
        k, v = self.kv(x.flatten(2).transpose(1, 2)).chunk(2, -1)
        return self.out(((self.queries @ k.transpose(1, 2)).softmax(-1) @ v).flatten(1))


class Linearized(Embedded):
    """Linear attention: keys' softmax over places first, so that no pair of places ever meets."""

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (f(x).flatten(2) for f in (self.theta, self.phi, self.g))
        return self.back(q.softmax(1).mT @ (k.softmax(-1) @ v.mT), x)


class Tokens(nn.Module):
    """A small vision transformer: patches, a class token, PyTorch's layer."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.token = nn.Conv2d(3, 12, 2, 2), nn.Parameter(torch.randn(1, 1, 12))
        self.layer = nn.TransformerEncoderLayer(12, 2, 24, batch_first=True)
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        tokens = self.layer(torch.cat([self.token.expand(len(x), -1, -1), tokens], 1))
        return self.head(tokens[:, 0])


class TwoPictures(nn.Module):
    """Places of one picture read places of another, of another size."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.cross, self.head = nn.Conv2d(3, 12, 3, padding=1), CrossRead(), nn.Linear(12, 5)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        return self.head(self.cross(self.stem(x), self.stem(other)).mean((2, 3)))


class CrossRead(Embedded):
    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        rows = (self.theta(x).flatten(2).mT @ self.phi(other).flatten(2)).softmax(-1)
        self.seen = (rows,)
        return self.back(rows @ self.g(other).flatten(2).mT, x)


class SideBySide(Embedded):
    """Pairs of embeddings laid side by side, weighed by a layer, and divided by the number of keys."""

    def __init__(self) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(12, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (f(x).flatten(2) for f in (self.theta, self.phi, self.g))
        n = q.shape[2]
        pairs = torch.cat([q[..., None].expand(-1, -1, -1, n), k[:, :, None].expand(-1, -1, n, -1)], 1)
        rows = self.weigh(pairs).relu()[:, 0] / n
        self.seen = (rows,)
        return self.back(rows @ v.mT, x)


class TwoTerms(Embedded):
    """A term of the query and a term of the key, added, and no softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.of_query, self.of_key = nn.Conv1d(6, 1, 1), nn.Conv1d(6, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (f(x).flatten(2) for f in (self.theta, self.phi, self.g))
        rows = (self.of_query(q).mT + self.of_key(k)).relu() / q.shape[2]
        self.seen = (rows,)
        return self.back(rows @ v.mT, x)


class Triangles(nn.Module):
    """Pairs of places updated by triangles: what (i, j) and (j, k) hold is multiplied and summed, no place is read."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(12, 4, 1), nn.Conv2d(12, 4, 1)
        self.left, self.right, self.out = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 12)

    def forward(self, x: Tensor) -> Tensor:
        pairs = self.one(x).flatten(2)[..., None] + self.two(x).flatten(2)[:, :, None]
        pairs = pairs.permute(0, 2, 3, 1)
        left, right = self.left(pairs).permute(0, 3, 1, 2), self.right(pairs).permute(0, 3, 1, 2)
        return x + self.out((left @ right).mean(3).mT).mT.reshape(x.shape)


TWO = (((1, 3, 6, 10), (1, 3, 8, 9)), ((1, 3, 8, 12), (1, 3, 7, 10)))
TOKENS = (((1, 3, 12, 20),), ((1, 3, 16, 24),))
SAME = (PICTURES[0], PICTURES[0])
NON_LOCAL = "Non-Local"

NETWORKS: dict[str, Network] = {
    "affinity, embedded": around(Gaussian, affinity(GRID), mechanism=NON_LOCAL),
    "affinity, dot product": around(DotProduct, affinity(GRID, role=...), mechanism=NON_LOCAL),
    "affinity, pooled keys": around(PooledKeys, affinity(GRID, HALF), mechanism=NON_LOCAL),
    "affinity, strided keys and heads": around(StridedKeys, affinity(GRID, HALF, 2)),
    "affinity, three heads": around(Heads, affinity(GRID, heads=3)),
    "affinity, PyTorch's function": around(Fused, affinity(GRID, heads=2)),
    "affinity, relative positions": around(Relative, affinity(GRID), sizes=SAME),
    "affinity, cosine": around(Cosine, affinity(GRID)),
    "affinity, normalized over heads": around(OverHeads, affinity(GRID, heads=3, role=...)),
    "affinity, softmax without an axis": around(NoDim, affinity(GRID, heads=3, role=...)),
    "affinity, along rows": naming(Criss, ("row", "axial", "window"), Kind.AFFINITY),
    "affinity, windows": naming(Windows, WINDOWS, Kind.AFFINITY, sizes=(PICTURES[0], ((1, 3, 14, 33),))),
    "affinity, channels": naming(ByChannels, CHANNELS_ON_CHANNELS),
    "affinity, channels as many as places": naming(ByChannels, CHANNELS_ON_CHANNELS, sizes=(((1, 3, 3, 4),),) * 2),
    "affinity, channels in heads": naming(CrossCovariance, CHANNELS_ON_CHANNELS),
    "affinity, learned queries": naming(LearnedQueries, ("quer", "context", "affin"), Kind.AFFINITY, Kind.CONTEXT),
    "affinity, linearized": naming(
        Linearized, ("context", "linear", "affin", "softmax"), Kind.AFFINITY, Kind.CONTEXT, Kind.CHANNEL
    ),
    "affinity, pairs side by side": around(SideBySide, affinity(GRID, role=...), mechanism=NON_LOCAL),
    "affinity, two terms": around(TwoTerms, affinity(GRID, role=...), mechanism=NON_LOCAL),
    "pairs of places, by triangles": naming(Triangles),
    "affinity, class token": Network(
        Tokens,
        TOKENS,
        (
            Claim(
                "layer.self_attn",
                (Shown(Kind.AFFINITY, Role.DISTRIBUTION, (61, 61), heads=2),),
                whole=False,
                kept=False,
            ),
        ),
    ),
    "affinity, two pictures": Network(TwoPictures, TWO, (Claim("cross", (affinity((6, 10), (8, 9)),)),)),
}

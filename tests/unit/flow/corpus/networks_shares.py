"""What sums to one, over branches or places, and what is added to every place."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnviz.mechanisms import Kind, Role
from tests.unit.flow.corpus.answers import Network, Shown, around, branch, channel, context, naming, term


class Kernels(nn.Module):
    """Three kernels, chosen between for each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(12, 12, k, padding=k // 2, groups=4) for k in (1, 3, 5))
        self.reduce, self.select = nn.Linear(12, 8), nn.Linear(8, 36)
        self.share = nn.Softmax(dim=1)

    def forward(self, x: Tensor) -> Tensor:
        feats = torch.cat([conv(x).unsqueeze(1) for conv in self.convs], dim=1)
        z = F.relu(self.reduce(feats.sum(1).mean(-1).mean(-1)))
        share = self.share(self.select(z).view(-1, 3, 12))
        return (feats * share.unsqueeze(-1).unsqueeze(-1)).sum(dim=1)


class Halved(nn.Module):
    """Two branches, the second share written as what is left of the first: a sigmoid and its rest are a softmax of two.

    A reader of the paper calls it selective kernels; one of the code, a blend of two branches.
    """

    def __init__(self) -> None:
        super().__init__()
        self.near, self.far = nn.Conv2d(12, 12, 3, padding=1), nn.Conv2d(12, 12, 3, padding=2, dilation=2)
        self.reduce, self.select = nn.Conv2d(12, 6, 1), nn.Conv2d(6, 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        near, far = self.near(x).relu(), self.far(x).relu()
        a = self.select(self.reduce((near + far).mean((2, 3), keepdim=True)).relu()).sigmoid()
        return a * near + (1 - a) * far


class Split(nn.Module):
    """Split attention: one convolution gives two sets of channels, a softmax chooses between them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(12, 24, 3, padding=1, groups=2)
        self.fc1, self.fc2 = nn.Conv2d(12, 8, 1), nn.Conv2d(8, 24, 1)

    def forward(self, x: Tensor) -> Tensor:
        b = x.shape[0]
        y = self.conv(x).relu().view(b, 2, 12, *x.shape[2:])
        logits = self.fc2(self.fc1(y.sum(1).mean((2, 3), keepdim=True)).relu())
        share = logits.view(b, 2, 12).softmax(1)
        self.seen = (share,)
        return (y * share.view(b, 2, 12, 1, 1)).sum(1)


class Scalars(nn.Module):
    """One number for each of two branches of features, which are added: shares of branches, no experts."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse = nn.Conv2d(12, 12, 3, padding=1), nn.Conv2d(12, 12, 5, padding=2)
        self.weigh = nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        share = torch.softmax(self.weigh(x.mean((2, 3))), dim=1)
        self.seen = (share,)
        first, second = share[:, 0], share[:, 1]
        return self.fine(x) * first.view(-1, 1, 1, 1) + self.coarse(x) * second.view(-1, 1, 1, 1)


class Levels(nn.Module):
    """Adaptive fusion: two levels, chosen between at each place."""

    def __init__(self) -> None:
        super().__init__()
        self.deep, self.weigh = nn.Conv2d(12, 12, 3, padding=1, stride=2), nn.Conv2d(24, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        deep = F.interpolate(self.deep(x), size=x.shape[2:])
        share = F.softmax(self.weigh(torch.cat([x, deep], 1)), dim=1)
        return x * share[:, 0:1] + deep * share[:, 1:2]


class Context(nn.Module):
    """A context from a softmax over places, transformed and added."""

    def __init__(self) -> None:
        super().__init__()
        self.where = nn.Conv2d(12, 1, 1)
        self.transform = nn.Sequential(
            nn.Conv2d(12, 6, 1), nn.LayerNorm([6, 1, 1]), nn.ReLU(inplace=True), nn.Conv2d(6, 12, 1)
        )

    def context(self, x: Tensor) -> tuple[Tensor, Tensor]:
        b, c, h, w = x.size()
        mask = self.where(x).view(b, 1, h * w).softmax(dim=2)
        return mask, torch.matmul(x.view(b, 1, c, h * w), mask.unsqueeze(-1)).view(b, c, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        mask, pooled = self.context(x)
        self.seen = (mask, None)
        return x + self.transform(pooled)


class ContextGate(Context):
    """The same context, but a gate is made of it."""

    def forward(self, x: Tensor) -> Tensor:
        mask, pooled = self.context(x)
        g = self.transform(pooled).sigmoid()
        self.seen = (mask, g)
        return x * g


class ContextBoth(Context):
    """The same context gives a gate and a term, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Conv2d(12, 6, 1), nn.LayerNorm([6, 1, 1]), nn.ReLU(inplace=True), nn.Conv2d(6, 12, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        mask, pooled = self.context(x)
        g, t = self.gate(pooled).sigmoid(), self.transform(pooled)
        self.seen = (mask, g, t)
        return x * g + t


class GateAndTerm(nn.Module):
    """Squeeze and excitation with a bias: halves of one layer's output scale the channels, and are added to them."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(12, 6), nn.Linear(6, 24)

    def forward(self, x: Tensor) -> Tensor:
        g, t = self.fc2(self.fc1(x.mean((2, 3))).relu()).chunk(2, 1)
        g = g.sigmoid()
        self.seen = (g, t)
        return x * g[..., None, None] + t[..., None, None]


class MeanTerm(nn.Module):
    """No softmax: the mean, transformed and added to every place."""

    def __init__(self) -> None:
        super().__init__()
        self.transform = nn.Sequential(nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 12))

    def forward(self, x: Tensor) -> Tensor:
        return self.transform(x.mean((2, 3)))[:, :, None, None] + x


class PoolsWithAttention(nn.Module):
    """Attention pooling: a softmax over places instead of the mean, in front of the classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(12, 6), nn.Tanh(), nn.Linear(6, 1))

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        weights = torch.softmax(self.score(tokens), dim=1)
        self.seen = (weights,)
        return (weights * tokens).sum(1)


class Peaked(nn.Module):
    """A softmax over places that multiplies the features, place by place, and leaves them where they are."""

    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Conv2d(12, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        share = self.score(x).flatten(1).softmax(-1).view(len(x), 1, *x.shape[2:])
        return x * share * share[0].numel()


class Gathered(nn.Module):
    """Double attention: several contexts gathered over places, handed out again by shares at each place."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.v = nn.Conv2d(12, 8, 1), nn.Conv2d(12, 5, 1), nn.Conv2d(12, 5, 1)
        self.out = nn.Conv2d(8, 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        maps = self.b(x).flatten(2).softmax(-1)
        vectors = self.v(x).flatten(2).softmax(1)
        gathered = torch.bmm(self.a(x).flatten(2), maps.transpose(1, 2))
        return x + self.out(torch.bmm(gathered, vectors).view(b, 8, h, w))


NETWORKS: dict[str, Network] = {
    "term and gate of a context": around(ContextBoth, context(), channel(), term(), mechanism="GC"),
    "term and gate of a mean": around(GateAndTerm, channel(), term()),
    "shares, three kernels": around(Kernels, branch(3, module="attention.share"), mechanism="SK"),
    "shares, what is left": naming(Halved, ("blend", "branch"), Kind.BRANCH, Kind.CHANNEL),
    "shares, split attention": around(Split, branch(2)),  # SK or split attention: cousins
    "shares, a number each": around(
        Scalars, Shown(Kind.BRANCH, Role.DISTRIBUTION, None, ...), mechanism=..., kept=False
    ),
    "shares, levels at each place": naming(Levels, ("branch", "place", "level"), Kind.BRANCH),
    "context, added": around(Context, context(), term(module="attention.transform"), mechanism="GC"),
    "context, gate": around(ContextGate, context(), channel(), mechanism="GC"),
    "context, mean added": around(MeanTerm, term(module="attention.transform"), mechanism=...),
    "context, attention pooling": around(PoolsWithAttention, context(), mechanism=...),
    "context, kept in place": naming(Peaked, ("spatial", "context"), Kind.SPATIAL, Kind.CONTEXT),  # it is either
    "context, several": naming(Gathered, ("context", "double", "affin", "softmax"), Kind.CONTEXT, Kind.AFFINITY),
}

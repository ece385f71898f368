"""What the answers of the corpus are made of: the parts of a block, the blocks of a network, and what is none."""

from collections.abc import Callable
from dataclasses import dataclass
from types import EllipsisType

from torch import Tensor, nn

from attnviz.mechanisms import Kind, Role

Shape = tuple[int, ...]
Shapes = tuple[Shape, ...]

PICTURES: tuple[Shapes, Shapes] = (((1, 3, 14, 22),), ((1, 3, 18, 26),))  # two sizes, one input each
SIGNALS: tuple[Shapes, Shapes] = (((1, 3, 40),), ((1, 3, 56),))
CLIPS: tuple[Shapes, Shapes] = (((1, 3, 4, 10, 14),), ((1, 3, 6, 12, 16),))

# Words for what is no attention, or attention that no kind describes; one of a tuple must be said.
ACTIVATION = ("activation",)
GLU = ("glu", "gated linear", "halves")
NORMALIZATION = ("normali",)
CELL = ("cell", "recurrent", "blend")
BLEND = ("blend",)
MIXTURE = ("mixture", "expert")
DYNAMIC = ("dynamic", "weights")
COORDINATES = ("coordinate", "soft-argmax")
MODULATION = ("modulation",)
MASK = ("mask",)
PRODUCT = ("product",)
CHANNELS_ON_CHANNELS = ("channels on channels", "channel")
WINDOWS = ("window",)
GROUPS = ("group",)
STRIP = ("strip", "turned", "plane", "triplet")


@dataclass(frozen=True)
class Shown:
    """One part that must be found.

    ``shape`` is of its value at the network's first size (an affinity: queries and keys; strips: a pair; None: not
    asked); ``neutral`` is its "off" value, ... where it is not asked. ``module`` is the module whose output is the
    value, to be hooked, seen from the network; without one the block's module keeps it as ``seen``. ``plus``: what is
    added to it before it multiplies; a value with that, and its neutral value with it too, is as true.
    """

    kind: Kind
    role: Role | EllipsisType
    shape: Shape | tuple[Shape, Shape] | None
    neutral: float | EllipsisType | None = ...
    module: str | None = None
    heads: int = 1
    grids: tuple[Shape, Shape] | None = None
    plus: float = 0.0


@dataclass(frozen=True)
class Claim:
    """One block that must be found: where, its parts, and its mechanism (... where it is not asked).

    ``whole``: the block is all of the module, so that its input and output are the module's.
    """

    layer: str
    parts: tuple[Shown, ...]
    mechanism: str | EllipsisType | None = ...
    whole: bool = True
    kept: bool = True
    calls: int = 1


@dataclass(frozen=True)
class Named:
    """One of ``words`` must be said, in a note or by a block there; a block may only claim what is ``allowed``."""

    words: tuple[str, ...]
    allowed: frozenset[Kind] = frozenset()


@dataclass(frozen=True)
class Network:
    """A network that is built afresh, two sizes of its inputs (one twice where it is fixed), and the answer."""

    build: Callable[[], nn.Module]
    sizes: tuple[Shapes, Shapes]
    claims: tuple[Claim, ...] = ()
    named: tuple[Named, ...] = ()
    half: bool = False  # in bfloat16

    @property
    def has_attention(self) -> bool:
        return bool(self.claims) or any(named.allowed for named in self.named)


class Around(nn.Module):
    """Convolution, the block, pooling, linear: features of 12 channels (or so) as large as the input."""

    def __init__(self, attention: nn.Module, channels: int = 12, dims: int = 2) -> None:
        super().__init__()
        conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1]
        self.stem = conv(3, channels, 3, padding=1)
        self.attention = attention
        self.head = nn.Linear(channels, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attention(self.stem(x).relu())
        return self.head(x.flatten(2).mean(2) if x.dim() > 2 else x)


def around(
    make: Callable[[], nn.Module],
    *parts: Shown,
    mechanism: str | EllipsisType | None = ...,
    sizes: tuple[Shapes, Shapes] = PICTURES,
    channels: int = 12,
    whole: bool = True,
    kept: bool = True,
    calls: int = 1,
) -> Network:
    """A network around one block, at ``attention``."""
    dims = len(sizes[0][0]) - 2
    claim = Claim("attention", parts, mechanism, whole, kept, calls)
    return Network(lambda: Around(make(), channels, dims), sizes, (claim,))


def naming(
    make: Callable[[], nn.Module],
    words: tuple[str, ...] | None = None,
    *allowed: Kind,
    sizes: tuple[Shapes, Shapes] = PICTURES,
    channels: int = 12,
) -> Network:
    """A network around a module that is no attention, or none of the kinds that there are."""
    dims = len(sizes[0][0]) - 2
    named = () if words is None else (Named(words, frozenset(allowed)),)
    return Network(lambda: Around(make(), channels, dims), sizes, named=named)


def channel(
    count: int = 12, neutral: float | EllipsisType | None = 1.0, module: str | None = None, plus: float = 0.0
) -> Shown:
    return Shown(Kind.CHANNEL, Role.GATE, (count,), neutral, module, plus=plus)


def spatial(*grid: int, neutral: float | EllipsisType | None = 1.0, module: str | None = None) -> Shown:
    return Shown(Kind.SPATIAL, Role.GATE, grid or (14, 22), neutral, module)


def volume(
    *shape: int, neutral: float | EllipsisType | None = 1.0, module: str | None = None, plus: float = 0.0
) -> Shown:
    return Shown(Kind.VOLUME, Role.GATE, shape or (12, 14, 22), neutral, module, plus=plus)


def strips(module: str | None = None) -> Shown:
    return Shown(Kind.COORDINATE, Role.GATE, ((12, 14), (12, 22)), 1.0, module)


def branch(count: int, channels: int = 12, module: str | None = None) -> Shown:
    return Shown(Kind.BRANCH, Role.DISTRIBUTION, (count, channels), 1 / count, module)


def context(*grid: int, module: str | None = None) -> Shown:
    return Shown(Kind.CONTEXT, Role.DISTRIBUTION, grid or (14, 22), ..., module)


def term(count: int = 12, module: str | None = None) -> Shown:
    return Shown(Kind.CHANNEL, Role.TERM, (count,), 0.0, module)


def affinity(
    queries: Shape, keys: Shape | None = None, heads: int = 1, role: Role | EllipsisType = Role.DISTRIBUTION
) -> Shown:
    """On grids of queries and keys."""
    keys = queries if keys is None else keys
    count = tuple(_size(grid) for grid in (queries, keys))
    return Shown(Kind.AFFINITY, role, count, heads=heads, grids=(queries, keys))


def _size(grid: Shape) -> int:
    size = 1
    for n in grid:
        size *= n
    return size

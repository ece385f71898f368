"""Attention values: from what a hook sees to the shapes that records have, and back.

Inside a pass values keep their batch axis; a record's values have none. The canonical shapes are
those of ``Kind`` with the batch in front.
"""

from dataclasses import dataclass, replace
from numbers import Integral
from typing import NamedTuple

import torch
from torch import Tensor

from attnviz.errors import OptionError, ShapeError
from attnviz.mechanisms import Kind, Part
from attnviz.mechanisms.non_local import Affinity as Pairing

MATRIX_LIMIT = 64 * 2**20  # values: 256 MB in float32


class Coordinate(NamedTuple):
    """The strips of a coordinate attention: h (C, H) and w (C, W)."""

    h: Tensor
    w: Tensor


@dataclass(frozen=True, eq=False)
class AffinityMap:
    """A Non-Local block's affinity, kept as its factors; rows are computed when they are asked for.

    theta (Q, d) and phi (K, d) with Q queries and K keys on their grids. ``fixed`` (Q, K) stands
    instead where an edit replaced the whole matrix. The softmax forms' rows sum to 1.
    """

    theta: Tensor
    phi: Tensor
    query_grid: tuple[int, ...]
    key_grid: tuple[int, ...]
    pairing: Pairing
    fixed: Tensor | None = None

    @property
    def pairwise(self) -> str:
        """The pairwise function: "embedded_gaussian", "gaussian", "dot_product" or "concatenation"; "matrix" where
        theta (Q, K) is the affinity itself."""
        return self.pairing.pairwise

    @property
    def scale(self) -> float:
        """What the logits are multiplied by before the softmax."""
        return self.pairing.scale

    def row(self, q: int | tuple[int, ...], head: int = 0) -> Tensor:
        """How much query q reads of every key, on the keys' grid.

        Args:
            q: flat index, or coordinates on the query grid.
            head: 0; a Non-Local block has one.
        """
        if head != 0:
            raise OptionError(f"head is {head}; this block has one head, 0")
        return self._rows(slice(index := self.flat(q), index + 1))[0].view(self.key_grid)

    def matrix(self) -> Tensor:
        """All rows, (Q, K). Raises ShapeError where it would not fit: ask for rows instead."""
        queries, keys = len(self.theta), len(self.phi)
        if queries * keys > MATRIX_LIMIT:
            size = queries * keys * 4 / 2**30
            raise ShapeError(f"the affinity of {queries} by {keys} positions would take {size:.1f} GB; use .row(q)")
        return self._rows(slice(None))

    def flat(self, q: int | tuple[int, ...]) -> int:
        """The flat index of a query. Raises OptionError outside the grid."""
        grid = self.query_grid if isinstance(q, tuple | list) else (len(self.theta),)
        given = tuple(q) if isinstance(q, tuple | list) else (q,)
        whole = all(isinstance(i, Integral) and not isinstance(i, bool) for i in given)
        if not whole or len(given) != len(grid) or not all(0 <= i < n for i, n in zip(given, grid, strict=True)):
            size = "x".join(map(str, self.query_grid))
            raise OptionError(f"query {q!r} is outside the {size} grid, which has {len(self.theta)} positions")
        index = 0
        for i, n in zip(given, grid, strict=True):
            index = index * n + int(i)
        return index

    def _rows(self, which: slice) -> Tensor:
        if self.fixed is not None:
            return self.fixed[which]
        return self.pairing(self.theta[None, which], self.phi[None])[0]


Value = Tensor | Coordinate | AffinityMap


@dataclass
class Reading:
    """One part's value in one call of its block, batch in front (canonical shapes)."""

    layer: str
    part: Part
    call: int
    value: Tensor | tuple[Tensor, ...] | AffinityMap
    time: int  # rises with what the network computes


@dataclass
class Flow:
    """A block's input and output in one call: their mean |x| over channels, and, if kept, themselves."""

    before: Tensor
    after: Tensor | None = None
    input: Tensor | None = None
    output: Tensor | None = None


def canonical(kind: Kind, raw: Tensor) -> Tensor:
    """A point's output in its kind's shape, batch in front; a strip of a coordinate gives (B, C, n)."""
    batch = len(raw)
    match kind:
        case Kind.CHANNEL:
            return raw.reshape(batch, -1)
        case Kind.SPATIAL | Kind.CONTEXT:
            return raw.reshape(batch, *raw.shape[-2:])
        case Kind.VOLUME | Kind.AFFINITY:
            return raw
        case Kind.COORDINATE:
            return raw.reshape(batch, raw.shape[1], -1)
        case Kind.BRANCH:
            return raw.reshape(batch, raw.shape[1], -1)
    raise OptionError(f"no attention kind {kind!r}")


def raw(kind: Kind, value: Tensor | tuple[Tensor, ...] | AffinityMap) -> Tensor | tuple[Tensor, ...]:
    """What ``Mechanism.recompose`` takes, of a batched value in its kind's shape."""
    if isinstance(value, AffinityMap):
        return value.pairing(value.theta, value.phi) if value.fixed is None else value.fixed
    if isinstance(value, tuple):
        return value[0][..., None], value[1][..., None, :]
    return value[:, None] if kind in (Kind.SPATIAL, Kind.CONTEXT) else value


def first(value: Tensor | tuple[Tensor, ...] | AffinityMap) -> Value:
    """A batched value's first picture, as a record keeps it: float32, CPU, a copy."""
    if isinstance(value, AffinityMap):
        fixed = None if value.fixed is None else _plain(value.fixed[0])
        return replace(value, theta=_plain(value.theta[0]), phi=_plain(value.phi[0]), fixed=fixed)
    if isinstance(value, tuple):
        return Coordinate(*(_plain(strip[0]) for strip in value))
    return _plain(value[0])


def _plain(value: Tensor) -> Tensor:
    return value.detach().to("cpu", torch.float32, copy=True)

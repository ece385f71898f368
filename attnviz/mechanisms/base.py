"""What every attention mechanism is: a module whose forward pass is its list of steps.

A mechanism writes its formula once, as the generator ``compute``: each step is a named tensor in
the order of the paper's formula, and the last one is the block's output. ``forward`` runs to the
last step, ``steps`` keeps them all, so what is explained is what is computed.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from attnviz.errors import OptionError, ShapeError


class Kind(StrEnum):
    """The shape of an attention value for one picture (C channels, M branches, H x W positions)."""

    CHANNEL = "channel"  # (C,)
    SPATIAL = "spatial"  # (H, W)
    VOLUME = "volume"  # (C, H, W)
    COORDINATE = "coordinate"  # h (C, H) and w (C, W)
    BRANCH = "branch"  # (M, C)
    CONTEXT = "context"  # (H, W)
    AFFINITY = "affinity"  # one row of (keys,) for each query, kept as factors


class Role(StrEnum):
    """What an attention value does."""

    GATE = "gate"  # multiplies features, 0 to 1
    LOGIT = "logit"  # what a sigmoid will see
    TERM = "term"  # is added
    DISTRIBUTION = "distribution"  # sums to 1, with what falls outside the picture


class Placement(StrEnum):
    """Where a mechanism sits in a residual network."""

    BRANCH = "branch"  # at the end of the residual branch, before the addition
    CONV = "conv"  # in place of the branch's second 3x3 convolution
    BLOCK = "block"  # after a block's last ReLU
    STAGE = "stage"  # after a stage


@dataclass(frozen=True)
class Part:
    """One attention value of a mechanism: where it is read, what it is, and its neutral value.

    ``points`` are the submodules whose output is the value (two for the strips of a coordinate
    attention). ``off`` is what the value becomes when this part alone is switched off, None where
    that means nothing. ``touches`` says that the value acts on the features themselves: an edit of
    the whole block edits these parts, and ``block_off`` is their value when the block is off
    (``off`` again where it is None). ``off_at`` is the submodule whose output is switched instead
    where the value itself has no neutral one.
    """

    name: str | None
    kind: Kind
    role: Role
    points: tuple[str, ...]
    off: float | None = None
    touches: bool = True
    block_off: float | None = None
    off_at: str | None = None


class Step(NamedTuple):
    """One step of a formula: its name, its LaTeX, its value, and a letter for each of the value's axes.

    The letters are those of ``Mechanism.axes_of``, which tells them where none are given.
    """

    name: str
    formula: str
    value: Tensor
    axes: str = ""


class Block:
    """An attention block, as far as it can be named, read and edited; ``Mechanism`` adds how it is computed.

    ``formula`` (LaTeX), ``citation`` and ``paper`` (arXiv number) are empty where no paper is known for it.
    """

    label: str
    formula: str
    citation: str
    paper: str
    channels: int
    in_channels: int
    parts: tuple[Part, ...]

    def part(self, name: str | None) -> Part:
        """The part of that name. Raises OptionError, with the names there are."""
        for part in self.parts:
            if part.name == name:
                return part
        names = ", ".join(repr(part.name) for part in self.parts)
        raise OptionError(f"{self.label} has no part {name!r}; its parts are {names}")

    def query_grid(self, grid: tuple[int, ...]) -> tuple[int, ...]:
        """An affinity's grid of queries, for features on ``grid``."""
        return grid

    def key_grid(self, grid: tuple[int, ...]) -> tuple[int, ...]:
        """An affinity's grid of keys."""
        return self.query_grid(grid)

    def axes_of(self, name: str, shape: tuple[int, ...]) -> str:
        """A letter for each axis of a step's value; "" where none is known."""
        return ""

    def equations(self) -> dict[str, str]:
        """The steps' equations, by step's name; none where no formula is known."""
        return {}


class Mechanism(nn.Module, Block, ABC):
    """An attention mechanism: (B, C, *grid) in, the same grid out (unless it has a stride).

    Subclasses declare ``label``, ``formula`` (LaTeX: the paper's; its steps are the block's own), ``citation``, ``paper`` (arXiv number),
    ``placement`` and ``parts``, and write ``compute``, ``recompose`` and ``equations``.

    ``axes`` names the axes of those steps' values whose shape does not tell (see ``axes_of``).
    """

    placement: ClassVar[Placement]
    axes: ClassVar[Mapping[str, str]] = {}
    grid_dims: int = 2
    parts: tuple[Part, ...]

    def __init__(self, channels: int) -> None:
        super().__init__()
        positive(type(self).__name__, channels=channels)
        self.channels = self.in_channels = channels  # what comes in may have another number in other people's blocks

    @abstractmethod
    def compute(self, x: Tensor) -> Iterator[Step]:
        """Yield the formula's steps for x (B, C, *grid), in order; the last is the output."""

    @abstractmethod
    def recompose(self, x: Tensor, attention: Mapping[str | None, Any]) -> Tensor:
        """The block's output from its input and its recorded attention, without computing the latter.

        Args:
            x: the block's input, (B, C, *grid).
            attention: for each part that ``touches`` or feeds the features, its values as the
                points gave them (batched); a pair for a coordinate attention.
        """

    @abstractmethod
    def equations(self) -> dict[str, str]:
        """The steps' equations for one channel c at one place (i, j), by step's name, as LaTeX to be filled.

        ``<gate>`` stands for that step's number there, ``<x>`` for the block's input, ``<share.1>`` for
        the second of several, ``<c>``, ``<i>`` and ``<j>`` for the indices. Steps that would say nothing
        are left out.
        """

    def axes_of(self, name: str, shape: tuple[int, ...]) -> str:
        """A letter for each axis of a step's value, from its name and its shape without a batch.

        c channel, h hidden unit, i row, j column, l rows and then columns, m one of several, q query,
        k key, d dimension of an embedding, 1 a single one; "" for a grid that is no picture's.
        """
        if name in self.axes:
            return self.axes[name]
        if len(shape) == 1:
            return "c" if shape[0] == self.channels else "h"
        if len(shape) != 3:
            return ""
        return "cij" if shape[0] == self.channels else "1ij"

    def check_shape(self, x: Tensor) -> None:
        """Refuse an input of another rank, with other channels, or without positions."""
        if x.dim() != self.grid_dims + 2 or x.shape[1] != self.in_channels or 0 in x.shape[2:]:
            wanted = ", ".join(["batch", str(self.in_channels), *"THW"[-self.grid_dims :]])
            raise ShapeError(f"{type(self).__name__} takes a tensor of shape ({wanted}), not {tuple(x.shape)}")
        self.check_grid(tuple(x.shape[2:]))

    def check_grid(self, grid: tuple[int, ...]) -> None:
        """Refuse features on a grid that the mechanism was not built for; most take any."""

    def forward(self, x: Tensor) -> Tensor:
        self.check_shape(x)
        for step in self.compute(x):
            output = step.value
        return output

    def steps(self, x: Tensor) -> tuple[Step, ...]:
        """Every step of the formula for x; the last one's value is ``self(x)``."""
        self.check_shape(x)
        return tuple(self.compute(x))

    @property
    def points(self) -> frozenset[str]:
        """The submodules whose output is read or edited."""
        return frozenset(
            point for part in self.parts for point in (*part.points, *([part.off_at] if part.off_at else []))
        )


def choose(mechanism: str, option: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Refuse a value that is not among the choices."""
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise OptionError(f"{mechanism}: {option} is {value!r}; it must be one of {', '.join(map(repr, choices))}")


def positive(mechanism: str, least: int = 1, **options: Any) -> None:
    """Refuse options that are not whole numbers of ``least`` or more."""
    for option, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise OptionError(f"{mechanism}: {option} is {value!r}; it must be a whole number, {least} or more")


def finite(mechanism: str, **options: Any) -> None:
    """Refuse options that are not finite numbers."""
    for option, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise OptionError(f"{mechanism}: {option} is {value!r}; it must be a finite number")


def switch(mechanism: str, **options: Any) -> None:
    """Refuse options that are neither True nor False."""
    for option, value in options.items():
        if not isinstance(value, bool):
            raise OptionError(f"{mechanism}: {option} is {value!r}; it must be True or False")


def hidden_width(mechanism: str, channels: int, reduction: int, min_hidden: int) -> int:
    """max(channels // reduction, min_hidden), refused where that is 0."""
    positive(mechanism, reduction=reduction)
    positive(mechanism, 0, min_hidden=min_hidden)
    hidden = max(channels // reduction, min_hidden)
    if hidden < 1:
        raise OptionError(
            f"{mechanism}: {channels} channels with reduction {reduction} leave no hidden unit; "
            f"reduce by {channels} at most, or give min_hidden"
        )
    return hidden


Halves = Literal["both", "channel", "spatial"]


def squeeze(x: Tensor, how: str) -> Tensor:
    """The mean ("avg") or the maximum ("max") of each channel: (B, C, H, W) -> (B, C)."""
    return x.mean((2, 3)) if how == "avg" else x.amax((2, 3))


def spread(channel: Tensor) -> Tensor:
    """(B, C) -> (B, C, 1, 1), to meet a feature map."""
    return channel[:, :, None, None]


class SpatialSoftmax(nn.Module):
    """Softmax over all positions: (B, 1, H, W) in and out."""

    def forward(self, logits: Tensor) -> Tensor:
        return torch.softmax(logits.flatten(2), dim=-1).view_as(logits)

"""What looking at a network gives: its blocks, and what was seen and is not claimed. Of tensors, samples are kept."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from attnviz.flow.layout import Layout
from attnviz.flow.replay import peak
from attnviz.mechanisms import Kind, Role

SAMPLE = 64  # entries at least, of larger values


@dataclass(frozen=True, slots=True)
class Point:
    """Where a tensor is found in a pass.

    ``where``: "result" (an operation's output number ``index``) or "operand" (its tensor number ``index``), for the
    operation ``name`` that is the ``ordinal``-th of that name directly inside run ``call`` of the module at ``path``
    (views are not counted upon, for their number depends on the batch); or "input" or "output" (tensor number
    ``index`` of that run of the module). ``layout`` leads to the shape of its kind and back. ``inverse``: the value
    is one divided by what stands there.
    """

    where: str
    path: str
    call: int
    name: str
    ordinal: int
    index: int
    layout: Layout
    inverse: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One attention value of a block.

    ``axes`` name the axes of its value in its kind's shape. ``points`` are, for each call of the block, where it is
    read: two for the strips of a coordinate attention, one a branch for shares that are tensors of their own.
    ``neutral`` is the value that leaves the features as they are (for shares of branches an even split), None where
    there is none, and then ``otherwise`` says what to do. ``low`` and ``high`` are its range in the pass that was
    looked at, ``deviation`` how it varies over its entries; ``note`` says what is unusual, as a softmax that does not
    run over the keys.
    """

    name: str | None
    kind: Kind
    role: Role
    axes: tuple[str, ...]
    points: tuple[tuple[Point, ...], ...]
    neutral: float | None = None
    otherwise: str = ""
    query_grid: tuple[int, ...] | None = None
    key_grid: tuple[int, ...] | None = None
    heads: int = 1
    squash: str = ""
    low: float = 0.0
    high: float = 0.0
    deviation: float = 0.0
    note: str = ""

    @property
    def constant(self) -> bool:
        """Whether it is the same everywhere, in the pass that was looked at."""
        return self.low == self.high


@dataclass(frozen=True, slots=True)
class Named:
    """One of the values that a block's paper names: the name, where it stands (at several points: stacked), and a
    letter for each of its axes (``Mechanism.axes_of``). Of a value that holds several, along its first axis, ``pick``
    says which one it is.
    """

    name: str
    points: tuple[Point, ...]
    form: str
    pick: int | None = None

    @property
    def _missing(self) -> int:
        """How many axes of one entry its values lack."""
        axes = len(self.points[0].layout.groups) + (len(self.points) > 1) - (self.pick is not None)
        return len(self.form) - axes

    @property
    def fits(self) -> bool:
        """Whether its values have an axis for each letter, but for those of one entry."""
        return 0 <= self._missing <= self.form.count("1")

    def shaped(self, values: Sequence[Tensor]) -> Tensor:
        """Its value (B, ...), an axis a letter, of what stands at its points."""
        value = torch.stack(list(values), 1) if len(values) > 1 else values[0]
        value = value if self.pick is None else value[:, self.pick]
        for place in [i for i, letter in enumerate(self.form, 1) if letter == "1"][: self._missing]:
            value = value.unsqueeze(place)
        return value


@dataclass(frozen=True, slots=True)
class Paper:
    """A paper's own steps in a block: for each of its calls, in the order of the paper; and the choices that the paper
    leaves, as this block makes them.
    """

    steps: tuple[tuple[Named, ...], ...]
    options: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Block:
    """An attention block: the module at ``layer`` ("" is the network's own forward), run ``calls`` times.

    ``number`` is 1, 2, ... where that module's own forward holds several, else 0; ``id`` tells each from all others.

    ``name`` is its class, ``mechanism`` the paper's name that its flow has, or None. ``verified``: its output was
    computed again from each part, narrowed to the axes that it claims; ``error`` is the largest difference, relative
    to the output's peak, and ``why`` says what failed. ``before`` and ``after`` are, for each call, where its features
    are read. ``paper`` has the steps of its mechanism's paper; None where it has no paper, or not all of its steps, and
    then ``unlike`` says what is another.
    """

    layer: str
    number: int
    calls: int
    name: str
    mechanism: str | None
    parts: tuple[Part, ...]
    verified: bool
    error: float
    why: str
    before: tuple[Point, ...]
    after: tuple[Point, ...]
    paper: Paper | None = None
    unlike: str = ""

    @property
    def points(self) -> tuple[Point, ...]:
        """Where its parts stand, in all its calls."""
        return tuple(point for part in self.parts for points in part.points for point in points)

    @property
    def around(self) -> tuple[Point, ...]:
        """Where its features stand, before and after it, in all its calls."""
        return (*self.before, *self.after)

    @property
    def named(self) -> tuple[Point, ...]:
        """Where its paper's steps stand, in all its calls."""
        return tuple(p for steps in self.paper.steps for step in steps for p in step.points) if self.paper else ()

    @property
    def id(self) -> str:
        """The layer, and the number where it has one."""
        return f"{self.layer} {self.number}" if self.number else self.layer


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was seen and is not claimed: where, what it is in a word or two, and why, in a sentence."""

    layer: str
    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sight:
    """All that looking at a network found, in the order in which it runs.

    ``samples``: of what stood at each of the blocks' points (``sample``).
    """

    blocks: tuple[Block, ...]
    noted: tuple[Note, ...]
    samples: Mapping[Point, Tensor] = field(default_factory=dict, compare=False, repr=False)

    def outside(self, paths: Iterable[str]) -> "Sight":
        """What was found outside of the modules at these paths."""
        inside = tuple(f"{path}." for path in paths)
        return Sight(
            tuple(b for b in self.blocks if not any(f"{point.path}.".startswith(inside) for point in b.points)),
            tuple(note for note in self.noted if not f"{note.layer}.".startswith(inside)),
            self.samples,
        )


def sample(point: Point, tensor: Tensor) -> Tensor:
    """Some entries of the first picture's value at a point, evenly spaced, and its peak: enough to know it by.

    Not a number where the tensor has other axes.
    """
    try:
        value = point.layout.canonical(tensor.detach())[:1].reshape(-1)
        return torch.cat([value[:: max(1, len(value) // SAMPLE)], peak(value)[None]])
    except (RuntimeError, ValueError):
        return torch.full((1,), float("nan"))

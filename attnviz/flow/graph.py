"""What one pass computed, as a graph: values, the operations that made them, and the module calls around them.

Nothing here runs a network: ``record`` fills a graph, ``label`` says what its axes mean, the rest reads it.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor

from attnviz.flow.atoms import Label


class Frame(NamedTuple):
    """One run of a module: its dotted path ("" is the network itself) and which run it is."""

    path: str
    call: int


Stack = tuple[Frame, ...]


class Address(NamedTuple):
    """Where an operation is found again in another pass: the innermost module run, the operation's name, and how
    many of that name ran there before it.
    """

    path: str
    call: int
    name: str
    ordinal: int


class Strides(NamedTuple):
    """How a tensor lies in its memory."""

    shape: tuple[int, ...]
    steps: tuple[int, ...]
    offset: int


@dataclass(slots=True, eq=False)
class Value:
    """A tensor of the pass, without its numbers.

    ``op`` made it as its output number ``slot``; None: it came from outside (an input, a weight, a constant).
    ``depends``: whether it hangs on the network's input. ``tensor`` is kept only for what came from outside.
    """

    id: int
    shape: tuple[int, ...]
    op: "Op | None"
    slot: int
    depends: bool
    whole: bool = False  # whether it holds whole numbers or truths
    name: str = ""
    tensor: Tensor | None = None
    ancestors: int = 0
    label: Label = ()

    def __repr__(self) -> str:
        return f"%{self.id}{list(self.shape)}"


@dataclass(slots=True, eq=False)
class Op:
    """One ATen operation: its arguments hold a Value where a tensor stood.

    ``func`` is None for what another alias of a written tensor sees of the write (``strides`` says how both lie).
    ``ancestors``: a bit for each operation, itself included, that it hangs on. ``guessed``: no rule says what the axes
    of its outputs mean.
    """

    id: int
    name: str
    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: tuple[Value, ...]
    stack: Stack
    ordinal: int
    outputs: list[Value] = field(default_factory=list)
    ancestors: int = 0
    strides: tuple[Strides, Strides] | None = None
    guessed: bool = False

    @property
    def live(self) -> list[Value]:
        """The inputs that hang on the network's input."""
        return [value for value in self.inputs if value.depends]

    @property
    def out(self) -> Value:
        return self.outputs[0]

    @property
    def address(self) -> Address:
        frame = self.stack[-1] if self.stack else Frame("", 0)
        return Address(frame.path, frame.call, self.name, self.ordinal)

    def argument(self, place: int, name: str, otherwise: Any = None) -> Any:
        """An argument by its place or its name."""
        return self.args[place] if len(self.args) > place else self.kwargs.get(name, otherwise)

    def __repr__(self) -> str:
        return f"{self.name}({list(self.inputs)}) -> {self.outputs} @ {self.stack[-1].path if self.stack else ''}"


@dataclass(slots=True)
class Run:
    """A module's run: what went in, what came out, and its class."""

    kind: str
    inputs: list[Value]
    outputs: list[Value] = field(default_factory=list)


@dataclass(slots=True)
class Graph:
    """One recorded pass."""

    ops: list[Op] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    runs: dict[Frame, Run] = field(default_factory=dict)
    inputs: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    users: dict[int, list[Op]] = field(default_factory=lambda: defaultdict(list))
    random: bool = False
    leaks: list[str] = field(default_factory=list)  # modules that took numbers out of the graph
    unruled: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # operations without a rule of axes
    batch: int = 1

    def finish(self) -> None:
        """Fill in who uses what, and everybody's ancestors."""
        for op in self.ops:
            op.ancestors = 1 << op.id
            for value in op.inputs:
                self.users[value.id].append(op)
                op.ancestors |= value.ancestors
            for value in op.outputs:
                value.ancestors = op.ancestors

    def chosen(self, bits: int) -> Iterator[Op]:
        """The operations whose bits are set, in order."""
        while bits:
            low = bits & -bits
            yield self.ops[low.bit_length() - 1]
            bits ^= low


def within(op: Op, frame: Frame) -> bool:
    """Whether an operation ran inside a module's run."""
    return frame in op.stack


def common(stacks: list[Stack]) -> Stack:
    """The module runs that all stacks share."""
    shared = stacks[0]
    for stack in stacks[1:]:
        depth = 0
        while depth < min(len(shared), len(stack)) and shared[depth] == stack[depth]:
            depth += 1
        shared = shared[:depth]
    return shared

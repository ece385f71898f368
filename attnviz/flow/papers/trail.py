"""The way from the features to an attention value, as the learned layers on it and what lies between them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

from attnviz.flow.block import Draft, Holder, Spot, same
from attnviz.flow.claim import Claim, Found
from attnviz.flow.graph import Op, Value
from attnviz.flow.rules.pointwise import NORMS
from attnviz.flow.tokens import LAYERS, token
from attnviz.flow.trace import GATES, SEES, VIEWS, scaled, walk
from attnviz.mechanisms import Kind, Role

LONGEST = 100
MOVES = frozenset({"flip", "roll", "index", "index_select", "gather"})  # entries change their places
SILENT = (VIEWS | {"unfold", "im2col", "col2im"}) - MOVES  # places laid out otherwise
ACTIVATIONS = frozenset({
    "_prelu_kernel", "celu", "clamp_min", "elu", "gelu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "mish",
    "prelu", "relu", "relu6", "rrelu_with_noise", "selu", "sigmoid", "silu", "softplus", "tanh", "threshold",
})  # fmt: skip


@dataclass(frozen=True, eq=False)
class Landmark:
    """Where one of a paper's named values stands; several values are stacked.

    ``form`` has a letter for each of its axes (``Mechanism.axes_of``); of a value that holds several along the first,
    ``pick`` says which one it is.
    """

    values: tuple[Value | Spot, ...]
    form: str
    pick: int | None = None


def mark(value: Value | Spot, form: str, pick: int | None = None) -> Landmark:
    """The landmark of one value."""
    return Landmark((value,), form, pick)


@dataclass(frozen=True, eq=False)
class Landmarks:
    """A block's, by the name of the step, in the order of the paper, the last one its output; and the options that its
    mechanism has here.
    """

    steps: dict[str, Landmark]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class BlockFlow:
    """A block in the recorded pass, and what it gives."""

    found: Found
    holder: Holder
    output: Value

    def part(self, kind: Kind, role: Role | None = None) -> Draft | None:
        """Its only part of a kind (and a role), or None."""
        fit = [part for part in self.holder.parts if part.kind is kind and role in (None, part.role)]
        return fit[0] if len(fit) == 1 else None

    def ends(self, part: Draft) -> bool:
        """Whether the block gives what a part's value makes of the features, as it is, or laid end to end."""
        made = {same(claim.out).id for claim in part.claims}
        return {same(value).id for value in beside(self.output) or [self.output]} <= made

    @cached_property
    def starts(self) -> frozenset[int]:
        """The features, as they come in and as parts of the block give them."""
        run = self.found.graph.runs.get(self.holder.frame) if self.holder.whole else None
        features = [claim.features for part in self.holder.parts for claim in part.claims]
        return frozenset(same(value).id for value in (*features, *(run.inputs if run is not None else ())))

    def trail(self, value: Value, start: Value | None = None) -> "Trail":
        """The way to a value from the features, from the last place where several values came together, or from
        ``start``, where it comes by that.
        """
        ops: list[Op] = []
        ends = self.starts if start is None else self.starts | {start.id, same(start).id}
        while value.op is not None and len(ops) < LONGEST and value.id not in ends:
            op = value.op
            if op.name in ("alias_write", "copy"):  # what was written is the second
                if prod(op.inputs[1].shape) < prod(op.out.shape):
                    break
                value = op.inputs[1]
                continue
            live = {each.id: each for each in op.live}
            if len(live) > 1:  # an activation by hand, x * relu6(x + 3) / 6, is one operation
                live = {each.id: each for each in map(self.found.origin, live.values())}
            if len(live) != 1 or (len(op.live) > 1 and op.name in VIEWS):
                break
            if op.name not in SILENT:
                ops.append(op)
            [value] = live.values()
        return Trail(value, tuple(reversed(ops)))


@dataclass(frozen=True, eq=False)
class Trail:
    """The operations that lead to a value from ``start``, each of which takes what the one before it gave.

    ``ops`` are in order and without views; ``layers`` are those with weights, by their place in ``ops``.
    """

    start: Value
    ops: tuple[Op, ...]

    @property
    def layers(self) -> list[int]:
        return [i for i, op in enumerate(self.ops) if token(op).startswith(LAYERS)]

    @property
    def squeezed(self) -> Value | None:
        """What the features were pooled to before the first layer, and by nothing else; None otherwise."""
        first = self.layers[0] if self.layers else len(self.ops)
        pools = [i for i in range(first) if token(self.ops[i]).startswith(("g", "p"))]
        between = [op for i, op in enumerate(self.ops[:first]) if i not in pools]
        if not pools or any(token(op) or op.name in MOVES for op in between):
            return None
        last = pools[-1]
        while last + 1 < first and _by_number(self.ops[last + 1]):
            last += 1
        return self.ops[last].out

    @property
    def pooling(self) -> str:
        """Which pooling it starts with: "avg" or "max"."""
        first = self.layers[0] if self.layers else len(self.ops)
        return "max" if any(token(op).endswith("max") for op in self.ops[:first]) else "avg"

    def given(self, number: int) -> Value:
        """What a layer is given, before views of it."""
        place = self.layers[number]
        return self.ops[place - 1].out if place else self.start

    def gave(self, number: int) -> Value:
        """What a layer gives, with the norm and the bias that come after it."""
        place = self.layers[number]
        while place + 1 < len(self.ops) and _completes(self.ops[place + 1]):
            place += 1
        return self.ops[place].out

    def activated(self, number: int) -> Value | None:
        """A layer's activation, where that is all that stands between it and the next layer; None otherwise."""
        given, gave = self.given(number + 1), self.gave(number)
        between = [op for op in self.ops[self.layers[number] : self.layers[number + 1]] if op.id > _made(gave)]
        return given if activates(between) else None

    @property
    def layer(self) -> bool:
        """Whether it is one layer, with its norm and bias, and scaled by weights or numbers at most."""
        return self.layers == [0] and all(_completes(op) or scaled(op) is not None for op in self.ops[1:])

    @property
    def mlp(self) -> bool:
        """Whether it is layers, each with its norm and one activation behind it, the last one without."""
        return (
            bool(self.layers)
            and self.layers[0] == 0
            and self.whole
            and all(self.activated(number) is not None for number in range(len(self.layers) - 1))
        )

    def weights(self, number: int) -> frozenset[int]:
        """The weights of a layer, by their values' ids."""
        return frozenset(_stored(value).id for value in self.ops[self.layers[number]].inputs if not value.depends)

    @property
    def whole(self) -> bool:
        """Whether nothing stands behind the last layer and its norm but numbers, as those of a sigmoid by hand."""
        last = self.gave(-1)
        return all(_by_number(op) for op in self.ops[self.layers[-1] :] if op.id > _made(last))


def activates(ops: Sequence[Op]) -> bool:
    """Whether operations are one activation, also where it is written out, as x * relu6(x + 3) / 6."""
    bent = [op for op in ops if not _by_number(op)]
    if len(bent) != 1 or bent[0].name in ACTIVATIONS:
        return len(bent) == 1
    below = [made for value in bent[0].live for _, made in walk(value, GATES)]
    return bent[0].name == "mul" and any(made is not None and made.name in ACTIVATIONS for made in below)


def _stored(value: Value) -> Value:
    """A weight as the module has it, before it was viewed otherwise."""
    while value.op is not None and value.op.inputs:
        value = value.op.inputs[0]
    return value


def _made(value: Value) -> int:
    return value.op.id if value.op is not None else -1


def _by_number(op: Op) -> bool:
    """Whether an operation scales or shifts by a number, and does nothing else."""
    return scaled(op) is not None and all(prod(value.shape) == 1 for value in op.inputs if not value.depends)


def _completes(op: Op) -> bool:
    """Whether an operation is the rest of a layer: a norm, or a bias that is added."""
    return op.name in NORMS or (op.name == "add" and scaled(op) is not None and not _by_number(op))


def before_squash(claim: Claim) -> Value | None:
    """What a gate's squash takes; None where it comes of several squashes."""
    found = claim.root_ops
    return found[0].live[0] if len(found) == 1 and len(found[0].live) == 1 else None


def sources(value: Value, *names: str) -> list[Value]:
    """What an operation of such a name put together, where the value is what it gave; [] where it is not."""
    found = [op for _, op in walk(value, SEES)]
    if len(found) != 1 or found[0] is None or found[0].name not in names:
        return []
    return found[0].live


def beside(value: Value) -> list[Value]:
    """The values that one was put together of, by a function or by writing into a buffer; [] where it was not."""
    op = value.op
    while op is not None and op.name in SEES and len(op.live) == 1 and op.name != "copy":
        op = op.live[0].op
    if op is None:
        return []
    if op.name in ("cat", "stack"):
        return op.live
    if op.name == "alias_write" and prod(op.inputs[1].shape) < prod(op.out.shape):
        old, new = op.inputs
        return [*beside(old), new.op.inputs[1] if new.op is not None and new.op.name == "copy" else new]
    return []


def logits_of(soft: Op) -> Value:
    """What a softmax takes, also where it is written out."""
    value = soft.live[0]
    if soft.name not in ("div", "true_divide"):
        return value
    while value.op is not None and value.op.name in ("exp", "sub", *SEES):
        value = value.op.live[0]
    return value

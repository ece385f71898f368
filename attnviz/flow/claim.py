"""What finding hands on: a claim, that some value is attention, or a remark, that something only looks like it."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from attnviz.flow.atoms import Axis, Label
from attnviz.flow.graph import Graph, Op, Stack, Value, common
from attnviz.flow.trace import BOUNDED, Origins, Root
from attnviz.flow.twins import twins
from attnviz.mechanisms import Role


class Remark(NamedTuple):
    """Something that was seen and is not claimed: where, what it is in a word or two, and why in a sentence."""

    op: Op
    what: str
    reason: str

    @property
    def layer(self) -> str:
        return self.op.stack[-1].path if self.op.stack else ""


@dataclass(eq=False)
class Claim:
    """A value that may be attention.

    ``op`` is where it meets the features; ``what`` says over what it varies: "channel", "spatial", "volume", "strip",
    "branch", "context", "affinity", "term" and kinds that have no Kind ("window", "group", "turned", ...).
    ``on`` and ``over`` are the labels of features and gate as they meet; ``soft`` is its softmax.
    """

    op: Op
    role: Role
    what: str
    gate: Value
    features: Value
    roots: list[Root]
    chain: list[Op]
    on: Label = ()
    over: Label = ()
    equal: bool = False  # whether it varies over all that the features vary over
    soft: Op | None = None
    via: Value | None = None  # the product of gates that it is a factor of
    divides: bool = False  # the features are divided by it
    heads: tuple[Axis, ...] = ()
    rows: tuple[Axis, ...] = ()
    keys: Axis = ()
    row_axis: int | None = None  # of an affinity, in what its root gives
    key_axis: int | None = None
    note: str = ""
    excluded: Remark | None = field(default=None)

    @property
    def out(self) -> Value:
        return self.op.outputs[0]

    @property
    def squash(self) -> str:
        found = [root.squash for root in self.roots]
        return next((each for each in found if each in BOUNDED), found[0] if found else "none")

    @property
    def bounded(self) -> bool:
        return self.squash in BOUNDED

    @property
    def root_ops(self) -> list[Op]:
        return [root.op for root in self.roots if root.op is not None]

    @property
    def stack(self) -> Stack:
        return common([op.stack for op in (*self.chain, self.op)])

    def drop(self, what: str, reason: str) -> None:
        """It is no attention, or none of a kind that there is."""
        if self.excluded is None:
            self.excluded = Remark(self.op, what, reason)


@dataclass
class Found:
    """All claims and remarks of a graph, as they are collected."""

    graph: Graph
    claims: list[Claim] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    origin: Origins = field(default_factory=Origins)

    @cached_property
    def _twins(self) -> dict[int, int]:
        return twins(self.graph)

    def alike(self, values: set[int]) -> set[int]:
        """For values, by id, the first ones that hold the same: written twice, they are computed twice."""
        return {self._twins.get(each, each) for each in values}

    def remark(self, op: Op, what: str, reason: str) -> None:
        self.remarks.append(Remark(op, what, reason))

    @property
    def alive(self) -> list[Claim]:
        return [claim for claim in self.claims if claim.excluded is None]

"""Where a block's values stand in a pass: its attention, the features around it, and its paper's steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attnviz.flow.atoms import Label, places
from attnviz.flow.block import Draft, Holder, Spot, same
from attnviz.flow.claim import Claim, Found
from attnviz.flow.graph import Frame, Op, Value
from attnviz.flow.layout import Layout, formed, lay_out
from attnviz.flow.outcome import output_of, residual
from attnviz.flow.papers import PAPERS, landmarks
from attnviz.flow.sight import Named, Point
from attnviz.flow.trace import SEES, descends
from attnviz.mechanisms import Kind, Role


@dataclass(frozen=True, eq=False)
class Stand:
    """A value of the graph, and the point at which a pass has it."""

    value: Value
    point: Point


@dataclass(frozen=True, eq=False)
class PaperPlace:
    """The steps of a block's paper, each with where it stands; and the choices that the paper leaves."""

    steps: Sequence[tuple[Named, tuple[Stand, ...]]]
    options: Mapping[str, Any]

    @property
    def named(self) -> tuple[Named, ...]:
        return tuple(named for named, _ in self.steps)


@dataclass(eq=False)
class Place:
    """Of one run of a block: where each of its parts, its features before and after, and its paper's steps stand.

    ``paper`` is None where it has not all of these, or where they turn out to be something else; ``unlike`` then says
    in a sentence what is another than in the paper that it is named after.
    """

    holder: Holder
    parts: Sequence[tuple[Stand, ...]]
    before: Stand
    after: Stand
    paper: PaperPlace | None
    unlike: str = ""

    @property
    def stands(self) -> list[Stand]:
        """All of them."""
        steps = [stands for _, stands in self.paper.steps] if self.paper is not None else []
        return [self.before, self.after, *(stand for stands in (*self.parts, *steps) for stand in stands)]


def place(found: Found, holder: Holder) -> Place:
    """Where a block's values stand."""
    after = _after(found, holder)
    parts = [tuple(stand_of(spot) for spot in part.spots) for part in holder.parts]
    paper = _paper(found, holder, after)
    named = paper is None and holder.mechanism in PAPERS
    unlike = f"Not all of the steps of {holder.mechanism} are computed in it as such." if named else ""
    return Place(holder, parts, _before(found, holder), after, paper, unlike)


def stand_of(spot: Spot) -> Stand:
    """Where a part's value stands."""
    where, index = ("result", spot.slot) if spot.slot is not None else ("operand", spot.operand)
    assert index is not None
    return _at(spot.value, where, spot.op, index, spot.layout, inverse=spot.inverse)


def _at(value: Value, where: str, op: Op, index: int, layout: Layout, *, inverse: bool = False) -> Stand:
    address = op.address
    point = Point(where, address.path, address.call, address.name, address.ordinal, index, layout, inverse)
    return Stand(value, point)


# Features around a block


def _features(draft: Draft, label: Label) -> Layout:
    return lay_out(draft.claim, label, Kind.VOLUME)


def _before(found: Found, holder: Holder) -> Stand:
    """The input of the block's module that its features are made of; where that is not the block, the features."""
    draft = next(part for part in holder.parts if part.role is not Role.LOGIT)
    claim = draft.claim
    run = found.graph.runs.get(holder.frame)
    if run is not None and holder.whole:
        fit = [
            i
            for i, value in enumerate(run.inputs)
            if places(value.label) and _leads(run.outputs, claim.features, value)
        ]
        exact = [i for i in fit if same(run.inputs[i]) is same(claim.features) and not claim.keys]
        exact += [i for i in fit if run.inputs[i].shape in {value.shape for value in run.outputs}]
        for index in (*exact, *fit):
            return _around("input", holder.frame, run.inputs, index, draft)
    op, value = _sum(found, holder, claim) or (claim.op, claim.features)
    index = next((i for i, each in enumerate(op.inputs) if each is value), 0)
    return _at(op.inputs[index], "operand", op, index, _features(draft, op.inputs[index].label))


def _leads(outputs: list[Value], features: Value, value: Value) -> bool:
    """Whether the block's features, or what it gives, are made of a value."""
    return descends(features, value) or any(descends(each, value) for each in outputs)


def _after(found: Found, holder: Holder) -> Stand:
    draft = holder.parts[-1]
    value = output_of(found, holder, draft)
    end = _sum(found, holder, draft.claim)
    if end is not None:
        value = end[0].out
    run = found.graph.runs.get(holder.frame)
    if run is not None and value in run.outputs and holder.whole:
        return _around("output", holder.frame, run.outputs, run.outputs.index(value), draft)
    assert value.op is not None
    return _at(value, "result", value.op, value.slot, _features(draft, value.label))


def _sum(found: Found, holder: Holder, claim: Claim) -> tuple[Op, Value] | None:
    """Where a module that does more adds what was read from places to its features; and those."""
    return residual(found, claim) if claim.keys and not holder.whole else None


def _around(where: str, frame: Frame, values: Sequence[Value], index: int, draft: Draft) -> Stand:
    layout = _features(draft, values[index].label)
    return Stand(values[index], Point(where, frame.path, frame.call, "", 0, index, layout))


# A paper's steps


def _paper(found: Found, holder: Holder, after: Stand) -> PaperPlace | None:
    """None where the block has no paper, or where one of the steps stands nowhere."""
    output = output_of(found, holder, holder.parts[-1])
    marks = landmarks(found, holder, output)
    if marks is None:
        return None
    steps = []
    for name, mark in marks.steps.items():
        form = mark.form[1:] if len(mark.values) > 1 else mark.form
        stands = [_step(found, holder, output, value, form) for value in mark.values]
        if name == next(reversed(marks.steps)):
            stands = [after]
        there = tuple(stand for stand in stands if stand is not None)
        if len(there) < len(stands):
            return None
        named = Named(
            name, tuple(s.point for s in there), mark.form[1:] if mark.pick is not None else mark.form, mark.pick
        )
        if not named.fits:
            return None
        steps.append((named, there))
    return PaperPlace(steps, marks.options)


def _step(found: Found, holder: Holder, output: Value, value: Value | Spot, form: str) -> Stand | None:
    """Where a value is found again: what an operation gives, or, of a view, what one is given."""
    if isinstance(value, Spot):
        return stand_of(value)
    # What is added to the features entry by entry lies as they do, whatever became of its own label.
    added = output.op is not None and value in output.op.live and value.shape == output.shape
    layout = formed(holder.parts[0].claim, output.label if added else value.label, form)
    if layout is None:
        return None
    if value.op is not None and value.op.func is not None and value.op.name not in SEES:
        return _at(value, "result", value.op, value.slot, layout)
    for op in found.graph.users[value.id]:
        if op.func is not None and op.name not in SEES:
            return _at(value, "operand", op, next(i for i, each in enumerate(op.inputs) if each is value), layout)
    return None

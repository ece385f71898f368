"""Verifying: in a second pass, each gate is narrowed to the axes that it claims, and the block's output computed again
from that. What agrees is verified; what does not is said.

So are the steps of a block's paper: each again from those before it, as the paper says.

A check runs as soon as the pass has given the values that it needs, and they are let go at once.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from attnviz.errors import AttnvizError
from attnviz.flow.block import Draft, Holder
from attnviz.flow.claim import Found
from attnviz.flow.graph import Graph, Op, Value
from attnviz.flow.memory import overwritten
from attnviz.flow.neutral import Meeting, even, joint, meetings, solve
from attnviz.flow.outcome import output_of
from attnviz.flow.papers import PAPERS
from attnviz.flow.place import PaperPlace, Place, Stand
from attnviz.flow.record import record
from attnviz.flow.replay import Get, between, difference, needed, random, replay
from attnviz.flow.sight import Point, sample

CLOSE = 1e-4
RANDOM = "Random numbers are drawn in the block, so what it does here says nothing about the next time."
NOTHING = "The block's output is the same whatever the value is, so nothing follows about it."


class DivergedError(AttnvizError):
    """A network that does not do the same twice."""


@dataclass(eq=False)
class Check:
    """One part of a block in the making, with what its verification needs."""

    holder: Holder
    draft: Draft
    ops: list[Op]
    target: Value
    meetings: list[Meeting]
    together: tuple[list[Draft], Meeting] | None = None
    dice: bool = False
    wanted: set[Value] = field(default_factory=set)

    @property
    def last(self) -> int:
        return max(value.id for value in self.wanted)

    def run(self, kept: dict[int, Tensor]) -> None:
        def get(value: Value) -> Tensor:
            return kept[value.id] if value.id in kept else _outside(value)

        try:
            self._verify(kept)
            for meeting in self.meetings:
                if self.draft.neutral is None:
                    self.draft.neutral = solve(self.draft.spots, meeting, get)
            if self.together is not None:
                self._join(kept)
        except (RuntimeError, ValueError, TypeError, IndexError, KeyError) as error:
            self.draft.error = float("inf")
            line = (str(error).strip().splitlines() or [""])[0][:120]
            self.draft.why = f"The output could not be computed again from it ({type(error).__name__}: {line})."

    def _verify(self, kept: dict[int, Tensor]) -> None:
        def get(value: Value) -> Tensor:
            return kept[value.id] if value.id in kept else _outside(value)

        errors, given = [], {}
        for spot in self.draft.spots:
            value = get(spot.value)
            narrow = spot.layout.narrowed(value)
            errors.append(difference(narrow, value))
            given[spot.value.id] = narrow
            if value.is_floating_point():
                shown = spot.layout.canonical(value).double()
                shown = 1 / shown if spot.inverse else shown
                self.draft.low = min(self.draft.low, float(shown.min()))
                self.draft.high = max(self.draft.high, float(shown.max()))
                self.draft.deviation = max(self.draft.deviation, float(shown.std(correction=0)))
        if self.dice:
            self.draft.why = RANDOM
            return
        errors.append(difference(replay(self.ops, given, get, self.target), get(self.target)))
        self.draft.error = max(errors)
        if self.draft.error > CLOSE:
            self.draft.why = "The block's output, computed again from the value as it was read, is another."
        elif not self._matters(given, get):
            self.draft.error, self.draft.why = float("inf"), NOTHING

    def _matters(self, given: dict[int, Tensor], get: Get) -> bool:
        """Whether the output is another where the value is: from features of zeros nothing follows."""
        moved = {key: value + 1 if value.is_floating_point() else value for key, value in given.items()}
        return difference(replay(self.ops, moved, get, self.target), get(self.target)) > 0

    def _join(self, kept: dict[int, Tensor]) -> None:
        def get(value: Value) -> Tensor:
            return kept[value.id] if value.id in kept else _outside(value)

        assert self.together is not None
        drafts, meeting = self.together
        spots = [spot for draft in drafts for spot in draft.spots]
        given = {
            spot.value.id: torch.full_like(get(spot.value), draft.neutral)
            for draft in drafts
            for spot in draft.spots
            if draft.neutral is not None
        }
        features = get(meeting.features)
        alone = len(given) == len(spots) and difference(replay(meeting.ops, given, get, meeting.target), features)
        if alone is False or alone > CLOSE:
            value = solve(spots, meeting, get)
            for draft in drafts if value is not None else ():
                draft.neutral = value


@dataclass(eq=False)
class PaperCheck:
    """Whether a block's paper's steps are what the paper says of them."""

    place: Place
    paper: PaperPlace

    @property
    def wanted(self) -> set[Value]:
        stands = [self.place.before, *(stand for _, stands in self.paper.steps for stand in stands)]
        return {stand.value for stand in stands if stand.value.tensor is None}

    @property
    def last(self) -> int:
        return max(value.id for value in self.wanted)

    def run(self, kept: dict[int, Tensor]) -> None:
        coarse: list[float] = []

        def value(stand: Stand) -> Tensor:
            found = stand.point.layout.canonical(kept[stand.value.id])[:1]  # the formula is the same for each picture
            coarse.append(torch.finfo(found.dtype).eps)
            found = found.double()
            return 1 / found if stand.point.inverse else found

        mechanism = self.place.holder.mechanism or ""
        relation = PAPERS[mechanism].relation
        try:
            steps = {named.name: named.shaped([value(each) for each in stands]) for named, stands in self.paper.steps}
            expected = relation(value(self.place.before), steps, self.paper.options)
            close = max(CLOSE, *coarse)
            others = [name for name, each in expected.items() if difference(steps[name], each) > close]
            said = f"Its {others[0]} is not what the paper makes of the steps before it." if others else ""
        except (RuntimeError, ValueError, IndexError, KeyError):
            said = f"The shapes of its steps are not those of {mechanism}."
        if said:
            self.place.paper, self.place.unlike = None, said


def _outside(value: Value) -> Tensor:
    assert value.tensor is not None
    return value.tensor


def checks(found: Found, made: Iterable[Holder]) -> list[Check | PaperCheck]:
    """What has to be verified."""
    out: list[Check | PaperCheck] = []
    for holder in made:
        for draft in holder.parts:
            target = output_of(found, holder, draft)
            values = [spot.value for spot in draft.spots]
            check = Check(holder, draft, between(found.graph, values, target), target, [])
            check.meetings = meetings(found, holder, draft)
            draft.neutral = even(draft)
            check.dice = random(check.ops) or random(inside(found.graph, holder, target))
            if draft is holder.parts[-1]:
                check.together = joint(holder, target, found)
            more = [check.together[1]] if check.together else []
            beside = [spot.value for part in holder.parts for spot in part.spots] if more else []
            wanted = {*values, *beside, target, *needed(check.ops, values)}
            for each in (*check.meetings, *more):
                wanted |= {each.target, each.features, *needed(each.ops, [*values, *beside])}
            check.wanted = {value for value in wanted if value.tensor is None}
            out.append(check)
    return out


def verify(
    model: nn.Module, inputs: Sequence[Tensor], found: Found, placed: Sequence[Place], *, double: bool
) -> dict[Point, Tensor]:
    """Fill in the drafts' errors and neutral values, in one more pass of the same inputs.

    Returns samples of what stands at the blocks' points in that pass. Raises DivergedError where the network does
    something else this time.
    """
    waiting: list[Check | PaperCheck] = checks(found, [place.holder for place in placed])
    waiting += [PaperCheck(place, place.paper) for place in placed if place.paper is not None]
    waiting.sort(key=lambda check: check.last)
    keeper = Keeper(found.graph, waiting, [stand for place in placed for stand in place.stands])
    if waiting:
        again, _ = record(model, inputs, double=double, listener=keeper)
        if len(again.ops) != len(found.graph.ops):
            raise DivergedError("the network does not do the same twice, so its attention cannot be verified")
    return keeper.samples


class Keeper:
    """Keeps what the waiting checks need, and runs each as soon as all is there.

    ``samples``: of what stands at the points that it is given.
    """

    def __init__(self, graph: Graph, waiting: list[Check | PaperCheck], stands: Sequence[Stand]) -> None:
        self._graph, self._waiting = graph, waiting
        self._needs = Counter(value.id for check in waiting for value in check.wanted)
        self._kept: dict[int, Tensor] = {}
        self._points: dict[int, set[Point]] = defaultdict(set)
        for stand in stands:
            self._points[stand.value.id].add(stand.point)
        self._overwritten = overwritten(graph)
        self.samples: dict[Point, Tensor] = {}

    def __call__(self, value: Value, tensor: Tensor) -> None:
        known = self._graph.values[value.id] if value.id < len(self._graph.values) else None
        names = [each.op.name if each is not None and each.op is not None else "" for each in (known, value)]
        if known is None or known.shape != value.shape or names[0] != names[1]:
            raise DivergedError("the network does not do the same twice, so its attention cannot be verified")
        self.samples |= {point: sample(point, tensor) for point in self._points.pop(value.id, ())}
        if self._needs[value.id]:
            self._kept[value.id] = tensor.detach()
        self._run(value)
        if self._needs[value.id] and value.id in self._overwritten:
            self._kept[value.id] = tensor.detach().clone()

    def _run(self, value: Value) -> None:
        """The checks that waited for this value alone."""
        while self._waiting and self._waiting[0].last <= value.id:
            check = self._waiting.pop(0)
            check.run(self._kept)
            for each in check.wanted:
                self._needs[each.id] -= 1
                if not self._needs[each.id]:
                    self._kept.pop(each.id, None)


def inside(graph: Graph, holder: Holder, target: Value) -> list[Op]:
    """The operations of a block that lead to its output."""
    return [op for op in graph.chosen(target.ancestors) if holder.frame in op.stack]

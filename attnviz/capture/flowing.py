"""Blocks that are read by what flows through them: what they are, and their values and edits in a pass."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import count
from typing import NamedTuple

import torch
from torch import Tensor, nn

from attnviz import flow
from attnviz.capture.edits import Change
from attnviz.capture.papers import LABELED, outline
from attnviz.capture.taps import beside, owner
from attnviz.capture.values import AffinityMap, Flow, Reading
from attnviz.errors import ModelError
from attnviz.flow.read import readings as values_of
from attnviz.flow.read import taken_at
from attnviz.flow.reader import Reader
from attnviz.flow.sight import Point, sample
from attnviz.mechanisms import Block, Kind, Part, Role
from attnviz.mechanisms.non_local import Affinity, factors

UNKNOWN = torch.tensor(float("nan"))  # features that do not lie as they did when they were looked at
ROOT = "(network)"  # what a block in the network's own forward is called


class Spot(NamedTuple):
    """One of a part's points: the part's number, which of its tensors it is, and of an affinity the head."""

    part: int
    tensor: int = 0
    head: int | None = None


class FlowBlock(Block):
    """A block that was found by looking: ``seen`` says where its values stand in a pass.

    ``name`` is what a person calls it; else it has its paper's name, or its class's.
    """

    def __init__(self, seen: flow.Block, name: str | None = None) -> None:
        self.seen = seen
        self.label = name or seen.mechanism or seen.name
        self.channels = self.in_channels = seen.after[0].layout.shape[0]
        self.spots: dict[str, Spot] = {}
        self.sources: dict[Part, Spot] = {}  # what each of the parts is read from
        leading = any(each.role in (Role.GATE, Role.TERM) for each in seen.parts)
        self.parts = tuple(part for i in range(len(seen.parts)) for part in self._parts(i, leading))
        self.outline = outline(seen)
        paper = self.outline or LABELED.get(self.label)
        self.formula = self.outline.formula if self.outline is not None else ""
        self.unlike = seen.unlike
        self.citation, self.paper = (paper.citation, paper.paper) if paper is not None else ("", "")

    def _parts(self, number: int, leading: bool) -> Iterator[Part]:
        seen = self.seen.parts[number]
        touches = seen.role in (Role.GATE, Role.TERM) or (not leading and seen.role is Role.DISTRIBUTION)
        heads: Sequence[int | None] = range(seen.heads) if seen.kind is Kind.AFFINITY and seen.heads > 1 else [None]
        for head in heads:
            points = []
            for tensor in range(len(seen.points[0])):
                path = ":".join(str(each) for each in (number, tensor, head) if each is not None)
                self.spots[path] = Spot(number, tensor, head)
                points.append(path)
            name = seen.name if head is None else f"{seen.name or seen.kind} head {head}"
            part = Part(name, seen.kind, seen.role, tuple(points), seen.neutral, touches)
            self.sources[part] = self.spots[points[0]]
            yield part

    def query_grid(self, grid: tuple[int, ...]) -> tuple[int, ...]:
        """Of its first affinity, whatever the features' grid."""
        return next((part.query_grid for part in self.seen.parts if part.query_grid), grid)

    def key_grid(self, grid: tuple[int, ...]) -> tuple[int, ...]:
        """Likewise, of the keys."""
        return next((part.key_grid for part in self.seen.parts if part.key_grid), grid)

    def equations(self) -> dict[str, str]:
        """Those of its paper, where all of the paper's steps are in it."""
        return self.outline.equations if self.outline is not None else {}

    def points(self, path: str) -> list[Point]:
        """Where a point stands in the pass, by the block's calls."""
        spot = self.spots[path]
        return [points[spot.tensor] for points in self.seen.parts[spot.part].points]


@dataclass(frozen=True)
class Search:
    """What is known of a network for one size of pictures: its blocks by path, and what was seen and is not claimed."""

    blocks: Mapping[str, Block]
    skipped: tuple[str, ...]


def name_of(block: flow.Block) -> str:
    """What a block is called: its module's path, and a number where that holds several."""
    return f"{block.layer or ROOT} {block.number}" if block.number else block.layer or ROOT


def search(model: nn.Module, x: Tensor, known: Iterable[str], names: Mapping[str, str]) -> Search:
    """What looking at a network finds besides the blocks, by path, that are known already.

    ``x``: a batch of one. ``names``: what a person calls some of them, by path.
    """
    sight = flow.look(model, x).outside(known)
    seen = {name_of(block): block for block in sight.blocks}
    strange = [path for path in seen if path.startswith("?")]
    left = dict.fromkeys(strange, "The network calls it and does not hold it: put it into an nn.ModuleList.")
    seen, lost = alone(model, x, {path: block for path, block in seen.items() if path not in left}, sight.samples)
    blocks = {path: FlowBlock(block, names.get(path)) for path, block in seen.items()}
    lines = [f"{note.layer or ROOT}: {note.what}. {note.reason}" for note in sight.noted]
    lines += [f"{path}: named {names[path]}. No attention was seen there." for path in names if path not in blocks]
    lines += [f"{path.lstrip('?')}: left out. {reason}" for path, reason in (left | lost).items()]
    return Search(blocks, tuple(dict.fromkeys(lines)))


def alone(
    model: nn.Module, x: Tensor, blocks: Mapping[str, flow.Block], samples: Mapping[Point, Tensor]
) -> tuple[dict[str, flow.Block], dict[str, str]]:
    """The blocks as they are in a pass of one picture; and those that are not there what they were, and why.

    A look runs the picture twice in its batch; torch and networks compute some things otherwise for one. ``samples``
    are the look's. Where only its paper's steps are not found again, a block is left without these.
    """
    if not blocks:
        return {}, {}
    points = {point for block in blocks.values() for point in (*block.points, *block.around, *block.named)}
    reader = Reader(model, tuple(points), take=sample)
    with flow.quiet(model), reader.watching():
        model(x.clone())

    def why(points: Iterable[Point]) -> str:
        points = list(points)
        if any(point not in reader.taken for point in points):
            return "It is computed otherwise for one picture than for two, so it is not found again."
        if any(len(reader.taken[point]) > 1 and not reader.taken[point].isfinite().all() for point in points):
            return "Some of its values are NaN or infinite: an overflow, or a row in which everything is masked."
        if all(_close(reader.taken[point], samples[point]) for point in points if point in samples):
            return ""
        return "What stands in its place is another for one picture than for two."

    left = {path: reason for path, block in blocks.items() if (reason := why((*block.points, *block.around)))}
    there = {path: block for path, block in blocks.items() if path not in left}
    for path, block in there.items():
        if reason := why(block.named):
            there[path] = replace(block, paper=None, unlike=f"Its paper's steps are not shown. {reason}")
    return there, left


def _close(one: Tensor, two: Tensor) -> bool:
    return one.shape == two.shape and bool((one - two).abs().max() <= 1e-3 * two.abs().max().clamp(min=1e-12))


class FlowPass:
    """What one pass sees of such blocks, and changes in them.

    Args:
        model: the network.
        blocks: by path.
        changes: the pass's edits (``edits.plan``).
        read: whether attention is read at all.
        keep: blocks whose features are kept, and not only how strong they are.
        clock: a number for each thing that is seen, rising.
        gradients: whether gradients pass through the edits.
    """

    def __init__(
        self,
        model: nn.Module,
        blocks: Mapping[str, FlowBlock],
        changes: Mapping[str, Sequence[Change]],
        *,
        read: bool = True,
        keep: frozenset[str] = frozenset(),
        clock: Iterator[int] | None = None,
        gradients: bool = False,
    ) -> None:
        self._blocks, self._keep = blocks, frozenset(blocks[path].seen.id for path in keep & blocks.keys())
        self._features = {p: b.seen.id for b in blocks.values() for p in b.seen.around}
        points = (*self._features, *(point for block in blocks.values() for point in block.seen.points))
        edits, self._changed = changes_at(blocks, changes)
        self._reader = Reader(
            model,
            points if read else (),
            edits,
            take=taker(self._features, self._keep),
            clock=clock or count(),
            gradients=gradients,
        )
        self.pausing = self._reader.pausing

    def watching(self) -> AbstractContextManager[Reader]:
        """Around the pass, in its thread."""
        return self._reader.watching()

    def calls(self) -> dict[str, int]:
        """How often the points ran whose edits were made. Raises ModelError where one that should have did not."""
        for path, (_, points) in self._changed.items():
            if not all(self._reader.changed[point] for point in points):
                raise _another(owner(path))
        return {path: len(block.seen.after) for path, (block, _) in self._changed.items()}

    def flows(self, paths: Iterable[str] | None = None) -> dict[tuple[str, int], Flow]:
        """What goes into and comes out of each block (or those at ``paths``), by path and call."""
        found = {}
        for path in self._blocks if paths is None else paths:
            block = self._blocks[path]
            for call, (before, after) in enumerate(zip(block.seen.before, block.seen.after, strict=True)):
                one, two = (taken_at(self._reader, block.seen, point) for point in (before, after))
                if one is UNKNOWN or two is UNKNOWN:
                    raise _another(path)
                if block.seen.id in self._keep:
                    found[path, call] = Flow(_strength(one), _strength(two), one, two)
                else:
                    found[path, call] = Flow(one, two)
        return found

    def readings(self, paths: Iterable[str] | None = None) -> Iterator[Reading]:
        """Each part's value in each call."""
        for path in self._blocks if paths is None else paths:
            block = self._blocks[path]
            try:
                runs = [list(values_of(self._reader, block.seen, part)) for part in block.seen.parts]
            except ModelError:
                raise _another(path) from None
            for part, (number, _, head) in block.sources.items():
                for each in runs[number]:
                    value = each.value
                    if isinstance(value, Tensor) and part.kind is Kind.AFFINITY:
                        yield Reading(path, part, each.call, _affinity(value, head or 0, each.part), each.time)
                    else:
                        yield Reading(path, part, each.call, value, each.time)


def taker(features: Mapping[Point, str], keep: frozenset[str]) -> Callable[[Point, Tensor], Tensor]:
    """What a pass keeps of a tensor at a point: of features how strong they are, unless their block's are kept."""

    def take(point: Point, tensor: Tensor) -> Tensor:
        layer = features.get(point)
        if layer is None:
            return tensor.detach().clone()
        try:
            found = point.layout.canonical(tensor.detach())
        except (RuntimeError, ValueError):
            return UNKNOWN
        return found.clone() if layer in keep else _strength(found)

    return take


def changes_at(
    blocks: Mapping[str, FlowBlock], changes: Mapping[str, Sequence[Change]]
) -> tuple[dict[Point, Callable[[Tensor], Tensor]], dict[str, tuple[FlowBlock, list[Point]]]]:
    """A pass's edits by point, and the points that each edited path has."""
    made: dict[Point, list[tuple[Spot, Kind, Change]]] = defaultdict(list)
    edited: dict[str, tuple[FlowBlock, list[Point]]] = {}
    for path, each in changes.items():
        layer = owner(path)
        if layer == path or layer not in blocks:
            continue
        name = path.removeprefix(beside(layer, ""))
        block = blocks[layer]
        edited[path] = (block, [])
        for call, point in enumerate(block.points(name)):
            spot = block.spots[name]
            for change in each:
                if change.call in (None, call):
                    made[point].append((spot, block.seen.parts[spot.part].kind, change))
                    edited[path][1].append(point)
    return {point: _function(point, several) for point, several in made.items()}, edited


def _function(point: Point, several: list[tuple[Spot, Kind, Change]]) -> Callable[[Tensor], Tensor]:
    def changed(tensor: Tensor) -> Tensor:
        value = point.layout.canonical(tensor)
        value = 1 / value if point.inverse else value
        for spot, kind, change in several:
            if kind is Kind.AFFINITY:
                rows = list(value.unbind(1))
                rows[spot.head or 0] = change.function(rows[spot.head or 0])
                value = torch.stack(rows, 1)
            else:
                given = _as_given(value, kind)
                value = change.function(given).reshape(value.shape)
        return point.layout.spread(1 / value if point.inverse else value, tensor).to(tensor.dtype)

    return changed


def _as_given(value: Tensor, kind: Kind) -> Tensor:
    """A value in the shape in which our own mechanisms' points have it, (B, C or 1, *grid), for a grid of any rank."""
    if kind is Kind.BRANCH:
        return value if value.dim() == 3 else value[:, None]
    if kind in (Kind.SPATIAL, Kind.CONTEXT, Kind.VOLUME):
        first = value.shape[:2] if kind is Kind.VOLUME else (len(value), 1)
        grid = value.shape[len(first) - (kind is not Kind.VOLUME) :]
        return value.reshape(*first, -1, grid[-1] if grid else 1)
    return value


def _affinity(value: Tensor, head: int, part: flow.Part) -> AffinityMap:
    matrix = value[:, head]
    queries, keys = part.query_grid or (1, matrix.shape[-2]), part.key_grid or (1, matrix.shape[-1])
    return AffinityMap(*factors(matrix), queries, keys, Affinity("matrix"))


def _strength(x: Tensor) -> Tensor:
    """Mean over channels of |x|: (B, C, *grid) -> (B, *grid), with a row and a column at least."""
    level = x.detach().abs().mean(1, dtype=torch.promote_types(x.dtype, torch.float32))
    return level if level.dim() > 2 else level.reshape(len(level), 1, -1)


def _another(layer: str) -> ModelError:
    return ModelError(
        f"{layer or 'the network'} does not compute for this picture what it computed when it was looked at, "
        "so its attention cannot be read"
    )

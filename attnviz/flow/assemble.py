"""From verified drafts to what is handed out: blocks, parts and points without tensors."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from torch import Tensor

from attnviz.flow.block import Draft, Holder
from attnviz.flow.claim import Found
from attnviz.flow.layout import Layout
from attnviz.flow.neutral import NONE
from attnviz.flow.place import Place
from attnviz.flow.sight import Block, Note, Paper, Part, Point, Sight
from attnviz.flow.verify import CLOSE
from attnviz.mechanisms import Kind, Role

CONTAINERS = frozenset({
    "Sequential", "ModuleList", "ModuleDict", "Identity", "DataParallel", "ParameterList", "DistributedDataParallel",
})  # fmt: skip
LOGIT = "0 takes it out of the sum that is squashed; the block is switched off at its combined gate."
EVEN = "An even split: each share is one divided by the number of branches."


def assemble(
    found: Found, placed: Sequence[Place], classes: Mapping[str, str], samples: Mapping[Point, Tensor]
) -> Sight:
    """The sight of a graph.

    Args:
        found: what is seen and not claimed.
        placed: its blocks, verified, in each of their runs.
        classes: the class of the module at each path.
        samples: of what stands at the blocks' points.
    """
    runs: dict[tuple[str, int], list[Place]] = defaultdict(list)
    for place in placed:
        runs[place.holder.frame.path, place.holder.number].append(place)
    blocks = [_block(each, classes) for each in runs.values()]
    return Sight(tuple(blocks), tuple(dict.fromkeys(_notes(found))), samples)


def _notes(found: Found) -> list[Note]:
    notes = [Note(remark.layer, remark.what, remark.reason) for remark in found.remarks]
    for path in dict.fromkeys(found.graph.leaks):
        reason = "A number left the graph into Python; what is computed from it there cannot be followed."
        notes.append(Note(path, "number taken out", reason))
    return notes


def class_of(path: str, classes: Mapping[str, str]) -> str:
    """The nearest class that is no container, from a module up."""
    while True:
        found = classes.get(path, path.lstrip("?"))
        if found not in CONTAINERS or not path:
            return found
        path = path.rpartition(".")[0]


def _block(runs: list[Place], classes: Mapping[str, str]) -> Block:
    first = runs[0].holder
    shapes = [[(part.kind, part.role, part.name) for part in run.holder.parts] for run in runs]
    alike = [run for run, shape in zip(runs, shapes, strict=True) if shape == shapes[0]]
    parts = tuple(_part(name, number, alike) for number, name in enumerate(part_names(first)))
    errors = [part.error for run in runs for part in run.holder.parts]
    why = next((part.why for run in runs for part in run.holder.parts if part.why), "")
    if len(alike) < len(runs):
        errors, why = [*errors, float("inf")], "It does not compute the same in each of its runs."
    error = max(errors)
    path, paper = first.frame.path, _paper(alike)
    return Block(
        layer=path,
        number=first.number,
        calls=len(runs),
        name=class_of(path, classes),
        mechanism=first.mechanism,
        parts=parts,
        verified=error <= CLOSE,
        error=error,
        why="" if error <= CLOSE else why,
        before=tuple(run.before.point for run in alike),
        after=tuple(run.after.point for run in alike),
        paper=paper,
        unlike="" if paper is not None else next((run.unlike for run in runs if run.unlike), ""),
    )


def _paper(runs: Sequence[Place]) -> Paper | None:
    """The steps of the block's paper in each of its runs; None where one lacks some, or makes other choices."""
    there = [run.paper for run in runs if run.paper is not None]
    if len(there) < len(runs) or any(each.options != there[0].options for each in there):
        return None
    return Paper(tuple(each.named for each in there), tuple(there[0].options.items()))


def part_names(holder: Holder) -> list[str | None]:
    """A name for each part, where there are several: as our own mechanisms have them, else its kind, numbered."""
    if len(holder.parts) == 1:
        return [None]
    names: list[str | None] = []
    for part in holder.parts:
        word = {"scSE": {Kind.CHANNEL: "cse", Kind.SPATIAL: "sse"}}.get(holder.mechanism or "", {}).get(part.kind)
        if word is None and part.role is Role.TERM and part.kind is Kind.CHANNEL:
            word = "add" if holder.mechanism == "GC" else "term"
        if word is None and holder.mechanism == "GC" and part.kind is Kind.CHANNEL:
            word = "mul"
        if part.kind is Kind.VOLUME and any(each.role is Role.LOGIT for each in holder.parts):
            word = "combined"
        word = word or str(part.kind)
        taken = sum(1 for each in names if each is not None and each.split(" ")[0] == word)
        names.append(f"{word} {taken + 1}" if taken else word)
    return names


def _part(name: str | None, number: int, places: list[Place]) -> Part:
    runs = [place.holder.parts[number] for place in places]
    draft = runs[0]
    queries, keys = draft.grids if draft.kind is Kind.AFFINITY else (None, None)
    heads = draft.spots[0].layout.shape[0] if draft.kind is Kind.AFFINITY else 1
    otherwise = "" if draft.neutral is not None else LOGIT if draft.role is Role.LOGIT else NONE
    return Part(
        name=name,
        kind=draft.kind,
        role=draft.role,
        axes=axes_of(draft),
        points=tuple(tuple(stand.point for stand in place.parts[number]) for place in places),
        neutral=draft.neutral,
        otherwise=EVEN if draft.kind is Kind.BRANCH else otherwise,
        query_grid=queries,
        key_grid=keys,
        heads=heads,
        squash=draft.claim.squash,
        low=min(run.low for run in runs),
        high=max(run.high for run in runs),
        deviation=max(run.deviation for run in runs),
        note=draft.claim.note,
    )


def axes_of(draft: Draft) -> tuple[str, ...]:
    """The names of the axes of a part's value, without the batch."""
    if draft.kind is Kind.AFFINITY:
        return ("head", "query", "key")
    if draft.kind is Kind.BRANCH:
        return ("branch", "channel")
    if draft.kind is Kind.COORDINATE:
        return ("channel", *(_names(spot.layout)[1] for spot in draft.spots))
    if draft.kind is Kind.CHANNEL:
        return ("channel",)
    names = _names(draft.spots[0].layout)
    return ("channel", *names[1:]) if draft.kind is Kind.VOLUME else names


def _names(layout: Layout) -> tuple[str, ...]:
    pieces = layout.pieces
    return tuple(pieces[group[0]].meaning if group else "channel" for group in layout.groups)

"""From verified drafts to what is handed out: blocks, parts and points without tensors."""

from collections import defaultdict
from collections.abc import Mapping

from attnviz.flow.atoms import Label, places
from attnviz.flow.block import Draft, Holder, Spot, same
from attnviz.flow.claim import Found
from attnviz.flow.graph import Frame, Graph, Op, Value
from attnviz.flow.layout import Layout, formed, lay_out
from attnviz.flow.neutral import NONE
from attnviz.flow.papers import Landmarks, landmarks
from attnviz.flow.residual import residual
from attnviz.flow.sight import Block, Named, Note, Paper, Part, Point, Sight
from attnviz.flow.trace import SEES, descends
from attnviz.flow.verify import CLOSE, output_of
from attnviz.mechanisms import Kind, Role

CONTAINERS = frozenset({
    "Sequential", "ModuleList", "ModuleDict", "Identity", "DataParallel", "ParameterList", "DistributedDataParallel",
})  # fmt: skip
LOGIT = "0 takes it out of the sum that is squashed; the block is switched off at its combined gate."
EVEN = "An even split: each share is one divided by the number of branches."


def assemble(found: Found, made: list[Holder], classes: Mapping[str, str]) -> Sight:
    """The sight of a graph. ``classes``: the class of the module at each path."""
    runs: dict[tuple[str, int], list[Holder]] = defaultdict(list)
    for holder in made:
        runs[holder.frame.path, holder.number].append(holder)
    blocks = [_block(found, each, classes) for each in runs.values()]
    return Sight(tuple(blocks), tuple(dict.fromkeys(_notes(found))))


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


def _block(found: Found, runs: list[Holder], classes: Mapping[str, str]) -> Block:
    first = runs[0]
    shapes = [[(part.kind, part.role, part.name) for part in run.parts] for run in runs]
    alike = [run for run, shape in zip(runs, shapes, strict=True) if shape == shapes[0]]
    names = part_names(first)
    parts = tuple(_part(names[i], [run.parts[i] for run in alike]) for i in range(len(first.parts)))
    errors = [part.error for run in runs for part in run.parts]
    why = next((part.why for run in runs for part in run.parts if part.why), "")
    if len(alike) < len(runs):
        errors, why = [*errors, float("inf")], "It does not compute the same in each of its runs."
    error = max(errors)
    path = first.frame.path
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
        before=tuple(_before(found, run) for run in alike),
        after=tuple(_after(found, run) for run in alike),
        paper=_paper(found, alike),
    )


def _paper(found: Found, runs: list[Holder]) -> Paper | None:
    """The steps of the block's paper, in each of its runs."""
    outputs = [output_of(found, run, run.parts[-1]) for run in runs]
    marks = [landmarks(found, run, output) for run, output in zip(runs, outputs, strict=True)]
    each = zip(runs, outputs, marks, strict=True)
    steps = tuple(_steps(found, run, output, mark) for run, output, mark in each if mark is not None)
    options = [mark.options for mark in marks if mark is not None]
    if len(steps) < len(runs) or any(step is None for step in steps) or any(one != options[0] for one in options):
        return None
    return Paper(tuple(step for step in steps if step is not None), tuple(options[0].items()))


def _steps(found: Found, run: Holder, output: Value, marks: Landmarks) -> tuple[Named, ...] | None:
    """Where each landmark stands; None where one stands nowhere."""
    steps: list[Named] = []
    last = next(reversed(marks.steps))
    for name, mark in marks.steps.items():
        form = mark.form[1:] if len(mark.values) > 1 else mark.form
        if name == last:
            points: list[Point | None] = [_after(found, run)]
        else:
            points = [_point(found, run, output, value, form) for value in mark.values]
        there = tuple(point for point in points if point is not None)
        if len(there) < len(points):
            return None
        steps.append(Named(name, there, mark.form[1:] if mark.pick is not None else mark.form, mark.pick))
    return tuple(steps)


def _point(found: Found, run: Holder, output: Value, value: Value | Spot, form: str) -> Point | None:
    if isinstance(value, Spot):
        return point_of(value)
    # What is added to the features entry by entry lies as they do, whatever became of its own label.
    added = output.op is not None and value in output.op.live and value.shape == output.shape
    layout = formed(run.parts[0].claim, output.label if added else value.label, form)
    return _standing(found.graph, value, layout) if layout is not None else None


def _standing(graph: Graph, value: Value, layout: Layout) -> Point | None:
    """Where a value is found again: what an operation gives, or, of a view, what one is given."""
    if value.op is not None and value.op.func is not None and value.op.name not in SEES:
        return _at("result", value.op, value.slot, layout)
    for op in graph.users[value.id]:
        if op.func is not None and op.name not in SEES:
            return _at("operand", op, next(i for i, each in enumerate(op.inputs) if each is value), layout)
    return None


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


def _part(name: str | None, runs: list[Draft]) -> Part:
    draft = runs[0]
    queries, keys = draft.grids if draft.kind is Kind.AFFINITY else (None, None)
    heads = draft.spots[0].layout.shape[0] if draft.kind is Kind.AFFINITY else 1
    otherwise = "" if draft.neutral is not None else LOGIT if draft.role is Role.LOGIT else NONE
    return Part(
        name=name,
        kind=draft.kind,
        role=draft.role,
        axes=axes_of(draft),
        points=tuple(tuple(point_of(spot) for spot in run.spots) for run in runs),
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


def point_of(spot: Spot) -> Point:
    where, index = ("result", spot.slot) if spot.slot is not None else ("operand", spot.operand)
    assert index is not None
    return _at(where, spot.op, index, spot.layout, inverse=spot.inverse)


def _at(where: str, op: Op, index: int, layout: Layout, *, inverse: bool = False) -> Point:
    address = op.address
    return Point(where, address.path, address.call, address.name, address.ordinal, index, layout, inverse)


# Features around a block


def _features(draft: Draft, label: Label) -> Layout:
    return lay_out(draft.claim, label, Kind.VOLUME)


def _before(found: Found, holder: Holder) -> Point:
    """The input of the block's module that its features are made of; where that is not the block, the features."""
    graph = found.graph
    draft = next(part for part in holder.parts if part.role is not Role.LOGIT)
    claim = draft.claim
    run = graph.runs.get(holder.frame)
    if run is not None and holder.whole:
        fit = [
            i
            for i, value in enumerate(run.inputs)
            if places(value.label) and _leads(run.outputs, claim.features, value)
        ]
        exact = [i for i in fit if same(run.inputs[i]) is same(claim.features) and not claim.keys]
        exact += [i for i in fit if run.inputs[i].shape in {value.shape for value in run.outputs}]
        for index in (*exact, *fit):
            layout = _features(draft, run.inputs[index].label)
            return _around("input", holder.frame, index, layout)
    end = residual(found, claim) if claim.keys else None
    if end is not None:
        place = next(i for i, value in enumerate(end[0].inputs) if value is end[1])
        return _at("operand", end[0], place, _features(draft, end[1].label))
    place = next((i for i, value in enumerate(claim.op.inputs) if value is claim.features), 0)
    return _at("operand", claim.op, place, _features(draft, claim.op.inputs[place].label))


def _leads(outputs: list[Value], features: Value, value: Value) -> bool:
    """Whether the block's features, or what it gives, are made of a value."""
    return descends(features, value) or any(descends(each, value) for each in outputs)


def _after(found: Found, holder: Holder) -> Point:
    draft = holder.parts[-1]
    value: Value = output_of(found, holder, draft)
    end = residual(found, draft.claim) if draft.claim.keys and not holder.whole else None
    if end is not None:
        return _at("result", end[0], 0, _features(draft, end[0].out.label))
    run = found.graph.runs.get(holder.frame)
    layout = _features(draft, value.label)
    if run is not None and value in run.outputs and holder.whole:
        return _around("output", holder.frame, run.outputs.index(value), layout)
    assert value.op is not None
    return _at("result", value.op, value.slot, layout)


def _around(where: str, frame: Frame, index: int, layout: Layout) -> Point:
    return Point(where, frame.path, frame.call, "", 0, index, layout)

"""The table of edits, cell by cell, as changes that plain hooks make to an untouched network."""

from functools import cache
from itertools import pairwise

import torch
from torch import Tensor

import attnviz
from attnviz import Backbone, Means
from tests.unit.capture.formulas import LABEL, LAYERS, PARTS, POINTS
from tests.unit.capture.networks import ATTENTIVE, LABELS, family, picture, plain, tapped
from tests.unit.capture.oracles import Change, observe

HOWS = ("off", "frozen", "uniform", "shuffled", "forced")
CHANNEL, VALUE = 3, 0.25
# What an edit without a part acts on: what touches the features.
TOUCHING: dict[str | None, tuple[str | None, ...]] = {
    "CBAM": ("channel", "spatial"),
    "BAM": ("combined",),
    "scSE": ("cse", "sse"),
    "GC": ("add",),
}
Cell = tuple[str, str | None, str]


def parts_of(model_id: str) -> list[str | None]:
    """Every part that an edit may name, None included."""
    names = [part for part, _, _ in PARTS[LABEL[model_id]]]
    return names if None in names else [None, *names]


CELLS: tuple[Cell, ...] = tuple((m, part, how) for m in ATTENTIVE for part in parts_of(m) for how in HOWS)


def edited_parts(cell: Cell) -> list[tuple[str | None, str, str]]:
    """(part, kind, role) of what a cell's edit acts on."""
    model_id, part, _ = cell
    label = LABEL[model_id]
    acted = TOUCHING.get(label, (None,)) if part is None else (part,)
    return [row for row in PARTS[label] if row[0] in acted]


def is_refused(cell: Cell) -> bool:
    """Whether the table has no such edit."""
    model_id, part, how = cell
    kinds = {kind for _, kind, _ in edited_parts(cell)}
    roles = {role for _, _, role in edited_parts(cell)}
    if how == "off":
        return (model_id, part) == ("resnet18t-gc", "context")
    if how == "uniform":
        return "logit" in roles
    return how == "forced" and not kinds <= {"channel", "coordinate"}


REFUSED = tuple(cell for cell in CELLS if is_refused(cell))
WORKING = tuple(cell for cell in CELLS if not is_refused(cell))


def layer_of(cell: Cell) -> str:
    return LAYERS[cell[0]][1]


def is_identity(cell: Cell) -> bool:
    """Whether the block becomes the identity: all of its gates 1, its residual or its term 0."""
    model_id, part, how = cell
    whole = part is None or (model_id, part) in {("resnet18t-bam", "combined"), ("resnet18t-gc", "add")}
    return how == "off" and whole and model_id != "resnet18t-sk"


def points_of(label: str | None, part: str | None) -> tuple[str, ...]:
    return ("affinity",) if label == "Non-Local" else POINTS[label][part]


def oracle(cell: Cell) -> dict[str, Change]:
    """The cell's edit as changes of submodules' outputs, for all but identities and shuffles."""
    model_id, _, how = cell
    make = {"off": _off, "frozen": _frozen, "uniform": _uniform, "forced": _forced}[how]
    changes: dict[str, Change] = {}
    for part, kind, role in edited_parts(cell):
        for point in points_of(LABEL[model_id], part):
            path = f"{layer_of(cell)}.{point}"
            changes[path] = make(model_id, path, kind, role)
    return changes


def _off(model_id: str, path: str, kind: str, role: str) -> Change:
    """A multiplying gate is 1, logits are 0, one of scSE's branches is dropped, SK splits evenly."""
    if kind == "branch":
        return lambda raw: torch.full_like(raw, 0.5)
    one = role == "gate" and model_id != "resnet18t-scse"
    return torch.ones_like if one else torch.zeros_like


def _frozen(model_id: str, path: str, kind: str, role: str) -> Change:
    mean = means_by_hand(model_id)[path]
    return lambda raw: mean.expand_as(raw).clone()


def _uniform(model_id: str, path: str, kind: str, role: str) -> Change:
    """Its own mean over what it varies over; distributions 1/N, branches 1/M."""
    if kind == "branch":
        return lambda raw: torch.full_like(raw, 0.5)
    if kind == "context":
        return lambda raw: torch.full_like(raw, 1 / raw[0, 0].numel())
    if kind == "affinity":
        return lambda raw: torch.full_like(raw, 1 / raw.shape[2])
    return lambda raw: torch.full_like(raw, float(raw.double().mean()))


def _forced(model_id: str, path: str, kind: str, role: str) -> Change:
    def forced(raw: Tensor) -> Tensor:
        raw = raw.clone()
        raw[:, CHANNEL] = VALUE
        return raw

    return forced


def training_set() -> list[Tensor]:
    return [picture(50 + i) for i in range(3)]


@cache
def means_by_hand(model_id: str) -> dict[str, Tensor]:
    """The mean over pictures of what every point gives, (1, ...), by plain hooks."""
    label = LABEL[model_id]
    paths = [
        f"{layer}.{p}" for layer in LAYERS[model_id] for part, _, _ in PARTS[label] for p in points_of(label, part)
    ]
    seen = [observe(plain(model_id), x, *paths) for x in training_set()]
    return {path: torch.cat([each[path][0][1].double() for each in seen]).mean(0, True).float() for path in paths}


@cache
def measured(model_id: str) -> Means:
    return attnviz.measure_means(tapped(model_id), training_set())


@cache
def editable(model_id: str) -> Backbone:
    """The shared network of that id, instrumented with its means."""
    return attnviz.instrument(family(model_id), classes=LABELS, means=measured(model_id))


def check_permuted(kind: str, raw: Tensor, given: Tensor) -> Tensor:
    """That ``given`` is ``raw`` with one permutation of its channels, or of its positions; which one.

    What moves together must: a position of every channel, a channel of both branches, a key of
    every row.
    """
    positions = {"spatial": 1, "context": 1, "volume": raw.shape[1], "coordinate": raw.shape[1]}
    columns = (positions[kind], -1) if kind in positions else (-1, raw.shape[-1])
    before, after = raw[0].reshape(columns), given[0].reshape(columns)
    order = torch.tensor([int((before == after[:, j : j + 1]).all(0).nonzero()[0]) for j in range(after.shape[1])])
    assert sorted(order.tolist()) == list(range(after.shape[1])), "not a permutation"
    assert any(b != a + 1 for a, b in pairwise(order.tolist())), "nothing was moved"
    return order

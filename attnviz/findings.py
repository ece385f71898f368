"""What is found in a network, in plain words: ``attnviz findings``."""

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from attnviz import readers
from attnviz.capture import Backbone
from attnviz.capture.findings import Finding
from attnviz.capture.flowing import ROOT, name_of
from attnviz.errors import OptionError
from attnviz.flow import Block, Note, Part, Sight, look
from attnviz.mechanisms import Kind, Mechanism
from attnviz.zoo.bare import Bare, Size, bare
from attnviz.zoo.own import in_one_line

SEED = 1  # of the noise


@dataclass(frozen=True, slots=True)
class Looked:
    """A network that was looked at: its name, its weights in words, (H, W) of the noise, and what was found.

    ``read``: the blocks whose class a reader knows, with their classes; ``sight`` has all others.
    """

    name: str
    weights: str
    size: Size
    sight: Sight
    read: tuple[tuple[Finding, str], ...] = ()


def findings(name: str, size: Size | None = None) -> Looked:
    """Build a network and look for attention in it, on noise of its input size.

    Args:
        name: see ``zoo.bare.bare``.
        size: (H, W) of the noise; None for what the network is made for.

    Raises ModelError in one line for a name that there is not, and whatever fails in building or running it.
    """
    found = bare(name, size)
    x = torch.randn(1, 3, *found.size, generator=torch.Generator().manual_seed(SEED))
    with in_one_line(f"a pass of noise 3 x {_by(found.size)} (--size takes another) through {Path(name).name}"):
        return _looked(name, found, x)


def _looked(name: str, found: Bare, x: Tensor) -> Looked:
    model = found.model
    sight = _labeled(look(model, x), model)
    known = readers.twins(model)
    if not known:
        return Looked(name, found.weights, found.size, sight)
    classes = {path: type(module).__name__ for path, module in model.named_modules()}
    backbone = Backbone(model)
    read = tuple((each, classes[each.layer]) for each in backbone.findings(x).blocks if each.layer in known)
    backbone.close()
    return Looked(name, found.weights, found.size, sight.outside(known), read)


def _labeled(sight: Sight, model: nn.Module) -> Sight:
    """The sight with the blocks that are attnviz's own mechanisms, or a person's, under their labels."""
    own = {path: module.label for path, module in model.named_modules() if isinstance(module, Mechanism)}
    return replace(sight, blocks=tuple(replace(b, mechanism=own.get(b.layer, b.mechanism)) for b in sight.blocks))


def size_of(text: str | None) -> Size | None:
    """(H, W) as a person writes it: "224", or "192x256". Raises OptionError for what is no size."""
    if text is None:
        return None
    sides = re.fullmatch(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?", text)
    if sides is None:
        raise OptionError(f"--size is a number of pixels, or HxW, like 224 or 192x256, not {text[:40]!r}")
    return int(sides[1]), int(sides[2] or sides[1])


def words(looked: Looked) -> Iterator[str]:
    """The lines that a person reads: one a block, then what was seen and is not claimed."""
    blocks, noted = looked.sight.blocks, grouped(looked.sight.noted)
    verdicts = [*(finding.verified for finding, _ in looked.read), *(block.verified for block in blocks)]
    yield f"{looked.name}, {looked.weights}, on noise 3 x {_by(looked.size)}"
    total = f"{len(verdicts)} attention {_many('block', verdicts)}, {sum(verdicts)} verified."
    yield total if verdicts else "No attention found."
    for finding, kind in looked.read:
        yield f"  {of_finding(finding, kind)}"
    for block in blocks:
        yield f"  {of_block(block)}"
    if noted:
        yield "Seen, and not claimed as attention:"
    for note, count in noted:
        often = f", {count} times, first" if count > 1 else ","
        yield f"  {note.what}{often} in {_place(note.layer)}: {note.reason}"


def grouped(noted: Sequence[Note]) -> list[tuple[Note, int]]:
    """The first of the notes that say the same, and how many do, in the order in which the network runs."""
    found: dict[tuple[str, str], list[Note]] = defaultdict(list)
    for note in noted:
        found[note.what, note.reason].append(note)
    return [(notes[0], len(notes)) for notes in found.values()]


def of_finding(finding: Finding, kind: str) -> str:
    """One line on a block whose class a reader knows."""
    kinds = ", ".join(dict.fromkeys(map(str, finding.kinds)))
    verified = f"verified, error {_number(finding.error)}" if finding.verified else "not verified"
    return f"{finding.layer}: {kind}, {finding.mechanism}, read as its class is known: {kinds}; {verified}"


def of_block(block: Block) -> str:
    """One line on a block."""
    what = f", {block.mechanism}" if block.mechanism else ""
    runs = f" (run {block.calls} times)" if block.calls > 1 else ""
    verified = f"verified, error {_number(block.error)}" if block.verified else f"not verified: {block.why}"
    parts = "; ".join(of_part(part) for part in block.parts)
    unlike = f"; no formula: {block.unlike[0].lower()}{block.unlike[1:].rstrip('.')}" if block.unlike else ""
    return f"{name_of(block)}: {block.name}{what}{runs}: {parts}; {verified}{unlike}"


def of_part(part: Part) -> str:
    """What a part is, how large, what its values are, and which of them leaves the features as they are."""
    name = f"{part.name}, " if part.name and part.name != part.kind else ""
    values = f"constant at {_number(part.low)}" if part.constant else f"{_number(part.low)} to {_number(part.high)}"
    said = [f"{name}{part.kind} {part.role}, {of_shape(part)}", values]
    if part.neutral is not None:
        said.append(f"neutral at {_number(part.neutral)}")
    elif part.otherwise:
        said.append(part.otherwise.rstrip("."))
    if part.note:
        said.append(part.note.rstrip("."))
    return ", ".join(said)


def of_shape(part: Part) -> str:
    """A part's value for one picture, in words."""
    shape = part.points[0][0].layout.shape
    if part.kind is Kind.AFFINITY:
        queries, keys = part.query_grid or shape[1:2], part.key_grid or shape[2:3]
        heads = f"{part.heads} heads, " if part.heads > 1 else ""
        return f"{heads}{_by(queries) or 1} queries, {_by(keys) or 1} keys"
    if part.kind is Kind.BRANCH:
        branches = len(part.points[0]) if len(part.points[0]) > 1 else shape[0]  # each may be a tensor of its own
        return f"{branches} branches" + (f" of {shape[1]} channels" if shape[1] > 1 else "")
    if part.kind is Kind.COORDINATE:
        strips = (f"{point.layout.shape[-1]} {axis}" for point, axis in zip(part.points[0], part.axes[1:], strict=True))
        return f"{shape[0]} channels, {' and '.join(strips)}"
    if part.kind is Kind.CHANNEL:
        return f"{math.prod(shape)} channels"
    if part.kind is Kind.VOLUME:
        return f"{shape[0]} channels, {_by(shape[1:])} places"
    return f"{_by(shape)} places"


def as_data(looked: Looked) -> dict[str, Any]:
    """The same for programs."""
    return {
        "network": looked.name,
        "weights": looked.weights,
        "input": [3, *looked.size],
        "read": [_finding(finding, kind) for finding, kind in looked.read],
        "blocks": [_block(block) for block in looked.sight.blocks],
        "noted": [
            {"what": note.what, "reason": note.reason, "count": count, "first": note.layer}
            for note, count in grouped(looked.sight.noted)
        ],
    }


def _finding(finding: Finding, kind: str) -> dict[str, Any]:
    return {
        "layer": finding.layer,
        "class": kind,
        "mechanism": finding.mechanism,
        "kinds": [str(kind) for kind in finding.kinds],
        "verified": finding.verified,
        "error": finding.error if math.isfinite(finding.error) else None,
    }


def _block(block: Block) -> dict[str, Any]:
    return {
        "layer": name_of(block),
        "class": block.name,
        "mechanism": block.mechanism,
        "calls": block.calls,
        "verified": block.verified,
        "error": block.error if math.isfinite(block.error) else None,
        "why": block.why,
        "unlike": block.unlike,
        "parts": [_part(part) for part in block.parts],
    }


def _part(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "kind": str(part.kind),
        "role": str(part.role),
        "axes": list(part.axes),
        "shapes": [list(point.layout.shape) for point in part.points[0]],
        "query_grid": part.query_grid,
        "key_grid": part.key_grid,
        "heads": part.heads,
        "low": part.low,
        "high": part.high,
        "deviation": part.deviation,
        "constant": part.constant,
        "neutral": part.neutral,
        "otherwise": part.otherwise,
        "note": part.note,
    }


def _place(layer: str) -> str:
    return layer or ROOT


def _by(sides: Sequence[int]) -> str:
    return " x ".join(map(str, sides))


def _number(value: float) -> str:
    """Short, as a person reads it."""
    if not math.isfinite(value) or value == 0:
        return "0" if value == 0 else str(value)
    return f"{value:.0e}" if abs(value) < 1e-3 else f"{value:.3g}"


def _many(noun: str, things: Sequence[object]) -> str:
    return noun if len(things) == 1 else f"{noun}s"

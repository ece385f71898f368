"""The chosen block step by step: each step's formula, its numbers at one channel and place, and its tensor."""

import math

import numpy as np

from attnviz.equations import Place, numbers
from attnviz.ui import texts
from attnviz.ui.analysis import View, asked_grid
from attnviz.ui.blockviews import barred, mathml, per_channel
from attnviz.ui.payloads import Array, Payload, packed

ROWS = texts.DRAWN["operation"]
LARGEST, MOST = 2**14, 64  # numbers of a value that is drawn whole; rows and columns of what is drawn of others
INPUT = r"x \in \mathbb{R}^{C \times H \times W}"


def stepper(view: View) -> Payload | None:
    """Every step of the chosen block for one channel at one place; None for a network without attention."""
    record = view.record
    if record is None:
        return None
    explanation, layer = view.explanation, record.layer
    inside = view.inside
    block = explanation.backbone.blocks[layer]
    title = texts.STEPPER_TITLE.format(mechanism=block.label)
    if inside is None:
        return {"layer": layer, "title": title, "caption": layer, "steps": [], "none": texts.NO_STEPS}
    x, output = inside.input, inside.output
    rows, columns = output.shape[1:]
    channel, at = min(_channel(view), len(output) - 1), view.place_on(rows, columns)
    grid = tuple(x.shape[1:])
    place = Place(channel, *at, view.place[0] * asked_grid(record)[1] + view.place[1])
    live = numbers(explanation, layer, inside, channel, at, query=view.place)
    keys = block.key_grid(grid)
    first = _drawing("cij" if len(x) == len(output) else "mij", x.numpy(), place, keys)
    steps = [{"name": texts.STEP_INPUT, "formula": mathml(INPUT)[0], "live": None, **first}]
    for step in inside.steps:
        text, axes = live.get(step.name), step.axes or block.axes_of(step.name, tuple(step.value.shape))
        steps.append(
            {
                "name": step.name,
                "formula": mathml(step.formula)[0],
                "live": mathml(text)[0] if text else None,
                **_drawing(axes, np.atleast_1d(step.value.numpy()), place, keys),
            }
        )
    return {
        "layer": layer,
        "title": title,
        "caption": layer,
        "steps": steps,
        "channel": channel,
        "channels": len(output),
        "position": list(at),
        "grid": list(asked_grid(record)),
        "output": [rows, columns],
    }


def _channel(view: View) -> int:
    """The chosen channel, or the one whose bar is the highest."""
    if view.state.channel is not None:
        return view.state.channel
    record = barred(view)
    return int(per_channel(record).argmax()) if record else 0


def _drawing(axes: str, value: Array, place: Place, keys: tuple[int, ...]) -> Payload:
    """What a step's canvas draws: bars, a map or rows, by the letters of its axes (``Mechanism.axes_of``)."""
    kind, drawn, label = _cut(axes, value, place, keys)
    return {
        "kind": kind,
        "drawn": packed(drawn),
        "label": label.format(
            channel=place.channel, row=place.row, column=place.column, count=len(drawn if label == ROWS else value)
        ),
        "shape": " × ".join(map(str, value.shape)),
        "facts": {"min": float(value.min()), "mean": float(value.mean()), "max": float(value.max())},
        "chosen": place.channel if axes in ("c", "mc") else None,
    }


def _cut(axes: str, value: Array, place: Place, keys: tuple[int, ...]) -> tuple[str, Array, str]:
    """The part of a value that is drawn for one channel at one place, how, and what it is called.

    ``keys``: the grid of an affinity's keys.
    """
    words = texts.DRAWN
    match axes:
        case "c" | "h":
            return "bars", value, words["channels" if axes == "c" else "hidden"]
        case "cij":
            return "map", value[place.channel], words["channel"]
        case "1ij":
            return "map", value[0], words["map" if len(value) == 1 else "first"]
        case "mij":
            return "map", value[0], words["first"]
        case "mc":
            return "rows", value, words["branches"]
        case "qd" | "kd":
            return "bars", value[min(place.query, len(value) - 1)], words["place"]
        case "qk":
            row = value[min(place.query, len(value) - 1)]
            return "map", row.reshape(keys) if row.size == math.prod(keys) else row[None], words["row"]
    if value.size <= LARGEST:
        return "rows", value.reshape(len(value), -1), words["strips"]
    while value.ndim > 2:
        value = value[0]
    return "rows", value[:MOST, :MOST], words["operation"]

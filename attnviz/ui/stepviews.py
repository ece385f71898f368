"""The chosen block step by step: each step's formula, its numbers at one channel and place, and its tensor."""

from attnviz.equations import Place, numbers
from attnviz.ui import texts
from attnviz.ui.analysis import View
from attnviz.ui.blockviews import barred, mathml, per_channel
from attnviz.ui.payloads import Array, Payload, packed

INPUT = r"x \in \mathbb{R}^{C \times H \times W}"


def stepper(view: View) -> Payload | None:
    """Every step of the chosen block for one channel at one place; None for a network without attention."""
    record = view.record
    if record is None:
        return None
    explanation, layer = view.explanation, record.layer
    inside = view.inside
    x, output = inside.input, inside.output
    block = explanation.backbone.blocks[layer]
    channel, at = _channel(view), view.place
    place = Place(channel, *at, output.shape[2])
    live = numbers(explanation, layer, inside, channel, at)
    first = _drawing("cij", x.numpy(), place)
    steps = [{"name": texts.STEP_INPUT, "formula": mathml(INPUT)[0], "live": None, **first}]
    for step in inside.steps:
        text = live.get(step.name)
        steps.append(
            {
                "name": step.name,
                "formula": mathml(step.formula)[0],
                "live": mathml(text)[0] if text else None,
                **_drawing(block.axes_of(step.name, tuple(step.value.shape)), step.value.numpy(), place),
            }
        )
    return {
        "layer": layer,
        "title": texts.STEPPER_TITLE.format(mechanism=block.label),
        "caption": layer,
        "steps": steps,
        "channel": channel,
        "channels": len(output),
        "position": list(at),
        "grid": list(output.shape[1:]),
    }


def _channel(view: View) -> int:
    """The chosen channel, or the one whose bar is the highest."""
    if view.state.channel is not None:
        return view.state.channel
    record = barred(view)
    return int(per_channel(record).argmax()) if record else 0


def _drawing(axes: str, value: Array, place: Place) -> Payload:
    """What a step's canvas draws: bars, a map or rows, by the letters of its axes (``Mechanism.axes_of``)."""
    kind, drawn, label = _cut(axes, value, place)
    return {
        "kind": kind,
        "drawn": packed(drawn),
        "label": label.format(channel=place.channel, row=place.row, column=place.column, count=len(value)),
        "shape": " × ".join(map(str, value.shape)),
        "facts": {"min": float(value.min()), "mean": float(value.mean()), "max": float(value.max())},
        "chosen": place.channel if axes in ("c", "mc") else None,
    }


def _cut(axes: str, value: Array, place: Place) -> tuple[str, Array, str]:
    """The part of a value that is drawn for one channel at one place, how, and what it is called."""
    words = texts.DRAWN
    match axes:
        case "c" | "h":
            return "bars", value, words["channels" if axes == "c" else "hidden"]
        case "cij":
            return "map", value[place.channel], words["channel"]
        case "1ij":
            return "map", value[0], words["map"]
        case "mij":
            return "map", value[0], words["first"]
        case "mc":
            return "rows", value, words["branches"]
        case "qd" | "kd":
            return "bars", value[min(place.query, len(value) - 1)], words["place"]
        case "qk":
            return "map", value[place.query].reshape(-1, place.columns), words["row"]
    return "rows", value.reshape(len(value), -1), words["strips"]

"""What networks cost, as tables: their totals side by side, and their layers."""

import base64
from collections.abc import Sequence
from dataclasses import asdict

from attnviz import zoo
from attnviz.backbones import BUILT
from attnviz.cost import Amount, Cost, Latency, Layer, align, table
from attnviz.ui import texts
from attnviz.ui.analysis import Analyst
from attnviz.ui.modelviews import model_name
from attnviz.ui.payloads import Payload, number

QUANTITIES = ("params", "macs", "activations")
BATCH, OPTIMIZER = 32, "SGD with momentum"  # of the estimate of training's memory
SIDES = (96, 128, 160, 224, 320)  # of an input
UNITS = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " K"), (1, ""))


def names(analyst: Analyst) -> dict[str, str]:
    """Every network that can be counted, by id: those of other libraries with random weights, for none is counted."""
    family = {card.id: model_name(card) for card in analyst.family.values()}
    built = {f"{zoo.RANDOM}{name}": texts.BUILT_NAMES.get(name, name) for name in BUILT}
    others = [card for card in analyst.cards.values() if card.id not in family]
    return family | built | {f"{zoo.RANDOM}{card.id}": model_name(card) for card in others}


def sides(analyst: Analyst) -> tuple[int, ...]:
    """The sides of the square inputs that can be counted: usual ones, and those that the networks were trained with."""
    return tuple(sorted({*SIDES, *(card.input_size for card in analyst.cards.values())}))


def counted(count: float) -> str:
    """A count for people: three significant digits and a unit."""
    size, unit = next(((size, unit) for size, unit in UNITS if abs(count) >= 0.9995 * size), (1, ""))
    return (f"{count / size:#.3g}".rstrip(".") if size > 1 else f"{count:.0f}").replace("-", "−") + unit


def weighed(count: float) -> str:
    """Bytes for people, in powers of 1000."""
    text = counted(count)
    return text + ("B" if text[-1] in "KMGT" else " B")


def cell(value: int, quantity: str) -> Payload:
    """A number of a quantity, and its text."""
    return {"value": value, "text": counted(value) if quantity in ("params", "macs") else weighed(value)}


def difference(values: Sequence[int | None], quantity: str) -> Payload | None:
    """The second of two less the first, where there are two; what is not there costs nothing."""
    if len(values) < 2:
        return None
    before, after = (value or 0 for value in values)
    less = after - before
    sign = "+" if less > 0 else ""
    part = _part(before, after) if before and less else ""
    return {"value": less, "text": sign + cell(less, quantity)["text"] if less else "0", "part": part}


def _part(before: int, after: int) -> str:
    """A change in percent, or from ten times on as a factor."""
    if after >= 10 * before:
        return f"× {after / before:,.0f}"
    change = 100 * (after - before) / before
    return texts.LITTLE if abs(change) < 0.1 else f"{change:+.1f}%".replace("-", "−")


def totals(costs: Sequence[Cost]) -> list[Payload]:
    """A line a quantity, a cell a network, and the difference."""
    lines = {
        "params": [cost.total.params for cost in costs],
        "macs": [cost.total.macs for cost in costs],
        "weights": [cost.weights for cost in costs],
        "activations": [cost.total.activations for cost in costs],
        "saved": [cost.saved for cost in costs],
        "training": [cost.training(BATCH, OPTIMIZER).total for cost in costs],
    }
    return [
        {"name": name, "cells": [cell(value, name) for value in values], "difference": difference(values, name)}
        for name, values in lines.items()
    ]


def latency(found: Latency) -> Payload:
    """The time of a pass, and between what times the middle half of them lies."""
    spread = texts.QUARTERS.format(low=number(found.low), high=number(found.high))
    return {"value": found.median, "text": texts.MILLISECONDS.format(value=number(found.median)), "spread": spread}


def layers(costs: Sequence[Cost]) -> Payload:
    """One network's layers or two networks' side by side, by the part of the network that they lie in.

    Each row has for each quantity its ``cells`` (None where a network has no such layer), its ``shares`` of the
    network's total, and the ``difference``.
    """
    pairs = align(*costs) if len(costs) == 2 else [(layer,) for layer in costs[0].layers]
    whole, *rest = [list(pair) for pair in pairs]
    groups: dict[str, list[Payload]] = {}
    for pair in rest:
        layer = _there(pair)
        groups.setdefault(layer.path.split(".")[0], []).extend(_rows(pair, costs))
    # A part whose module never runs by itself has no row of its own to stand for it.
    return {
        "groups": [{"path": path, "row": rows[0], "rows": rows[1:]} for path, rows in groups.items()],
        "whole": _row(whole, _totals(whole), costs),
        "open": next((path for path, rows in reversed(groups.items()) if any(row["attention"] for row in rows)), None),
    }


def _rows(pair: Sequence[Layer | None], costs: Sequence[Cost]) -> list[Payload]:
    """A layer's row; and one for what it multiplies by itself, or holds by itself, beside the modules in it."""
    rows = [_row(pair, _totals(pair), costs)]
    if any(layer and not layer.leaf and (layer.own.macs or layer.own.params) for layer in pair):
        own = _row(pair, [None if layer is None else layer.own for layer in pair], costs)
        rows.append(own | {"own": True, "depth": own["depth"] + 1, "attention": own["attention"] and "inside"})
    return rows


def _totals(pair: Sequence[Layer | None]) -> list[Amount | None]:
    return [None if layer is None else layer.total for layer in pair]


def _row(pair: Sequence[Layer | None], amounts: Sequence[Amount | None], costs: Sequence[Cost]) -> Payload:
    layer = _there(pair)
    wholes = [asdict(cost.total) for cost in costs]
    quantities = {}
    for name in QUANTITIES:
        values: list[int | None] = [None if amount is None else getattr(amount, name) for amount in amounts]
        quantities[name] = {
            "cells": [None if value is None else cell(value, name) for value in values],
            "shares": [
                (value or 0) / whole[name] if whole[name] else 0.0 for value, whole in zip(values, wholes, strict=True)
            ],
            "difference": difference(values, name),
        }
    outputs = dict.fromkeys("×".join(map(str, each.output)) for each in pair if each is not None)
    return {
        "path": layer.path,
        "kind": " · ".join(dict.fromkeys(each.kind for each in pair if each is not None)),
        "depth": layer.path.count("."),
        "output": " · ".join(filter(None, outputs)),
        "attention": "block" if layer.attention else "inside" if layer.block else None,
        "own": False,
        **quantities,
    }


def _there(pair: Sequence[Layer | None]) -> Layer:
    return next(layer for layer in reversed(pair) if layer is not None)


def file(costs: dict[str, Cost], size: int) -> Payload:
    """The layers as CSV, for the browser to keep; keys are the networks' ids."""
    data = base64.b64encode(table(costs).encode()).decode()
    return {"name": f"attnviz-{'-'.join(costs)}-{size}.csv", "mime": "text/csv", "data": data}

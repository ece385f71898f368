"""The bench: two settings of a mechanism side by side, step by step, and how they grow."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from attnviz.bench import MECHANISMS, MOST_CHANNELS, MOST_SIDE, Bench, Option, Point, Setting, options
from attnviz.errors import OptionError
from attnviz.ui import texts
from attnviz.ui.blockviews import mathml
from attnviz.ui.costviews import QUANTITIES, cell, difference
from attnviz.ui.payloads import Payload

FIRST = (Setting("SE"), Setting("ECA"))
LETTERS = "AB"
LIMITS = {"channels": MOST_CHANNELS, "height": MOST_SIDE, "width": MOST_SIDE}
LONGEST, LARGEST = 40, 10**9  # of a text and a number that a browser sends


def choices() -> list[Payload]:
    """Every mechanism with its options, by its label."""
    found = sorted(MECHANISMS.items(), key=lambda item: item[1].label.lower())
    return [
        {"name": name, "label": each.label, "citation": each.citation, "options": [_option(o) for o in options(name)]}
        for name, each in found
    ]


def _option(option: Option) -> Payload:
    """An option for a form; values of a choice as JSON, so that each comes back as what it was."""
    return {
        "name": option.name,
        "kind": option.kind,
        "value": option.default,
        "choices": [[json.dumps(choice, separators=(",", ":")), _words(choice)] for choice in option.choices],
        "optional": option.optional,
        "says": option.says,
    }


def _words(choice: Any) -> str:
    return " + ".join(map(_words, choice)) if isinstance(choice, tuple) else str(choice).replace("_", " ")


def asked(data: Any) -> tuple[Setting, Setting]:
    """The two settings that a browser asks for. Raises OptionError for junk; what a value may be is the bench's."""
    settings = data.get("settings") if isinstance(data, dict) else None
    if not isinstance(settings, list) or len(settings) != 2 or not all(isinstance(each, dict) for each in settings):
        raise _bad("settings")
    sizes = {name: _plain(data.get(name), name) for name in LIMITS}
    first, second = (_setting(each, sizes) for each in settings)
    return first, second


def _setting(data: Payload, sizes: dict[str, Any]) -> Setting:
    mechanism, given = data.get("mechanism"), data.get("options")
    if not isinstance(mechanism, str) or mechanism not in MECHANISMS:
        raise _bad("mechanism")
    known = {option.name for option in options(mechanism)}
    if not isinstance(given, dict) or any(name not in known for name in given):
        raise _bad("options")
    return Setting(mechanism, {name: _plain(value, name) for name, value in given.items()}, **sizes)


def _plain(value: Any, name: str) -> Any:
    """A value as a form has it: a switch, a number, a short text, some of those texts, or nothing."""
    if isinstance(value, list) and 0 < len(value) <= len(LETTERS) and all(isinstance(each, str) for each in value):
        return tuple(_plain(each, name) for each in value)
    short = isinstance(value, str) and len(value) <= LONGEST
    small = isinstance(value, int | float) and abs(value) <= LARGEST
    if not (short or small or value is None):
        raise _bad(name)
    return value


def _bad(what: str) -> OptionError:
    return OptionError(texts.BAD_REQUEST.format(what=what))


def names(settings: Sequence[Setting]) -> list[str]:
    """What two settings are called."""
    return [f"{letter}: {MECHANISMS[each.mechanism].label}" for letter, each in zip(LETTERS, settings, strict=True)]


def bench(settings: Sequence[Setting], found: Sequence[Bench]) -> Payload:
    """Two settings: the steps of each, and their totals with the difference."""
    totals = [asdict(each.total) for each in found]
    return {
        "names": names(settings),
        "sides": [
            {
                "input": _shape(each.input),
                "formula": mathml(MECHANISMS[setting.mechanism].formula),
                "steps": [
                    {
                        "name": step.name,
                        "formula": mathml(step.formula)[0],
                        "shape": _shape(step.shape),
                        "macs": cell(step.macs, "macs"),
                        "bytes": cell(step.bytes, "activations"),
                    }
                    for step in each.steps
                ],
                "macs": cell(each.total.macs, "macs"),
                "bytes": cell(each.total.activations, "activations"),
            }
            for setting, each in zip(settings, found, strict=True)
        ],
        "totals": [
            {
                "name": name,
                "cells": [cell(total[name], name) for total in totals],
                "difference": difference([total[name] for total in totals], name),
            }
            for name in QUANTITIES
        ],
    }


def growth(settings: Sequence[Setting], found: Sequence[dict[str, tuple[Point, ...]]]) -> Payload:
    """The curves of two settings: for each way to grow its sizes, and each setting's costs at them."""
    setting = settings[0]
    titles = {
        "channels": texts.GROWTH["channels"].format(size=_shape((setting.height, setting.width))),
        "positions": texts.GROWTH["positions"].format(channels=setting.channels),
    }
    return {
        "names": names(settings),
        "ways": [
            {
                "name": way,
                "title": title,
                "sizes": [_size(way, point) for point in found[0][way]],
                "lines": [[_point(point) for point in each[way]] for each in found],
            }
            for way, title in titles.items()
        ],
    }


def _size(way: str, point: Point) -> str:
    return str(point.shape[0]) if way == "channels" else _shape(point.shape[1:])


def _point(point: Point) -> Payload:
    if point.total is None:
        return {"refused": point.refused}
    return {name: cell(value, name) for name, value in asdict(point.total).items()}


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))

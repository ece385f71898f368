"""One mechanism alone, without a network and without training: its steps' shapes, its size and its work.

It is built on the meta device, where tensors have shapes and no values: what is counted is exact, and a large
setting costs no more than a small one.
"""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import combinations
from math import prod
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import torch

from attnviz import mechanisms
from attnviz.cost import Amount
from attnviz.counting import Count
from attnviz.errors import AttnvizError, OptionError
from attnviz.mechanisms import Mechanism

MOST_CHANNELS, MOST_SIDE = 2048, 256  # of C, and of H and W
MOST = 2048  # of every number among the options
MOST_STEPS = 64
FLOAT = 4  # bytes of a value
FRAMES = 4  # of a mechanism's third dimension, time
FACTORS = (0.25, 0.5, 1, 2, 4)

MECHANISMS: Mapping[str, type[Mechanism]] = {
    name: found
    for name in sorted(mechanisms.__all__)
    if inspect.isclass(found := getattr(mechanisms, name))
    and issubclass(found, Mechanism)
    and not inspect.isabstract(found)
}


@dataclass(frozen=True)
class Option:
    """An option of a mechanism, as its constructor has it.

    Attributes:
        kind: "switch", "choice" (of ``choices``), "whole" or "number".
        optional: whether None may be given.
        says: what the class's docstring says of it.
    """

    name: str
    kind: Literal["switch", "choice", "whole", "number"]
    default: Any
    choices: tuple[Any, ...] = ()
    optional: bool = False
    says: str = ""


@dataclass(frozen=True)
class Setting:
    """A mechanism by its class's name, its options, and the feature map (C, H, W) that comes in."""

    mechanism: str
    options: Mapping[str, Any] = field(default_factory=dict)
    channels: int = 256
    height: int = 14
    width: int = 14


@dataclass(frozen=True)
class StepCost:
    """A step of the formula: the shape of its value (without a batch), its bytes, and the multiply-adds up to it
    from the step before."""

    name: str
    formula: str
    shape: tuple[int, ...]
    bytes: int
    macs: int


@dataclass(frozen=True)
class Bench:
    """What a setting takes: the shape that comes in, the steps in order, and all of them together."""

    input: tuple[int, ...]
    steps: tuple[StepCost, ...]
    total: Amount


@dataclass(frozen=True)
class Point:
    """A point of a growth curve: the feature map (C, H, W), and what it takes, or why it cannot be."""

    shape: tuple[int, int, int]
    total: Amount | None
    refused: str | None = None


@cache
def options(mechanism: str) -> tuple[Option, ...]:
    """A mechanism's options, from its constructor and its docstring. Raises OptionError for another name."""
    found = _class(mechanism)
    hints = get_type_hints(found.__init__)
    says = _says(found)
    return tuple(
        _option(name, hints[name], parameter.default, says.get(name, ""))
        for name, parameter in inspect.signature(found.__init__).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    )


def measure(setting: Setting) -> Bench:
    """A setting's steps and costs, for one picture.

    A mechanism of one dimension takes the positions as a sequence of H * W; one of three takes FRAMES moments.

    Multiply-adds are those of convolutions, linear layers and matrix products;
    pooling, sigmoid, softmax, norms, sums and the scaling by a gate are work too, and not counted. Activations
    are the bytes of the steps' values in float32; what an operation computes within a step is not among them.

    Raises:
        AttnvizError: in one line, the mechanism's own where it refuses an option, or for what is beyond the limits.
    """
    _check(setting)
    return _measure(setting)


def growth(setting: Setting) -> dict[str, tuple[Point, ...]]:
    """How a setting's costs grow: with the channels ("channels") and with both sides of the map ("positions").

    Each by FACTORS, rounded down and at least 1; a point that the mechanism refuses says why.
    """
    _check(setting)
    channels = [max(1, int(setting.channels * factor)) for factor in FACTORS]
    sides = [(max(1, int(setting.height * factor)), max(1, int(setting.width * factor))) for factor in FACTORS]
    along = {
        "channels": [replace(setting, channels=count) for count in channels],
        "positions": [replace(setting, height=height, width=width) for height, width in sides],
    }
    return {name: tuple(map(_point, settings)) for name, settings in along.items()}


def _point(setting: Setting) -> Point:
    shape = (setting.channels, setting.height, setting.width)
    try:
        return Point(shape, _measure(setting).total)
    except AttnvizError as error:
        return Point(shape, None, str(error))


def _measure(setting: Setting) -> Bench:
    with torch.device("meta"):
        module = _class(setting.mechanism)(setting.channels, **setting.options).eval()
        plane = (setting.height, setting.width)
        grid = {1: (prod(plane),), 2: plane, 3: (FRAMES, *plane)}[module.grid_dims]
        x = torch.empty(1, setting.channels, *grid)
    steps: list[StepCost] = []
    before = 0
    with Count() as count:
        for step in module.compute(x):
            if len(steps) == MOST_STEPS:
                raise OptionError(f"{setting.mechanism}: the bench shows up to {MOST_STEPS} steps, and these are more")
            macs, shape = count.total_macs, tuple(step.value.shape[1:])
            steps.append(StepCost(step.name, step.formula, shape, FLOAT * prod(shape), macs - before))
            before = macs
    params = sum(parameter.numel() for parameter in module.parameters())
    return Bench(tuple(x.shape[1:]), tuple(steps), Amount(params, before, sum(step.bytes for step in steps)))


def _check(setting: Setting) -> None:
    """Refuse what is beyond the limits; what an option may be is for the mechanism to say."""
    known = {option.name for option in options(setting.mechanism)}
    limits = [("C", setting.channels, MOST_CHANNELS), ("H", setting.height, MOST_SIDE), ("W", setting.width, MOST_SIDE)]
    for name, value, most in limits:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise OptionError(f"{name} is {value!r}; the bench takes a whole number from 1 to {most}")
    for name, value in setting.options.items():
        if name not in known:
            raise OptionError(f"{setting.mechanism} has no option {name!r}; its options are {', '.join(sorted(known))}")
        if isinstance(value, int | float) and abs(value) > MOST:
            raise OptionError(f"{setting.mechanism}: {name} is {value!r}; the bench takes {MOST} at most")


def _class(mechanism: str) -> type[Mechanism]:
    if mechanism not in MECHANISMS:
        raise OptionError(f"no mechanism {mechanism!r}; there are {', '.join(MECHANISMS)}")
    return MECHANISMS[mechanism]


def _option(name: str, hint: Any, default: Any, says: str) -> Option:
    """An option from its type: bool, Literal, a tuple of Literals (any of them, in order), int or float; or None."""
    optional = get_origin(hint) in (Union, UnionType) and type(None) in get_args(hint)
    if optional:
        (hint,) = (each for each in get_args(hint) if each is not type(None))
    if get_origin(hint) is Literal:
        return Option(name, "choice", default, get_args(hint), optional, says)
    if get_origin(hint) is tuple:
        several = get_args(get_args(hint)[0])
        chosen = tuple(each for count in range(1, len(several) + 1) for each in combinations(several, count))
        return Option(name, "choice", default, chosen, optional, says)
    kinds: dict[Any, Literal["switch", "whole", "number"]] = {bool: "switch", int: "whole", float: "number"}
    return Option(name, kinds[hint], default, (), optional, says)


def _says(found: type[Mechanism]) -> dict[str, str]:
    """What a class's docstring says of each argument, in one line each."""
    _, _, section = (inspect.getdoc(found) or "").partition("Args:\n")
    lines = re.sub(r"\n {5,}", " ", section).splitlines()
    pairs = (line.strip().partition(": ") for line in lines if line.startswith("    "))
    return {name: text for names, _, text in pairs for name in names.split(", ")}

"""A block's formula with this picture's numbers in it, for one channel at one place."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral

from torch import Tensor

from attnviz.errors import OptionError
from attnviz.explanation import Explanation, Inside

PLACEHOLDER = re.compile(r"<([a-z0-9 ]+?)(?:\.(\d+))?>")


@dataclass(frozen=True)
class Place:
    """Where a formula is filled in: a channel, a row and column of the block's output, and the flat index of an
    affinity's query."""

    channel: int
    row: int
    column: int
    query: int


def latex(value: float) -> str:
    """A number in three significant digits."""
    mantissa, _, exponent = f"{value:.3g}".partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else mantissa


def equations(
    explanation: Explanation,
    layer: str,
    channel: int,
    position: tuple[int, int],
    call: int = 0,
    show: Callable[[float], str] = latex,
) -> dict[str, str]:
    """A block's equations with the numbers of one channel at one place: LaTeX, by step's name.

    Args:
        explanation: whose picture is meant.
        layer: the block's dotted path.
        channel: one of the block's.
        position: row and column on the grid of the block's output.
        call: which run of the block.
        show: how a number is written.

    Raises:
        OptionError: in one line, for a block, channel or position that is not there.
    """
    return numbers(explanation, layer, explanation.inside(layer, call), channel, position, show)


def numbers(
    explanation: Explanation,
    layer: str,
    inside: Inside,
    channel: int,
    position: tuple[int, int],
    show: Callable[[float], str] = latex,
    query: tuple[int, int] | None = None,
) -> dict[str, str]:
    """``equations`` of a run that is at hand; ``query``: an affinity's, on its grid, where it is not the position's."""
    x, output, steps = inside.input, inside.output, inside.steps
    block = explanation.backbone.blocks[layer]
    if output.dim() != 3:
        raise OptionError(f"{layer} works on no picture's grid, so its formula has no row and column")
    count, rows, columns = output.shape
    given = (*position, channel) if isinstance(position, tuple | list) and len(position) == 2 else (None, None, None)
    ends = (rows, columns, count)
    if not all(isinstance(n, Integral) and 0 <= n < end for n, end in zip(given, ends, strict=True)):
        raise OptionError(f"{layer} has {count} channels on {rows}x{columns} positions, not {channel} at {position}")
    grid = block.query_grid(tuple(x.shape[1:]))
    query = query or rescaled((position[0], position[1]), (rows, columns), (grid[0], grid[-1]))
    place = Place(channel, *position, query[0] * grid[-1] + query[1])
    values = {"x": at(x, "cij", place)} if x.shape == output.shape else {}
    sizes = {"c": count, "i": rows, "j": columns}
    for step in steps:
        axes = step.axes or block.axes_of(step.name, tuple(step.value.shape))
        if axes and any(n != sizes.get(axis, n) for axis, n in zip(axes, step.value.shape, strict=True)):
            continue  # of another grid, or of other channels: it has no number at this place
        if axes.startswith("m"):
            values |= {f"{step.name}.{m}": at(each, axes[1:], place) for m, each in enumerate(step.value)}
        elif axes and set(axes) <= set("cijqk1"):
            values[step.name] = at(step.value, axes, place)
    # Where the output has another grid or other channels than the input, there is no x at this place.
    known = values.keys() | {"c", "i", "j"}
    texts = {name: text for name, text in block.equations().items() if _asked(text) <= known}
    names = [step.name for step in steps]
    return {name: filled(texts[name], values, place, show) for name in names if name in texts}


def rescaled(place: tuple[int, int], of: tuple[int, int], to: tuple[int, int]) -> tuple[int, int]:
    """The cell of one grid that the middle of another's cell lies in."""
    row, column = (int((at + 0.5) * new / old) for at, old, new in zip(place, of, to, strict=True))
    return row, column


def at(value: Tensor, axes: str, place: Place) -> float:
    """A value's number at a place; along keys, the largest."""
    index = {"c": place.channel, "i": place.row, "j": place.column, "q": place.query, "1": 0}
    for axis in axes:
        value = value.amax() if axis == "k" else value[index[axis]]
    return float(value)


def _asked(equation: str) -> set[str]:
    """The names of the numbers that an equation is filled with."""
    return {f"{name}.{m}" if m else name for name, m in PLACEHOLDER.findall(equation)}


def filled(equation: str, values: Mapping[str, float], place: Place, show: Callable[[float], str]) -> str:
    """An equation with its numbers; a negative one stands in brackets where something stands before it."""
    indices = {"c": place.channel, "i": place.row, "j": place.column}

    def number(found: re.Match[str]) -> str:
        name = found[1] + (f".{found[2]}" if found[2] else "")
        if name in indices:
            return str(indices[name])
        text = show(values[name])
        alone = equation[: found.start()].rstrip()[-1:] in ("", "=", "(", "{", ",")
        return text if alone or not text.startswith("-") else f"({text})"

    return PLACEHOLDER.sub(number, equation)

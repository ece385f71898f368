"""LaTeX for the operations that a recording is made of, with symbols for what they take."""

from collections.abc import Callable, Sequence

from attnviz.flow.atoms import NAMES, Axis
from attnviz.flow.graph import Op
from attnviz.flow.rules.pointwise import NORMS, SOFTMAX
from attnviz.flow.rules.reduce import POOLS, REDUCE, RESAMPLE
from attnviz.flow.rules.table import dims

Formula = Callable[[Op, Sequence[str]], str]
NUMBERED = 4  # digits of a number in a formula
PLAIN = {
    "abs": r"\left|{}\right|",
    "clamp_min": r"\max({}, \cdot)",
    "cos": r"\cos {}",
    "exp": r"e^{{{}}}",
    "gelu": r"\mathrm{{GELU}}({})",
    "hardsigmoid": r"\min(\max(\tfrac{{1}}{{6}} {} + \tfrac{{1}}{{2}}, 0), 1)",
    "hardswish": r"\mathrm{{hardswish}}({})",
    "log": r"\log {}",
    "neg": r"-{}",
    "reciprocal": r"\frac{{1}}{{{}}}",
    "relu": r"\max(0, {})",
    "rsqrt": r"\frac{{1}}{{\sqrt{{{}}}}}",
    "sigmoid": r"\sigma({})",
    "silu": r"{0}\,\sigma({0})",
    "softplus": r"\log(1 + e^{{{}}})",
    "sqrt": r"\sqrt{{{}}}",
    "tanh": r"\tanh({})",
}
REDUCED = {"mean": r"\operatorname{mean}", "sum": r"\sum", "amax": r"\max", "max": r"\max", "amin": r"\min"}
LAYERS = {"convolution": r"W \ast {} + b", "addmm": r"W {} + b", "mm": r"W {}"}
PAIRS = {"add": "{} + {}", "sub": "{} - {}", "mul": r"{} \odot {}", "div": r"\frac{{{}}}{{{}}}"}


def formula(op: Op, symbols: Sequence[str]) -> str:
    """An operation as LaTeX. ``symbols``: one for each value of ``op.live``."""
    name = "div" if op.name == "true_divide" else op.name
    if name in PLAIN:
        return PLAIN[name].format(symbols[0])
    if name in LAYERS and len(symbols) == 1:
        return LAYERS[name].format(symbols[0])
    if name in PAIRS or name == "rsub":
        return _pair(op, name, symbols)
    if name in ("cat", "stack"):
        return f"[{', '.join(symbols)}]"
    if name in SOFTMAX:
        axis = op.live[0].label[int(op.argument(1, "dim", -1)) % len(op.live[0].label)]
        return rf"\operatorname{{softmax}}_{{\text{{{word(axis)}}}}} {symbols[0]}"
    if name in ("bmm", "mm", "baddbmm") and len(symbols) >= 2:
        return " ".join(symbols[-2:])
    if name in REDUCE or name in ("max", "min"):
        return _reduced(op, name, symbols)
    if name == "pow" and isinstance(op.args[1], int | float):
        return f"{symbols[0]}^{{{number(op.args[1])}}}"
    return _rest(name, symbols)


def _pair(op: Op, name: str, symbols: Sequence[str]) -> str:
    """Two values, or one and a number or a weight, in their order."""
    live = iter(symbols)
    words = [next(live) if getattr(each, "depends", False) else _constant(each) for each in op.args[:2]]
    if name == "rsub":
        name, words = "sub", words[::-1]
    return PAIRS[name].format(*words)


def _constant(argument: object) -> str:
    if isinstance(argument, int | float):
        return number(argument)
    tensor = getattr(argument, "tensor", None)
    return number(float(tensor)) if tensor is not None and tensor.numel() == 1 else "w"


def number(value: float) -> str:
    return f"{value:.{NUMBERED}g}"


def _reduced(op: Op, name: str, symbols: Sequence[str]) -> str:
    if len(symbols) > 1:
        return rf"\{name}({', '.join(symbols)})"
    label = op.live[0].label
    place = 2 if "norm" in name else 1
    axes = dims(op.argument(place, "dim"), len(label))
    over = ", ".join(filter(None, (word(label[axis]) for axis in axes)))
    sign = REDUCED.get(name, rf"\operatorname{{{name.replace('_', ' ')}}}")
    return rf"{sign}_{{\text{{{over}}}}} {symbols[0]}" if over else f"{sign} {symbols[0]}"


def _rest(name: str, symbols: Sequence[str]) -> str:
    said = name.strip("_").replace("_", " ")
    if name in NORMS:
        said = "norm"
    elif name in POOLS:
        said = "max pool" if "max" in name else "mean pool"
    elif name in RESAMPLE:
        said = "resize"
    return rf"\mathrm{{{said.replace(' ', chr(92) + ' ')}}}({', '.join(symbols)})"


def word(axis: Axis) -> str:
    """An axis in words."""
    return " and ".join(NAMES[kind] for atom in axis for kind in sorted(atom.kinds))

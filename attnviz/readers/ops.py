"""Attention without a module of its own: a sigmoid or a softmax that is called in a forward, and what it meets.

``Watch`` sees every function of tensors while it is active. It notes each gate (the result of a sigmoid or a
softmax), follows it through views, and notes where it meets features: a product, or a matrix product.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

SIGMOIDS = {"sigmoid", "sigmoid_", "expit", "hardsigmoid", "hardsigmoid_"}
GATES = SIGMOIDS | {"softmax"}
PRODUCTS = {"mul", "mul_", "multiply", "__mul__", "__rmul__", "__imul__"}
SUMS = {"add", "__add__", "__radd__"}
MATRIX_PRODUCTS = {"matmul", "bmm", "__matmul__", "__rmatmul__"}
# What hands the same values on in another shape.
VIEWS = {
    "view", "reshape", "expand", "expand_as", "view_as", "reshape_as", "unsqueeze", "squeeze", "permute", "transpose",
    "movedim", "flatten", "unflatten", "contiguous", "clone", "to", "float", "type_as", "chunk", "split", "unbind",
    "select", "narrow", "swapaxes", "t", "__getitem__", "__get__", "repeat", "dropout",
}  # fmt: skip

ROOT = "(network)"  # the scope of what a network calls in its own forward

Edited = Callable[[Tensor], Tensor]


@dataclass(eq=False)
class Use:
    """Where a gate met features: "product" or "matrix"; ``plus``: one was added to the gate on the way.

    ``gate`` (as it was there), ``other`` and ``result`` are copies where they are kept, else None.
    """

    how: str
    first: bool
    plus: bool
    own_input: bool  # the features are what the gate was computed of: x * sigmoid(x), an activation
    before: Tensor | None = None  # (B, H, W), mean of |x| over channels, where the features are maps
    after: Tensor | None = None
    strength: Tensor | None = None  # (B, keys): mean of |x| of what a matrix product reads
    gate: Tensor | None = None
    other: Tensor | None = None
    result: Tensor | None = None


@dataclass(eq=False)
class Seen:
    """A gate: in which module, in which of its calls, the how manieth there; its values and its uses."""

    scope: str
    call: int
    index: int
    function: str
    axis: int | None  # of a softmax
    source: Tensor  # what the function was given
    value: Tensor
    grids: frozenset[tuple[int, ...]]  # that features in the scope had, or where it is given none, in the network
    picture: tuple[int, ...] | None  # the grid of the network's input
    batch: int | None  # of the network's
    time: int  # rises with what the network computes
    edited: bool = False
    given: Tensor | None = None  # what the function was given, itself: ``source`` may be a copy
    last: bool = True  # nothing was computed of it: the network ends in it
    uses: list[Use] = field(default_factory=list)


Meeting = tuple[int, tuple[Tensor, Seen, bool]]  # a gate as the how manieth argument, and whether one was added to it


@dataclass(frozen=True)
class _Frame:
    """A module that runs: whether a reader knows it, and how many features had been seen when it was given its own."""

    scope: str
    known: bool = False
    since: int = 0


class Watch(TorchFunctionMode):
    """Notes gates and their uses.

    Args:
        edit: what a gate is replaced by, for (scope, index, call), or None.
        clock: a number for each gate, rising.
        keep: whether the features that a gate meets are kept (to verify), or only their strength.
    """

    def __init__(
        self, edit: Callable[[str, int, int], Edited | None], clock: Iterator[int], *, keep: bool = False
    ) -> None:
        super().__init__()
        self.seen: list[Seen] = []
        self.missed: list[str] = []  # where there is attention that is not computed again here, and what it is
        self._edit, self._clock, self._keep = edit, clock, keep
        self._stack: list[_Frame] = []
        self._grids: list[tuple[int, ...]] = []  # of all features until now, the network's input first
        self._calls: Counter[str] = Counter()
        self._counts: Counter[tuple[str, int]] = Counter()
        self._batch: int | None = None
        self._alias: dict[int, tuple[Tensor, Seen, bool]] = {}

    def enter(self, scope: str, args: tuple[Any, ...], *, known: bool) -> None:
        """A module starts; in ``known`` ones nothing is noted, for a reader reads them."""
        x = args[0] if args else None
        if self._batch is None and isinstance(x, Tensor):
            self._batch = len(x)
        given = isinstance(x, Tensor) and x.dim() == 4
        self._stack.append(_Frame(scope, known, len(self._grids) if given else 0))
        self.saw(x)

    def saw(self, features: Any) -> None:
        """Features that a module was given, or gave."""
        if isinstance(features, Tensor) and features.dim() == 4:
            self._grids += [tuple(features.shape[2:]), tuple(features.shape[1:3])]  # channels may come last

    def leave(self, scope: str) -> None:
        """A module has ended."""
        if self._stack and self._stack[-1].scope == scope:
            self._stack.pop()
            self._calls[scope] += 1

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if any(frame.known for frame in self._stack):
            return func(*args, **kwargs)
        if name in GATES and args and isinstance(args[0], Tensor):
            return self._gate(name, func, args, kwargs)
        if name == "scaled_dot_product_attention":
            return self._attention(func, args, kwargs)
        met = [(place, self._alias[id(arg)]) for place, arg in enumerate(args[:3]) if id(arg) in self._alias]
        for _, (_, seen, _) in met:
            seen.last = False
        if not met or (name not in VIEWS | PRODUCTS | SUMS | MATRIX_PRODUCTS | {"einsum"}):
            return func(*args, **kwargs)
        others = [arg for arg in args if isinstance(arg, Tensor) and id(arg) not in self._alias]
        if name == "einsum" and others:
            return self._einsum(met[0], others[0], func, args, kwargs)
        if not others:
            result = func(*args, **kwargs)
            self._follow(name, met, args, result)
            return result
        if name in VIEWS or name in SUMS:
            return func(*args, **kwargs)
        use = self._meeting(name, met[0], others[0])  # before: a product may work in place
        result = func(*args, **kwargs)
        if isinstance(result, Tensor):
            seen = met[0][1][1]
            seen.uses.append(self._met(use, result))
        return result

    def _gate(self, name: str, func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        frame = self._stack[-1] if self._stack else _Frame(ROOT)
        scope = frame.scope
        call = self._calls[scope]
        index = self._counts[scope, call]
        self._counts[scope, call] += 1
        source = args[0].detach().clone() if self._keep else args[0]
        change = self._edit(scope, index, call)
        if change is None:
            value = func(*args, **kwargs)
        elif name.endswith("_") or kwargs.get("inplace") or any(each is True for each in args[1:]):
            # In place: whoever holds the tensor sees the edit.
            value = args[0].copy_(change(func(args[0].clone(), *args[1:], **kwargs)))
        else:
            value = change(func(*args, **kwargs))
        axis = kwargs.get("dim", args[1] if len(args) > 1 else None) if name == "softmax" else None
        axis = axis % value.dim() if isinstance(axis, int) else None
        kept = value.detach().clone()
        grids, picture = frozenset(self._grids[frame.since :]), next(iter(self._grids), None)
        time, edited = next(self._clock), change is not None
        seen = Seen(scope, call, index, name, axis, source, kept, grids, picture, self._batch, time, edited)
        seen.given = args[0]
        self.seen.append(seen)
        self._alias[id(value)] = (value, seen, False)
        return value

    def _attention(self, func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """softmax(q k / sqrt(d) + bias) v, whose weights torch does not give: they are computed here.

        With dropout, a causal mask or shared keys they are only noted, and so named as not read.
        """
        given = dict(zip(("query", "key", "value", "attn_mask", "dropout_p", "is_causal"), args, strict=False)) | kwargs
        q, k, v, bias = (given.get(each) for each in ("query", "key", "value", "attn_mask"))
        result = func(*args, **kwargs)
        odd = any(given.get(each) for each in ("dropout_p", "is_causal", "enable_gqa"))
        if odd or not all(isinstance(each, Tensor) for each in (q, k, v)):
            scope = self._stack[-1].scope if self._stack else ROOT
            self.missed.append(f"{scope}: scaled_dot_product_attention with dropout, a causal mask or shared keys")
            return result
        assert isinstance(q, Tensor)
        assert isinstance(k, Tensor)
        assert isinstance(v, Tensor)
        logits = q @ k.transpose(-1, -2) * (given.get("scale") or q.shape[-1] ** -0.5)
        if bias is not None:
            logits = logits.masked_fill(~bias, -torch.inf) if bias.dtype == torch.bool else logits + bias
        value = self._gate("softmax", torch.softmax, (logits,), {"dim": -1})
        seen = self.seen[-1]
        seen.last = False
        if seen.edited:
            result = value @ v
        seen.uses.append(self._met(self._meeting("matmul", (0, (value, seen, False)), v), result))
        return result

    def _einsum(
        self, met: Meeting, x: Tensor, func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        """A sum over indices that is a product, or a matrix product: as that, with the axes in its order."""
        place, (gate, seen, plus) = met
        as_known = arranged(args[0], place, gate, x) if isinstance(args[0], str) and len(args) == 3 else None
        if as_known is None:
            return func(*args, **kwargs)
        name, gate, other, order = as_known
        use = self._meeting(name, (0, (gate, seen, plus)), other)
        use.own_input = x is seen.given
        result = func(*args, **kwargs)
        seen.uses.append(self._met(use, result.permute(order)))
        return result

    def _follow(self, name: str, met: list[Meeting], args: Sequence[Any], result: Any) -> None:
        """A view, a number added or multiplied, or two gates together: the gate is in what comes of it."""
        _, (_, seen, plus) = met[0]
        more = name in SUMS and any(isinstance(arg, int | float) for arg in args)
        for each in result if isinstance(result, tuple | list) else (result,):
            if isinstance(each, Tensor) and (len(met) == 1 or name not in PRODUCTS):
                self._alias[id(each)] = (each, seen, plus or more)

    def _meeting(self, name: str, met: Meeting, x: Tensor) -> Use:
        """A gate is about to meet features x."""
        place, (gate, seen, plus) = met
        other = x.detach()
        use = Use("product" if name in PRODUCTS else "matrix", place == 0, plus, own_input=x is seen.given)
        if use.how == "product" and other.dim() == 4:
            use.before = other.abs().mean(1)
        if use.how == "matrix" and seen.axis is not None:
            use.strength = _along(other, seen.value.shape[seen.axis])
        if self._keep:
            use.gate, use.other = gate.detach().clone(), other.clone()
        return use

    def _met(self, use: Use, result: Tensor) -> Use:
        """A gate has met features, and this came of it."""
        if use.before is not None and result.dim() == 4:
            use.after = result.detach().abs().mean(1)
        if self._keep:
            use.result = result.detach().clone()
        return use


def arranged(equation: str, place: int, gate: Tensor, x: Tensor) -> tuple[str, Tensor, Tensor, list[int]] | None:
    """An einsum of a gate (its 1st or 2nd operand, by ``place``) and features as a product, or as a matrix product.

    Gives the function's name, the gate and the features as that takes them, and the order of the result's axes
    there; None for a sum that is neither.
    """
    operands, arrow, out = equation.replace(" ", "").partition("->")
    letters = operands.split(",")
    if not arrow or "." in equation or len(letters) != 2 or any(len(set(each)) < len(each) for each in (*letters, out)):
        return None
    of_gate, of_x = letters if place == 1 else letters[::-1]
    summed = [each for each in of_gate if each in of_x and each not in out]
    if not summed and set(of_gate) <= set(of_x) == set(out):  # a gate for each, along the axes that it has
        spread = gate.permute([of_gate.index(each) for each in of_x if each in of_gate])
        for axis, each in enumerate(of_x):
            spread = spread if each in of_gate else spread.unsqueeze(axis)
        return "mul", spread, x, [out.index(each) for each in of_x]
    alone = [each for each in of_gate if each not in of_x], [each for each in of_x if each not in of_gate]
    both = [each for each in of_gate if each in of_x and each in out]
    if len(summed) != 1 or [len(each) for each in alone] != [1, 1] or set(out) != {*both, *alone[0], *alone[1]}:
        return None
    rows, columns = [*both, *alone[0], *summed], [*both, *summed, *alone[1]]
    order = [out.index(each) for each in (*both, *alone[0], *alone[1])]
    return "matmul", gate.permute([of_gate.index(each) for each in rows]), x.permute([*map(of_x.index, columns)]), order


def _along(other: Tensor, keys: int) -> Tensor | None:
    """Mean of |x| for each key, over whatever else the tensor has."""
    for axis in range(other.dim() - 1, 0, -1):
        if other.shape[axis] == keys:
            rest = [i for i in range(1, other.dim()) if i != axis]
            return other.abs().mean(rest) if rest else other.abs()
    return None


def constant(value: Tensor, axis: int) -> bool:
    """Whether a tensor is the same all along an axis."""
    return bool(torch.equal(value, value.narrow(axis, 0, 1).expand_as(value)))


def placed(grid: tuple[int, ...], picture: tuple[int, ...] | None) -> bool:
    """Whether a grid lies on the picture: it has its proportions, to two cells; channels, patches, tokens have not."""
    return picture is None or abs(grid[0] * picture[1] - grid[1] * picture[0]) <= 2 * max(picture)

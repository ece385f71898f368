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

SIGMOIDS = {"sigmoid", "sigmoid_", "expit", "hardsigmoid"}
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
    grid: tuple[int, ...] | None  # of the scope's own input
    batch: int | None  # of the network's
    time: int  # rises with what the network computes
    edited: bool = False
    given: Tensor | None = None  # what the function was given, itself: ``source`` may be a copy
    last: bool = True  # nothing was computed of it: the network ends in it
    uses: list[Use] = field(default_factory=list)


Meeting = tuple[int, tuple[Tensor, Seen, bool]]  # a gate as the how manieth argument, and whether one was added to it


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
        self._edit, self._clock, self._keep = edit, clock, keep
        self._stack: list[tuple[str, bool, tuple[int, ...] | None]] = []
        self._calls: Counter[str] = Counter()
        self._counts: Counter[tuple[str, int]] = Counter()
        self._batch: int | None = None
        self._alias: dict[int, tuple[Tensor, Seen, bool]] = {}

    def enter(self, scope: str, args: tuple[Any, ...], *, known: bool) -> None:
        """A module starts; in ``known`` ones nothing is noted, for a reader reads them."""
        x = args[0] if args else None
        if self._batch is None and isinstance(x, Tensor):
            self._batch = len(x)
        grid = tuple(x.shape[2:]) if isinstance(x, Tensor) and x.dim() == 4 else None
        self._stack.append((scope, known, grid))

    def leave(self, scope: str) -> None:
        """A module has ended."""
        if self._stack and self._stack[-1][0] == scope:
            self._stack.pop()
            self._calls[scope] += 1

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if any(known for _, known, _ in self._stack):
            return func(*args, **kwargs)
        if name in GATES and args and isinstance(args[0], Tensor):
            return self._gate(name, func, args, kwargs)
        if name == "scaled_dot_product_attention":
            return self._attention(func, args, kwargs)
        met = [(place, self._alias[id(arg)]) for place, arg in enumerate(args[:3]) if id(arg) in self._alias]
        for _, (_, seen, _) in met:
            seen.last = False
        if not met or (name not in VIEWS | PRODUCTS | SUMS | MATRIX_PRODUCTS and name != "einsum"):
            return func(*args, **kwargs)
        others = [arg for arg in args if isinstance(arg, Tensor) and id(arg) not in self._alias]
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
        value = func(*args, **kwargs)
        scope, _, grid = self._stack[-1] if self._stack else (ROOT, False, None)
        call = self._calls[scope]
        index = self._counts[scope, call]
        self._counts[scope, call] += 1
        change = self._edit(scope, index, call)
        if change is not None:
            value = change(value)
        axis = kwargs.get("dim", args[1] if len(args) > 1 else None) if name == "softmax" else None
        axis = axis % value.dim() if isinstance(axis, int) else None
        kept = value.detach().clone()
        source = args[0].detach().clone() if self._keep else args[0]
        edited = change is not None
        seen = Seen(scope, call, index, name, axis, source, kept, grid, self._batch, next(self._clock), edited)
        seen.given = args[0]
        self.seen.append(seen)
        self._alias[id(value)] = (value, seen, False)
        return value

    def _attention(self, func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """softmax(q k / sqrt(d) + bias) v, whose weights torch does not give: they are computed here.

        Masks that leave places out are not read.
        """
        bias = kwargs.get("attn_mask")
        odd = kwargs.get("is_causal") or kwargs.get("enable_gqa") or (bias is not None and bias.dtype == torch.bool)
        result = func(*args, **kwargs)
        if len(args) != 3 or odd or kwargs.get("dropout_p"):
            return result
        q, k, v = args
        scale = kwargs.get("scale") or q.shape[-1] ** -0.5
        logits = q @ k.transpose(-1, -2) * scale
        value = self._gate("softmax", torch.softmax, (logits if bias is None else logits + bias,), {"dim": -1})
        seen = self.seen[-1]
        seen.last = False
        if seen.edited:
            result = value @ v
        seen.uses.append(self._met(self._meeting("matmul", (0, (value, seen, False)), v), result))
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

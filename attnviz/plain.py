"""Attention that torch computes in one operation, computed from its products: two of them and a softmax."""

from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class PlainAttention(TorchFunctionMode):
    """While it is active, this thread's attention is computed as softmax(Q K^T scale + mask) V, in three operations,
    and a layer by the same operation for one picture and for several.

    Torch's attention and transformer modules take no fast path under a mode of this kind.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is functional.linear and args:
            args = (_in_order(args[0]), *args[1:])
        if func is functional.scaled_dot_product_attention:
            return plain_attention(*args, **kwargs)
        if func is functional.multi_head_attention_forward:
            with self:  # what it calls is seen, too
                return _with_its_weights(args, kwargs)
        return func(*args, **kwargs)


def _in_order(x: Tensor) -> Tensor:
    """Tokens of several pictures as they lie for one: torch computes a layer on others as another product."""
    return x.contiguous() if isinstance(x, Tensor) and x.dim() > 2 and len(x) > 1 else x


def plain_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``torch.nn.functional.scaled_dot_product_attention`` from its products (Vaswani et al. 2017, eq. 1).

    ``query`` (..., L, E), ``key`` (..., S, E) and ``value`` (..., S, Ev) give (..., L, Ev); the options are torch's.
    A query that may look nowhere gets zeros, as torch has it. Raises ValueError for a mask beside ``is_causal``.
    """
    if attn_mask is not None and is_causal:
        raise ValueError("attention takes attn_mask or is_causal, not both")
    if enable_gqa:
        key, value = (each.repeat_interleave(query.shape[-3] // each.shape[-3], -3) for each in (key, value))
    logits = (query * (query.shape[-1] ** -0.5 if scale is None else scale)) @ key.mT
    if is_causal:
        attn_mask = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).tril()
    if attn_mask is None:
        return functional.dropout(logits.softmax(-1), dropout_p) @ value
    shut = ~attn_mask if attn_mask.dtype == torch.bool else attn_mask.isneginf()
    logits = logits.masked_fill(shut, -torch.inf) if attn_mask.dtype == torch.bool else logits + attn_mask
    weights = logits.softmax(-1).to(value.dtype)
    if (nowhere := shut.all(-1, keepdim=True)).any():
        weights = weights.masked_fill(nowhere, 0)
    return functional.dropout(weights, dropout_p) @ value


def _with_its_weights(args: Any, kwargs: dict[str, Any]) -> tuple[Tensor, Tensor | None]:
    """MultiheadAttention's function on the path that computes its weights, whether they were asked for or not."""
    asked, averaged = kwargs.get("need_weights", True), kwargs.get("average_attn_weights", True)
    kwargs = {**kwargs, "need_weights": True, "average_attn_weights": False}
    output, weights = _open(*args, **kwargs)
    if not asked or weights is None:
        return output, None
    return output, weights.mean(-3) if averaged else weights


def _opened(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of torch's that calls others by name, such that modes see those in place of itself."""
    assert isinstance(function, FunctionType)
    names = {**function.__globals__, "has_torch_function": lambda _: False}
    opened = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    opened.__kwdefaults__ = function.__kwdefaults__
    return opened


_open = _opened(functional.multi_head_attention_forward)

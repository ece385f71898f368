"""Attention that torch computes in one piece, written out: products and a softmax that can be seen.

While any function mode is active, torch's fast paths for transformers are off, in this thread alone.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``scaled_dot_product_attention`` (..., Q, d), (..., K, d), (..., K, e) -> (..., Q, e), as products."""
    if enable_gqa:
        times = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(times, -3), value.repeat_interleave(times, -3)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    logits = query @ key.transpose(-2, -1) * scale
    if is_causal:
        later = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).triu(1)
        logits = logits.masked_fill(later, -torch.inf)
    if attn_mask is not None:
        masked = attn_mask.dtype == torch.bool
        logits = logits.masked_fill(~attn_mask, -torch.inf) if masked else logits + attn_mask
    rows = logits.softmax(-1)
    return F.dropout(rows, dropout_p) @ value if dropout_p else rows @ value


class Plain(TorchFunctionMode):
    """Within it, attention in one piece is computed as ``attention`` does."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            return attention(*args, **kwargs)
        if func is F.multi_head_attention_forward and kwargs.get("need_weights") is False:
            output, _ = func(*args, **{**kwargs, "need_weights": True})
            return output, None
        return func(*args, **kwargs)

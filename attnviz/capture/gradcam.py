"""Grad-CAM (Selvaraju et al. 2017, eq. 1 and 2): its signed map, from weights where they are enough, or from gradients.

A target is the index of a logit, or (a, b) for logit a minus logit b.
"""

import torch
from torch import Tensor

from attnviz.capture.passes import Cut


def closed_form(features: Tensor, weight: Tensor, target: int | tuple[int, int]) -> Tensor:
    """The map (h, w) where logits = W mean(A) + b: the gradient at every position is W / HW, so alpha_k = W_k / HW.

    ``features`` is A, (1, C, h, w), and ``weight`` is W, (N, C).
    """
    row = weight[target] if isinstance(target, int) else weight[target[0]] - weight[target[1]]
    return _weighted(row.float() / features[0, 0].numel(), features.detach()[0])


def gradients(logits: Tensor, cut: Cut, target: int | tuple[int, int]) -> Tensor | str:
    """The map (h, w) with alpha_k = mean over positions of d(score)/dA_k, from the leaf at the cut; or in words why
    there is none.
    """
    if cut.leaf is None:
        return f"{cut.layer} did not run" + (f" a call {cut.call}" if cut.call >= 0 else "")
    score = logits[target] if isinstance(target, int) else logits[target[0]] - logits[target[1]]
    if not score.requires_grad:
        return f"the logits do not depend on {cut.layer}"
    try:
        (gradient,) = torch.autograd.grad(score, cut.leaf, allow_unused=True)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:  # the network overwrites what its gradient needs, or has a function without one
        return f"no gradient passes from the logits to {cut.layer}: {str(error).partition(':')[0].splitlines()[0]}"
    if gradient is None:
        return f"the logits do not depend on {cut.layer}"
    return _weighted(gradient[0].float().mean((1, 2)), cut.leaf.detach()[0])


def _weighted(alpha: Tensor, features: Tensor) -> Tensor:
    """The sum over k of alpha_k A_k, in float32 (under autocast too, as a matrix product would not be)."""
    return (alpha[:, None, None] * features.float()).sum(0).cpu()

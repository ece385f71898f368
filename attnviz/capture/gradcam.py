"""Grad-CAM (Selvaraju et al. 2017, eq. 1 and 2): its signed map, from weights where they are enough, or from gradients.

A target is the index of a logit, or (a, b) for logit a minus logit b.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from attnviz.capture.backbone import Backbone
from attnviz.capture.edits import Edit
from attnviz.capture.outputs import reads_mean
from attnviz.capture.passes import Cut, Pass
from attnviz.errors import GradientError, OptionError


@dataclass(frozen=True, eq=False)
class Cam:
    """Grad-CAM (Selvaraju et al. 2017, eq. 1 and 2) of one target at one layer.

    Attributes:
        signed: (h, w), the sum over channels of alpha_k A_k, before the ReLU; not rescaled.
        layer: whose output A is; target: the class index, or (a, b) for logit a minus logit b.
    """

    signed: Tensor
    layer: str
    target: int | tuple[int, int]

    @property
    def map(self) -> Tensor:
        """relu(signed): the evidence for the target, not rescaled."""
        return self.signed.relu()

    @property
    def positive(self) -> bool:
        """Whether there is any positive evidence."""
        return bool(self.signed.max() > 0)


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


def stand(backbone: Backbone, x: Tensor, cam_layer: str | None, cam_call: int) -> tuple[str | None, str | None]:
    """The layer that Grad-CAM stands on, and the linear layer that reads its mean, where one is known to."""
    head = backbone.head(x)
    layer = head.cam_layer if cam_layer is None else cam_layer
    if layer is not None and not (isinstance(layer, str) and layer in backbone.layers):
        raise OptionError(f"no layer {layer!r} in this model, outside its attention blocks")
    if isinstance(cam_call, bool) or not isinstance(cam_call, int) or cam_call < -1:
        raise OptionError(f"cam_call is {cam_call!r}; calls are counted from 0, and -1 is the last")
    return layer, head.linear if layer == head.cam_layer and cam_call == -1 else None


def watched(
    backbone: Backbone, x: Tensor, edits: tuple[Edit, ...], layer: str | None, linear: str | None, call: int
) -> tuple[Any, Pass, str | None]:
    """A pass that Grad-CAM can stand on, or why there is none: watched where ``linear`` reads the mean of the layer,
    else cut there.
    """
    if layer is None:
        return (*backbone.run(x, edits), None)
    if linear is not None:
        output, watcher = backbone.run(x, edits, watch=[layer, linear])
        if reads_mean(watcher.watched[layer][1], watcher.watched[linear], output):
            return output, watcher, None
        # Not so for this picture (a clamped logit, an overflow): differentiate.
    try:
        return (*backbone.run(x, edits, cut=Cut(layer, call)), None)
    except GradientError as error:
        return (*backbone.run(x, edits), str(error))


def signed_map(
    backbone: Backbone,
    watcher: Pass,
    layer: str | None,
    linear: str | None,
    logits: Tensor,
    target: int | tuple[int, int],
) -> Tensor | str:
    """The signed map (h, w), or why there is none."""
    if layer is None:
        return "this model computes no feature map here, so there is nothing for Grad-CAM to stand on"
    if watcher.cut is not None:
        return gradients(logits, watcher.cut, target)
    assert linear is not None
    weight = backbone.model.get_submodule(linear).weight
    assert isinstance(weight, Tensor)
    return closed_form(watcher.watched[layer][1], weight, target)

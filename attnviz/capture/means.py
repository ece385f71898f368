"""What "frozen" edits need, the means of attention values over pictures; and whether a tensor holds pictures."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from attnviz.capture.backbone import Backbone
from attnviz.capture.edits import Means, mean_key
from attnviz.capture.passes import Pass
from attnviz.capture.values import AffinityMap
from attnviz.errors import OptionError, PictureError, ShapeError


def check_pictures(x: Tensor, *, one: bool = False) -> None:
    """Raise unless x is (B, C, H, W) (with ``one``, B = 1), holds pictures, and all its values are finite."""
    if x.dim() != 4 or 0 in x.shape or (one and len(x) != 1):
        wanted = "one picture at a time: a tensor (1, C, H, W)" if one else "pictures are a tensor (B, C, H, W)"
        raise ShapeError(f"{wanted}, not {tuple(x.shape)}")
    # A sum is finite only where all are, and twenty times faster; a finite picture may still overflow it.
    if not x.sum().isfinite() and not x.isfinite().all():
        raise PictureError(f"the picture holds values that are no numbers, or too large for {x.dtype}")


@torch.inference_mode(False)
def measure_means(backbone: Backbone, images: Iterable[Any]) -> Means:
    """The mean of every attention value over pictures, position by position: what "frozen" needs.

    Args:
        backbone: whose attention is read.
        images: pictures (as ``explain`` takes them), or tensors (B, C, H, W), all of one size.
    """
    sums: dict[str, Tensor] = {}
    count, size = 0, None
    for image in images:
        x = image if isinstance(image, Tensor) else backbone.preprocess(image)[0]
        check_pictures(x)
        if size is not None and size != tuple(x.shape[2:]):
            raise ShapeError(f"means are measured at one size: {size} first, then {tuple(x.shape[2:])}")
        size, count = (x.shape[2], x.shape[3]), count + len(x)
        for key, value in batch_values(backbone.run(x)[1]).items():
            total = value.sum(0, dtype=torch.float64)
            sums[key] = sums[key] + total if key in sums else total
    if size is None:
        raise OptionError("no pictures to measure means on")
    return Means({key: (total / count).float() for key, total in sums.items()}, size)


def batch_values(watcher: Pass) -> Mapping[str, Tensor]:
    """Every value of the first calls as one tensor, batch in front, by mean's key; affinities as matrices."""
    values: dict[str, Tensor] = {}
    for reading in watcher.readings:
        if reading.call:
            continue
        value = reading.value
        if isinstance(value, tuple):
            for strip, tensor in zip(("h", "w"), value, strict=True):
                values[mean_key(reading.layer, reading.part.name, strip)] = tensor
        elif isinstance(value, AffinityMap):
            matrix = value.pairing(value.theta, value.phi) if value.fixed is None else value.fixed
            values[mean_key(reading.layer, reading.part.name)] = matrix
        else:
            values[mean_key(reading.layer, reading.part.name)] = value
    return values

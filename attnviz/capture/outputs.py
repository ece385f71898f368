"""What a model returned: where its logits are, and whether they are a linear layer of the last map's mean."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from attnviz.errors import OptionError

Region = tuple[int, int, int, int]
NAMES = ("logits", "out", "output")  # what logits are called in a dict, an object or a named tuple of several tensors


def scores(output: Any) -> Tensor | None:
    """The tensor of scores in what a model returned: itself, the logits among named values, a tuple's first."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, tuple) and hasattr(output, "_asdict"):
        output = output._asdict()  # a named tuple's order says nothing where its names do
    fields = output if isinstance(output, Mapping) else getattr(output, "__dict__", {})
    if isinstance(output, tuple | list):
        return next((value for value in output if isinstance(value, Tensor)), None)
    named = [fields[name] for name in NAMES if isinstance(fields.get(name), Tensor)]
    tensors = [value for value in fields.values() if isinstance(value, Tensor)]
    return named[0] if named else tensors[0] if len(tensors) == 1 else None


def places(output: Any) -> tuple[int, int] | None:
    """The (h, w) of a map of scores (1, N, h, w) that a model returned, or None where it returned something else."""
    found = scores(output)
    if found is None or found.dim() != 4 or len(found) != 1:
        return None
    return found.shape[2], found.shape[3]


def logits_of(output: Any, region: Region | None) -> tuple[Tensor | None, str | None]:
    """The logits (N,) of one picture, or None and why there are none.

    Args:
        output: what the model returned.
        region: (top, left, bottom, right) on a map of scores (1, N, h, w), whose mean there is explained.

    Raises:
        OptionError: for a region that the output does not have.
    """
    if region is not None:
        return mean_score(output, region)[0], None
    found = scores(output)
    if found is None:
        return None, f"the model returned {type(output).__name__}, in which no scores are known"
    if found.dim() == 2 and len(found) == 1:
        return found[0], None
    if (grid := places(output)) is not None:
        return None, (
            f"the model's output is a map of {found.shape[1]} scores on {grid[0]} x {grid[1]} places: say for which of "
            "them with region=(top, left, bottom, right)"
        )
    return None, "the model's output is not one row of logits, so there is no class to explain"


def mean_score(output: Any, region: Region) -> Tensor:
    """The mean over a region (top, left, bottom, right) of maps of scores (B, N, h, w), as (B, N).

    Raises OptionError for a region that the output does not have.
    """
    found = scores(output)
    if found is None or found.dim() != 4:
        raise OptionError("a region belongs to a model whose output is a map of scores (1, N, h, w)")
    height, width = found.shape[2:]
    whole = len(region) == 4 and all(isinstance(n, int) and not isinstance(n, bool) for n in region)
    if not whole or not (0 <= region[0] < region[2] <= height and 0 <= region[1] < region[3] <= width):
        raise OptionError(f"region is {region!r}; it must be (top, left, bottom, right) within {height} x {width}")
    top, left, bottom, right = region
    return found[:, :, top:bottom, left:right].mean((2, 3))


def reads_mean(features: Tensor, run: tuple[tuple[Any, ...], Any], output: Any) -> bool:
    """Whether a linear layer's run, (arguments, result), read the mean of ``features`` (B, C, H, W)
    over positions, and its result is the network's scores."""
    args, result = run
    found, mean = scores(output), features.detach().mean((2, 3))
    if found is None or not torch.equal(result, found) or not args or args[0].shape != mean.shape:
        return False
    near = max(1e-3, 4 * torch.finfo(mean.dtype).eps)
    return bool(torch.allclose(args[0].detach(), mean, rtol=near, atol=near * float(mean.abs().max())))

"""Random weights under which a network does something.

As they are built, many networks are silent: the last normalization of every residual branch starts at zero, and
running statistics that belong to no data let features fade or explode. Here every tensor is drawn, and the statistics
are those of noise.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

PICTURES = 4  # of noise, for the statistics


@torch.no_grad()
def draw(model: nn.Module, size: tuple[int, ...], seed: int = 0) -> nn.Module:
    """Draw all weights anew, the same for the same seed; returns the model, in eval mode.

    Weights are normal with variance 2 / fan-in (He et al. 2015), norms' scales uniform from 0.5 to 1.5, biases normal
    with deviation 0.3; batch norms' statistics are measured on noise. An ECA's kernel has length 6.

    Args:
        model: changed in place.
        size: (C, H, W) of its input.
        seed: of the draw.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        for name, tensor in module.named_parameters(recurse=False):
            _fill(name, tensor, generator)
    with _measuring(model):
        model(torch.randn(PICTURES, *size, generator=generator))
    return model.eval()


def _fill(name: str, tensor: Tensor, generator: torch.Generator) -> None:
    if tensor.dim() == 3:
        # A convolution along channels reads means that hardly differ, with few weights: their length is set.
        weights = torch.randn(tensor.shape, generator=generator)
        tensor.copy_(6 * weights / weights.norm())
    elif tensor.dim() > 1:
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * (2 / tensor[0].numel()) ** 0.5)
    elif name == "weight":
        tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    else:
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.3)


@contextmanager
def _measuring(model: nn.Module) -> Iterator[None]:
    """Batch norms take over the statistics of the next batch; nothing else works as in training."""
    norms = [module for module in model.eval().modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum, norm.training = 1.0, True
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum, norm.training = momentum, False

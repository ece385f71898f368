"""A twin: someone else's attention module as one of our mechanisms, with that module's own weights.

The twin is assembled from the module's own layers, live: nothing is copied. So it has the mechanism's
formula, steps and edits, and whether it is the same computation is checked, not believed: the block's
output is recomputed from the attention that was read, and compared with what the module gave.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from attnviz.mechanisms import Mechanism

M = TypeVar("M", bound=Mechanism)


@dataclass(frozen=True, eq=False)
class Twin:
    """A module's reading.

    Attributes:
        mechanism: ours, assembled of the module's layers.
        points: for each of the mechanism's points that the module computes in a submodule of its own, that
            submodule's path; what is read is its output. A point that is missing here is computed inline, and
            read in the mechanism.
    """

    mechanism: Mechanism
    points: Mapping[str, str]

    @property
    def inline(self) -> bool:
        """Whether some attention of the module is no submodule's output."""
        return any(point not in self.points for part in self.mechanism.parts for point in part.points)


def assemble(mechanism: Callable[[], M], **layers: nn.Module) -> M:
    """A mechanism with other layers in the place of its own; those that it made are never allocated."""
    with torch.device("meta"):
        made = mechanism()
    for name, layer in layers.items():
        setattr(made, name, layer)
    return made.eval()


class Function(nn.Module):
    """A function of tensors as a layer; the modules that it calls stay their model's own."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self._function = (function,)  # in a tuple: a module here would become a child, and follow this one's modes

    def forward(self, *args: Tensor) -> Tensor:
        return self._function[0](*args)


def chain(*layers: nn.Module) -> Function:
    """Layers one after the other."""

    def run(x: Tensor) -> Tensor:
        x = x.clone()
        for layer in layers:
            x = layer(x)
        return x

    return Function(run)

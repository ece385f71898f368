"""The one recipe of the family: what is the same for all ten networks."""

import math
import zlib
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from torch import nn

from attnviz.mechanisms import SK, Mechanism, NonLocal
from attnviz.training.data import Augmentation


@dataclass(frozen=True)
class Recipe:
    """Muon for the convolutions, SGD for the rest; warm-up, cosine to zero, averaged weights, growing pictures.

    ``phases`` are (epochs, pixels). Muon (Jordan et al. 2024) steps along the nearest orthogonal
    matrix to the momentum: in runs of 6 epochs at 96 px the plain network reached 81.5% with it and
    76.9% with SGD alone. ``muon_decay`` is decoupled; ``weight_decay`` is SGD's, on the classifier
    alone, never on the attention. ``ema`` is the decay, per step, of the average of weights and
    buffers that is kept.
    """

    phases: tuple[tuple[int, int], ...] = ((12, 96), (10, 128), (5, 176))
    batch: int = 64
    muon_lr: float = 0.02
    muon_decay: float = 0.5
    lr: float = 0.1
    momentum: float = 0.9
    warmup_epochs: int = 2
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    ema: float = 0.998
    augmentation: Augmentation = field(default_factory=Augmentation)

    @property
    def epochs(self) -> int:
        return sum(epochs for epochs, _ in self.phases)

    def pixels(self, epoch: int) -> int:
        """The training size of an epoch, counted from 0."""
        for epochs, pixels in self.phases:
            if epoch < epochs:
                return pixels
            epoch -= epochs
        return self.phases[-1][1]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def initialize(model: nn.Module, seed: int) -> None:
    """Starting values, each layer's from the seed and its own name: what two networks share starts the same.

    Convolutions and the attention's layers start from He's normal initialization: PyTorch's default
    is 2.4 times smaller a layer, and gates that start from it die. Non-Local's projections keep
    that default, since its softmax, started from He's, is nearly one-hot. Every BatchNorm starts at
    one (the last one of a residual branch too: at zero the attention would see nothing), but for
    Non-Local's own.
    """
    attention = attention_modules(model)
    mild = {child for module in model.modules() if isinstance(module, NonLocal) for child in module.modules()}
    for path, module in model.named_modules():
        if not isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d)):
            continue
        rng = torch.Generator().manual_seed(zlib.crc32(f"{seed}:{path}".encode()))
        if module in mild or (isinstance(module, nn.Linear) and module not in attention):
            nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5), generator=rng)
        else:
            mode: Literal["fan_in", "fan_out"] = "fan_in" if module in attention else "fan_out"
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu", generator=rng)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def optimizers(model: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the network's own 3x3 and 1x1 convolutions (not the first), SGD for all else.

    Each group's ``initial_lr`` is what the schedule multiplies.
    """
    from timm.optim import Muon  # type: ignore[attr-defined]

    attention = attention_modules(model)
    convolutions = [
        module.weight
        for module in model.modules()
        if isinstance(module, nn.Conv2d) and module not in attention and module.in_channels > 3
    ]
    decayed = [module.weight for module in model.modules() if isinstance(module, nn.Linear) and module not in attention]
    taken = {id(weight) for weight in (*convolutions, *decayed)}
    others = [parameter for parameter in model.parameters() if id(parameter) not in taken]
    muon = Muon(
        [{"params": convolutions, "use_muon": True}],
        lr=recipe.muon_lr,
        weight_decay=recipe.muon_decay,
        momentum=recipe.momentum,
        nesterov=True,
        ns_steps=3,
        ns_coefficients="original",
        adjust_lr_fn="original",
    )
    sgd = torch.optim.SGD(
        [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=True,
    )
    for optimizer in (muon, sgd):
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return [muon, sgd]


def attention_modules(model: nn.Module) -> set[nn.Module]:
    """What belongs to the attention; SK's branches do not: they are the network's own convolutions."""
    found = {child for module in model.modules() if isinstance(module, Mechanism) for child in module.modules()}
    return found - {child for module in found if isinstance(module, SK) for child in module.branches.modules()}

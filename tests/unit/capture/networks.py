"""Networks to watch: the ten of the family with weights that leave nothing constant, and awkward small ones."""

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

import attnviz
from attnviz import Backbone
from attnviz.backbones import VARIANTS, build
from attnviz.mechanisms import CBAM, SE, SK, Mechanism, NonLocal
from attnviz.training.recipe import initialize
from tests.seeds import seed_for_run

IDS = tuple(VARIANTS)
ATTENTIVE = tuple(model_id for model_id in IDS if VARIANTS[model_id].mechanism)
LABELS = (*(f"label {i}" for i in range(8)), "crane", "crane")
ODD = (61, 83)


def picture(seed: int = 0, size: tuple[int, int] = ODD, channels: int = 3) -> Tensor:
    """A network's input (1, C, H, W): smooth blobs under noise, another for each seed."""
    generator = torch.Generator().manual_seed(seed_for_run(1000 + seed))
    coarse = torch.randn(1, channels, 4, 5, generator=generator)
    blobs = nn.functional.interpolate(coarse, size, mode="bilinear", align_corners=False)
    return 1.5 * blobs + 0.5 * torch.randn(1, channels, *size, generator=generator)


def randomize(model: nn.Module, seed: int, size: tuple[int, int] = (48, 48)) -> nn.Module:
    """Random norms around what the network sees, so that activations stay in range and no gate is flat."""
    generator = torch.Generator().manual_seed(seed_for_run(seed))
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]

    def uniform(like: Tensor, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(like.shape, generator=generator)

    with torch.no_grad():
        for module in model.modules():
            # Logits of about one, so that no softmax is flat or one-hot.
            if isinstance(module, NonLocal) and hasattr(module, "theta"):
                nn.init.normal_(module.theta.weight, std=0.25 / module.channels**0.5, generator=generator)
            if isinstance(module, SK):
                module.select.weight.mul_(0.2)
        for norm in norms:
            norm.weight.copy_(uniform(norm.weight, 0.5, 1.5))
            norm.bias.copy_(uniform(norm.bias, -0.3, 0.3))
            norm.momentum = 1.0
        model.train()(torch.cat([picture(100 + i, size) for i in range(4)]))
        for norm in norms:
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.momentum = 0.1
            norm.running_var.mul_(uniform(norm.running_var, 0.7, 1.4))
            norm.running_mean.add_(uniform(norm.running_mean, -0.2, 0.2) * norm.running_var.sqrt())
    return model.eval()


def family(model_id: str, seed: int = 0) -> nn.Module:
    """A new network of the family, the same for the same seed; the global generator stays as it was."""
    with torch.random.fork_rng():
        model = build(model_id)
        initialize(model, seed_for_run(seed))
        return randomize(model, seed)


@cache
def plain(model_id: str) -> nn.Module:
    """The network that no hook of attnviz has touched. Shared: leave it as it is, or copy it."""
    return family(model_id)


@cache
def tapped(model_id: str) -> Backbone:
    """The same network, instrumented. Shared: not to be closed."""
    return attnviz.instrument(copy.deepcopy(plain(model_id)), classes=LABELS)


def untapped(backbone: Backbone) -> nn.Module:
    """A copy of a backbone's network without any hook."""
    model = copy.deepcopy(backbone.model)
    for module in model.modules():
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    return model


def seeded(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """A network made under a seed, in eval mode; the global generator stays as it was.

    PyTorch's own first values leave small gates dead: attention that is the same for every picture
    would hide what edits and records get wrong.
    """
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed_for_run(seed))
        model = make().eval()
        for module in model.modules():
            if isinstance(module, SE | CBAM) and hasattr(module, "fc1"):
                module.fc1.weight.abs_().mul_(2)
                module.fc2.weight.mul_(3)
        return model


class Tiny(nn.Module):
    """conv, norm, in-place ReLU, attention, mean, linear: (B, inputs, H, W) -> (B, classes)."""

    def __init__(self, attention: Mechanism | None = None, inputs: int = 3, classes: int = 5) -> None:
        super().__init__()
        channels = attention.channels if attention is not None else 8
        self.conv = nn.Conv2d(inputs, channels, 3, padding=1)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.attention = attention if attention is not None else nn.Identity()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Any:
        return self.fc(self.pool(self.attention(self.relu(self.bn(self.conv(x))))).flatten(1))


class Twice(Tiny):
    """The same attention twice, with a strided convolution between."""

    def __init__(self, attention: Mechanism) -> None:
        super().__init__(attention)
        self.between = nn.Conv2d(attention.channels, attention.channels, 3, 2, padding=1)

    def forward(self, x: Tensor) -> Any:
        x = self.attention(self.relu(self.bn(self.conv(x))))
        x = self.attention(self.relu(self.between(x)))
        return self.fc(self.pool(x).flatten(1))


class Dressed(nn.Module):
    """A network whose logits come dressed as something else."""

    def __init__(self, body: nn.Module, dress: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.body, self.dress = body, dress

    def forward(self, x: Tensor) -> Any:
        return self.dress(self.body(x))

"""Squeeze-and-Excitation, its relatives, and ECA, as timm, torchvision and pytorchcv have them."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from attnviz.mechanisms import ECA, SE
from attnviz.mechanisms.se import ESE
from attnviz.readers.registry import reads
from attnviz.readers.twin import Function, Twin, assemble, chain, vector


def _se(module: Any, names: tuple[str, str, str, str], norm: nn.Module | None = None) -> Twin:
    """An SE of the module's first layer, activation, second layer and gate."""
    first, act, second, gate = (module.get_submodule(name) for name in names)
    width = first.weight.shape[1]
    layers: dict[str, Any] = {
        "fc1": vector(first, norm),
        "relu": vector(act),
        "fc2": vector(second),
        "gate": vector(gate),
    }
    if isinstance(first, nn.Linear):
        layers = {"fc1": chain(first), "relu": chain(act), "fc2": chain(second), "gate": chain(gate)}
    return Twin(assemble(lambda: SE(int(width), reduction=1), **layers), {"gate": names[3]})


@reads("timm.layers.squeeze_excite.SEModule")
def timm_se(module: Any) -> Twin | None:
    """Timm's general SE; its experimental mean of both poolings is not the paper's."""
    if module.add_maxpool:
        return None
    return _se(module, ("fc1", "act", "fc2", "gate"), module.get_submodule("bn"))


@reads("timm.models._efficientnet_blocks.SqueezeExcite")
def timm_efficientnet(module: Any) -> Twin:
    """EfficientNet's and MobileNet's SE in timm."""
    return _se(module, ("conv_reduce", "act1", "conv_expand", "gate"))


@reads("timm.models.senet.SEModule")
def timm_legacy(module: Any) -> Twin:
    """The SE of timm's legacy_* networks, which has no ``.gate``."""
    return _se(module, ("fc1", "relu", "fc2", "sigmoid"))


@reads("torchvision.ops.misc.SqueezeExcitation")
def torchvision_se(module: Any) -> Twin:
    """Torchvision's, in MobileNetV3, EfficientNet and RegNetY."""
    return _se(module, ("fc1", "activation", "fc2", "scale_activation"))


@reads("pytorchcv.models.common.att.SEBlock")
def pytorchcv_se(module: Any) -> Twin:
    """Pytorchcv's, with convolutions or with linear layers."""
    first, second = ("conv1", "conv2") if module.use_conv else ("fc1", "fc2")
    return _se(module, (first, "activ", second, "sigmoid"))


@reads("timm.layers.squeeze_excite.EffectiveSEModule")
def timm_ese(module: Any) -> Twin | None:
    """Timm's eSE; its experimental mean of both poolings is not the paper's."""
    if module.add_maxpool:
        return None
    fc, gate = module.get_submodule("fc"), module.get_submodule("gate")
    made = assemble(lambda: ESE(int(fc.weight.shape[1])), fc2=vector(fc), gate=vector(gate))
    return Twin(made, {"gate": "gate"})


class AnyWidth(ECA):
    """ECA that learns from its first input how many channels it has: its convolution fits any number."""

    def check_shape(self, x: Tensor) -> None:
        self.channels = self.in_channels = x.shape[1]
        super().check_shape(x)


def _eca(conv: Function, gate: nn.Module) -> Twin:
    layers = {"conv": conv, "gate": Function(lambda h: gate(h[:, None])[:, 0])}
    return Twin(assemble(lambda: AnyWidth(1), **layers), {"gate": "gate"})


@reads("timm.layers.eca.EcaModule")
def timm_eca(module: Any) -> Twin | None:
    """Timm's ECA; its experimental hidden layer is not the paper's."""
    if module.conv2 is not None:
        return None
    return _eca(chain(module.get_submodule("conv")), module.get_submodule("gate"))


@reads("timm.layers.eca.CecaModule")
def timm_circular(module: Any) -> Twin:
    """ECA whose last channels are the first one's neighbors."""
    conv = module.get_submodule("conv")

    def circular(z: Tensor) -> Tensor:
        return conv(F.pad(z, (module.padding, module.padding), mode="circular"))

    return _eca(Function(circular), module.get_submodule("gate"))

"""Networks that attnviz builds itself."""

from collections.abc import Callable
from functools import partial

from torch import nn

from attnviz.backbones.mobilenetv2_ca import MobileNetV2CA
from attnviz.backbones.resnet18t import CAM_LAYER, VARIANTS, ResNet18T, Variant, build
from attnviz.backbones.resnext import DEPTHS, ResNeXt, cbam

# Networks without weights of their own, by id; each takes ``classes`` (1000) and starts at random.
BUILT: dict[str, Callable[..., nn.Module]] = {
    **{f"resnext{depth}_32x4d": partial(ResNeXt, depth) for depth in DEPTHS},
    **{f"cbam_resnext{depth}_32x4d": partial(ResNeXt, depth, cbam) for depth in DEPTHS},
    "mobilenetv2_ca": MobileNetV2CA,
}

__all__ = ["BUILT", "CAM_LAYER", "VARIANTS", "MobileNetV2CA", "ResNeXt", "ResNet18T", "Variant", "build"]

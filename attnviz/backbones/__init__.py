"""Networks that attnviz builds itself."""

from attnviz.backbones.resnet18t import CAM_LAYER, VARIANTS, ResNet18T, Variant, build

__all__ = ["CAM_LAYER", "VARIANTS", "ResNet18T", "Variant", "build"]

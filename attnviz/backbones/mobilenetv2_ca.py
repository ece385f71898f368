"""MobileNetV2 (Sandler et al. 2018, width 1.0) with Coordinate Attention (Hou et al. 2021).

The attention sits in every block that expands, between the depthwise convolution and the linear one:
``features.2.conv.6`` to ``features.17.conv.6``. Parameters have the names of the authors' published code
(``mbv2_ca.py`` of houqb/CoordAttention), so that their checkpoint loads as it is.
"""

from typing import Any, ClassVar

from torch import Tensor, nn

from attnviz.mechanisms import CoordinateAttention

# expansion, output channels, blocks, stride of the first (Sandler et al. 2018, table 2)
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
# Our names of the attention's layers, and the authors'.
NAMES = {"conv": "conv1", "bn": "bn1", "conv_h": "conv2", "conv_w": "conv3"}


class AuthorsAttention(CoordinateAttention):
    """Coordinate Attention whose layers have its authors' names; ours, which its formula uses, find them too."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        layers = dict(self.named_children())
        for ours, theirs in NAMES.items():
            delattr(self, ours)
            self.add_module(theirs, layers[ours])

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__(NAMES.get(name, name))


class InvertedResidual(nn.Module):
    """Expand, filter each channel, attend, project (Sandler et al. 2018, fig. 4d; Hou et al. 2021, fig. 3)."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        expand = _conv(inputs, hidden, 1) if expansion > 1 else []
        attention = [AuthorsAttention(hidden)] if expansion > 1 else []
        self.conv = nn.Sequential(
            *expand,
            *_conv(hidden, hidden, 3, stride, groups=hidden),
            *attention,
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2CA(nn.Module):
    """MobileNetV2 with Coordinate Attention: (B, 3, H, W) in, (B, classes) logits out.

    Args:
        classes: number of classes.
    """

    classifier_name: ClassVar = "classifier.1"

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Sequential(*_conv(3, 32, 3, 2))]
        inputs = 32
        for expansion, outputs, count, first_stride in STAGES:
            for block in range(count):
                layers.append(InvertedResidual(inputs, outputs, 1 if block else first_stride, expansion))
                inputs = outputs
        self.features = nn.Sequential(*layers)
        self.conv = nn.Sequential(*_conv(inputs, 1280, 1))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(nn.Dropout(0.1), nn.Linear(1280, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.flatten(self.avgpool(self.conv(self.features(x)))))


def _conv(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(inplace=True),
    ]

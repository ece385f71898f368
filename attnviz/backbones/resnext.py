"""ResNeXt (Xie et al. 2017), plain or with attention at the end of every residual branch.

Parameters have torchvision's names, so its weights for ``resnext50_32x4d`` fit the plain network; the
attention is ``layer1.0.attention`` and so on.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

from torch import Tensor, nn

from attnviz.errors import OptionError
from attnviz.mechanisms import CBAM

DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
WIDTHS = (128, 256, 512, 1024)
CARDINALITY = 32

Attention = Callable[[int], nn.Module]  # from the number of channels

# Where the paper's spatial gate has a convolution alone, its authors' code has a BatchNorm too.
cbam: Attention = partial(CBAM, norm=True)


class Bottleneck(nn.Module):
    """A 1x1, a grouped 3x3 and a 1x1 convolution beside a shortcut (Xie et al. 2017, fig. 3c).

    The first two have ``width`` channels, the last twice as many. Attention sees the branch before it is
    added to the shortcut (Woo et al. 2018, fig. 3).
    """

    def __init__(self, inputs: int, width: int, stride: int, attention: Attention | None) -> None:
        super().__init__()
        outputs = 2 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, groups=CARDINALITY, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.attention = attention(outputs) if attention else nn.Identity()
        self.downsample: nn.Module = nn.Identity()
        if inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.attention(self.bn3(self.conv3(out)))
        return self.relu(out + self.downsample(x))


class ResNeXt(nn.Module):
    """ResNeXt (32x4d): (B, 3, H, W) in, (B, classes) logits out.

    Args:
        depth: 50, 101 or 152 layers.
        attention: makes a block's attention from its channels, ``cbam`` say; None for none.
        classes: number of classes.

    Raises:
        OptionError: for another depth.
    """

    classifier_name: ClassVar = "fc"

    def __init__(self, depth: int, attention: Attention | None = None, classes: int = 1000) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise OptionError(f"ResNeXt: depth is {depth!r}; it must be one of {', '.join(map(str, DEPTHS))}")
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1, self.layer2, self.layer3, self.layer4 = _stages(DEPTHS[depth], attention)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(2 * WIDTHS[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return self.fc(self.flatten(self.avgpool(x)))


def _stages(counts: tuple[int, ...], attention: Attention | None) -> list[nn.Sequential]:
    """The four stages; all but the first halve the map, in their first block."""
    stages = []
    inputs = 64
    for index, (count, width) in enumerate(zip(counts, WIDTHS, strict=True)):
        blocks = []
        for block in range(count):
            blocks.append(Bottleneck(inputs, width, 2 if index and not block else 1, attention))
            inputs = 2 * width
        stages.append(nn.Sequential(*blocks))
    return stages

"""The family: one thin ResNet-18, ten times, differing in attention alone.

A stem of three 3x3 convolutions (16-16-32) and a max-pool, four stages of two basic blocks with
widths 32-64-128-256, output stride 16, average-pooled 1x1 shortcuts. What the ten share has the
same name in all of them; the attention is ``stage3.1.attention`` (SE, ECA, CBAM, scSE, GC, CA: at
the end of the residual branch; SK: in place of ``conv2``; Non-Local: after the block's last ReLU)
or ``stage2.attention`` (BAM: after the stage).
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor, nn

from attnviz.errors import ModelError
from attnviz.mechanisms import BAM, CBAM, ECA, GC, SCSE, SE, SK, CoordinateAttention, Mechanism, NonLocal, Placement

WIDTHS = (32, 64, 128, 256)
STRIDES = (1, 2, 2, 1)
DEPTH = 2
ALL_BLOCKS = tuple(f"stage{stage}.{block}" for stage in (1, 2, 3, 4) for block in range(DEPTH))
CAM_LAYER = "stage4"


@dataclass(frozen=True)
class Variant:
    """One of the family: its mechanism, that one's options, and the places where it sits."""

    mechanism: type[Mechanism] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    places: tuple[str, ...] = ALL_BLOCKS


_REDUCED = {"reduction": 8, "min_hidden": 8}

VARIANTS: dict[str, Variant] = {
    "resnet18t-plain": Variant(),
    "resnet18t-se": Variant(SE, _REDUCED),
    "resnet18t-eca": Variant(ECA),
    "resnet18t-cbam": Variant(CBAM, _REDUCED),
    "resnet18t-bam": Variant(BAM, {**_REDUCED, "norm": "code"}, ("stage1", "stage2", "stage3")),
    "resnet18t-sk": Variant(SK, {"groups": 2, "reduction": 8, "min_hidden": 16}),
    "resnet18t-scse": Variant(SCSE, _REDUCED),
    # Unscaled, as in the paper, its softmax ended nearly one-hot (entropy 0.08 to 0.19 of uniform).
    "resnet18t-nl": Variant(NonLocal, {"scale": True}, ("stage2.1", "stage3.0", "stage3.1")),
    "resnet18t-gc": Variant(GC, {"ratio": 1 / 8, "min_hidden": 8}),
    "resnet18t-ca": Variant(CoordinateAttention, {"reduction": 16, "min_hidden": 8}),
}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016), with attention where its paper puts it."""

    def __init__(self, inputs: int, width: int, stride: int, attention: Mechanism | None) -> None:
        super().__init__()
        placement = attention.placement if attention is not None else None
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        if placement is not Placement.CONV:
            self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        if attention is not None:
            self.attention = attention
        self.placement = placement
        self.shortcut = nn.Identity() if (inputs, stride) == (width, 1) else _shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.attention(out) if self.placement is Placement.CONV else self.conv2(out))
        if self.placement is Placement.BRANCH:
            out = self.attention(out)
        out = self.relu(out + self.shortcut(x))
        if self.placement is Placement.BLOCK:
            out = self.attention(out)
        return out


class ResNet18T(nn.Module):
    """The family's network: (B, 3, H, W) in, (B, classes) logits out.

    Args:
        variant: the attention and its places; ``Variant()`` for none.
        classes: number of classes.
    """

    classifier_name: ClassVar = "fc"

    def __init__(self, variant: Variant, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_conv(3, 16, 2), *_conv(16, 16, 1), *_conv(16, 32, 1), nn.MaxPool2d(3, 2, 1))
        self.stage1 = _stage(variant, 1)
        self.stage2 = _stage(variant, 2)
        self.stage3 = _stage(variant, 3)
        self.stage4 = _stage(variant, 4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(WIDTHS[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for stage in (self.stage1, self.stage2, self.stage3, self.stage4):
            x = stage(x)
        return self.fc(self.flatten(self.pool(x)))


def build(model_id: str, classes: int = 10) -> ResNet18T:
    """The family's network of that id with new weights. Raises ModelError with the ids there are."""
    if model_id not in VARIANTS:
        raise ModelError(f"no model {model_id!r} in the family; there are {', '.join(VARIANTS)}")
    return ResNet18T(VARIANTS[model_id], classes)


def _conv(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]


def _shortcut(inputs: int, width: int, stride: int) -> nn.Module:
    pool = nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False) if stride > 1 else nn.Identity()
    return nn.Sequential(pool, nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width))


def _stage(variant: Variant, index: int) -> nn.Sequential:
    name, width, stride = f"stage{index}", WIDTHS[index - 1], STRIDES[index - 1]
    inputs = WIDTHS[max(index - 2, 0)]

    def attention(place: str) -> Mechanism | None:
        if variant.mechanism is None or place not in variant.places:
            return None
        return variant.mechanism(width, **variant.options)

    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for block in range(DEPTH):
        first = block == 0
        layers[str(block)] = BasicBlock(
            inputs if first else width, width, stride if first else 1, attention(f"{name}.{block}")
        )
    after = attention(name)
    if after is not None:
        layers["attention"] = after
    return nn.Sequential(layers)

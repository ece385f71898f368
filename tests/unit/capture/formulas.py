"""What each mechanism's records are, where a plain hook sees the same numbers, and its formula in a line."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from attnviz.capture import AffinityMap, Coordinate

Values = dict[str | None, Any]
EVERY = tuple(f"stage{stage}.{block}.attention" for stage in (1, 2, 3, 4) for block in (0, 1))

# Where the design puts the blocks, in network order.
LAYERS: dict[str, tuple[str, ...]] = {
    "resnet18t-plain": (),
    "resnet18t-bam": ("stage1.attention", "stage2.attention", "stage3.attention"),
    "resnet18t-nl": ("stage2.1.attention", "stage3.0.attention", "stage3.1.attention"),
    **{f"resnet18t-{name}": EVERY for name in ("se", "eca", "cbam", "sk", "scse", "gc", "ca")},
}
LABEL = {
    "resnet18t-plain": None,
    "resnet18t-se": "SE",
    "resnet18t-eca": "ECA",
    "resnet18t-cbam": "CBAM",
    "resnet18t-bam": "BAM",
    "resnet18t-sk": "SK",
    "resnet18t-scse": "scSE",
    "resnet18t-nl": "Non-Local",
    "resnet18t-gc": "GC",
    "resnet18t-ca": "CA",
}
# The design's table: (part, kind, role) in the order of the formula.
PARTS: dict[str | None, tuple[tuple[str | None, str, str], ...]] = {
    None: (),
    "SE": ((None, "channel", "gate"),),
    "ECA": ((None, "channel", "gate"),),
    "CBAM": (("channel", "channel", "gate"), ("spatial", "spatial", "gate")),
    "BAM": (("channel", "channel", "logit"), ("spatial", "spatial", "logit"), ("combined", "volume", "gate")),
    "SK": ((None, "branch", "distribution"),),
    "scSE": (("cse", "channel", "gate"), ("sse", "spatial", "gate")),
    "Non-Local": ((None, "affinity", "distribution"),),
    "GC": (("context", "context", "distribution"), ("add", "channel", "term")),
    "CA": ((None, "coordinate", "gate"),),
}
# The submodules whose outputs are a part's value; Non-Local's are its factors.
POINTS: dict[str | None, dict[str | None, tuple[str, ...]]] = {
    None: {},
    "SE": {None: ("gate",)},
    "ECA": {None: ("gate",)},
    "CBAM": {"channel": ("channel_gate",), "spatial": ("spatial_gate",)},
    "BAM": {"channel": ("channel",), "spatial": ("spatial",), "combined": ("gate",)},
    "SK": {None: ("share",)},
    "scSE": {"cse": ("cse",), "sse": ("sse",)},
    "Non-Local": {None: ("theta", "phi")},
    "GC": {"context": ("context",), "add": ("add",)},
    "CA": {None: ("gate_h", "gate_w")},
}


def shapes(kind: str, size: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """The shapes of a value's tensors in a block on maps of (C, H, W)."""
    channels, height, width = size
    return {
        "channel": ((channels,),),
        "spatial": ((height, width),),
        "volume": ((channels, height, width),),
        "coordinate": ((channels, height), (channels, width)),
        "branch": ((2, channels),),
        "context": ((height, width),),
        "affinity": ((height * width, channels // 2), (height * width, channels // 2)),
    }[kind]


def tensors(values: Any) -> tuple[Tensor, ...]:
    """A record's value as its tensors: one, two strips, or two factors."""
    if isinstance(values, AffinityMap):
        return values.theta, values.phi
    if isinstance(values, Coordinate):
        return values.h, values.w
    assert isinstance(values, Tensor)
    return (values,)


def seen(kind: str, raw: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """A plain hook's tensors, batch in front, as a record's."""
    if kind == "affinity":
        return tuple(factor[0].flatten(1).T for factor in raw)
    if kind == "coordinate":
        return tuple(strip[0].flatten(1) for strip in raw)
    (value,) = raw
    return (value[0, 0] if kind in {"spatial", "context"} else value[0],)


def as_points(kind: str, value: Any) -> Any:
    """A record's value as ``recompose`` takes it: batch in front, broadcasting as the points gave it."""
    if isinstance(value, AffinityMap):
        return value.matrix()[None]
    if isinstance(value, Coordinate):
        return value.h[None, :, :, None], value.w[None, :, None, :]
    assert isinstance(value, Tensor)
    return value[None, None] if kind in {"spatial", "context"} else value[None]


def rolled(value: Any) -> list[Any]:
    """A value moved by one channel, or by one position: along every axis that it has."""
    if isinstance(value, Coordinate):
        moved = [value._replace(h=value.h.roll(1, axis)) for axis in (0, 1)]
        return moved + [value._replace(w=value.w.roll(1, axis)) for axis in (0, 1)]
    return [value.roll(1, axis) for axis in range(value.dim())]


def wide(channel: Tensor) -> Tensor:
    return channel[:, None, None]


def _bam(block: Any, x: Tensor, v: Values) -> tuple[Tensor, Values]:
    gate = torch.sigmoid(wide(v["channel"]) + v["spatial"])
    return x + x * v["combined"], {"combined": gate}


def _sk(block: Any, x: Tensor, v: Values) -> tuple[Tensor, Values]:
    first, second = (branch(x[None])[0] for branch in block.branches)
    return wide(v[None][0]) * first + wide(v[None][1]) * second, {}


def _non_local(block: Any, x: Tensor, v: Values) -> tuple[Tensor, Values]:
    g = block.g(x[None])[0].flatten(1)
    y = torch.einsum("ij,cj->ci", v[None], g).view(-1, *x.shape[1:])
    return block.project(y[None])[0] + x, {}


def _gc(block: Any, x: Tensor, v: Values) -> tuple[Tensor, Values]:
    context = (x * v["context"]).sum((1, 2))
    return x + wide(v["add"]), {"add": block.add(context[None])[0]}


# A block's output from its input (C, H, W) and its recorded values; and the values that follow from others.
FORMULAS: Mapping[str, Callable[[nn.Module, Tensor, Values], tuple[Tensor, Values]]] = {
    "SE": lambda _, x, v: (x * wide(v[None]), {}),
    "ECA": lambda _, x, v: (x * wide(v[None]), {}),
    "CBAM": lambda _, x, v: (x * wide(v["channel"]) * v["spatial"], {}),
    "BAM": _bam,
    "SK": _sk,
    "scSE": lambda _, x, v: (x * wide(v["cse"]) + x * v["sse"], {}),
    "Non-Local": _non_local,
    "GC": _gc,
    "CA": lambda _, x, v: (x * v[None].h[:, :, None] * v[None].w[:, None, :], {}),
}

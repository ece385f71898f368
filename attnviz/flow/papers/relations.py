"""What the papers say of their steps: each value once more, from those before it.

A function a mechanism: of the block's input x (B, C, H, W), its steps (B, ...) by name and its options, it gives what
the steps have to be. A layer's weights are not known here, so a layer is the one step that nothing is said of.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Values = Mapping[str, Tensor]
Relation = Callable[[Tensor, Values, Mapping[str, Any]], dict[str, Tensor]]


def bent(logits: Tensor, gate: Tensor) -> Tensor:
    """The sigmoid of a gate's logits, or its form in straight pieces, whichever the gate is nearer to."""
    smooth, straight = logits.sigmoid(), F.hardsigmoid(logits)
    return min(smooth, straight, key=lambda each: float((each - gate).abs().max()))


def _gated(gate: Tensor) -> Tensor:
    return gate[:, :, None, None]


def _pooled(x: Tensor, how: str) -> Tensor:
    return x.amax((2, 3)) if how == "max" else x.mean((2, 3))


def se(x: Tensor, steps: Values, options: Mapping[str, Any]) -> dict[str, Tensor]:
    """Hu et al. 2018, eq. 2-4."""
    return _excited(x, steps, "fc2", options["squeeze"])


def ese(x: Tensor, steps: Values, _: Mapping[str, Any]) -> dict[str, Tensor]:
    """Lee and Park 2020, eq. 3."""
    return _excited(x, steps, "fc2", "avg")


def eca(x: Tensor, steps: Values, _: Mapping[str, Any]) -> dict[str, Tensor]:
    """Wang et al. 2020, eq. 9."""
    return _excited(x, steps, "conv1d", "avg")


def _excited(x: Tensor, steps: Values, layer: str, pooling: str) -> dict[str, Tensor]:
    gate = bent(steps[layer], steps["gate"])
    return {"squeeze": _pooled(x, pooling), "gate": gate, "scale": x * _gated(steps["gate"])}


def cbam(x: Tensor, steps: Values, options: Mapping[str, Any]) -> dict[str, Tensor]:
    """Woo et al. 2018, eq. 1-3."""
    found: dict[str, Tensor] = {}
    if options["halves"] != "spatial":
        gate = steps["channel gate"]
        found |= {f"squeeze {pool}": _pooled(x, pool) for pool in ("avg", "max")}
        found["channel gate"] = bent(steps["mlp avg"] + steps["mlp max"], gate)
        found["channel scale"] = x = x * _gated(gate)
    if options["halves"] != "channel":
        found["spatial pool"] = torch.stack([x.mean(1), x.amax(1)], 1)
        found["spatial gate"] = bent(steps["conv"], steps["spatial gate"])
        found["spatial scale"] = x * steps["spatial gate"]
    return found


def bam(x: Tensor, steps: Values, options: Mapping[str, Any]) -> dict[str, Tensor]:
    """Park et al. 2018, eq. 2-5; the published code multiplies the branches."""
    channel, spatial = _gated(steps["channel logits"]), steps["spatial logits"]
    return {
        "squeeze": _pooled(x, "avg"),
        "combine": channel * spatial if options["combine"] == "product" else channel + spatial,
        "gate": bent(steps["combine"], steps["gate"]),
        "scale": x + x * steps["gate"],
    }


def scse(x: Tensor, steps: Values, options: Mapping[str, Any]) -> dict[str, Tensor]:
    """Roy et al. 2018, eq. 2-5."""
    halves = steps["cse"], steps["sse"]
    return {
        "squeeze": _pooled(x, "avg"),
        "cse gate": bent(steps["channel logits"], steps["cse gate"]),
        "cse": x * _gated(steps["cse gate"]),
        "sse gate": bent(steps["spatial logits"], steps["sse gate"]),
        "sse": x * steps["sse gate"],
        "fuse": halves[0] + halves[1] if options["fusion"] == "sum" else torch.maximum(*halves),
    }


def sk(_: Tensor, steps: Values, options: Mapping[str, Any]) -> dict[str, Tensor]:
    """Li et al. 2019, eq. 1-6."""
    maps = torch.stack([steps[f"branch {i + 1}"] for i in range(options["branches"])], 1)
    fused = maps.sum(1)
    return ({"fuse": fused} if "fuse" in steps else {}) | {
        "squeeze": _pooled(fused, "avg"),
        "share": steps["select"].softmax(1),
        "sum": (maps * steps["share"][..., None, None]).sum(1),
    }


def gc(x: Tensor, steps: Values, options: Mapping[str, Any]) -> dict[str, Tensor]:
    """Cao et al. 2019, eq. 4-5."""
    key = steps["key"]
    found = {
        "context map": key.flatten(1).softmax(1).reshape(key.shape),
        "context": (x * steps["context map"]).sum((2, 3)),
    }
    if "channel_mul" in options["fusions"]:
        found["mul gate"] = bent(steps["mul transform"], steps["mul gate"])
        found["scale"] = x = x * _gated(steps["mul gate"])
    if "channel_add" in options["fusions"]:
        found["add"] = x + _gated(steps["add transform"])
    return found


def non_local(x: Tensor, steps: Values, options: Mapping[str, Any]) -> dict[str, Tensor]:
    """Wang et al. 2018, eq. 1-6."""
    theta, phi = steps["theta"], steps["phi"]
    scale = theta.shape[-1] ** -0.5 if options.get("scale") else options.get("factor", 1.0)
    pairs = theta @ phi.mT
    dot = options["pairwise"] == "dot_product"
    return {
        "affinity": pairs / phi.shape[1] if dot else (scale * pairs).softmax(-1),
        "aggregate": steps["affinity"] @ steps["g"],
        "residual": x + steps["project"],
    }


def coordinate(x: Tensor, steps: Values, _: Mapping[str, Any]) -> dict[str, Tensor]:
    """Hou et al. 2021, eq. 4-10."""
    pools = x.mean(3, keepdim=True), x.mean(2)[..., None]
    return {
        "pool h": pools[0],
        "pool w": pools[1],
        "concatenate": torch.cat(pools, 2),
        "scale": x * steps["gate h"] * steps["gate w"],
    }

"""Nine mechanisms in ten styles: each has its paper's own steps, and these are what the paper's formulas say."""

from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import Tensor

import attnviz
from attnviz.equations import equations
from attnviz.explanation import Explanation, Inside
from tests.unit.flow.corpus.compare import built, inputs
from tests.unit.flow.corpus.styles import WRITTEN

# Where a paper's value is never computed as such: its steps are the recorded operations.
OTHERWISE = {
    "BAM, chunk": "one convolution for both branches",
    "CBAM, chunk": "both poolings go through the MLP as one batch",
    "CBAM, unfold": "the maximum is taken of windows as wide as the picture",
    "ECA, @": "the mean is a matrix product",
    "GC, chunk": "the map is cut out of a concatenation",
    "SE, chunk": "layers in pieces",
    "scSE, chunk": "one convolution for both halves",
}
Values = dict[str, Tensor]


@cache
def explained(name: str) -> tuple[Explanation, str]:
    network = WRITTEN[name]
    explanation = attnviz.explain(attnviz.instrument(built(network)), inputs(network)[0][:1])
    return explanation, explanation.attention[0].layer


def inside(name: str) -> Inside:
    explanation, layer = explained(name)
    return explanation.inside(layer)


def squeeze_and_scale(x: Tensor, steps: Values, layer: str) -> Values:
    return {
        "squeeze": x.mean((1, 2)),
        "gate": steps[layer].sigmoid(),
        "scale": x * steps["gate"][:, None, None],
    }


def se(x: Tensor, steps: Values) -> Values:
    return squeeze_and_scale(x, steps, "fc2")


def eca(x: Tensor, steps: Values) -> Values:
    return squeeze_and_scale(x, steps, "conv1d")


def cbam(x: Tensor, steps: Values) -> Values:
    scaled = x * steps["channel gate"][:, None, None]
    return {
        "squeeze avg": x.mean((1, 2)),
        "squeeze max": x.amax((1, 2)),
        "channel gate": (steps["mlp avg"] + steps["mlp max"]).sigmoid(),
        "channel scale": scaled,
        "spatial pool": torch.stack([scaled.mean(0), scaled.amax(0)]),
        "spatial gate": steps["conv"].sigmoid(),
        "spatial scale": scaled * steps["spatial gate"],
    }


def bam(x: Tensor, steps: Values) -> Values:
    return {
        "squeeze": x.mean((1, 2)),
        "combine": steps["channel logits"][:, None, None] + steps["spatial logits"],
        "gate": steps["combine"].sigmoid(),
        "scale": x + x * steps["gate"],
    }


def sk(_: Tensor, steps: Values) -> Values:
    maps = torch.stack([steps["branch 1"], steps["branch 2"]])
    fused = {"fuse": maps.sum(0)} if "fuse" in steps else {}
    return fused | {
        "squeeze": maps.sum(0).mean((1, 2)),
        "share": steps["select"].softmax(0),
        "sum": (maps * steps["share"][..., None, None]).sum(0),
    }


def scse(x: Tensor, steps: Values) -> Values:
    one, two = x * steps["cse gate"][:, None, None], x * steps["sse gate"]
    larger = (steps["fuse"] - torch.maximum(one, two)).abs().max() < 1e-4
    return {
        "squeeze": x.mean((1, 2)),
        "cse gate": steps["channel logits"].sigmoid(),
        "cse": one,
        "sse gate": steps["spatial logits"].sigmoid(),
        "sse": two,
        "fuse": torch.maximum(one, two) if larger else one + two,
    }


def non_local(x: Tensor, steps: Values) -> Values:
    logits = steps["theta"] @ steps["phi"].T
    plain = (logits.softmax(1) - steps["affinity"]).abs().max() < 1e-4
    return {
        "affinity": (logits if plain else logits / steps["theta"].shape[1] ** 0.5).softmax(1),
        "aggregate": steps["affinity"] @ steps["g"],
        "residual": x + steps["project"],
    }


def gc(x: Tensor, steps: Values) -> Values:
    return {
        "context map": steps["key"].flatten().softmax(0).reshape(steps["key"].shape),
        "context": (x * steps["context map"]).sum((1, 2)),
        "add": x + steps["add transform"][:, None, None],
    }


def coordinate(x: Tensor, steps: Values) -> Values:
    pools = x.mean(2, keepdim=True), x.mean(1)[..., None]
    return {
        "pool h": pools[0],
        "pool w": pools[1],
        "concatenate": torch.cat(pools, 1),
        "scale": x * steps["gate h"] * steps["gate w"],
    }


PAPERS: dict[str, tuple[Callable[[Tensor, Values], Values], tuple[str, ...]]] = {
    "SE": (se, ("squeeze", "fc1", "relu", "fc2", "gate", "scale")),
    "ECA": (eca, ("squeeze", "conv1d", "gate", "scale")),
    "CBAM": (
        cbam,
        (
            *("squeeze avg", "hidden avg", "mlp avg", "squeeze max", "hidden max", "mlp max", "channel gate"),
            *("channel scale", "spatial pool", "conv", "spatial gate", "spatial scale"),
        ),
    ),
    "BAM": (bam, ("squeeze", "channel logits", "spatial logits", "combine", "gate", "scale")),
    "SK": (sk, ("branch 1", "branch 2", "fuse", "squeeze", "reduce", "select", "share", "sum")),
    "scSE": (
        scse,
        (
            *("squeeze", "hidden", "channel logits", "cse gate", "cse"),
            *("spatial logits", "sse gate", "sse", "fuse"),
        ),
    ),
    "Non-Local": (non_local, ("theta", "phi", "affinity", "g", "aggregate", "project", "residual")),
    "GC": (gc, ("key", "context map", "context", "add transform", "add")),
    "CA": (coordinate, ("pool h", "pool w", "concatenate", "transform", "gate h", "gate w", "scale")),
}


@pytest.mark.parametrize("name", [name for name in WRITTEN if name not in OTHERWISE])
def test_steps_are_the_paper_s(name: str) -> None:
    formula, names = PAPERS[name.split(", ")[0]]
    found = inside(name)
    steps = {step.name: step.value for step in found.steps}
    assert tuple(steps) == tuple(each for each in names if each != "fuse" or name != "SK, einsum")
    for each, expected in formula(found.input, steps).items():
        torch.testing.assert_close(
            steps[each], expected, rtol=1e-4, atol=1e-5, msg=lambda text, at=each: f"{at}: {text}"
        )
    torch.testing.assert_close(found.steps[-1].value, found.output, rtol=0, atol=0)


@pytest.mark.parametrize("name", [name for name in WRITTEN if name not in OTHERWISE])
def test_equations_have_this_picture_s_numbers(name: str) -> None:
    """Every equation that the mechanism has is filled, and its last one ends in the block's output at that place."""
    explanation, layer = explained(name)
    found = explanation.inside(layer)
    written = equations(explanation, layer, 3, (2, 5), show=repr)
    block = explanation.backbone.blocks[layer]
    assert written.keys() == block.equations().keys() & {step.name for step in found.steps}
    assert float(written[found.steps[-1].name].rsplit("=", 1)[1]) == float(found.output[3, 2, 5])


@pytest.mark.parametrize("name", OTHERWISE)
def test_where_a_value_is_never_computed_the_steps_are_operations(name: str) -> None:
    found = inside(name)
    assert all(step.formula.startswith(r"y_{") for step in found.steps)
    # A pass that records runs the picture twice in its batch, and leaves out the view at the end.
    torch.testing.assert_close(found.steps[-1].value.reshape(found.output.shape), found.output, rtol=1e-5, atol=1e-6)

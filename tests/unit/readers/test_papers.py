"""Steps of libraries' modules, by what flows: those of the paper, and each is what a hook on the layer sees."""

from collections import defaultdict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import attnviz
from attnviz.equations import equations
from attnviz.mechanisms import BAM, CBAM, ECA, GC, SCSE, SE, SK, CoordinateAttention, Mechanism, NonLocal
from attnviz.mechanisms.se import ESE
from tests.unit.readers.modules import MODULES
from tests.unit.readers.test_modules import network, picture

# Whose steps are the recorded operations, because a paper of ours has others.
RECORDED = {
    "timm light CBAM": "squeezes once, with the mean of both poolings",
    "timm circular ECA": "its channels go round in a circle, by writing into a buffer",
    "timm split attention": "no mechanism of ours",
    "timm split attention, groups": "likewise",
    "timm CoordAttn skip": "adds the features once more",
    "timm SimpleCoordAttn": "one gate for both strips",
    "timm ELA": "a convolution a strip",
    "timm StripAttn": "one gate for both strips",
    "timm StripAttn skip": "likewise",
    "mmcv concatenation": "no product of queries and keys",
    "mmcv concatenation sub-sampled": "likewise",
}

POOLED = ("squeeze", "fc1", "relu", "fc2", "gate", "scale")
SELECTIVE = ("branch 1", "branch 2", "fuse", "squeeze", "reduce", "select", "share", "sum")
HIDDEN = ("squeeze avg", "hidden avg", "mlp avg", "squeeze max", "hidden max", "mlp max", "channel gate")
ATTENTION = (*HIDDEN, "channel scale", "spatial pool", "conv", "spatial gate", "spatial scale")
CONTEXT = ("key", "context map", "context")
PAIRS = ("theta", "phi", "affinity", "g", "aggregate", "project", "residual")
STRIPS = ("pool h", "pool w", "concatenate", "transform", "gate h", "gate w", "scale")


def layers(first: str, act: str, second: str, gate: str) -> dict[str, str]:
    return {"fc1": first, "relu": act, "fc2": second, "gate": gate}


def pairs(theta: str, phi: str, g: str, project: str) -> dict[str, str]:
    return {"theta": theta, "phi": phi, "g": g, "project": project}


TIMM_SK = {
    "branch 1": "paths.0",
    "branch 2": "paths.1",
    "reduce": "attn.act",
    "select": "attn.fc_select",
    "share": "attn",
}

# For each module: its mechanism, its steps, and the submodules that compute some of these.
FOUND: dict[str, tuple[type[Mechanism], tuple[str, ...], dict[str, str]]] = {
    "timm SE": (SE, POOLED, layers("fc1", "act", "fc2", "gate")),
    "timm SE with norm": (SE, POOLED, layers("bn", "act", "fc2", "gate")),
    "timm efficientnet SE": (SE, POOLED, layers("conv_reduce", "act1", "conv_expand", "gate")),
    "timm legacy SE": (SE, POOLED, layers("fc1", "relu", "fc2", "sigmoid")),
    "torchvision SE": (SE, POOLED, layers("fc1", "activation", "fc2", "scale_activation")),
    "pytorchcv SE": (SE, POOLED, layers("conv1", "activ", "conv2", "sigmoid")),
    "pytorchcv SE linear": (SE, POOLED, layers("fc1", "activ", "fc2", "sigmoid")),
    "timm GC mean": (SE, POOLED, layers("mlp_scale.norm", "mlp_scale.act", "mlp_scale.fc2", "gate")),
    "timm split attention, one": (SE, POOLED, layers("bn1", "act1", "fc2", "rsoftmax")),
    "timm eSE": (ESE, ("squeeze", "fc2", "gate", "scale"), {"fc2": "fc", "gate": "gate"}),
    "timm ECA": (ECA, ("squeeze", "conv1d", "gate", "scale"), {"conv1d": "conv", "gate": "gate"}),
    "timm CBAM": (
        CBAM,
        ATTENTION,
        {
            "channel gate": "channel.gate",
            "channel scale": "channel",
            "conv": "spatial.conv",
            "spatial gate": "spatial.gate",
        },
    ),
    "pytorchcv CBAM": (
        CBAM,
        ATTENTION,
        {
            "channel gate": "ch_gate.sigmoid",
            "channel scale": "ch_gate",
            "conv": "sp_gate.conv",
            "spatial gate": "sp_gate.sigmoid",
        },
    ),
    "pytorchcv BAM": (
        BAM,
        ("squeeze", "channel logits", "spatial logits", "combine", "gate", "scale"),
        {"channel logits": "ch_att.final_fc", "spatial logits": "sp_att.final_conv", "gate": "sigmoid"},
    ),
    "smp scSE": (
        SCSE,
        ("squeeze", "hidden", "channel logits", "cse gate", "cse", "spatial logits", "sse gate", "sse", "fuse"),
        {
            "hidden": "cSE.2",
            "channel logits": "cSE.3",
            "cse gate": "cSE",
            "spatial logits": "sSE.0",
            "sse gate": "sSE",
        },
    ),
    "timm SK": (SK, SELECTIVE, TIMM_SK),
    "timm SK split": (SK, SELECTIVE, TIMM_SK),
    "pytorchcv SK": (
        SK,
        SELECTIVE,
        {
            "branch 1": "branches.branch2",
            "branch 2": "branches.branch3",
            "reduce": "fc1",
            "select": "fc2",
            "share": "softmax",
        },
    ),
    "timm GC additive": (
        GC,
        (*CONTEXT, "add transform", "add"),
        {"key": "conv_attn", "add transform": "mlp_add"},
    ),
    "timm GC scaling": (
        GC,
        (*CONTEXT, "mul transform", "mul gate", "scale"),
        {"key": "conv_attn", "mul transform": "mlp_scale", "mul gate": "gate"},
    ),
    "timm GC both": (
        GC,
        (*CONTEXT, "mul transform", "mul gate", "scale", "add transform", "add"),
        {"key": "conv_attn", "mul transform": "mlp_scale", "mul gate": "gate", "add transform": "mlp_add"},
    ),
    "timm Non-Local": (NonLocal, PAIRS, pairs("t", "p", "g", "norm")),
    "timm Non-Local unscaled": (NonLocal, PAIRS, pairs("t", "p", "g", "norm")),
    "timm CoordAttn": (CoordinateAttention, STRIPS, {"transform": "act"}),
    "authors' CoordAtt": (CoordinateAttention, STRIPS, {"transform": "act"}),
    **{
        f"mmcv {mode}": (NonLocal, PAIRS, pairs("theta", "phi", "g", "conv_out"))
        for mode in ("embedded_gaussian", "embedded_gaussian sub-sampled", "dot_product", "dot_product sub-sampled")
    },
    "mmcv unscaled": (NonLocal, PAIRS, pairs("theta", "phi", "g", "conv_out")),
    "mmcv gaussian": (NonLocal, PAIRS, {"g": "g", "project": "conv_out"}),
    "mmcv gaussian sub-sampled": (NonLocal, PAIRS, {"phi": "phi", "g": "g", "project": "conv_out"}),
}
BY_READER = {name for name in MODULES if name.startswith(("timm BAT", "timm self-", "timm halo", "timm lambda"))}


def hooked(model: nn.Module, x: Tensor) -> dict[str, list[Tensor]]:
    """What every module of the block gives, by its path in it ("" is the block), in each of its runs."""
    given: dict[str, list[Tensor]] = defaultdict(list)

    def keep(path: str) -> Any:
        return lambda module, args, output: given[path].append(output.detach().clone())

    for path, module in model.get_submodule("block").named_modules():
        module.register_forward_hook(keep(path))
    with torch.no_grad():
        model(x.clone())
    return given


@pytest.mark.parametrize("name", FOUND)
def test_a_step_is_what_its_layer_gives(name: str) -> None:
    kind, names, by = FOUND[name]
    explanation = attnviz.explain(attnviz.instrument(network(name)), picture())
    block, inside = explanation.backbone.blocks["block"], explanation.inside("block")
    assert (block.label, block.citation) == (kind.label, kind.citation)
    assert block.formula
    assert tuple(step.name for step in inside.steps) == names
    steps, given = {step.name: step.value for step in inside.steps}, hooked(network(name), picture())
    for step, path in by.items():
        [expected] = given[path]
        pair = step in ("theta", "phi", "g")  # places by channels
        expected = expected[0].flatten(1).T if pair else expected[0].reshape(steps[step].shape)
        torch.testing.assert_close(steps[step], expected, rtol=1e-5, atol=1e-6)
    [output] = given[""]
    assert torch.equal(inside.steps[-1].value, output[0])


@pytest.mark.parametrize("name", FOUND)
def test_equations_end_in_the_output(name: str) -> None:
    explanation = attnviz.explain(attnviz.instrument(network(name)), picture())
    block, inside = explanation.backbone.blocks["block"], explanation.inside("block")
    written = equations(explanation, "block", 3, (2, 5), show=repr)
    assert written.keys() == block.equations().keys() & {step.name for step in inside.steps}
    assert float(written[inside.steps[-1].name].rsplit("=", 1)[1]) == float(inside.output[3, 2, 5])


@pytest.mark.parametrize("name", RECORDED)
def test_another_flow_s_steps_are_operations(name: str) -> None:
    explanation = attnviz.explain(attnviz.instrument(network(name)), picture())
    assert not explanation.backbone.blocks["block"].formula
    assert all(step.formula.startswith("y_{") for step in explanation.steps("block"))


def test_every_module_is_told_of() -> None:
    assert {*FOUND, *RECORDED, *BY_READER} == set(MODULES)


def test_a_buffer_that_is_written_is_no_step() -> None:
    """What it holds before is anything; what reads it is said to read what was written."""
    steps = attnviz.explain(attnviz.instrument(network("timm circular ECA")), picture()).steps("block")
    assert [step.name for step in steps] == ["mean", "convolution", "sigmoid", "product"]
    assert "y_{1}" in steps[1].formula

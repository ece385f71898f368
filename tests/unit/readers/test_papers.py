"""Steps that are read from what flows, against those of a reader: the same values under the same names, by our own
formula with the module's layers."""

from collections.abc import Mapping

import pytest
import torch

import attnviz
from attnviz.capture import Backbone, backbone
from attnviz.readers import Twin
from tests.unit.readers.modules import MODULES
from tests.unit.readers.test_twins import network, picture

# What a paper of ours does not have, or the flow does not show: recorded operations, or a reader's own formula.
OTHERWISE = {
    "timm light CBAM": "squeezes once, with the mean of both poolings",
    "timm circular ECA": "its channels go round in a circle: not found",
    "timm split attention": "one convolution gives all branches",
    "timm split attention, groups": "likewise",
    "timm split attention, one": "read as SE, and its convolution is no step",
    "timm GC both": "scales and adds: the term is not claimed",
    "timm GC mean": "without a context map it is SE",
    "timm BAT": "a product of two small matrices: not found",
    "timm CoordAttn skip": "adds the features once more",
    "timm SimpleCoordAttn": "one gate for both strips",
    "timm ELA": "a convolution a strip",
    "timm StripAttn": "one gate for both strips",
    "timm StripAttn skip": "likewise",
    "timm self-attention": "no mechanism of ours",
    "timm self-attention, stride": "likewise",
    "timm halo attention": "likewise",
    "timm halo attention, stride": "likewise",
    "timm halo attention, mean": "likewise",
    "timm lambda": "likewise",
    "timm lambda, relative places": "likewise",
    "mmcv concatenation": "a sum of two terms, one of the query and one of the key: not found",
    "mmcv concatenation sub-sampled": "likewise",
}


def none(*_: object, **__: object) -> Mapping[str, Twin]:
    """No module is known."""
    return {}


def read_by_what_flows(name: str, monkeypatch: pytest.MonkeyPatch) -> Backbone:
    monkeypatch.setattr(backbone, "twins", none)
    return attnviz.instrument(network(name))


@pytest.mark.parametrize("name", [name for name in MODULES if name not in OTHERWISE])
def test_steps_are_the_reader_s(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = picture()
    known = attnviz.explain(attnviz.instrument(network(name)), x)
    flowing = attnviz.explain(read_by_what_flows(name, monkeypatch), x)
    (one,), (two,) = ([*explanation.backbone.blocks.values()] for explanation in (known, flowing))
    assert type(one) is not type(two)
    assert (two.label, two.formula, two.citation, two.paper) == (one.label, one.formula, one.citation, one.paper)
    assert two.equations() == one.equations()
    expected, found = known.steps("block"), flowing.steps("block")
    assert [(step.name, step.formula) for step in found] == [(step.name, step.formula) for step in expected]
    for step, other in zip(found, expected, strict=True):
        assert step.axes == (one.axes_of(other.name, tuple(other.value.shape)) or step.axes)
        torch.testing.assert_close(step.value, other.value, rtol=1e-4, atol=1e-5 * float(other.value.abs().max()))


@pytest.mark.parametrize(
    "name", ["timm light CBAM", "timm CoordAttn skip", "timm split attention", "timm self-attention"]
)
def test_another_flow_s_steps_are_operations(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    explanation = attnviz.explain(read_by_what_flows(name, monkeypatch), picture())
    assert all(step.formula.startswith("y_{") for step in explanation.steps("block"))

"""Networks in other clothes: compiled, wrapped, under autocast, and attention on grids of one and three dimensions."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import attnviz
from attnviz import AttnvizError, Edit
from attnviz.capture import AffinityMap
from attnviz.mechanisms import SE, NonLocal
from tests.unit.capture.networks import Tiny, family, picture, plain, randomize, seeded, tapped, untapped
from tests.unit.capture.oracles import bypassed, captum_map, close_to, observe


def test_a_compiled_network_is_watched_as_what_it_compiles() -> None:
    model = family("resnet18t-se")
    backbone = attnviz.instrument(torch.compile(model))  # type: ignore[arg-type]
    assert backbone.model is model
    found, expected = (attnviz.explain(each, picture(), 1) for each in (backbone, tapped("resnet18t-se")))
    assert torch.equal(found.output, expected.output)
    assert [r.layer for r in found.attention] == [r.layer for r in expected.attention]


def test_data_parallel() -> None:
    found = attnviz.explain(attnviz.instrument(nn.DataParallel(family("resnet18t-nl"))), picture(), (1, 2))
    assert found.attention[0].layer == "module.stage2.1.attention"
    assert found.cam is not None
    assert found.cam.layer == "module.stage4"
    close_to(found.cam.signed, captum_map(plain("resnet18t-nl"), "stage4", picture(), (1, 2)))


class Advised(Tiny):
    """It asks another network, which is no part of it and has modules of the same names."""

    def __init__(self) -> None:
        super().__init__(SE(8, reduction=2))
        self.adviser: list[nn.Module] = []

    def forward(self, x: Tensor) -> Any:
        return super().forward(x) + sum(other(x) for other in self.adviser)


def test_a_watched_network_inside_the_pass_of_another() -> None:
    """Each pass sees, edits and cuts its own network alone."""
    outer, inner = (seeded(make) for make in (Advised, lambda: randomize(Tiny(SE(8, reduction=2)), 5)))
    alone = copy.deepcopy(inner)
    advised = copy.deepcopy(outer)
    outer.adviser.append(attnviz.instrument(inner).model)  # type: ignore[operator,union-attr]
    advised.adviser.append(alone)  # type: ignore[operator,union-attr]
    backbone = attnviz.instrument(outer)
    found = attnviz.explain(backbone, picture(), (1, 2), "conv")
    assert len(found.attention) == 1
    assert torch.equal(found.output, advised(picture()))
    assert found.cam is not None
    close_to(found.cam.signed, captum_map(advised, "conv", picture(), (1, 2)))
    off = attnviz.explain(backbone, picture(), edits=[Edit("attention", "off")])
    assert off.logits is not None
    close_to(off.logits, bypassed(advised, picture(), "attention"))


@pytest.mark.parametrize("layer", [None, "stage2"])
def test_autocast(layer: str | None) -> None:
    oracle, backbone = plain("resnet18t-se"), tapped("resnet18t-se")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = attnviz.explain(backbone, picture(), 1, layer)
        steps, (_, after) = found.steps("stage2.0.attention"), found.features("stage2.0.attention")
        expected = oracle(picture())
        signed = captum_map(oracle, layer or "stage4", picture(), 1)
    assert torch.equal(found.output, expected)
    assert torch.equal(steps[-1].value, after)
    assert found.cam is not None
    assert found.cam.signed.dtype == torch.float32
    close_to(found.cam.signed, signed.float(), 0.01)


@pytest.mark.parametrize("layer", ["stage4", "stage2", "stage3.0.bn1"])
def test_channels_last(layer: str) -> None:
    backbone = attnviz.instrument(family("resnet18t-bam").to(memory_format=torch.channels_last))
    found = attnviz.explain(backbone, picture().to(memory_format=torch.channels_last), (1, 2), layer).cam
    assert found is not None
    close_to(found.signed, captum_map(plain("resnet18t-bam"), layer, picture(), (1, 2)))


class Folded(Tiny):
    """Non-Local over a sequence, or over a video whose moments are taken from the channels."""

    def __init__(self, dims: int) -> None:
        super().__init__(NonLocal(8 if dims == 1 else 4, dims=dims))  # type: ignore[arg-type]
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.bn, self.fc = nn.BatchNorm2d(8), nn.Linear(8, 5)
        self.dims = dims

    def forward(self, x: Tensor) -> Any:
        x = self.relu(self.bn(self.conv(x)))
        folded = x.flatten(2) if self.dims == 1 else x.unflatten(1, (4, 2))
        return self.fc(self.pool(self.attention(folded).reshape(x.shape)).flatten(1))


@pytest.mark.parametrize(("dims", "grid"), [(1, (63,)), (3, (2, 7, 9))])
def test_non_local_over_other_grids(dims: int, grid: tuple[int, ...]) -> None:
    backbone = attnviz.instrument(seeded(lambda: randomize(Folded(dims), 4, (7, 9))))
    model, x = untapped(backbone), picture(0, (7, 9))
    hooks = observe(model, x, "attention", "attention.theta", "attention.phi")
    found = attnviz.explain(backbone, x, (1, 2))
    (record,) = found.attention
    theta, phi = (hooks[f"attention.{name}"][0][1][0].flatten(1) for name in ("theta", "phi"))
    assert isinstance(record.values, AffinityMap)
    assert record.values.query_grid == record.values.key_grid == grid
    close_to(record.values.matrix(), torch.softmax(theta.T @ phi, 1))
    close_to(record.before, hooks["attention"][0][0][0].abs().mean(0))
    assert record.values.row(tuple(n - 1 for n in grid)).shape == grid
    assert torch.equal(found.steps("attention")[-1].value, found.features("attention")[1])
    assert found.cam is not None
    close_to(found.cam.signed, captum_map(copy.deepcopy(model), "relu", x, (1, 2)))
    off = attnviz.explain(backbone, x, edits=[Edit("attention", "off")]).logits
    assert off is not None
    close_to(off, bypassed(model, x, "attention"))
    with pytest.raises(AttnvizError, match="attention gives"):
        attnviz.explain(backbone, x, cam_layer="attention")

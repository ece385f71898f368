"""Models that return something else than a row of logits."""

from collections import namedtuple
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import attnviz
from attnviz.errors import OptionError
from tests.unit.readers.modules import features, lively

Pair = namedtuple("Pair", ["logits", "rest"])
Costed = namedtuple("Costed", ["loss", "logits"])
Unnamed = namedtuple("Unnamed", ["loss", "prediction"])


class Wrapped(nn.Module):
    """A classifier whose logits come in something."""

    def __init__(self, wrap: Any) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.fc, self.wrap = nn.Linear(8, 4), wrap

    def forward(self, x: Tensor) -> Any:
        return self.wrap(self.fc(self.conv(x).mean((2, 3))))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda y: y,
        lambda y: (y, None),
        lambda y: [None, y],
        lambda y: {"logits": y, "features": y + 1},
        lambda y: {"features": y[None], "out": y},
        lambda y: {"whatever": y},
        lambda y: Pair(y, 3),
        lambda y: Costed(y.sum(), y),
        lambda y: Costed(y[:, :2], y),
        lambda y: Unnamed(None, y),
        lambda y: SimpleNamespace(logits=y),
    ],
)
def test_the_logits_are_found(wrap: Any) -> None:
    backbone = attnviz.instrument(lively(Wrapped(wrap)))
    plain = attnviz.instrument(lively(Wrapped(lambda y: y)))
    x = features(3, 12)
    found, expected = attnviz.explain(backbone, x, 2), attnviz.explain(plain, x, 2)
    assert torch.equal(found.logits, expected.logits)
    torch.testing.assert_close(found.cam.signed, expected.cam.signed)
    assert backbone.head(x).linear == "fc"  # no gradient is needed either way


@pytest.mark.parametrize(("wrap", "name"), [(lambda y: {"a": y, "b": y}, "dict"), (lambda y: Unnamed(y, y), "Unnamed")])
def test_what_has_no_logits_says_so(wrap: Any, name: str) -> None:
    found = attnviz.explain(attnviz.instrument(lively(Wrapped(wrap))), features(3, 12))
    assert found.logits is None
    assert name in found.cam_reason


class Segmenter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.conv(x).relu())


def test_a_region_of_a_map_of_scores() -> None:
    """By hand: the mean score over a region is linear in the features there, so alpha is the weight times a share."""
    model, x = lively(Segmenter()), features(3, 12)
    backbone = attnviz.instrument(lively(Segmenter()))
    without = attnviz.explain(backbone, x)
    assert without.cam is None
    assert "5 scores on 12 x 12 places" in without.cam_reason
    assert "region=" in without.cam_reason
    found = attnviz.explain(backbone, x, 3, cam_layer="conv", region=(2, 4, 8, 10))
    with torch.no_grad():
        before = model.conv(x)
        torch.testing.assert_close(found.logits, model(x)[0, :, 2:8, 4:10].mean((1, 2)))
        inside = torch.zeros(12, 12)
        inside[2:8, 4:10] = 1
        alpha = (model.last.weight[3, :, 0, 0][:, None, None] * (before[0] > 0) * inside / 36).mean((1, 2))
    torch.testing.assert_close(found.cam.signed, (alpha[:, None, None] * before[0]).sum(0))


@pytest.mark.parametrize("region", [(0, 0, 13, 4), (3, 3, 3, 5), (0, 0, 4), (0, 0, 1.5, 2), (-1, 0, 3, 3)])
def test_regions_that_are_not_there(region: Any) -> None:
    with pytest.raises(OptionError, match="12 x 12"):
        attnviz.explain(attnviz.instrument(lively(Segmenter())), features(3, 12), region=region)
    with pytest.raises(OptionError, match="map of scores"):
        attnviz.explain(attnviz.instrument(lively(Wrapped(lambda y: y))), features(3, 12), region=(0, 0, 1, 1))

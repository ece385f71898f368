"""Where Grad-CAM can stand, and stands by itself, by hand; its maps there against captum."""

import copy

import pytest
from torch import Tensor, nn

import attnviz
from attnviz.capture.head import Head
from tests.unit.capture.networks import picture, seeded
from tests.unit.capture.oracles import captum_map, close_to
from tests.unit.capture.test_cam import VggLike


def test_the_layers_that_grad_cam_can_stand_on() -> None:
    """By hand: all but the pool to a fixed size, which is none that is learned."""
    head = attnviz.instrument(seeded(VggLike)).head(picture())
    assert head.maps == (*(f"features.{i}" for i in range(5)), "features")
    assert (head.cam_layer, head.linear) == ("features", None)
    oracle = seeded(VggLike)
    for layer in head.maps:
        found = attnviz.explain(attnviz.instrument(seeded(VggLike)), picture(), 3, cam_layer=layer).cam
        close_to(found.signed, captum_map(copy.deepcopy(oracle), layer, picture(), 3))


def test_a_layer_that_runs_again_stands_where_it_ran_last() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.fc = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3), nn.Linear(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.a(self.b(self.a(x))).mean((2, 3)))

    assert attnviz.instrument(seeded(Twice)).head(picture()) == Head(("b", "a"), "a", "fc")


class Pixels(nn.Module):
    """Scores for every place: down to a quarter, and up again."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.deep = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 8, 3, padding=1)
        self.up, self.last = nn.ConvTranspose2d(8, 6, 4, 4), nn.Conv2d(6, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.up(self.deep(self.down(x).relu()).relu()).relu())


@pytest.mark.parametrize("region", [(0, 0, 64, 64), (9, 40, 10, 41), (3, 5, 20, 60)])
def test_scores_for_every_place_stand_on_the_bottleneck(region: tuple[int, int, int, int]) -> None:
    """The oracle: captum's Grad-CAM of the mean score in the region, a model of its own."""

    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pixels = seeded(Pixels)

        def forward(self, x: Tensor) -> Tensor:
            top, left, bottom, right = region
            return self.pixels(x)[:, :, top:bottom, left:right].mean((2, 3))

    backbone = attnviz.instrument(seeded(Pixels))
    x = picture(1, (64, 64))
    assert backbone.head(x) == Head(("down", "deep", "up"), "deep", None)
    for target in (2, (2, 4)):
        found = attnviz.explain(backbone, x, target, region=region)
        assert found.cam.layer == "deep"
        assert found.region == region
        close_to(found.cam.signed, captum_map(Mean().eval(), "pixels.deep", x, target))


class Segmenter(nn.Module):
    """As segmentation networks often end: class scores on a small grid, enlarged; an auxiliary head runs last."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.scores, self.aux = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 5, 1), nn.Conv2d(8, 7, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.body(x).relu()
        enlarged = nn.functional.interpolate(self.scores(features), scale_factor=4)
        return {"out": enlarged, "aux": nn.functional.interpolate(self.aux(features), scale_factor=4)}


def test_neither_the_scores_nor_an_auxiliary_head() -> None:
    x = picture(1, (64, 64))
    assert attnviz.instrument(seeded(Segmenter)).head(x) == Head(("body", "scores", "aux"), "body", None)


def test_an_auxiliary_head_of_a_classifier() -> None:
    class Auxiliary(VggLike):
        def __init__(self) -> None:
            super().__init__()
            self.aux = nn.Conv2d(16, 4, 1)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
            features = self.features(x)
            return self.classifier(self.pool(features).flatten(1)), self.aux(features)

    backbone = attnviz.instrument(seeded(Auxiliary))
    assert backbone.head(picture()).maps[-1] == "aux"
    assert attnviz.explain(backbone, picture()).cam.layer == "features"

"""Grad-CAM against captum and autograd, on signed maps that are not zero."""

import contextlib
import copy
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

import attnviz
from attnviz import AttnvizError, Backbone
from attnviz.mechanisms import SE
from tests.unit.capture.networks import ATTENTIVE, IDS, ODD, Tiny, picture, plain, randomize, seeded, tapped, untapped
from tests.unit.capture.oracles import autograd_map, captum_map, close_to, distance, observe

# Of every kind: a stage, a block, a convolution, what an in-place ReLU overwrites, the stem's last.
CUTS = ("stem.0", "stem", "stage1.1.conv1", "stage2", "stage3.0.bn1", "stage3.1", "stage4.0.shortcut", "stage4.1.bn2")
CATALOGUE = [card.id for card in attnviz.catalogue("embedded")]


@pytest.mark.parametrize("model_id", IDS)
class TestFamily:
    def test_the_closed_form_is_captums_map(self, model_id: str) -> None:
        found = attnviz.explain(tapped(model_id), picture())
        assert found.cam is not None
        assert found.logits is not None
        assert found.cam.layer == "stage4"
        assert found.target == found.cam.target == int(found.logits.argmax())
        close_to(found.cam.signed, captum_map(plain(model_id), "stage4", picture(), found.target))
        assert torch.equal(found.cam.map, found.cam.signed.clamp(min=0))

    @pytest.mark.parametrize("target", [0, "label 6", (3, 7), ("label 2", 9), (1, "label 0")], ids=str)
    def test_any_target(self, model_id: str, target: Any) -> None:
        pair = target if isinstance(target, tuple) else (target,)
        indices = tuple(int(each[-1]) if isinstance(each, str) else each for each in pair)
        index = indices if len(indices) == 2 else indices[0]
        found = attnviz.explain(tapped(model_id), picture(1), target)
        assert found.cam is not None
        assert found.target == found.cam.target == index
        close_to(found.cam.signed, captum_map(plain(model_id), "stage4", picture(1), index))

    def test_the_cut_gives_the_closed_form(self, model_id: str) -> None:
        """The same layer, forced through autograd by naming its only call."""
        closed, cut = (attnviz.explain(tapped(model_id), picture(), (2, 5), cam_call=call).cam for call in (-1, 0))
        assert closed is not None
        assert cut is not None
        close_to(cut.signed, closed.signed)

    @pytest.mark.parametrize("layer", CUTS)
    def test_the_cut_is_captums_map(self, model_id: str, layer: str) -> None:
        for target in (4, (3, 7)):
            found = attnviz.explain(tapped(model_id), picture(2), target, cam_layer=layer)
            assert found.cam is not None
            assert found.cam.layer == layer
            close_to(found.cam.signed, captum_map(plain(model_id), layer, picture(2), target))

    @pytest.mark.parametrize("call", [-1, 0, 1])
    def test_a_layer_that_runs_twice(self, model_id: str, call: int) -> None:
        found = attnviz.explain(tapped(model_id), picture(), (8, 1), cam_layer="stage3.1.relu", cam_call=call)
        assert found.cam is not None
        close_to(found.cam.signed, autograd_map(plain(model_id), "stage3.1.relu", call, picture(), (8, 1)))


@pytest.mark.parametrize("model_id", ATTENTIVE)
def test_the_output_of_an_attention_block(model_id: str) -> None:
    backbone = tapped(model_id)
    layer = list(backbone.blocks)[1]
    found = attnviz.explain(backbone, picture(), 6, cam_layer=layer)
    assert found.cam is not None
    close_to(found.cam.signed, captum_map(plain(model_id), layer, picture(), 6))


@pytest.mark.parametrize("model_id", CATALOGUE)
def test_the_catalogues_networks(model_id: str) -> None:
    backbone = attnviz.load(model_id)
    oracle = untapped(backbone).requires_grad_(True)
    x = picture(3, (64, 96))
    for layer, target in ((None, 3), (None, (0, 9)), ("stage3.0.bn1", 5), ("stage2", (2, 7))):
        found = attnviz.explain(backbone, x, target, cam_layer=layer)
        assert found.cam is not None
        assert found.cam.layer == (layer or "stage4")
        close_to(found.cam.signed, captum_map(oracle, found.cam.layer, x, target))


def test_edits_reach_the_map() -> None:
    """A cut behind the edit and one before it, against autograd through a hooked copy."""
    model = copy.deepcopy(plain("resnet18t-se"))
    model.get_submodule("stage3.0.attention.gate").register_forward_hook(
        lambda _module, _args, output: torch.ones_like(output)
    )
    edit = attnviz.Edit("stage3.0.attention", "off")
    for layer in ("stage4", "stage2", "stage3.1.bn1"):
        found = attnviz.explain(tapped("resnet18t-se"), picture(), (1, 2), cam_layer=layer, edits=[edit])
        assert found.cam is not None
        close_to(found.cam.signed, autograd_map(model, layer, -1, picture(), (1, 2)))


BAD_TARGETS = [
    (-1, "-1"),
    (10, "10"),
    (True, "True"),
    (1.5, "1.5"),
    ("no such", "no such"),
    ("crane", "[8, 9]"),
    ((3, 3), "3"),
    (("label 3", 3), "3"),
    ((1, 2, 3), "3"),
    ((), "0"),
    ((1, -1), "-1"),
    ((1, "crane"), "crane"),
    ([1, 2], "[1, 2]"),
    (b"label 1", "label 1"),
]


@pytest.mark.parametrize(("target", "said"), BAD_TARGETS, ids=lambda value: repr(value))
@pytest.mark.parametrize("layer", [None, "stage2"])
def test_bad_targets(target: Any, said: str, layer: str | None) -> None:
    refused(tapped("resnet18t-se"), said, target=target, cam_layer=layer)


@pytest.mark.parametrize("layer", ["", "stage9", "stage4.", "fc", "flatten", 4, "stage1.0.attention.gate"], ids=repr)
def test_bad_layers(layer: Any) -> None:
    refused(tapped("resnet18t-se"), str(layer), cam_layer=layer)


@pytest.mark.parametrize("call", [-2, 1.5, "last", None, True], ids=repr)
def test_bad_calls(call: Any) -> None:
    refused(tapped("resnet18t-se"), str(call), cam_layer="stage3.1.relu", cam_call=call)


def test_a_label_needs_labels() -> None:
    refused(attnviz.instrument(seeded(Tiny)), "label 1", target="label 1")


def refused(backbone: Backbone, said: str, **options: Any) -> None:
    with pytest.raises(AttnvizError) as caught:
        attnviz.explain(backbone, picture(), **options)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_call_that_was_not_made_is_a_reason() -> None:
    found = attnviz.explain(tapped("resnet18t-se"), picture(), cam_layer="stage3.1.relu", cam_call=2)
    assert found.cam is None
    assert "stage3.1.relu" in str(found.cam_reason)
    assert "2" in str(found.cam_reason)


class Unused(Tiny):
    """Its second convolution's output leads nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.aside = nn.Conv2d(3, 4, 3)
        self.idle = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Any:
        self.aside(x)
        return super().forward(x)


@pytest.mark.parametrize("layer", ["aside", "idle"])
def test_a_layer_that_the_logits_do_not_see(layer: str) -> None:
    found = attnviz.explain(attnviz.instrument(seeded(Unused)), picture(), cam_layer=layer)
    assert found.cam is None
    assert layer in str(found.cam_reason)


@pytest.mark.parametrize("layer", [None, "bn"])
def test_no_positive_evidence(layer: str | None) -> None:
    model = seeded(lambda: Tiny(SE(8, reduction=2)))
    with torch.no_grad():
        model.get_submodule("fc").weight.abs_().neg_()  # type: ignore[operator,union-attr]
        model.get_submodule("bn").bias.fill_(9.0)  # type: ignore[operator,union-attr]
    found = attnviz.explain(attnviz.instrument(model), picture(), cam_layer=layer).cam
    assert found is not None
    assert not found.positive
    assert found.signed.max() < 0
    assert torch.equal(found.map, torch.zeros_like(found.signed))


def small_densenet() -> nn.Module:
    return torchvision.models.DenseNet(8, (2, 2), 16, num_classes=10)


PEERS = {
    "resnet18": (torchvision.models.resnet18, "layer4", ("layer3.0.bn1", "layer2", "conv1")),
    "mobilenet_v3_small": (torchvision.models.mobilenet_v3_small, "features", ("features.4.block.0", "features.8")),
    "densenet": (small_densenet, "features", ("features.denseblock1", "features.norm0", "features.transition1.norm")),
}


@pytest.mark.parametrize("name", PEERS)
def test_other_peoples_networks(name: str) -> None:
    make, last, layers = PEERS[name]
    model = randomize(seeded(make), 0, (64, 64))
    oracle = copy.deepcopy(model)
    backbone = attnviz.instrument(model)
    x = picture(4, (64, 96))
    for layer in (None, *layers):
        found = attnviz.explain(backbone, x, (1, 2), cam_layer=layer)
        assert found.cam is not None
        assert found.cam.layer == (layer or last)
        close_to(found.cam.signed, captum_map(oracle, found.cam.layer, x, (1, 2)))


def test_the_map_is_of_the_layers_own_output() -> None:
    """DenseNet's last norm is followed by an in-place ReLU: its own output has negative values."""
    model = randomize(seeded(small_densenet), 0, (64, 64))
    oracle, x = copy.deepcopy(model), picture(4, (64, 96))
    found = attnviz.explain(attnviz.instrument(model), x, 3).cam
    assert found is not None
    close_to(found.signed, captum_map(oracle, "features.norm5", x, 3))
    output = observe(oracle, x, "features.norm5")["features.norm5"][0][1]
    assert output.min() < -0.1
    # The head is linear in relu(output): alpha is its weight where the ReLU is open, in the mean.
    weight = oracle.get_submodule("classifier").weight[3].detach()  # type: ignore[index,union-attr]
    alpha = weight * (output[0] > 0).float().mean((1, 2)) / output[0, 0].numel()
    close_to(found.signed, torch.einsum("c,chw->hw", alpha, output[0]))
    assert distance(torch.einsum("c,chw->hw", alpha, output[0].relu()), found.signed) > 0.01


class VggLike(nn.Module):
    """A head that reads positions apart, behind an adaptive pool, with two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(4), nn.Conv2d(8, 16, 3), nn.ReLU()
        )
        self.pool = nn.AdaptiveAvgPool2d(3)
        self.classifier = nn.Sequential(nn.Linear(144, 20), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(20, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.pool(self.features(x)).flatten(1))


class OneLinear(VggLike):
    """A head of one linear layer over all positions."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Sequential(nn.Linear(144, 10))


class MaxHead(VggLike):
    """A linear head over maxima: of the right shape for the closed form, and wrong for it."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveMaxPool2d(1)  # type: ignore[assignment]
        self.classifier = nn.Sequential(nn.Linear(16, 10))


class Normed(VggLike):
    """A norm between the mean and the linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 10))


@pytest.mark.parametrize("make", [VggLike, OneLinear, MaxHead, Normed])
def test_heads_without_a_closed_form(make: type[nn.Module]) -> None:
    model = seeded(make)
    backbone, oracle = attnviz.instrument(copy.deepcopy(model)), model
    for seed in range(3):
        found = attnviz.explain(backbone, picture(seed), (0, 4)).cam
        assert found is not None
        assert found.layer == "features"
        close_to(found.signed, captum_map(oracle, "features", picture(seed), (0, 4)))


class Clamped(VggLike):
    """Its logits are no longer linear in the mean once they are large."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Linear(16, 10), nn.Hardtanh(-2, 2))


def test_a_head_that_is_linear_for_some_pictures() -> None:
    model = seeded(Clamped)
    backbone = attnviz.instrument(copy.deepcopy(model))
    for scale in (1.0, 30.0):
        logits = model(scale * picture())[0]
        high, inside = int(logits.argmax()), int(logits.abs().argmin())
        assert (logits[high] == 2) == (scale > 1)
        found = attnviz.explain(backbone, scale * picture(), (high, inside)).cam
        assert found is not None
        close_to(found.signed, autograd_map(model, "features", 0, scale * picture(), (high, inside)))


class Capped(Tiny):
    """It caps its last map in place, which few pictures reach."""

    def forward(self, x: Tensor) -> Tensor:
        features = self.attention(self.relu(self.bn(self.conv(x))))
        return self.fc(self.pool(features.clamp_(max=8)).flatten(1))


def test_a_map_that_is_overwritten_for_some_pictures() -> None:
    """The map shown is of the layer's own output, before it was capped."""
    model = seeded(Capped)
    backbone = attnviz.instrument(copy.deepcopy(model))
    for scale in (1.0, 30.0):
        output = observe(model, scale * picture(), "conv")["conv"][0][1]
        assert (output.max() > 20) == (scale > 1)
        found = attnviz.explain(backbone, scale * picture(), (1, 2)).cam
        assert found is not None
        close_to(found.signed, captum_map(model, found.layer, scale * picture(), (1, 2)))


FIRST = {
    "black": torch.zeros(1, 3, *ODD),
    "constant": torch.full((1, 3, *ODD), 7.0),
    "not a number": torch.full((1, 3, *ODD), float("nan")),
}


@pytest.mark.parametrize("name", FIRST)
@pytest.mark.parametrize("make", [Tiny, MaxHead])
def test_the_first_picture_decides_nothing(make: type[nn.Module], name: str) -> None:
    """What a network ends in is a fact about it, not about the first picture of that size."""
    expected = attnviz.explain(attnviz.instrument(seeded(make)), picture(), 1).cam
    backbone = attnviz.instrument(seeded(make))
    with contextlib.suppress(AttnvizError):
        attnviz.explain(backbone, FIRST[name], 1)
    found = attnviz.explain(backbone, picture(), 1).cam
    assert found is not None
    assert expected is not None
    assert torch.equal(found.signed, expected.signed)

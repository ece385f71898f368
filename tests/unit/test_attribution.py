"""Captum's methods against their formulas, on networks that captum never touched; and what goes on beside them.

In float64, network and formula: where a ReLU's input or two values under a maximum are equal to float32's rounding,
kernels decide differently which way a gradient goes (one of the 32 pictures on a path of Integrated Gradients, and
the attribution moves by a thousandth of its peak). In float64 no picture here comes that near. Float32 is held to
float64 on a network that is smooth, where nothing can tip.
"""

import copy
import threading
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import attnviz
from attnviz import AttnvizError, Backbone, Explanation
from attnviz.attribution import METHODS, PATCHES, STEPS
from attnviz.mechanisms import SE
from tests.unit.capture.networks import Tiny, picture, plain, seeded, tapped

IDS = ("resnet18t-plain", "resnet18t-cbam", "resnet18t-nl")
TARGETS = (3, (1, 7))
SIZE = (40, 48)


def score(model: nn.Module, x: Tensor, target: int | tuple[int, int]) -> Tensor:
    logits = model(x)
    return logits[:, target] if isinstance(target, int) else logits[:, target[0]] - logits[:, target[1]]


def gradient(model: nn.Module, x: Tensor, target: int | tuple[int, int]) -> Tensor:
    x = x.detach().clone().requires_grad_()
    (found,) = torch.autograd.grad(score(model, x, target).sum(), x)
    return found


def close(found: Tensor, expected: Tensor, tolerance: float = 1e-7) -> bool:
    """Equal to float32, in which attributions are given: half a unit in its last place is 6e-8."""
    peak = float(expected.abs().max())
    assert peak > 0, "a comparison of nothing"
    return float((found.double() - expected.double()).abs().max()) <= tolerance * peak


@cache
def precise(model_id: str) -> nn.Module:
    """The network in float64, which nobody touches."""
    return copy.deepcopy(plain(model_id)).double()


@cache
def explained(model_id: str) -> Backbone:
    """Another one, to be explained."""
    return attnviz.instrument(copy.deepcopy(precise(model_id)))


@pytest.fixture(params=IDS)
def model_id(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=TARGETS, ids=str)
def target(request: pytest.FixtureRequest) -> int | tuple[int, int]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def explanation(model_id: str, target: int | tuple[int, int]) -> Explanation:
    return attnviz.explain(explained(model_id), picture(0, SIZE), target)


def test_saliency(explanation: Explanation, model_id: str, target: int | tuple[int, int]) -> None:
    found = attnviz.attribute(explanation, "saliency")
    expected = gradient(precise(model_id), picture(0, SIZE).double(), target)[0].abs()
    assert close(found.values, expected)
    assert torch.equal(found.map, found.values.amax(0))
    assert (found.method, found.target) == ("saliency", target)


def test_integrated_gradients(explanation: Explanation, model_id: str, target: int | tuple[int, int]) -> None:
    found = attnviz.attribute(explanation, "integrated_gradients")
    assert close(found.values, integral(precise(model_id), picture(0, SIZE).double(), target), 1e-6)
    assert torch.equal(found.map, found.values.sum(0))


def integral(model: nn.Module, x: Tensor, target: int | tuple[int, int]) -> Tensor:
    """x times the mean gradient on the straight line from 0 to x, by Gauss and Legendre."""
    nodes, weights = np.polynomial.legendre.leggauss(STEPS)  # on -1..1; the integral is over 0..1
    total = sum(w / 2 * gradient(model, (t + 1) / 2 * x, target) for t, w in zip(nodes, weights, strict=True))
    assert isinstance(total, Tensor)
    return (total * x)[0]


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients"])
def test_float32_on_a_smooth_network(method: str) -> None:
    """Rounding alone: 40 operations of float32 leave some 1e-6 of the peak."""
    model, x = seeded(Smooth), picture(0, SIZE)
    found = attnviz.attribute(attnviz.explain(attnviz.instrument(copy.deepcopy(model)), x, 3), method)
    model = model.double()
    whole = gradient(model, x.double(), 3)[0].abs() if method == "saliency" else integral(model, x.double(), 3)
    assert close(found.values, whole, 1e-5)


def test_occlusion(explanation: Explanation, model_id: str, target: int | tuple[int, int]) -> None:
    found = attnviz.attribute(explanation, "occlusion")
    x, model = picture(0, SIZE).double(), precise(model_id)
    side = min(SIZE) // PATCHES
    stride = side // 2
    starts = [[min(i * stride, n) for i in range(-(-(n - side) // stride) + 1)] for n in SIZE]
    fall, covered = np.zeros(SIZE), np.zeros(SIZE)
    with torch.no_grad():
        whole = score(model, x, target)
        for row in starts[0]:
            for column in starts[1]:
                hidden = x.clone()
                hidden[:, :, row : row + side, column : column + side] = 0
                fall[row : row + side, column : column + side] += float(whole - score(model, hidden, target))
                covered[row : row + side, column : column + side] += 1
    assert close(found.map, torch.from_numpy(fall / covered), 1e-6)


class Guided(torch.autograd.Function):
    """ReLU whose gradient passes only where it and the input are positive (Springenberg et al. 2015)."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return gradients[0].clamp(min=0) * (x > 0)


class GuidedReLU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Guided.apply(x)  # type: ignore[no-any-return, no-untyped-call]


def guided(model: nn.Module) -> nn.Module:
    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, GuidedReLU())
    return model


def test_guided_grad_cam(explanation: Explanation, model_id: str, target: int | tuple[int, int]) -> None:
    found = attnviz.attribute(explanation, "guided_grad_cam")
    assert explanation.cam is not None
    cam = functional.interpolate(explanation.cam.map.double()[None, None], SIZE, mode="bilinear", align_corners=False)
    expected = gradient(guided(copy.deepcopy(precise(model_id))), picture(0, SIZE).double(), target) * cam
    if not explanation.cam.positive:
        assert not found.values.any()
    else:
        assert close(found.values, expected[0], 1e-6)  # the map was rounded to float32 before


def test_completeness() -> None:
    """What Integrated Gradients give sums to the score's rise from the picture of mean color (their axiom), as near as
    32 nodes come where ReLUs bend the path: not a matter of rounding. The class is the one whose score moves most."""
    x = picture(0, SIZE)
    with torch.no_grad():
        rises = (plain("resnet18t-se")(x) - plain("resnet18t-se")(torch.zeros_like(x)))[0]
    target = int(rises.abs().argmax())
    found = attnviz.attribute(attnviz.explain(tapped("resnet18t-se"), x, target), "integrated_gradients")
    assert float(found.values.sum()) == pytest.approx(float(rises[target]), rel=0.1)


@pytest.mark.parametrize("method", METHODS)
def test_progress_rises_to_the_end(method: str) -> None:
    shares: list[float] = []
    attnviz.attribute(attnviz.explain(tapped("resnet18t-se"), picture(0, SIZE), 3), method, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) > 1 or method == "saliency"
    assert all(share < 1 for share in shares[:-1])


def hooks(model: nn.Module) -> Iterator[int]:
    for module in model.modules():
        yield from (len(module._forward_hooks), len(module._forward_pre_hooks), len(module._backward_hooks))


@pytest.mark.parametrize("method", METHODS)
def test_it_can_be_ended_and_leaves_nothing(method: str) -> None:
    backbone = tapped("resnet18t-se")
    explanation = attnviz.explain(backbone, picture(0, SIZE), 3)
    before = list(hooks(backbone.model))
    expected = attnviz.attribute(explanation, method).values

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attnviz.attribute(explanation, method, stop)
    assert list(hooks(backbone.model)) == before
    assert all(weight.grad is None and not weight.requires_grad for weight in backbone.model.parameters())
    assert torch.equal(attnviz.attribute(explanation, method).values, expected)


def test_the_copy_shares_the_weights_and_nothing_else() -> None:
    backbone = tapped("resnet18t-se")
    with backbone.private() as model:
        assert model is not backbone.model
        ours = dict(backbone.model.named_parameters())
        assert all(weight is ours[name] for name, weight in model.named_parameters())
        assert not any(getattr(module, "inplace", False) for module in model.modules())
        assert torch.equal(model(picture()), plain("resnet18t-se")(picture()))
    assert any(getattr(module, "inplace", False) for module in backbone.model.modules())


@pytest.mark.parametrize("inside", [torch.no_grad, torch.inference_mode])
def test_inside_another_mode(inside: type[torch.no_grad] | type[torch.inference_mode]) -> None:
    explanation = attnviz.explain(tapped("resnet18t-se"), picture(0, SIZE), 3)
    expected = attnviz.attribute(explanation, "saliency").values
    with inside():
        assert torch.equal(attnviz.attribute(explanation, "saliency").values, expected)


def test_explanations_go_on_beside_it() -> None:
    backbone = tapped("resnet18t-cbam")
    expected = [attnviz.explain(backbone, picture(i, SIZE), 3) for i in range(4)]
    maps = {method: attnviz.attribute(expected[0], method).values for method in METHODS}
    wrong: list[str] = []

    def explained(i: int) -> None:
        for _ in range(12):
            again = attnviz.explain(backbone, picture(i, SIZE), 3)
            same = torch.equal(again.cam.signed, expected[i].cam.signed)  # type: ignore[union-attr]
            pairs = zip(again.attention, expected[i].attention, strict=True)
            if not same or not all(torch.equal(a.values, b.values) for a, b in pairs):  # type: ignore[arg-type]
                wrong.append(f"explanation {i}")

    def attributed(method: str) -> None:
        for _ in range(3):
            if not torch.equal(attnviz.attribute(expected[0], method).values, maps[method]):
                wrong.append(method)

    threads = [threading.Thread(target=explained, args=(i,)) for i in range(4)]
    threads += [threading.Thread(target=attributed, args=(method,)) for method in METHODS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


class Smooth(nn.Module):
    """A network without ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.attention, self.fc = nn.Conv2d(3, 8, 3), SE(8, reduction=2), nn.Linear(8, 4)
        self.attention.relu = nn.SiLU()  # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.attention(self.conv(x)).mean((2, 3)))  # type: ignore[no-any-return]


def refused(explanation: Explanation, method: str) -> str:
    with pytest.raises(AttnvizError) as caught:
        attnviz.attribute(explanation, method)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cannot_be() -> None:
    backbone = tapped("resnet18t-se")
    assert "saliency" in refused(attnviz.explain(backbone, picture()), "lime")
    assert "without edits" in refused(attnviz.explain(backbone, picture(), edits=attnviz.Edit("*", "off")), "saliency")
    smooth = attnviz.instrument(seeded(Smooth))
    assert "ReLU" in refused(attnviz.explain(smooth, picture()), "guided_grad_cam")
    headless = attnviz.instrument(nn.Sequential(seeded(Tiny).conv))
    assert "no class" in refused(attnviz.explain(headless, picture()), "saliency")
    flat: Backbone = attnviz.instrument(nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.ReLU()))
    assert "nothing for Grad-CAM" in refused(attnviz.explain(flat, picture(0, (2, 2))), "guided_grad_cam")

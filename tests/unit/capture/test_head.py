"""What a network ends in: which layer Grad-CAM stands on, and whether a linear layer makes the logits of it."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

import attnviz
from attnviz.capture.head import Head
from tests.unit.capture.networks import picture, plain, randomize, seeded
from tests.unit.capture.oracles import captum_map, close_to
from tests.unit.readers.blogs import ChannelAttention, SpatialAttention

SIZE = (32, 40)


class Ending(nn.Module):
    """Two convolutions, and a linear layer of the mean."""

    def __init__(self, linear: type[nn.Linear] = nn.Linear) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.body = nn.Sequential(nn.Conv2d(8, 16, 3, 2, padding=1), nn.ReLU())
        self.fc = linear(16, 5)

    def end(self, x: Tensor) -> Tensor:
        return self.fc(x.mean((2, 3)))

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.body(self.stem(x).relu()))


class Cosine(nn.Linear):
    """The cosine of the angle to each class's weights, times 16."""

    def forward(self, x: Tensor) -> Tensor:
        return 16 * F.linear(F.normalize(x), F.normalize(self.weight))


class Adapted(nn.Linear):
    """Low-rank adaptation: a product of two thin matrices is added to the weights."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.down, self.up = nn.Linear(inputs, 2, bias=False), nn.Linear(2, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + self.up(self.down(x))


class Rescaled(Ending):
    """The mean divided by its length and multiplied by it again, which no gradient passes."""

    def end(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3))
        return self.fc(F.normalize(mean) * mean.norm(dim=1, keepdim=True).detach())


class Gated(Ending):
    """Features below the average are detached."""

    def end(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3))
        return self.fc(torch.where(mean > mean.detach().mean(), mean, mean.detach()))


class Masked(Ending):
    """Half of the places are detached."""

    def end(self, x: Tensor) -> Tensor:
        half = x.shape[3] // 2
        return self.fc(torch.cat([x[..., :half], x[..., half:].detach()], 3).mean((2, 3)))


def tripled() -> nn.Module:
    model = Ending()
    model.fc.register_forward_hook(lambda _module, _args, output: 3 * output)
    return model


OTHERS: dict[str, Callable[[], nn.Module]] = {
    "cosine": lambda: Ending(Cosine),
    "adapted": lambda: Ending(Adapted),
    "hooked": tripled,
    "rescaled": Rescaled,
    "channels detached": Gated,
    "places detached": Masked,
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_only_looks_like_a_linear_layer_of_the_mean(name: str) -> None:
    """The layer reads the mean and gives the scores, but its weights are not the gradient."""
    model = seeded(OTHERS[name])
    backbone = attnviz.instrument(copy.deepcopy(model))
    assert backbone.head(picture(0, SIZE)) == Head(("stem", "body.0", "body.1", "body"), "body", None)
    for target in (1, (0, 4)):
        found = attnviz.explain(backbone, picture(1, SIZE), target).cam
        assert found is not None
        close_to(found.signed, captum_map(model, "body", picture(1, SIZE), target))


class Forward(torch.autograd.Function):
    """A mean without a gradient of its own."""

    @staticmethod
    def forward(_context: Any, x: Tensor) -> Tensor:  # type: ignore[override]
        return x.mean((2, 3))


class Blocked(Ending):
    def end(self, x: Tensor) -> Tensor:
        return self.fc(Forward.apply(x))


def test_where_no_gradient_passes_there_is_a_reason() -> None:
    backbone = attnviz.instrument(seeded(Blocked))
    assert backbone.head(picture(0, SIZE)) == Head(("stem", "body.0", "body.1", "body"), "body", None)
    found = attnviz.explain(backbone, picture(0, SIZE))
    assert found.logits is not None
    assert found.cam is None
    assert str(found.cam_reason).startswith("no gradient passes from the logits to body: ")
    assert "\n" not in str(found.cam_reason)


def normed() -> nn.Module:
    model = Ending()
    weight_norm(model.fc)
    return model


@pytest.mark.parametrize("make", [Ending, normed])
def test_a_linear_layer_of_the_mean(make: Callable[[], nn.Module]) -> None:
    model = seeded(make)
    backbone = attnviz.instrument(copy.deepcopy(model))
    assert backbone.head(picture(0, SIZE)).linear == "fc"
    found = attnviz.explain(backbone, picture(1, SIZE), (0, 4)).cam
    assert found is not None
    close_to(found.signed, captum_map(model, "body", picture(1, SIZE), (0, 4)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_it_is_known_in_every_precision(dtype: torch.dtype) -> None:
    for name, linear in (("plain", Ending), ("cosine", lambda: Ending(Cosine))):
        head = attnviz.instrument(seeded(linear).to(dtype)).head(picture(0, SIZE).to(dtype))
        assert head.linear == ("fc" if name == "plain" else None)


def test_it_is_known_under_autocast() -> None:
    backbone = attnviz.instrument(copy.deepcopy(plain("resnet18t-plain")))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert backbone.head(picture()).linear == "fc"


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_it_is_known_in_every_mode(mode: Callable[[], torch.no_grad]) -> None:
    backbone = attnviz.instrument(seeded(Ending))
    with mode():
        assert backbone.head(picture(0, SIZE)).linear == "fc"


class Flat(Ending):
    """A linear layer over all places."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(16 * 16 * 20, 5)

    def end(self, x: Tensor) -> Tensor:
        return self.fc(x.flatten(1))


@pytest.mark.parametrize("make", [Ending, Flat])
def test_two_passes_are_enough(make: Callable[[], nn.Module]) -> None:
    """One that sees the maps, and one that is cut at the last of them, which answers both questions."""
    model, passes = seeded(make), []
    model.register_forward_hook(lambda *_: passes.append(1))
    backbone = attnviz.instrument(model)
    backbone.findings(picture(0, SIZE))  # the search for attention has passes of its own
    passes.clear()
    backbone.head(picture(0, SIZE))
    assert len(passes) == 2


class Gates(Ending):
    """Channel and spatial attention at the end, as a blog writes it: two modules that give gates."""

    def __init__(self) -> None:
        super().__init__()
        self.ca, self.sa = ChannelAttention(16), SpatialAttention()

    def end(self, x: Tensor) -> Tensor:
        x = self.ca(x) * x
        return super().end(self.sa(x) * x)


class Mask(Ending):
    """A mask of one channel, computed in the network's own forward."""

    def __init__(self) -> None:
        super().__init__()
        self.mask = nn.Conv2d(16, 1, 3, padding=1)

    def end(self, x: Tensor) -> Tensor:
        return super().end(x * torch.sigmoid(self.mask(x)))


class Strips(Ending):
    """Coordinate attention in the network's own forward: its strips are maps one place wide."""

    def __init__(self) -> None:
        super().__init__()
        self.h, self.w = nn.Conv2d(16, 16, 1), nn.Conv2d(16, 16, 1)

    def end(self, x: Tensor) -> Tensor:
        h, w = self.h(x.mean(3, keepdim=True)), self.w(x.mean(2, keepdim=True))
        return super().end(x * torch.sigmoid(h) * torch.sigmoid(w))


class Last(Ending):
    """The last norm has the channels in the last place."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(16)

    def end(self, x: Tensor) -> Tensor:
        return self.fc(self.norm(x.permute(0, 2, 3, 1)).mean((1, 2)))


class Heads(Ending):
    """Self-attention of two heads whose affinity passes through a module."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.drop = nn.Conv2d(16, 48, 1), nn.Dropout()

    def end(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x[..., :16]).view(len(x), 3, 2, 8, -1).transpose(3, 4).unbind(1)
        read = self.drop((q @ k.transpose(2, 3)).softmax(-1)) @ v
        return self.fc(read.mean(2).flatten(1))


@pytest.mark.parametrize(
    ("make", "beside", "off", "layer"),
    [
        (Gates, ("sa.conv1", "sa"), (), "body"),
        (Mask, ("mask",), (), "body"),
        (Strips, (), ("h", "w"), "body"),
        (Last, (), ("norm",), "body"),
        (Heads, ("qkv",), ("drop",), "qkv"),
    ],
)
def test_what_is_no_features_by_its_shape_is_passed_over(
    make: Callable[[], nn.Module], beside: tuple[str, ...], off: tuple[str, ...], layer: str
) -> None:
    """``off`` the picture: no place to stand on; ``beside`` the features: by name alone."""
    model = seeded(lambda: randomize(make(), 0))
    backbone = attnviz.instrument(copy.deepcopy(model))
    # A grid of 16 x 16 places has an affinity of 256 x 256.
    size = (32, 32) if make is Heads else SIZE
    head = backbone.head(picture(0, size))
    assert head == Head(("stem", "body.0", "body.1", "body", *beside), layer, None)
    found = attnviz.explain(backbone, picture(1, size), 2).cam
    assert found is not None
    close_to(found.signed, captum_map(model, layer, picture(1, size), 2))
    for path in (*beside, *off):  # all of them can still be named
        assert attnviz.explain(backbone, picture(1, size), 2, path).cam is not None


def test_where_nothing_else_is_there() -> None:
    model = nn.Sequential(nn.Conv2d(3, 1, 3), nn.ReLU(), nn.Conv2d(1, 1, 3), nn.Flatten(), nn.Linear(28 * 36, 4))
    assert attnviz.instrument(model).head(picture(0, SIZE)) == Head(("0", "1", "2"), "2", None)


def test_where_nothing_else_leads_to_the_scores() -> None:
    """The convolution that is run and forgotten has the better shape."""

    class Forgotten(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.aside = nn.Conv2d(3, 1, 3), nn.Conv2d(3, 4, 3)
            self.fc = nn.Linear(30 * 38, 4)

        def forward(self, x: Tensor) -> Tensor:
            found = self.one(x)
            self.aside(x)
            return self.fc(found.flatten(1))

    assert attnviz.instrument(seeded(Forgotten)).head(picture(0, SIZE)) == Head(("one", "aside"), "one", None)


def test_a_layer_that_also_runs_on_vectors() -> None:
    """One ReLU for all: its last run gives no map, so nothing can stand on it."""

    class Shared(Ending):
        def __init__(self) -> None:
            super().__init__()
            self.relu, self.hidden = nn.ReLU(), nn.Linear(8, 16)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.relu(self.hidden(self.relu(self.stem(x)).mean((2, 3)))))

    model = seeded(Shared)
    backbone = attnviz.instrument(copy.deepcopy(model))
    assert backbone.head(picture(0, SIZE)) == Head(("stem", "relu"), "stem", None)
    found = attnviz.explain(backbone, picture(1, SIZE), 2).cam
    assert found is not None
    close_to(found.signed, captum_map(model, "stem", picture(1, SIZE), 2))


class Pyramid(nn.Module):
    """Scores for every place from features and from what is pooled of them to 2 x 2 (as PSPNet's first branch)."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.pool = nn.Conv2d(3, 8, 8, 8), nn.AdaptiveAvgPool2d(2)
        self.branch, self.last = nn.Conv2d(8, 4, 1), nn.Conv2d(12, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        features = self.body(x).relu()
        pooled = F.interpolate(self.branch(self.pool(features)), features.shape[2:])
        return F.interpolate(self.last(torch.cat([features, pooled], 1)), x.shape[2:])


@pytest.mark.parametrize(("side", "layer"), [(144, "body"), (128, "branch")])
def test_a_branch_that_is_pooled_to_a_few_places(side: int, layer: str) -> None:
    """144 / 2 is more than 64, 128 / 2 is not."""
    head = attnviz.instrument(seeded(Pyramid)).head(picture(0, (side, side)))
    assert head == Head(("body", "branch", "last"), layer, None)

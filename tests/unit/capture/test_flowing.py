"""Edits of blocks that no reader knows: values, outputs and Grad-CAM against the network written out by hand."""

import gc
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import attnviz
from attnviz import Edit
from attnviz.errors import EditError
from tests.seeds import seed_for_run
from tests.unit.capture.oracles import close_to
from tests.unit.readers.modules import lively

C = 8
Make = Callable[["Net", Tensor], Tensor]
Apply = Callable[["Net", Tensor, Tensor], Tensor]


class Net(nn.Module):
    """A stem, attention written in the network's own forward, a layer, and a classifier.

    ``change`` is what a test does to the attention value: autograd sees it as it sees all else.
    """

    def __init__(self, make: Make, apply: Apply, change: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.stem, self.fc1, self.fc2 = nn.Conv2d(3, C, 3, padding=1), nn.Linear(C, C), nn.Linear(C, 2 * C)
        self.mask, self.q, self.k = nn.Conv2d(C, 1, 3, padding=1), nn.Conv2d(C, C, 1), nn.Conv2d(C, C, 1)
        self.last, self.fc = nn.Conv2d(C, C, 3, padding=1), nn.Linear(C, 5)
        self.make, self.apply_, self.change = make, apply, change

    def forward(self, x: Tensor) -> Tensor:
        features = self.stem(x).tanh()
        value = self.make(self, features)
        if self.change is not None:
            value = self.change(value)
        return self.fc(self.last(self.apply_(self, features, value)).tanh().mean((2, 3)))


def pooled(x: Tensor) -> Tensor:
    return x.mean((2, 3))


def channel(net: Net, x: Tensor) -> Tensor:
    return net.fc1(pooled(x)).sigmoid()


def channel_in_place(net: Net, x: Tensor) -> Tensor:
    return F.hardsigmoid(net.fc1(pooled(x)), inplace=True)


def spatial(net: Net, x: Tensor) -> Tensor:
    return torch.sigmoid(net.mask(x))


def branches(net: Net, x: Tensor) -> Tensor:
    return net.fc2(pooled(x)).view(-1, 2, C).softmax(1)


def affinity(net: Net, x: Tensor) -> Tensor:
    return F.softmax(net.q(x).flatten(2).mT @ net.k(x).flatten(2), -1)


def strips(net: Net, x: Tensor) -> Tensor:
    """Rows, then columns, beside each other: (B, C, H + W), as a test changes both."""
    return torch.cat(
        [net.q(x.mean(3, keepdim=True)).sigmoid()[..., 0], net.k(x.mean(2, keepdim=True)).sigmoid()[:, :, 0]], 2
    )


def volume(net: Net, x: Tensor) -> Tensor:
    return net.q(x).sigmoid()


def term(net: Net, x: Tensor) -> Tensor:
    return net.fc1(x.mean((2, 3))).tanh()


def scaled(net: Net, x: Tensor, g: Tensor) -> Tensor:
    return x * g.reshape(len(x), -1, 1, 1).expand_as(x)


def times(net: Net, x: Tensor, g: Tensor) -> Tensor:
    return x * g


def mixed(net: Net, x: Tensor, g: Tensor) -> Tensor:
    return (torch.stack([net.q(x), net.k(x)], 1) * g[..., None, None]).sum(1)


def read(net: Net, x: Tensor, g: Tensor) -> Tensor:
    return x + (x.flatten(2) @ g.mT).view_as(x)


def striped(net: Net, x: Tensor, g: Tensor) -> Tensor:
    n = x.shape[2]
    return x * g[:, :, :n, None] * g[:, :, None, n:]


def plus(net: Net, x: Tensor, t: Tensor) -> Tensor:
    return x + t[:, :, None, None]


def read_alone(net: Net, x: Tensor, g: Tensor) -> Tensor:
    return (x.flatten(2) @ g.mT).view_as(x)


KINDS: dict[str, tuple[Make, Apply]] = {
    "channel": (channel, scaled),
    "channel in place": (channel_in_place, scaled),
    "spatial": (spatial, times),
    "branch": (branches, mixed),
    "affinity": (affinity, read),
    "strips": (strips, striped),
    "volume": (volume, times),
    "term": (term, plus),
}


def striped(net: Net, x: Tensor, g: Tensor) -> Tensor:
    n = x.shape[2]
    return x * g[:, :, :n, None] * g[:, :, None, n:]


def plus(net: Net, x: Tensor, t: Tensor) -> Tensor:
    return x + t[:, :, None, None]


def filled(number: float) -> Callable[[Tensor], Tensor]:
    return lambda value: torch.full_like(value, number)


def cell(value: Tensor, number: float, *index: int) -> Tensor:
    chosen = torch.zeros_like(value)
    chosen[(slice(None), *index)] = 1
    return value * (1 - chosen) + number * chosen


def averaged(value: Tensor) -> Tensor:
    return value.flatten(1).mean(1).reshape(-1, *[1] * (value.dim() - 1)).expand_as(value)


def averaged_strips(g: Tensor) -> Tensor:
    return torch.cat([averaged(strip) for strip in (g[..., :8], g[..., 8:])], 2)


def set_strips(g: Tensor) -> Tensor:
    g = cell(g, 0.0, 2, 3)
    return torch.cat([g[..., :9], torch.full_like(g[..., 9:10], 2.0), g[..., 10:]], 2)


CHANGES: dict[tuple[str, str], tuple[Edit, Callable[[Tensor], Tensor]]] = {
    ("channel", "off"): (Edit("(network)", "off"), filled(1)),
    ("channel", "uniform"): (Edit("(network)", "uniform"), averaged),
    ("channel", "forced"): (Edit("(network)", "forced", channel=3, value=2.0), lambda g: cell(g, 2.0, 3)),
    ("channel", "set"): (
        Edit("(network)", "set", values={1: 0.0, (5,): 0.5}),
        lambda g: cell(cell(g, 0.0, 1), 0.5, 5),
    ),
    ("channel in place", "off"): (Edit("(network)", "off"), filled(1)),
    ("channel in place", "uniform"): (Edit("(network)", "uniform"), averaged),
    ("spatial", "off"): (Edit("(network)", "off"), filled(1)),
    ("spatial", "uniform"): (Edit("(network)", "uniform"), averaged),
    ("spatial", "set"): (
        Edit("(network)", "set", values={(2, 5): 3.0, (1, None): 0.0}),
        lambda g: torch.cat([g[:, :, :1], torch.zeros_like(g[:, :, 1:2]), cell(g, 3.0, 0, 2, 5)[:, :, 2:]], 2),
    ),
    ("branch", "off"): (Edit("(network)", "off"), filled(0.5)),
    ("branch", "set"): (
        Edit("(network)", "set", values={(0, None): 0.9}),
        lambda g: torch.stack([torch.full_like(g[:, 0], 0.9), g[:, 1]], 1),
    ),
    ("strips", "off"): (Edit("(network)", "off"), filled(1)),
    ("strips", "uniform"): (Edit("(network)", "uniform"), averaged_strips),
    ("strips", "set"): (Edit("(network)", "set", values={("h", 2, 3): 0.0, ("w", None, 1): 2.0}), set_strips),
    ("volume", "off"): (Edit("(network)", "off"), filled(1)),
    ("volume", "uniform"): (Edit("(network)", "uniform"), averaged),
    ("volume", "set"): (Edit("(network)", "set", values={(1, 2, 3): 0.0}), lambda g: cell(g, 0.0, 1, 2, 3)),
    ("term", "off"): (Edit("(network)", "off"), filled(0)),
    ("term", "forced"): (Edit("(network)", "forced", channel=0, value=-1), lambda t: cell(t, -1.0, 0)),
    ("affinity", "off"): (Edit("(network)", "off"), filled(0)),
    ("affinity", "uniform"): (Edit("(network)", "uniform"), lambda a: a.mean(-1, keepdim=True).expand_as(a)),
    ("affinity", "set"): (Edit("(network)", "set", values={(7, 9): 0.0}), lambda a: cell(a, 0.0, 7, 9)),
}


def picture() -> Tensor:
    return torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(seed_for_run(3)), dtype=torch.float64)


def by_hand(model: Net, x: Tensor, target: int, layer: str) -> tuple[Tensor, Tensor]:
    """Logits and signed Grad-CAM (eq. 1 and 2) of a network that nobody watches."""
    kept: list[Tensor] = []

    def cut(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[0]

    handle = model.get_submodule(layer).register_forward_hook(cut)
    logits = model(x)[0]
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[target], kept[0])
    return logits.detach(), (gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1)[0].detach()


@pytest.mark.parametrize("layer", ["stem", "last"])
@pytest.mark.parametrize(("kind", "how"), CHANGES)
def test_an_edit_and_its_gradient(kind: str, how: str, layer: str) -> None:
    """Before the attention, a gradient reaches the features through the value, too, as far as the edit lets it."""
    edit, change = CHANGES[kind, how]
    make, apply = KINDS[kind]
    x = picture()
    backbone = attnviz.instrument(lively(Net(make, apply)).double())
    found = attnviz.explain(backbone, x, 2, cam_layer=layer, edits=edit)
    logits, cam = by_hand(lively(Net(make, apply, change)).double(), x, 2, layer)
    close_to(found.logits, logits.float())
    assert found.cam is not None, found.cam_reason
    close_to(found.cam.signed, cam.float())


@pytest.mark.parametrize("kind", ["channel", "term"])
def test_a_shuffle_and_its_gradient(kind: str) -> None:
    x, backbone = picture(), attnviz.instrument(lively(Net(*KINDS[kind])).double())
    plain = attnviz.explain(backbone, x).attention[0].tensor
    found = attnviz.explain(backbone, x, 2, cam_layer="stem", edits=Edit("(network)", "shuffled", seed=4))
    order = [int((plain - value).abs().argmin()) for value in found.attention[0].tensor]
    assert sorted(order) == list(range(C))
    assert order != sorted(order)
    logits, cam = by_hand(lively(Net(*KINDS[kind], lambda g: g[:, order])).double(), x, 2, "stem")
    close_to(found.logits, logits.float())
    close_to(found.cam.signed, cam.float())


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_is_what_was_measured(kind: str) -> None:
    x, others = picture(), torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    backbone = attnviz.instrument(lively(Net(*KINDS[kind])).double())
    backbone.means = attnviz.measure_means(backbone, [others])
    kept: list[Tensor] = []
    with torch.no_grad():
        lively(Net(*KINDS[kind], lambda g: kept.append(g) or g)).double()(others)
    mean = kept[0].mean(0, keepdim=True)
    found = attnviz.explain(backbone, x, 2, cam_layer="stem", edits=Edit("(network)", "frozen"))
    logits, cam = by_hand(lively(Net(*KINDS[kind], lambda g: mean.expand_as(g))).double(), x, 2, "stem")
    close_to(found.logits, logits.float())
    close_to(found.cam.signed, cam.float())


@pytest.mark.parametrize("kind", KINDS)
def test_without_edits_nothing_is_changed(kind: str) -> None:
    make, apply = KINDS[kind]
    x, backbone = picture(), attnviz.instrument(lively(Net(*KINDS[kind])).double())
    found = attnviz.explain(backbone, x, 1, cam_layer="stem")
    logits, cam = by_hand(lively(Net(make, apply)).double(), x, 1, "stem")
    close_to(found.logits, logits.float())
    close_to(found.cam.signed, cam.float())


class OwnFunction(torch.autograd.Function):
    """A sigmoid whose gradient is written by hand."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.sigmoid()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return grad * y * (1 - y)


def test_where_no_gradient_can_follow_an_edit_the_map_says_so() -> None:
    def own(net: Net, x: Tensor) -> Tensor:
        return OwnFunction.apply(net.fc1(pooled(x)))

    x, backbone = picture(), attnviz.instrument(lively(Net(own, scaled)).double())
    edit = Edit("(network)", "off")
    found = attnviz.explain(backbone, x, 2, cam_layer="stem", edits=edit)
    logits, _ = by_hand(lively(Net(channel, scaled, filled(1))).double(), x, 2, "stem")
    close_to(found.logits, logits.float())
    assert found.cam is None
    assert "no gradient can follow an edit of the network" in str(found.cam_reason)
    plain = attnviz.explain(backbone, x, 2, cam_layer="stem")
    close_to(plain.cam.signed, by_hand(lively(Net(channel, scaled)).double(), x, 2, "stem")[1].float())


def doubled_gate(net: Net, x: Tensor) -> Tensor:
    return net.fc2(pooled(x)).sigmoid()


def in_place(net: Net, x: Tensor, g: Tensor) -> Tensor:
    """A half of what the sigmoid gave, on features that are changed in place."""
    x = x.clone()
    x *= g[:, :C, None, None]
    return x


def sigmoid_in_place(net: Net, x: Tensor) -> Tensor:
    z = net.fc1(pooled(x))
    z.sigmoid_()
    return z


def written_out(net: Net, x: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-net.fc1(pooled(x))))


def pairs(net: Net, x: Tensor) -> Tensor:
    return torch.matmul(net.q(x).flatten(2).mT, net.k(x).flatten(2)) / 64


WRITTEN: dict[str, tuple[Make, Apply]] = {
    "half of it, in place": (doubled_gate, in_place),
    "sigmoid in place": (sigmoid_in_place, scaled),
    "1 / (1 + exp(-z))": (written_out, scaled),
    "matmul without a softmax": (pairs, read),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_however_it_is_written_an_edit_has_its_gradient(name: str) -> None:
    make, apply = WRITTEN[name]
    x, backbone = picture(), attnviz.instrument(lively(Net(make, apply)).double())
    found = attnviz.explain(backbone, x, 2, cam_layer="stem", edits=Edit("(network)", "uniform"))
    change = {
        "half of it, in place": lambda g: torch.cat([averaged(g[:, :C]), g[:, C:]], 1),
        "matmul without a softmax": lambda a: a.mean(-1, keepdim=True).expand_as(a),
    }.get(name, averaged)
    logits, cam = by_hand(lively(Net(make, apply, change)).double(), x, 2, "stem")
    close_to(found.logits, logits.float())
    assert found.cam is not None, found.cam_reason
    close_to(found.cam.signed, cam.float())


def test_a_checkpoint_computes_again_without_the_edit_so_there_is_no_map() -> None:
    def checked(net: Net, x: Tensor, g: Tensor) -> Tensor:
        return checkpoint(lambda x: x * net.fc1(pooled(x)).sigmoid()[:, :, None, None], x, use_reentrant=False)

    x, backbone = picture(), attnviz.instrument(lively(Net(lambda net, x: x, checked)).double())
    assert attnviz.explain(backbone, x, 2, cam_layer="stem").cam is not None
    found = attnviz.explain(backbone, x, 2, cam_layer="stem", edits=Edit("(network)", "off"))
    assert found.cam is None
    assert "a checkpoint" in str(found.cam_reason)
    logits, _ = by_hand(lively(Net(channel, lambda net, x, g: x)).double(), x, 2, "stem")
    close_to(found.logits, logits.float())


def test_nothing_of_a_pass_stays_when_its_explanation_goes() -> None:
    x, backbone = picture(), attnviz.instrument(lively(Net(affinity, read)).double())
    attnviz.explain(backbone, x)
    gc.collect()
    before = sum(isinstance(each, Tensor) for each in gc.get_objects())
    gc.disable()
    try:
        for _ in range(3):
            attnviz.explain(backbone, x)
        after = sum(isinstance(each, Tensor) for each in gc.get_objects())
    finally:
        gc.enable()
    assert after <= before


def test_an_edit_of_all_does_what_can_be_done_and_says_what_it_left() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate, self.reading = Net(channel, scaled), Net(affinity, read_alone)

        def forward(self, x: Tensor) -> Tensor:
            return self.gate(x) + self.reading(x)

    x, backbone = picture(), attnviz.instrument(lively(Both()).double())
    found = attnviz.explain(backbone, x, edits=Edit("*", "off"))
    assert [line.partition(":")[0] for line in found.left] == ["reading"]
    assert found.left[0].endswith("make it uniform instead")
    assert torch.equal(found.attention[0].tensor, torch.ones(C))
    with pytest.raises(EditError, match="make it uniform instead"):
        attnviz.explain(backbone, x, edits=Edit("reading", "off"))
    assert attnviz.explain(backbone, x, edits=Edit("*", "uniform")).left == ()


BAD = {
    "outside": Edit("(network)", "set", values={C: 0.0}),
    "too many": Edit("(network)", "set", values={(0, 0): 0.0}),
    "a name": Edit("(network)", "set", values={"h": 0.0}),
    "no number": Edit("(network)", "set", values={0: float("nan")}),
    "none": Edit("(network)", "set"),
    "empty": Edit("(network)", "set", values={}),
    "another edit's": Edit("(network)", "off", values={0: 1.0}),
}


@pytest.mark.parametrize("name", BAD)
def test_cells_that_are_not_there_are_refused_in_one_line(name: str) -> None:
    backbone = attnviz.instrument(lively(Net(channel, scaled)).double())
    with pytest.raises(EditError) as caught:
        attnviz.explain(backbone, picture(), edits=BAD[name])
    assert "\n" not in str(caught.value)

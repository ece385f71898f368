"""What the papers say of their steps: it holds for our mechanisms, and where it fails a block has no paper's steps."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import attnviz
from attnviz.flow.papers import PAPERS
from attnviz.flow.papers.relations import bent
from attnviz.mechanisms import BAM, CBAM, ECA, GC, SCSE, SE, SK, CoordinateAttention, Mechanism, NonLocal
from attnviz.mechanisms.se import ESE
from tests.unit.readers.modules import lively

C = 16

OURS: dict[str, tuple[Callable[[], Mechanism], dict[str, object]]] = {
    "SE": (lambda: SE(C), {"squeeze": "avg"}),
    "SE, max": (lambda: SE(C, squeeze="max"), {"squeeze": "max"}),
    "eSE": (lambda: ESE(C), {}),
    "ECA": (lambda: ECA(C), {}),
    "CBAM": (lambda: CBAM(C), {"halves": "both"}),
    "CBAM, channels": (lambda: CBAM(C, halves="channel"), {"halves": "channel"}),
    "CBAM, places": (lambda: CBAM(C, halves="spatial"), {"halves": "spatial"}),
    "BAM": (lambda: BAM(C), {"combine": "sum"}),
    "BAM, product": (lambda: BAM(C, combine="product"), {"combine": "product"}),
    "scSE": (lambda: SCSE(C), {"fusion": "sum"}),
    "scSE, max": (lambda: SCSE(C, fusion="max"), {"fusion": "max"}),
    "SK": (lambda: SK(C, groups=4), {"branches": 2}),
    "GC": (lambda: GC(C), {"fusions": ("channel_add",)}),
    "GC, both": (lambda: GC(C, fusions=("channel_mul", "channel_add")), {"fusions": ("channel_mul", "channel_add")}),
    "Non-Local": (lambda: NonLocal(C), {"pairwise": "embedded_gaussian"}),
    "Non-Local, scaled": (lambda: NonLocal(C, scale=True), {"pairwise": "embedded_gaussian", "scale": True}),
    "Non-Local, dot": (lambda: NonLocal(C, pairwise="dot_product"), {"pairwise": "dot_product"}),
    "CA": (lambda: CoordinateAttention(C), {}),
}


@pytest.mark.parametrize("name", OURS)
def test_our_own_steps_are_what_is_said_of_them(name: str) -> None:
    make, options = OURS[name]
    module, x = lively(make()).eval(), torch.randn(2, C, 8, 6)
    with torch.no_grad():
        steps = {step.name: step.value for step in module.steps(x)}
    expected = PAPERS[name.split(",")[0]].relation(x, steps, options)
    assert set(expected) <= set(steps)
    for step, value in expected.items():
        torch.testing.assert_close(value, steps[step], rtol=1e-4, atol=1e-5, msg=lambda text, at=step: f"{at}: {text}")


def test_a_sigmoid_in_straight_pieces_is_one() -> None:
    x = torch.randn(50)
    for gate in (x.sigmoid(), F.hardsigmoid(x)):
        assert torch.equal(bent(x, gate), gate)
    assert not torch.allclose(bent(x, x.tanh()), x.tanh(), atol=0.1)


class Inside(nn.Module):
    """Layers for a block that is written as a function of this module and the features."""

    def __init__(self, function: Callable[["Inside", Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        self.fc1, self.fc2, self.fc3 = nn.Linear(C, 8), nn.Linear(8, C), nn.Linear(8, C)
        self.conv, self.point, self.place = nn.Conv2d(C, C, 3, padding=1), nn.Conv2d(C, C, 1), nn.Conv2d(C, 1, 1)
        self.pair = nn.Conv2d(2, 1, 7, padding=3)
        self.near, self.far = nn.Conv2d(C, C, 3, padding=1), nn.Conv2d(C, C, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def network(function: Callable[[Inside, Tensor], Tensor]) -> nn.Module:
    layers = (nn.Conv2d(3, C, 3, padding=1), nn.ReLU(), Inside(function), nn.Conv2d(C, C, 1), nn.ReLU())
    return lively(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(C, 5)))


def wide(gate: Tensor) -> Tensor:
    return gate[:, :, None, None]


def hidden(net: Inside, x: Tensor) -> Tensor:
    return net.fc1(x.mean((2, 3))).relu()


def channel(net: Inside, x: Tensor) -> Tensor:
    return wide(net.fc2(hidden(net, x)).sigmoid())


def spatial(net: Inside, x: Tensor) -> Tensor:
    return net.place(x).sigmoid()


def selective(net: Inside, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    near, far = net.near(x).relu(), net.far(x).relu()
    z = hidden(net, near + far)
    return near, far, torch.stack([net.fc2(z), net.fc3(z)], 1).softmax(1)


def context(net: Inside, x: Tensor) -> Tensor:
    return (x * net.place(x).flatten(2).softmax(-1).reshape(len(x), 1, *x.shape[2:])).sum((2, 3))


def pools(x: Tensor) -> tuple[Tensor, Tensor]:
    return x.mean(1, keepdim=True), x.amax(1, keepdim=True)


def selected(net: Inside, x: Tensor, code: Tensor) -> Tensor:
    shares = torch.stack([net.fc2(code), net.fc3(code)], 1).softmax(1)
    return net.near(x).relu() * wide(shares[:, 0]) + net.far(x).relu() * wide(shares[:, 1])


def read_off(net: Inside, x: Tensor) -> Tensor:
    tokens = x.flatten(2)
    rows = (tokens.mT @ net.point(x).flatten(2)).softmax(-1)
    return (tokens @ rows.mT).reshape(x.shape)


def reading(net: Inside, x: Tensor) -> Tensor:
    tokens = x.flatten(2)
    rows = (tokens.mT @ net.point(x).flatten(2)).softmax(-1)
    return net.point((tokens @ rows.mT).reshape(x.shape))


# What is near a paper and is another formula: named, or not, but never shown with the paper's formula.
OTHERS: dict[str, Callable[[Inside, Tensor], Tensor]] = {
    "gate of other features": lambda net, x: net.conv(x) * channel(net, x),
    "one plus the gate": lambda net, x: x * (1 + channel(net, x)),
    "twice the gate": lambda net, x: x * (2 * channel(net, x)),
    "addcmul": lambda net, x: torch.addcmul(x, x, channel(net, x)),
    "tanh": lambda net, x: x * wide(net.fc2(hidden(net, x)).tanh()),
    "scaled logits": lambda net, x: x * wide((3 * net.fc2(hidden(net, x))).sigmoid()),
    "squared activation": lambda net, x: x * wide(net.fc2(hidden(net, x).square()).sigmoid()),
    "summed activation": lambda net, x: x * wide(net.fc2(hidden(net, x).cumsum(1)).sigmoid()),
    "turned activation": lambda net, x: x * wide(net.fc2(hidden(net, x).flip(1)).sigmoid()),
    "squeezed after an activation": lambda net, x: x * wide(net.fc2(net.fc1(F.gelu(x).mean((2, 3))).relu()).sigmoid()),
    "squeezed squares": lambda net, x: x * wide(net.fc2(net.fc1(x.square().mean((2, 3))).relu()).sigmoid()),
    "squeezed in part": lambda net, x: x * wide(net.fc2(net.fc1(x[:, :, :4].mean((2, 3))).relu()).sigmoid()),
    "sum of halves and features": lambda net, x: x * channel(net, x) + x * spatial(net, x) + x,
    "weighed halves": lambda net, x: 0.3 * (x * channel(net, x)) + x * spatial(net, x),
    "branches and features": lambda net, x: (lambda near, far, a: near * wide(a[:, 0]) + far * wide(a[:, 1]) + x)(
        *selective(net, x)
    ),
    "difference of branches": lambda net, x: (lambda near, far, a: near * wide(a[:, 0]) - far * wide(a[:, 1]))(
        *selective(net, x)
    ),
    "branches exchanged": lambda net, x: (lambda near, far, a: far * wide(a[:, 0]) + near * wide(a[:, 1]))(
        *selective(net, x)
    ),
    "projection of squares": lambda net, x: x + net.point(read_off(net, x).square()),
    "two projections": lambda net, x: x + net.point(net.near(read_off(net, x))),
    "projection bent": lambda net, x: x + net.point(read_off(net, x)).tanh(),
    "context and mean": lambda net, x: x + wide(net.fc2(net.fc1(context(net, x) + x.mean((2, 3))).relu())),
    "transform without a norm": lambda net, x: x + wide(net.fc2(net.fc1(context(net, x)).relu())),
    "turned map before the layer": lambda net, x: x * net.pair(torch.cat(pools(x), 1).flip(2)).sigmoid(),
    "summed map before the layer": lambda net, x: x * net.pair(torch.cat(pools(x), 1).cumsum(2)).sigmoid(),
    "an MLP a pooling": lambda net, x: (
        x * wide((net.fc2(net.fc1(x.mean((2, 3))).relu()) + net.fc3(net.fc1(x.amax((2, 3))).relu())).sigmoid())
    ),
    "branches by a summed code": lambda net, x: selected(
        net, x, hidden(net, net.near(x).relu() + net.far(x).relu()).cumsum(1)
    ),
    "residual twice": lambda net, x: x + reading(net, x) + x,
    "residual bent": lambda net, x: (x + reading(net, x)).relu(),
}


@pytest.mark.parametrize("name", OTHERS)
def test_no_formula_is_shown_that_does_not_hold(name: str) -> None:
    found = attnviz.explain(attnviz.instrument(network(OTHERS[name])), torch.randn(1, 3, 12, 10))
    assert found.attention
    for layer in {record.layer for record in found.attention}:
        assert not found.backbone.blocks[layer].formula
        assert all(step.formula.startswith("y_{") for step in found.steps(layer))


def shortcut(net: Inside, x: Tensor) -> Tensor:
    y = net.conv(x).relu()
    return (y * channel(net, y) + x).relu()


# A block within the forward of a module that makes its features: what the gate does to them, and no more.
INNER: dict[str, Callable[[Inside, Tensor], Tensor]] = {
    "features made inside": lambda net, x: (lambda y: y * channel(net, y))(net.conv(x).relu()),
    "features made inside, then a layer": lambda net, x: net.point((lambda y: y * channel(net, y))(net.conv(x).relu())),
    "a residual block": shortcut,
}


@pytest.mark.parametrize("name", INNER)
def test_a_block_is_what_is_done_to_features_that_its_module_makes(name: str) -> None:
    model, x = network(INNER[name]), torch.randn(1, 3, 12, 10)
    found = attnviz.explain(attnviz.instrument(model), x)
    inner: Inside = model[2]  # type: ignore[assignment]
    with torch.no_grad():
        y = inner.conv(model[:2](x)).relu()
        gate = channel(inner, y)
    before, after = found.features("2")
    assert torch.equal(before, y[0])
    assert torch.equal(after, (y * gate)[0])
    assert found.backbone.blocks["2"].formula
    steps = {step.name: step.value for step in found.steps("2")}
    assert [*steps] == ["squeeze", "fc1", "relu", "fc2", "gate", "scale"]
    torch.testing.assert_close(steps["squeeze"], y.mean((2, 3))[0])
    assert torch.equal(steps["scale"], (y * gate)[0])
    off = attnviz.explain(found.backbone, x, edits=attnviz.Edit("2", "off"))
    assert torch.equal(off.features("2")[1], y[0])


def test_a_map_of_one_row_has_the_operations_as_its_steps() -> None:
    found = attnviz.explain(attnviz.instrument(network(lambda net, x: x * channel(net, x))), torch.randn(1, 3, 1, 16))
    assert [record.mechanism for record in found.attention] == ["SE"]
    assert all(step.formula.startswith("y_{") for step in found.steps("2"))


def test_an_edit_reaches_what_a_function_writes_into() -> None:
    def written(net: Inside, x: Tensor) -> Tensor:
        gate = torch.empty(len(x), C)
        torch.sigmoid(net.fc2(hidden(net, x)), out=gate)
        return x * wide(gate)

    x, model = torch.randn(1, 3, 12, 10), network(written)
    found = attnviz.explain(attnviz.instrument(model), x, edits=attnviz.Edit("2", "forced", value=0.25, channel=3))
    plain = network(lambda net, x: x * channel(net, x).index_fill(1, torch.tensor([3]), 0.25))
    with torch.no_grad():
        torch.testing.assert_close(found.output, plain(x))


NEUTRAL: dict[str, Callable[[Inside, Tensor], Tensor]] = {
    "weighed halves": OTHERS["weighed halves"],
    "sum of halves and features": OTHERS["sum of halves and features"],
    "two gates and the features": lambda net, x: (lambda y: x + y * spatial(net, y))(x * channel(net, x)),
    "strips and the features": lambda net, x: (
        x + x * net.point(x.mean(3, keepdim=True)).sigmoid() * net.point(x.mean(2, keepdim=True)).sigmoid()
    ),
    "gate, features and term": lambda net, x: x * channel(net, x) + x + wide(net.fc3(hidden(net, x))),
    "the larger of two gates": lambda net, x: torch.maximum(
        x * channel(net, x), x * wide(net.fc3(net.fc1(x.amax((2, 3))).relu()).sigmoid())
    ),
}


@pytest.mark.parametrize("name", NEUTRAL)
def test_off_leaves_the_features_as_they_are(name: str) -> None:
    x = torch.randn(1, 3, 12, 10)
    found = attnviz.explain(attnviz.instrument(network(NEUTRAL[name])), x, edits=attnviz.Edit("*", "off"))
    assert found.left == ()
    with torch.no_grad():
        torch.testing.assert_close(found.output, network(lambda net, x: x)(x))


def read(function: Callable[[Inside, Tensor], Tensor]) -> list[tuple[str, str, str]]:
    """Kind, role and name of what is found, all of it verified."""
    found = attnviz.explain(attnviz.instrument(network(function)), torch.randn(1, 3, 12, 10))
    assert all(each.verified for each in found.findings.blocks)
    return [(str(record.kind), str(record.role), record.mechanism) for record in found.attention]


@pytest.mark.parametrize(
    "function",
    [
        lambda net, x: x + wide(net.fc3(hidden(net, x))),
        lambda net, x: x - wide(net.fc3(hidden(net, x))),
        lambda net, x: torch.add(x, wide(net.fc3(hidden(net, x))), alpha=-0.5),
    ],
)
def test_a_term_alone_is_no_papers(function: Callable[[Inside, Tensor], Tensor]) -> None:
    assert read(function) == [("channel", "term", "Inside")]


def test_a_sum_of_two_gates_is_one_of_both() -> None:
    assert read(lambda net, x: x * (channel(net, x) + spatial(net, x))) == [("volume", "gate", "Inside")]


def test_distances_make_an_affinity() -> None:
    def near(net: Inside, x: Tensor) -> Tensor:
        rows = x.flatten(2).mT
        weights = (-torch.cdist(rows, rows)).exp()
        return x + (weights / weights.sum(-1, keepdim=True) @ rows).mT.reshape(x.shape)

    assert read(near) == [("affinity", "distribution", "Non-Local")]


def test_a_gate_that_other_features_made_is_no_papers() -> None:
    assert read(lambda net, x: net.conv(x) * channel(net, x)) == [("channel", "gate", "Inside")]
    assert read(lambda net, x: net.conv(x).relu() * spatial(net, x)) == [("spatial", "gate", "Inside")]


@pytest.mark.parametrize("norm", [lambda x: x, F.instance_norm])
def test_a_bounded_scale_and_shift_of_other_features_is_a_modulation(norm: Callable[[Tensor], Tensor]) -> None:
    def styled(net: Inside, x: Tensor) -> Tensor:
        style = net.fc1(net.near(x[:, :, ::2]).mean((2, 3))).relu()
        return norm(net.conv(x)) * wide(net.fc2(style).sigmoid()) + wide(net.fc3(style))

    found = attnviz.instrument(network(styled)).findings(torch.randn(1, 3, 12, 10))
    assert not found.blocks
    assert any("modulation" in each for each in found.skipped)


NOTHING: dict[str, Callable[[Inside, Tensor], Tensor]] = {
    "lerp": lambda net, x: torch.lerp(x, net.conv(x), net.point(x).sigmoid()),
    "scale and shift of one mean, taken twice": lambda net, x: (
        net.conv(x) * wide(net.fc2(net.fc1(x.mean((2, 3)))).sigmoid()) + wide(net.fc3(net.fc1(x.mean((2, 3)))))
    ),
    "scale and shift in one operation": lambda net, x: torch.addcmul(
        wide(net.fc3(net.fc1(x.mean((2, 3))))), net.conv(x), wide(net.fc2(net.fc1(x.mean((2, 3)))).sigmoid())
    ),
    "a reset gate of states put together twice": lambda net, x: recurrent(net, x),
    "a window of rows for each channel": lambda net, x: x * peak_rows(net, x),
}


def recurrent(net: Inside, x: Tensor) -> Tensor:
    state = net.conv(x).tanh()
    update = net.point(torch.add(x, state)).sigmoid()
    reset = net.near(torch.add(x, state)).sigmoid()
    new = net.far(x + reset * state).tanh()
    return (1 - update) * state + update * new


def peak_rows(net: Inside, x: Tensor) -> Tensor:
    rows = torch.linspace(0, 1, x.shape[2])
    at = (net.point(x).mean(3).softmax(2) * rows).sum(2)
    return (-((rows - at[..., None]) ** 2) / 0.1).exp()[..., None]


@pytest.mark.parametrize("name", NOTHING)
def test_what_is_no_attention_is_not_claimed(name: str) -> None:
    found = attnviz.instrument(network(NOTHING[name])).findings(torch.randn(1, 3, 12, 10))
    assert not found.blocks
    assert found.skipped


@pytest.mark.parametrize(
    "function",
    [
        lambda net, x: x * (1.03 * channel(net, x)),
        lambda net, x: x * (channel(net, x) + 0.02),
        lambda net, x: x * wide(net.fc2(net.fc1(1.05 * x.mean((2, 3))).relu()).sigmoid()),
    ],
)
def test_coarse_numbers_do_not_hide_another_formula(function: Callable[[Inside, Tensor], Tensor]) -> None:
    model = network(function).bfloat16()
    found = attnviz.explain(attnviz.instrument(model), torch.randn(1, 3, 12, 10).bfloat16())
    assert found.attention
    assert not found.backbone.blocks["2"].formula


def test_a_formula_holds_in_coarse_numbers() -> None:
    model = network(lambda net, x: x * channel(net, x)).bfloat16()
    found = attnviz.explain(attnviz.instrument(model), torch.randn(1, 3, 12, 10).bfloat16())
    assert found.backbone.blocks["2"].formula


def test_half_of_the_features_beside_half_of_what_is_gated() -> None:
    def mixed(net: Inside, x: Tensor) -> Tensor:
        y = net.conv(x)
        return 0.5 * (y * channel(net, y)) + 0.5 * y

    x = torch.randn(1, 3, 12, 10)
    off = attnviz.explain(attnviz.instrument(network(mixed)), x, edits=attnviz.Edit("2", "off"))
    assert off.attention
    with torch.no_grad():
        torch.testing.assert_close(off.output, network(lambda net, x: net.conv(x))(x))


def test_one_gate_on_two_maps_is_two_blocks() -> None:
    def twice(net: Inside, x: Tensor) -> Tensor:
        y, z = net.conv(x).relu(), net.near(x).relu()
        gate = channel(net, y)
        return y * gate + z * gate

    x, model = torch.randn(1, 3, 12, 10), network(twice)
    found = attnviz.explain(attnviz.instrument(model), x)
    assert [record.layer for record in found.attention] == ["2 1", "2 2"]
    off = attnviz.explain(found.backbone, x, edits=attnviz.Edit("2 2", "off"))
    inner: Inside = model[2]  # type: ignore[assignment]
    with torch.no_grad():
        given = model[:2](x)
        y, z = inner.conv(given).relu(), inner.near(given).relu()
        wanted = model[3:](y * channel(inner, y) + z)
    torch.testing.assert_close(off.output, wanted)

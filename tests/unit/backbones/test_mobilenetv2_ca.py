"""MobileNetV2 with Coordinate Attention: its authors' names, torchvision's network, the paper's formula."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import mobilenet_v2

import attnviz
from attnviz.backbones import BUILT, MobileNetV2CA
from attnviz.mechanisms import CoordinateAttention
from tests.seeds import seed_for_run
from tests.unit.backbones.helpers import distance, parameters, randomize
from tests.unit.mechanisms.helpers import holding, state_of
from tests.unit.mechanisms.oracle import coordinate

Shapes = dict[str, tuple[int, ...]]
# The channels that go into a block, those inside it and inside its attention, and those that come out.
BLOCKS = {
    2: (16, 96, 8, 24),
    3: (24, 144, 8, 24),
    4: (24, 144, 8, 32),
    5: (32, 192, 8, 32),
    6: (32, 192, 8, 32),
    7: (32, 192, 8, 64),
    8: (64, 384, 12, 64),
    9: (64, 384, 12, 64),
    10: (64, 384, 12, 64),
    11: (64, 384, 12, 96),
    12: (96, 576, 18, 96),
    13: (96, 576, 18, 96),
    14: (96, 576, 18, 160),
    15: (160, 960, 30, 160),
    16: (160, 960, 30, 160),
    17: (160, 960, 30, 320),
}
SCALES = (0.8, 1.6)
# The authors' names, of their mbv2_ca.py, for the attention's layers.
THEIRS = {"conv1": "conv", "bn1": "bn", "conv2": "conv_h", "conv3": "conv_w"}


def norm(name: str, channels: int) -> Shapes:
    vectors = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.num_batches_tracked": (), **{f"{name}.{kind}": (channels,) for kind in vectors}}


def block_shapes(name: str, inputs: int, hidden: int, reduced: int, outputs: int) -> Shapes:
    """What one block that expands holds in the authors' checkpoint."""
    return {
        f"{name}.conv.0.weight": (hidden, inputs, 1, 1),
        **norm(f"{name}.conv.1", hidden),
        f"{name}.conv.3.weight": (hidden, 1, 3, 3),
        **norm(f"{name}.conv.4", hidden),
        f"{name}.conv.6.conv1.weight": (reduced, hidden, 1, 1),
        f"{name}.conv.6.conv1.bias": (reduced,),
        **norm(f"{name}.conv.6.bn1", reduced),
        f"{name}.conv.6.conv2.weight": (hidden, reduced, 1, 1),
        f"{name}.conv.6.conv2.bias": (hidden,),
        f"{name}.conv.6.conv3.weight": (hidden, reduced, 1, 1),
        f"{name}.conv.6.conv3.bias": (hidden,),
        f"{name}.conv.7.weight": (outputs, hidden, 1, 1),
        **norm(f"{name}.conv.8", outputs),
    }


def authors_shapes() -> Shapes:
    """Every name in the authors' checkpoint, and its shape."""
    shapes = {
        "features.0.0.weight": (32, 3, 3, 3),
        **norm("features.0.1", 32),
        "features.1.conv.0.weight": (32, 1, 3, 3),
        **norm("features.1.conv.1", 32),
        "features.1.conv.3.weight": (16, 32, 1, 1),
        **norm("features.1.conv.4", 16),
        "conv.0.weight": (1280, 320, 1, 1),
        **norm("conv.1", 1280),
        "classifier.1.weight": (1000, 1280),
        "classifier.1.bias": (1000,),
    }
    for index, channels in BLOCKS.items():
        shapes |= block_shapes(f"features.{index}", *channels)
    return shapes


@pytest.fixture(scope="module")
def model() -> MobileNetV2CA:
    torch.manual_seed(seed_for_run(0))
    return randomize(MobileNetV2CA(), SCALES)


def attention(model: nn.Module) -> dict[str, CoordinateAttention]:
    return {path: block for path, block in model.named_modules() if isinstance(block, CoordinateAttention)}


def test_the_authors_checkpoint_fits() -> None:
    """Strictly: every name of theirs is ours, and the other way round."""
    state = {
        name: torch.rand(shape) if shape else torch.tensor(7, dtype=torch.int64)
        for name, shape in authors_shapes().items()
    }
    model = BUILT["mobilenetv2_ca"]()
    model.load_state_dict(state, strict=True)
    filled = model.state_dict()
    assert filled.keys() == state.keys()
    assert all(torch.equal(filled[name], value) for name, value in state.items())


def test_parameters_are_the_papers(model: MobileNetV2CA) -> None:
    assert parameters(model) == pytest.approx(3.95e6, rel=0.01)
    added = sum(map(parameters, attention(model).values()))
    with torch.device("meta"):
        assert parameters(model) - added == parameters(mobilenet_v2())


def test_attention_is_in_every_block_that_expands(model: MobileNetV2CA) -> None:
    assert list(attention(model)) == [f"features.{index}.conv.6" for index in BLOCKS]


@pytest.mark.parametrize("index", BLOCKS)
def test_attention_is_the_papers_formula(model: MobileNetV2CA, index: int) -> None:
    """conv2 makes the gate along the height and conv3 the one along the width; h-swish, r = 32, 8 channels at least."""
    block = model.features[index].conv[6]
    state = state_of(block)
    ours = {f"{THEIRS[name.split('.')[0]]}.{name.split('.')[1]}": value for name, value in state.items()}
    x = torch.randn(2, BLOCKS[index][1], 5, 8) + torch.randn(2, BLOCKS[index][1], 1, 1)
    expected = coordinate(ours, x.double().numpy(), reduction=32, min_hidden=8)
    assert expected["gate h"].std() > 0.05 < expected["gate w"].std()
    assert distance(block(x), torch.from_numpy(expected["scale"])) < 1e-5


def batch_norm(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    mean, variance, weight, bias = (
        state[f"{name}.{kind}"][:, None, None] for kind in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / (variance + 1e-5).sqrt() * weight + bias


@pytest.mark.parametrize(("index", "stride", "residual"), [(3, 1, True), (4, 2, False), (11, 1, False)])
def test_a_block_is_its_formula(model: MobileNetV2CA, index: int, stride: int, residual: bool) -> None:
    block, (inputs, hidden, _, _) = model.features[index], BLOCKS[index]
    state = block.state_dict()
    x = torch.randn(2, inputs, 9, 6)
    y = F.conv2d(x, state["conv.0.weight"])
    y = batch_norm(state, "conv.1", y).clamp(0, 6)
    y = F.conv2d(y, state["conv.3.weight"], stride=stride, padding=1, groups=hidden)
    y = batch_norm(state, "conv.4", y).clamp(0, 6)
    z = torch.cat([y.mean(3), y.mean(2)], 2)[..., None]
    z = batch_norm(state, "conv.6.bn1", F.conv2d(z, state["conv.6.conv1.weight"], state["conv.6.conv1.bias"]))
    z = z * (z + 3).clamp(0, 6) / 6
    along_h, along_w = z.split([y.shape[2], y.shape[3]], 2)
    y = y * F.conv2d(along_h, state["conv.6.conv2.weight"], state["conv.6.conv2.bias"]).sigmoid()
    y = y * F.conv2d(along_w, state["conv.6.conv3.weight"], state["conv.6.conv3.bias"]).sigmoid().transpose(2, 3)
    y = batch_norm(state, "conv.8", F.conv2d(y, state["conv.7.weight"]))
    assert distance(block(x), x + y if residual else y) < 1e-5


def test_without_attention_it_is_torchvisions(model: MobileNetV2CA) -> None:
    """Their names differ, their order does not."""
    peer = mobilenet_v2().eval()
    plain = [value for name, value in model.state_dict().items() if ".conv.6." not in name]
    peer.load_state_dict(dict(zip(peer.state_dict(), plain, strict=True)))
    ones = {f"{path}.{gate}": 1.0 for path in attention(model) for gate in ("gate_h", "gate_w")}
    x = torch.randn(2, 3, 70, 64)
    with holding(model, ones):
        assert distance(model(x), peer(x)) < 1e-5
    assert distance(model(x), peer(x)) > 0.05


def test_the_output_is_logits(model: MobileNetV2CA) -> None:
    """One more in the last bias is one more in the output, which no softmax does."""
    model, x = copy.deepcopy(model), torch.randn(2, 3, 64, 64)
    before = model(x)
    model.get_submodule(model.classifier_name).bias += 1
    torch.testing.assert_close(model(x), before + 1)


def test_a_copy_has_weights_of_its_own(model: MobileNetV2CA) -> None:
    copied = copy.deepcopy(model).features[2].conv[6]
    assert copied.conv is copied.conv1
    assert copied.conv is not model.features[2].conv[6].conv
    copied.double()
    assert copied.conv_w.weight.dtype is torch.float64


def test_a_watched_network_shows_its_attention() -> None:
    model = randomize(MobileNetV2CA(classes=5), SCALES)
    x = torch.randn(1, 3, 64, 96)
    expected = model(x)
    with torch.enable_grad():
        explanation = attnviz.explain(attnviz.instrument(model), x)
    torch.testing.assert_close(explanation.logits.view(1, -1), expected)
    assert [record.layer for record in explanation.attention] == [f"features.{index}.conv.6" for index in BLOCKS]
    assert explanation.attention[0].values.h.shape == (96, 16)
    assert explanation.attention[0].values.w.shape == (96, 24)

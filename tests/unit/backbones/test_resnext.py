"""ResNeXt: torchvision's network where it is plain, and that with timm's CBAM where it has attention."""

import pytest
import timm
import torch
from timm.layers.cbam import CbamModule
from torch import nn
from torchvision.models import ResNet, resnext50_32x4d
from torchvision.models.resnet import Bottleneck

import attnviz
from attnviz.backbones import BUILT, ResNeXt
from attnviz.errors import OptionError
from attnviz.mechanisms import CBAM
from tests.unit.backbones.helpers import distance, parameters, randomize

COUNTS = {50: [3, 4, 6, 3], 101: [3, 4, 23, 3], 152: [3, 8, 36, 3]}
PAPER = {
    "resnext50_32x4d": 25.03e6,
    "resnext101_32x4d": 44.18e6,
    "cbam_resnext50_32x4d": 27.56e6,
    "cbam_resnext101_32x4d": 48.96e6,
}


def outline(model_id: str) -> nn.Module:
    """The network without memory for its weights."""
    with torch.device("meta"):
        return BUILT[model_id]()


def torchvisions(depth: int) -> nn.Module:
    return ResNet(Bottleneck, COUNTS[depth], groups=32, width_per_group=4)


@pytest.mark.parametrize("prefix", ["", "cbam_"])
@pytest.mark.parametrize("depth", COUNTS)
def test_stages(depth: int, prefix: str) -> None:
    model = outline(f"{prefix}resnext{depth}_32x4d")
    assert [len(model.get_submodule(f"layer{stage}")) for stage in (1, 2, 3, 4)] == COUNTS[depth]
    attention = [path for path, module in model.named_modules() if isinstance(module, CBAM)]
    everywhere = [f"layer{1 + stage}.{i}.attention" for stage, n in enumerate(COUNTS[depth]) for i in range(n)]
    assert attention == (everywhere if prefix else [])


@pytest.mark.parametrize(("model_id", "count"), PAPER.items())
def test_parameters_are_the_papers(model_id: str, count: float) -> None:
    assert parameters(outline(model_id)) == pytest.approx(count, rel=0.01)


@pytest.mark.parametrize("depth", COUNTS)
def test_names_and_shapes_are_torchvisions(depth: int) -> None:
    with torch.device("meta"):
        peer = torchvisions(depth)
    shapes = {name: value.shape for name, value in outline(f"resnext{depth}_32x4d").state_dict().items()}
    assert shapes == {name: value.shape for name, value in peer.state_dict().items()}


@pytest.mark.parametrize("depth", [50, 101])
def test_names_and_shapes_are_timms(depth: int) -> None:
    with torch.device("meta"):
        peer = timm.create_model(f"resnext{depth}_32x4d")
    shapes = {name: value.shape for name, value in outline(f"resnext{depth}_32x4d").state_dict().items()}
    assert shapes == {name: value.shape for name, value in peer.state_dict().items()}


def test_outputs_are_torchvisions() -> None:
    peer = randomize(resnext50_32x4d())
    ours = BUILT["resnext50_32x4d"]().eval()
    ours.load_state_dict(peer.state_dict())
    x = torch.randn(2, 3, 75, 64)
    assert distance(ours(x), peer(x)) < 1e-5


def test_cbam_is_timms_at_the_end_of_torchvisions_branches() -> None:
    """What follows bn3 in torchvision's block is the addition."""
    ours = randomize(BUILT["cbam_resnext50_32x4d"]())
    names = {"channel.fc1": "fc1", "channel.fc2": "fc2", "spatial.conv.conv": "conv", "spatial.conv.bn": "bn"}
    peer = torchvisions(50)
    plain = {name: value for name, value in ours.state_dict().items() if ".attention." not in name}
    peer.load_state_dict(plain)
    for stage in (1, 2, 3, 4):
        for mine, block in zip(ours.get_submodule(f"layer{stage}"), peer.get_submodule(f"layer{stage}"), strict=True):
            channels = block.bn3.num_features
            cbam = CbamModule(channels, rd_channels=channels // 16, mlp_bias=True)
            for theirs, name in names.items():
                layer, own = cbam.get_submodule(theirs), mine.attention.get_submodule(name)
                state = layer.state_dict()
                layer.load_state_dict({k: v.view_as(state[k]) for k, v in own.state_dict().items()})
            block.bn3 = nn.Sequential(block.bn3, cbam)
    x = torch.randn(2, 3, 64, 75)
    assert distance(ours(x), peer.eval()(x)) < 1e-5


def test_a_shortcut_is_a_module() -> None:
    model = outline("cbam_resnext152_32x4d")
    shortcuts = {path: module for path, module in model.named_modules() if path.endswith("downsample")}
    assert len(shortcuts) == sum(COUNTS[152])
    for path, shortcut in shortcuts.items():
        assert type(shortcut) is (nn.Sequential if path.split(".")[1] == "0" else nn.Identity)


@pytest.mark.parametrize("model_id", ["resnext50_32x4d", "cbam_resnext50_32x4d"])
def test_the_output_is_logits(model_id: str) -> None:
    """One more in the last bias is one more in the output, which no softmax does."""
    model = randomize(BUILT[model_id](classes=7))
    x = torch.randn(2, 3, 64, 64)
    before = model(x)
    assert before.shape == (2, 7)
    model.get_submodule(model.classifier_name).bias += 1
    torch.testing.assert_close(model(x), before + 1)


def test_a_watched_network_shows_its_attention() -> None:
    model = randomize(BUILT["cbam_resnext50_32x4d"](classes=5))
    x = torch.randn(1, 3, 64, 64)
    seen = {}
    gate = model.layer3[2].attention.channel_gate
    handle = gate.register_forward_hook(lambda module, inputs, output: seen.update(gate=output.clone()))
    expected = model(x)
    handle.remove()
    with torch.enable_grad():
        explanation = attnviz.explain(attnviz.instrument(model), x)
    torch.testing.assert_close(explanation.logits.view(1, -1), expected)
    assert len(explanation.attention) == 2 * 16
    record = next(r for r in explanation.attention if (r.layer, r.part) == ("layer3.2.attention", "channel"))
    torch.testing.assert_close(record.values, seen["gate"].flatten())


def test_another_depth_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^ResNeXt: depth is 34; it must be one of 50, 101, 152$"):
        ResNeXt(34)

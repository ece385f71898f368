"""Where timm, torchvision or pytorchcv have the same formula, the same weights give the same output."""

from collections.abc import Callable, Mapping

import pytest
from pytorchcv.models.bamresnet import BamBlock
from pytorchcv.models.cbamresnet import CbamBlock
from pytorchcv.models.common.att import SEBlock
from pytorchcv.models.sknet import SKConvBlock
from timm.layers import EcaModule, GlobalContext, NonLocalAttn, SelectiveKernel, SEModule
from timm.layers.cbam import CbamModule
from timm.layers.coord_attn import CoordAttn
from timm.models.senet import SEModule as LegacySEModule
from torch import Tensor, nn
from torchvision.ops import SqueezeExcitation

from attnviz.mechanisms import BAM, CBAM, ECA, GC, SE, SK, CoordinateAttention, NonLocal
from attnviz.mechanisms.eca import kernel_size
from tests.unit.mechanisms.helpers import SHAPES, Case, distance

Names = Mapping[str, str]
Changes = Mapping[str, Callable[[Tensor], Tensor]]


def agree(case: Case, peer: nn.Module, names: Names, changes: Changes | None = None) -> None:
    """The peer, given our weights under its own names, gives our output.

    Args:
        names: our modules to the peer's.
        changes: what to do to a tensor of ours, by its name, to suit the peer's formula.
    """
    ours = case.build()
    state = peer.state_dict()
    filled = set()
    for name, value in ours.state_dict().items():
        module, _, kind = name.rpartition(".")
        target = f"{names[module]}.{kind}"
        value = (changes or {}).get(name, Tensor.clone)(value)
        assert state[target].numel() == value.numel(), target
        state[target] = value.reshape(state[target].shape)  # a Linear there may be a 1x1 convolution
        filled.add(target)
    assert filled == set(state)
    peer.load_state_dict(state)
    peer.eval()
    for batch, plane in SHAPES:
        x = case.input(batch, plane)
        expected = peer(x.clone())
        assert distance(ours(x), expected) < 1e-5, "the outputs differ"
        if expected.shape == x.shape:
            assert distance(expected, x) > 0.05


def test_se_is_timms() -> None:
    agree(Case(SE, 12, {"reduction": 3}), SEModule(12, rd_channels=4), {"fc1": "fc1", "fc2": "fc2"})


def test_se_without_biases_is_timms() -> None:
    peer = SEModule(12, rd_channels=4, bias=False)
    agree(Case(SE, 12, {"reduction": 3, "bias": False}), peer, {"fc1": "fc1", "fc2": "fc2"})


def test_se_is_timms_older_one() -> None:
    agree(Case(SE, 12, {"reduction": 3}), LegacySEModule(12, reduction=3), {"fc1": "fc1", "fc2": "fc2"})


def test_se_is_torchvisions() -> None:
    agree(Case(SE, 12, {"reduction": 3}), SqueezeExcitation(12, 4), {"fc1": "fc1", "fc2": "fc2"})


@pytest.mark.parametrize("use_conv", [True, False], ids=["conv", "linear"])
def test_se_is_pytorchcvs(use_conv: bool) -> None:
    names = {"fc1": "conv1", "fc2": "conv2"} if use_conv else {"fc1": "fc1", "fc2": "fc2"}
    agree(Case(SE, 12, {"reduction": 3}), SEBlock(12, reduction=3, use_conv=use_conv), names)


@pytest.mark.parametrize("channels", [4, 12, 128, 512])
def test_eca_is_timms(channels: int) -> None:
    """timm's kernel has 3 taps at least."""
    agree(Case(ECA, channels, {"min_kernel": 3}), EcaModule(channels), {"conv": "conv"})


@pytest.mark.parametrize(("gamma", "beta"), [(2, 1), (1, 1), (2, 3)])
def test_ecas_rule_is_timms(gamma: float, beta: float) -> None:
    for channels in [*range(1, 70), *(2**power for power in range(7, 13))]:
        (size,) = EcaModule(channels, gamma=gamma, beta=beta).conv.kernel_size
        assert max(kernel_size(channels, gamma, beta), 3) == size, channels


@pytest.mark.parametrize("size", [3, 7])
@pytest.mark.parametrize("bias", [False, True], ids=["plain", "bias"])
def test_cbam_is_timms(size: int, bias: bool) -> None:
    """timm's spatial half has BatchNorm and takes [avg, max], in the paper's order."""
    peer = CbamModule(12, rd_channels=4, spatial_kernel_size=size, mlp_bias=bias)
    names = {"fc1": "channel.fc1", "fc2": "channel.fc2", "conv": "spatial.conv.conv", "bn": "spatial.conv.bn"}
    agree(Case(CBAM, 12, {"reduction": 3, "kernel_size": size, "norm": True, "bias": bias}), peer, names)


def test_cbam_is_pytorchcvs() -> None:
    """pytorchcv's spatial half has BatchNorm and takes [max, avg], as the reference code does."""
    names = {"fc1": "ch_gate.mlp.fc1", "fc2": "ch_gate.mlp.fc2"}
    names |= {"conv": "sp_gate.conv.conv", "bn": "sp_gate.conv.bn"}
    case = Case(CBAM, 12, {"reduction": 3, "norm": True})
    agree(case, CbamBlock(12, reduction_ratio=3), names, {"conv.weight": lambda weight: weight.flip(1)})


def test_bam_as_published_is_pytorchcvs() -> None:
    """pytorchcv multiplies the branches and normalizes the hidden layers alone, as the published code does."""
    names = {"channel.0": "ch_att.init_fc.fc", "channel.1": "ch_att.init_fc.bn", "channel.3": "ch_att.final_fc"}
    layers = ("sp_att.init_conv", "sp_att.dil_convs.conv1", "sp_att.dil_convs.conv2")
    for i, layer in enumerate(layers):
        names |= {f"spatial.{3 * i}": f"{layer}.conv", f"spatial.{3 * i + 1}": f"{layer}.bn"}
    names["spatial.9"] = "sp_att.final_conv"
    agree(Case(BAM, 32, {"combine": "product", "norm": "code"}), BamBlock(32), names)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("branches", [2, 3])
@pytest.mark.parametrize("kernels", ["dilated", "plain"])
def test_sk_is_timms(kernels: str, branches: int, stride: int) -> None:
    """timm's own splitting of the input between the branches is switched off."""
    peer = SelectiveKernel(
        12,
        kernel_size=[3, 5, 7][:branches],
        stride=stride,
        groups=3,
        rd_channels=5,
        keep_3x3=kernels == "dilated",
        split_input=False,
    )
    names = {"reduce": "attn.fc_reduce", "z_norm.0": "attn.bn", "select": "attn.fc_select"}
    for m in range(branches):
        names |= {f"branches.{m}.0": f"paths.{m}.conv", f"branches.{m}.1": f"paths.{m}.bn"}
    options = {"groups": 3, "branches": branches, "kernels": kernels, "stride": stride, "min_hidden": 5}
    agree(Case(SK, 12, options), peer, names)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("branches", [2, 3])
def test_sk_is_pytorchcvs(branches: int, stride: int) -> None:
    peer = SKConvBlock(12, 12, stride, groups=4, num_branches=branches, min_channels=5)
    names = {"reduce": "fc1.conv", "z_norm.0": "fc1.bn", "select": "fc2"}
    for m in range(branches):
        names |= {f"branches.{m}.0": f"branches.branch{m + 2}.conv", f"branches.{m}.1": f"branches.branch{m + 2}.bn"}
    agree(Case(SK, 12, {"groups": 4, "branches": branches, "stride": stride, "min_hidden": 5}), peer, names)


@pytest.mark.parametrize("scale", [False, True], ids=["plain", "scaled"])
def test_non_local_is_timms(scale: bool) -> None:
    """timm divides by the root of the input's channels, ours by that of the embeddings' own."""
    names = {"theta": "t", "phi": "p", "g": "g", "project.0": "z", "project.1": "norm"}
    ratio = (12 / 4) ** 0.5
    stretch: Changes = {f"theta.{kind}": lambda value: value * ratio for kind in ("weight", "bias")} if scale else {}
    case = Case(NonLocal, 12, {"inner": 4, "scale": scale})
    agree(case, NonLocalAttn(12, use_scale=scale, rd_channels=4), names, stretch)


@pytest.mark.parametrize("pooling", ["att", "avg"])
@pytest.mark.parametrize(
    "fusions",
    [("channel_add",), ("channel_mul",), ("channel_mul", "channel_add"), ("channel_add", "channel_mul")],
    ids="+".join,
)
def test_gc_is_timms(fusions: tuple[str, ...], pooling: str) -> None:
    """timm's LayerNorm has a smaller epsilon; where both fusions are on, it multiplies first, too."""
    add, scale = "channel_add" in fusions, "channel_mul" in fusions
    peer = GlobalContext(12, use_attn=pooling == "att", fuse_add=add, fuse_scale=scale, rd_channels=6)
    for module in peer.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-5
    names = {"key": "conv_attn"}
    for ours, theirs in (("add", "mlp_add"), ("mul", "mlp_scale")):
        names |= {f"{ours}.0": f"{theirs}.fc1", f"{ours}.1": f"{theirs}.norm", f"{ours}.3": f"{theirs}.fc2"}
    agree(Case(GC, 12, {"pooling": pooling, "fusions": fusions, "ratio": 0.5}), peer, names)


def test_coordinate_attention_is_timms() -> None:
    peer = CoordAttn(12, rd_channels=4, bias=True)
    names = {"conv": "conv1", "bn": "bn1", "conv_h": "conv_h", "conv_w": "conv_w"}
    agree(Case(CoordinateAttention, 12, {"reduction": 3, "min_hidden": 1}), peer, names)


def test_the_comparison_notices_a_difference() -> None:
    """The order of [avg, max] is the kind of thing that it must see."""
    peer = CbamModule(12, rd_channels=4)
    names = {"fc1": "channel.fc1", "fc2": "channel.fc2", "conv": "spatial.conv.conv", "bn": "spatial.conv.bn"}
    case = Case(CBAM, 12, {"reduction": 3, "norm": True, "bias": False})
    with pytest.raises(AssertionError, match="the outputs differ"):
        agree(case, peer, names, {"conv.weight": lambda weight: weight.flip(1)})

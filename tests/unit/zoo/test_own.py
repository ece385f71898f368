"""A network of one's own: filled strictly from its file, or refused."""

import gc
import os
import socket
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from attnviz.backbones import BUILT
from attnviz.errors import ModelError
from attnviz.zoo.files import fill, load_own
from tests.unit.zoo.helpers import hand_made, network, refused


@pytest.fixture
def no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens a connection fails the test."""

    def connect(*_args: Any) -> None:
        pytest.fail("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", connect)


def randomized(model: nn.Module) -> dict[str, Tensor]:
    """A state whose every float is random, and small."""
    state = model.state_dict()
    return {name: 0.1 * torch.rand_like(v) + 0.01 if v.is_floating_point() else v for name, v in state.items()}


def without_counters(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: v for name, v in state.items() if not name.endswith("num_batches_tracked")}


def test_a_model_is_filled() -> None:
    model, state = network(), randomized(network())
    fill(model, state, "net")
    assert all(torch.equal(v, state[name]) for name, v in model.state_dict().items())


def test_halves_fill_floats() -> None:
    model, state = network(), {name: v.half() for name, v in without_counters(randomized(network())).items()}
    fill(model, state, "net")
    filled = without_counters(model.state_dict())
    assert all(v.dtype is torch.float32 and torch.equal(v, state[name].float()) for name, v in filled.items())


def test_counters_may_be_missing_and_too_many() -> None:
    model, state = network(), randomized(network())
    fill(model, without_counters(state), "net")
    fill(model, {**state, "0.num_batches_tracked": torch.tensor(3)}, "net")
    assert all(torch.equal(v, state[name]) for name, v in model.state_dict().items())


def changed(**changes: Tensor | None) -> dict[str, Tensor]:
    state = {name.replace(".", "_"): v for name, v in without_counters(network().state_dict()).items()} | changes
    return {name.replace("_", ".", 1): v for name, v in state.items() if v is not None}


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (changed(**{"3_bias": None}), r"\('3.bias' is missing\)"),
        (changed(**{"3_scale": torch.ones(1)}), r"\('3.scale' is not in it\)"),
        (changed(**{"3_bias": torch.ones(1, 2)}), r"\('3.bias' is \(1, 2\), not \(2,\)\)"),
        (changed(**{"3_bias": torch.ones(3)}), r"\('3.bias' is \(3,\), not \(2,\)\)"),
        (changed(**{"3_bias": torch.ones(2).int()}), r"\('3.bias' is torch.int32, not torch.float32\)"),
        (changed(**{"1_num_batches_tracked": torch.ones(4).int()}), r"'1.num_batches_tracked' is \(4,\), not \(\)"),
        (changed(**{"3_a": torch.ones(1), "3_b": torch.ones(1), "3_bias": None}), "3.bias.*3.a.*3.b' is not in it\\)"),
        (changed(**{f"3_{i}": torch.ones(1) for i in range(7)}), r"'3.2' is not in it; and 4 more\)"),
        ({}, r"\('0.weight' is missing; '0.bias' is missing; '1.weight' is missing; and 5 more\)"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(state: dict[str, Tensor], line: str) -> None:
    model = network()
    before = {name: v.clone() for name, v in model.state_dict().items()}
    with refused(f"^the weights given for net do not fit its network .*{line}.*: they belong to another version"):
        fill(model, state, "net")
    assert all(torch.equal(v, before[name]) for name, v in model.state_dict().items())


@pytest.mark.usefixtures("no_connection")
@pytest.mark.parametrize(
    ("architecture", "classes"),
    [
        ("mobilenetv3_small_050", 7),
        ("test_resnet", 1000),
        ("test_efficientnet.r160_in1k", 3),
        ("deit_tiny_distilled_patch16_224", 5),
    ],
)
def test_a_network_of_timm_gives_its_owners_output(file: Path, architecture: str, classes: int) -> None:
    theirs = timm.create_model(architecture, num_classes=classes)
    theirs.load_state_dict(randomized(theirs))
    save_file(theirs.state_dict(), file)
    ours = load_own(architecture, file)
    assert not any(module.training for module in ours.modules())
    assert all(torch.equal(v, theirs.state_dict()[name]) for name, v in ours.state_dict().items())
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        expected = theirs.eval()(x)
        assert expected.shape == (1, classes)
        assert expected.std() > 1e-3
        torch.testing.assert_close(ours(x), expected)


@pytest.mark.usefixtures("no_connection")
def test_a_network_built_here_takes_a_file_of_its_own_classes(file: Path) -> None:
    theirs = BUILT["mobilenetv2_ca"](classes=6).eval()
    save_file({name: v.half() for name, v in theirs.state_dict().items() if v.dim()}, file)
    ours = load_own("mobilenetv2_ca", file)
    assert not ours.training
    assert all(torch.equal(v, theirs.state_dict()[name].half().float()) for name, v in ours.state_dict().items())


@pytest.mark.parametrize("architecture", [*BUILT, "resnet18"])
def test_a_file_of_another_network_is_refused(file: Path, architecture: str) -> None:
    save_file(network().state_dict(), file)
    with refused(f"^the weights given for {architecture} do not fit its network .* is missing; and [0-9]+ more"):
        load_own(architecture, file)


def test_a_file_without_classifier_is_refused(file: Path) -> None:
    save_file(timm.create_model("test_resnet", num_classes=0).state_dict(), file)
    with refused("do not fit its network \\('fc.weight' is missing; 'fc.bias' is missing\\)"):
        load_own("test_resnet", file)


@pytest.mark.parametrize(
    ("prefix", "cause"),
    [
        ("module.", "torch's DataParallel or DistributedDataParallel"),
        ("model.", "a Lightning module, or another that holds the network as `model`"),
        ("state_dict.", "a checkpoint that holds more than the weights"),
        ("model.module.", "a module that holds the network"),
    ],
)
def test_a_file_of_prefixed_names_is_refused(file: Path, prefix: str, cause: str) -> None:
    state = timm.create_model("test_resnet").state_dict()
    save_file({f"{prefix}{name}": v for name, v in state.items()}, file)
    with safe_open(file, "pt") as opened:
        first = next(iter(opened.keys()))
    with refused(
        f"do not fit its network: all their names begin with '{prefix}', the first is '{first}', as of {cause}"
    ):
        load_own("test_resnet", file)


def test_prefixed_names_of_another_network(file: Path) -> None:
    """Without the prefix they would be no names of its own either: that is not what is wrong."""
    save_file({"module.a.weight": torch.ones(2), "module.b.weight": torch.ones(2)}, file)
    with refused(r"do not fit its network \('conv1.0.weight' is missing"):
        load_own("test_resnet", file)


@pytest.mark.usefixtures("no_connection")
@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("mobilenetv3_smal_050", "mobilenetv3_small_050"),
        ("resnet5O", "resnet50"),
        ("cbam_resnext50", "cbam_resnext50_32x4d"),
        ("resnet50.nope", "resnet50"),
        ("hf-hub:timm/resnet50", "resnet50"),
        ("local-dir:folder/resnet50", ""),
        ("", ""),
        ("n" * 10**6, ""),
        ("a\nb", ""),
    ],
)
def test_an_unknown_architecture_names_the_three_nearest(file: Path, name: str, near: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_own(name, hand_made(file))
    line = str(caught.value)
    assert line.isprintable()
    assert len(line) < 300
    names = line.partition("the nearest names are ")[2].split(", ")
    assert len(set(names)) == 3
    assert near in names or not near
    assert all(found in BUILT or timm.is_model(found) for found in names)


@pytest.mark.parametrize("name", [None, 3, b"resnet50"])
def test_an_architecture_is_a_text(file: Path, name: Any) -> None:
    with refused("^an architecture's name is a text like 'resnet50', not "):
        load_own(name, hand_made(file))


def test_a_process_s_defaults_do_not_change_the_network(file: Path) -> None:
    state = timm.create_model("test_resnet").state_dict()
    save_file(state, file)
    try:
        torch.set_default_dtype(torch.float64)
        with torch.inference_mode(), torch.device("meta"):
            model = load_own("test_resnet", file)
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(v, state[name]) for name, v in model.state_dict().items())
    assert not any(tensor.is_inference() for tensor in model.parameters())


def test_the_file_may_go_once_the_network_is_loaded(file: Path) -> None:
    state = timm.create_model("test_resnet").state_dict()
    save_file(state, file)
    model = load_own("test_resnet", file)
    gc.collect()
    os.truncate(file, 0)
    assert all(torch.equal(v, state[name]) for name, v in model.state_dict().items())

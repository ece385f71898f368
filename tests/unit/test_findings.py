"""What `attnviz findings` prints is what hooks on the modules see; and what fails is one line."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from typer.testing import CliRunner, Result

from attnviz import findings
from attnviz.cli import app
from attnviz.errors import OptionError
from attnviz.flow import Note
from attnviz.zoo.bare import bare

HALO = """
import torch
from timm.layers.halo_attn import HaloAttn
from torch import nn

torch.manual_seed(3)
halo = HaloAttn(16, num_heads=2, block_size=8, halo_size=2)
model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), halo, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5))
"""

BLOG = """
import torch
import torch.nn as nn

class ChannelGate(nn.Module):
    def __init__(self, planes):
        super().__init__()
        self.mlp = nn.Sequential(nn.Conv2d(planes, 4, 1), nn.ReLU(), nn.Conv2d(4, planes, 1))
        self.sigmoid = nn.Sigmoid()

    def forward(self, x):
        return self.sigmoid(self.mlp(x.mean((2, 3), keepdim=True)) + self.mlp(x.amax((2, 3), keepdim=True)))

class PlaceGate(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x):
        return self.sigmoid(self.conv(torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], 1)))

class CBAM(nn.Module):
    def __init__(self, planes):
        super().__init__()
        self.ca, self.sa = ChannelGate(planes), PlaceGate()

    def forward(self, x):
        x = x * self.ca(x).expand_as(x)
        return x * self.sa(x)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.cbam, self.fc = nn.Conv2d(3, 16, 3, 2, 1), CBAM(16), nn.Linear(16, 5)
        self.act = nn.SiLU()

    def forward(self, x):
        return self.fc(self.act(self.cbam(self.stem(x))).mean((2, 3)))

torch.manual_seed(3)
model = Net()
"""


def run(*options: str) -> Result:
    return CliRunner().invoke(app, ["findings", *options])


def data(*options: str) -> dict[str, Any]:
    result = run(*options, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def ranges(model: nn.Module, paths: list[str], size: tuple[int, int]) -> list[tuple[float, float]]:
    """The least and the largest number that each module gives, for the noise that is looked at."""
    seen: dict[str, Tensor] = {}
    for path in paths:
        model.get_submodule(path).register_forward_hook(lambda m, i, o, path=path: seen.update({path: o.clone()}))
    with torch.no_grad():
        model(torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(findings.SEED)))
    return [(float(seen[path].min()), float(seen[path].max())) for path in paths]


def check(found: dict[str, Any], model: nn.Module, gates: dict[str, list[str]]) -> None:
    """The parts of the blocks, in the network's order, have the ranges of the modules that compute them."""
    assert [block["layer"] for block in found["blocks"]] == list(gates)
    assert all(block["verified"] and block["error"] < 1e-5 for block in found["blocks"])
    parts = [part for block in found["blocks"] for part in block["parts"]]
    paths = [path for each in gates.values() for path in each]
    for part, (low, high) in zip(parts, ranges(model, paths, found["input"][1:]), strict=True):
        assert part["low"] == pytest.approx(low, abs=1e-6)
        assert part["high"] == pytest.approx(high, abs=1e-6)


def test_a_network_of_the_family() -> None:
    found = data("resnet18t-se", "--size", "64")
    assert found["input"] == [3, 64, 64]
    assert found["weights"] == "its weights"
    model = bare("resnet18t-se").model
    layers = [path for path, module in model.named_modules() if type(module).__name__ == "SE"]
    check(found, model, {layer: [f"{layer}.gate"] for layer in layers})
    assert {block["mechanism"] for block in found["blocks"]} == {"SE"}
    assert [part["neutral"] for block in found["blocks"] for part in block["parts"]] == [1.0] * len(layers)


def test_a_network_of_timm_with_random_weights() -> None:
    name = "timm:test_efficientnet"
    found = data(name, "--size", "64x96")
    assert found["input"] == [3, 64, 96]
    assert found["weights"] == "random weights"
    model = bare(name, (64, 96)).model
    layers = [path for path, module in model.named_modules() if type(module).__name__ == "SqueezeExcite"]
    assert layers
    assert found["read"] == []
    assert [block["layer"] for block in found["blocks"]] == layers
    check(found, model, {layer: [f"{layer}.gate"] for layer in layers})
    assert f"  {layers[0]}: SqueezeExcite, SE: channel gate, " in run(name).stdout


def test_a_module_that_is_read_by_its_class(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(HALO, encoding="utf-8")
    found = data(str(file), "--size", "32")
    assert found["blocks"] == []
    [block] = found["read"]
    expected = ("1", "HaloAttn", "Halo attention", ["affinity", "affinity"])
    assert (block["layer"], block["class"], block["mechanism"], block["kinds"]) == expected
    assert block["verified"]
    assert block["error"] < 1e-5
    line = "  1: HaloAttn, Halo attention, read as its class is known: affinity; verified"
    assert line in run(str(file), "--size", "32").stdout


def test_a_file_of_somebody_s(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(BLOG, encoding="utf-8")
    found = data(str(file), "--size", "32")
    check(found, bare(str(file)).model, {"cbam": ["cbam.ca.sigmoid", "cbam.sa.sigmoid"]})
    result = run(str(file), "--size", "32")
    assert result.exit_code == 0
    [line] = [line for line in result.stdout.splitlines() if line.startswith("  cbam: ")]
    number = r"[\d.e-]+"
    assert re.fullmatch(
        rf"  cbam: CBAM, CBAM: channel gate, 16 channels, {number} to {number}, neutral at 1; "
        rf"spatial gate, 16 x 16 places, {number} to {number}, neutral at 1; verified, error {number}",
        line,
    )


def test_a_gate_that_is_the_same_everywhere_is_said_to_be(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(
        BLOG + "\nfor weight in model.cbam.parameters():\n    nn.init.zeros_(weight)\n",
        encoding="utf-8",
    )
    result = run(str(file), "--size", "32")
    assert "16 channels, constant at 0.5, neutral at 1; spatial gate, 16 x 16 places, constant at 0.5" in result.stdout


def test_a_network_without_attention() -> None:
    result = run("timm:test_resnet", "--size", "64")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1] == "No attention found."
    model = timm.create_model("test_resnet")
    assert not any("Attn" in type(module).__name__ or "SE" in type(module).__name__ for module in model.modules())


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("raise RuntimeError('no data\\nat all')", "running net.py failed: RuntimeError: no data"),
        ("x = 1", "the file net.py defines neither `model`, a torch.nn.Module, nor `build()`, which returns one"),
        (
            BLOG + "\nmodel.stem = nn.Linear(2, 2)",
            "a pass of noise 3 x 224 x 224 (--size takes another) through net.py failed: RuntimeError: ",
        ),
        (BLOG + "\nmodel = torch.jit.script(model)", "a traced or scripted model hides its modules: "),
    ],
)
def test_a_file_that_fails_is_one_line(tmp_path: Path, code: str, line: str) -> None:
    (tmp_path / "net.py").write_text(code, encoding="utf-8")
    result = run(str(tmp_path / "net.py"))
    assert result.exit_code == 1
    assert not result.stdout
    [said] = result.stderr.splitlines()
    assert said.startswith(line)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("resnet18t-sse", "resnet18t-se"),
        ("timm:seresnet5", "timm:seresnet50"),
        ("torchvision:resnet_50", "torchvision:resnet50"),
        ("pytorchcv:cbam_resnet_50", "pytorchcv:cbam_resnet50"),
        ("nothing/there.py", "there is no Python file"),
    ],
)
def test_a_name_that_there_is_not_is_one_line(name: str, nearest: str) -> None:
    result = run(name)
    assert result.exit_code == 1
    assert not result.stdout
    [line] = result.stderr.splitlines()
    assert nearest in line


@pytest.mark.parametrize(
    ("name", "mechanism"),
    [("torchvision:mobilenet_v3_large", "SE"), ("pytorchcv:seresnet20_cifar10", "SE"), ("random:resnet18t-eca", "ECA")],
)
def test_networks_that_the_catalogue_does_not_list(name: str, mechanism: str) -> None:
    found = data(name, "--size", "32")
    assert found["weights"] == "random weights"
    blocks = [*found["read"], *found["blocks"]]
    assert {block["mechanism"] for block in blocks} == {mechanism}
    assert all(block["verified"] for block in blocks)


def test_a_size_that_a_network_does_not_take_is_one_line() -> None:
    result = run("timm:test_vit", "--size", "50")
    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert "failed: " in line


@pytest.mark.parametrize("text", ["0", "x", "224x", "12.5", "-4", "64x64x3", "999999"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(OptionError, match="--size"):
        findings.size_of(text)


def test_sizes() -> None:
    assert findings.size_of("64") == (64, 64)
    assert findings.size_of("64x96") == (64, 96)
    assert findings.size_of(None) is None


def test_the_same_words_for_the_same_thing_are_one_line() -> None:
    noted = [Note("a", "blend", "Of two."), Note("b", "step", "Of a solver."), Note("c", "blend", "Of two.")]
    assert findings.grouped(noted) == [(noted[0], 2), (noted[1], 1)]

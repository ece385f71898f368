"""Every listed network is read and verified, with weights under which attention varies; and so are others of timm's."""

from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from attnviz import checkup
from attnviz.capture import instrument
from attnviz.explanation import explain
from attnviz.stock import entries
from attnviz.zoo.drawn import draw
from attnviz.zoo.libraries import build
from tests.seeds import seed_for_run

BARE = {"timm:resnext26ts.ra2_in1k", "timm:resnet33ts.ra2_in1k"}  # the baselines
OTHERS = ["test_efficientnet", "shvit_s1", "rexnetr_130", "tf_mixnet_m", "ghostnet_100", "lambda_resnet26t"]
DOCS = Path(__file__).parents[2] / "docs" / "readers.md"


@pytest.mark.parametrize("name", entries())
def test_every_listed_network(name: str) -> None:
    size = entries()[name].card.input_size
    row = checkup.check(name, build(entries()[name]), (3, size, size))
    assert len(row.findings.blocks) > 0 or name in BARE
    assert not row.findings.unverified
    assert not row.findings.skipped
    assert row.error < 1e-5
    assert row.degenerate == 0
    kinds = ", ".join(f"{count} {kind}" for kind, count in row.kinds.items()) or "none"
    assert f"| {name} | {row.params / 1e6:.2f} M | {kinds} |" in DOCS.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", OTHERS)
def test_others_of_timm_s(name: str) -> None:
    model = timm.create_model(name)
    row = checkup.check(name, model, model.pretrained_cfg["input_size"])
    assert row.findings.blocks
    assert not row.findings.unverified


def test_gates_of_a_real_network_are_those_of_its_modules() -> None:
    """By hooks of the test's own, on a network as timm builds it."""
    model = draw(timm.create_model("mobilenetv3_small_100"), (3, 224, 224))
    gates: list[torch.Tensor] = []
    for module in model.modules():
        if type(module).__name__ == "SqueezeExcite":
            module.gate.register_forward_hook(lambda m, i, o: gates.append(o[0, :, 0, 0].clone()))
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(seed_for_run(4)))
    with torch.no_grad():
        expected = model(x)
    seen = list(gates)
    found = explain(instrument(model), x)
    torch.testing.assert_close(found.logits, expected[0])
    assert len(found.attention) == len(seen) == 9
    for record, gate in zip(found.attention, seen, strict=True):
        torch.testing.assert_close(record.values, gate)


def test_a_drawn_network_is_alive_and_the_same_each_time() -> None:
    first, second = (draw(timm.create_model("resnet18"), (3, 64, 64), seed=5) for _ in range(2))
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert not any(module.training for module in first.modules())
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        logits = first(x)
    assert logits.std() > 0.1
    assert not torch.allclose(logits[0], logits[1])


def test_degenerate_attention_is_told() -> None:
    class Even(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 1)
            self.se = timm.layers.SEModule(8)
            nn.init.zeros_(self.se.fc2.weight)
            nn.init.zeros_(self.se.fc2.bias)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.se(self.conv(x)).mean((2, 3))

    [record] = explain(instrument(Even()), torch.randn(1, 3, 8, 8)).attention
    assert checkup.degenerate(record)

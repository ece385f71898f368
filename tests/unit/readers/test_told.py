"""What a person says of a network's attention: names, readers, and mechanisms of their own."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

import attnviz
from attnviz.errors import OptionError
from attnviz.mechanisms import SE
from attnviz.readers import Twin, assemble
from attnviz.readers.twin import chain
from tests.unit.readers.blogs import First
from tests.unit.readers.modules import lively
from tests.unit.readers.test_found import picture


class TestNamed:
    """What a person knows of a network's attention."""

    def test_a_name(self) -> None:
        backbone = attnviz.instrument(lively(First()), blocks={"attend": "mine", "(network) 2": "a mask"})
        assert [(f.layer, f.mechanism) for f in backbone.findings(picture()).blocks] == [
            ("block", "SE"),
            ("attend", "mine"),
            ("(network) 1", "CBAM"),
            ("(network) 2", "a mask"),
        ]

    def test_a_reader(self) -> None:
        class Theirs(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.squeeze, self.excite = nn.Linear(16, 4), nn.Linear(4, 16)

            def forward(self, x: Tensor) -> Tensor:
                return x * self.excite(self.squeeze(x.mean((2, 3))).relu()).sigmoid()[:, :, None, None]

        def theirs(module: Any) -> Twin:
            made = assemble(
                lambda: SE(16, reduction=4),
                fc1=chain(module.squeeze),
                relu=nn.ReLU(),
                fc2=chain(module.excite),
                gate=nn.Sigmoid(),
            )
            return Twin(made, {})

        model = nn.Sequential(nn.Conv2d(3, 16, 1), Theirs(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3))
        backbone = attnviz.instrument(lively(model), blocks={"1": theirs})
        [found] = backbone.findings(picture()).blocks
        assert (found.layer, found.mechanism, found.verified) == ("1", "SE", True)
        steps = attnviz.explain(backbone, picture()).steps("1")
        assert [step.name for step in steps] == ["squeeze", "fc1", "relu", "fc2", "gate", "scale"]

    def test_a_name_where_nothing_is_seen(self) -> None:
        backbone = attnviz.instrument(lively(First()), blocks={"conv": "ECA"})
        assert backbone.findings(picture()).skipped[-1] == "conv: named ECA. No attention was seen there."

    @pytest.mark.parametrize(("path", "what"), [("nowhere", "SE"), ("attend", 3), ("attend", lambda module: None)])
    def test_what_cannot_be_is_refused_in_one_line(self, path: str, what: Any) -> None:
        model = lively(First())
        with pytest.raises(OptionError) as caught:
            attnviz.instrument(model, blocks={path: what})
        assert path in str(caught.value)
        assert "\n" not in str(caught.value)
        attnviz.instrument(model)  # nothing was left on it


MINE = """
import torch
from torch import nn

import attnviz
from attnviz.mechanisms import Kind, Mechanism, Part, Placement, Role, Step


class Loudness(Mechanism):
    label = "Loudness"
    formula = r"\\tilde{x}_c = x_c \\, \\sigma(w_c \\, \\overline{x_c^2})"
    citation, paper, placement = "Nobody: Loudness, 2026", "", Placement.BRANCH
    parts = (Part(None, Kind.CHANNEL, Role.GATE, ("gate",), off=1.0),)

    def __init__(self, channels):
        super().__init__(channels)
        self.weight, self.gate = nn.Parameter(torch.linspace(-2, 2, channels)), nn.Sigmoid()

    def compute(self, x):
        yield Step("power", r"p_c = \\overline{x_c^2}", power := x.square().mean((2, 3)))
        yield Step("gate", r"g_c = \\sigma(w_c p_c)", gate := self.gate(self.weight * power))
        yield Step("scale", r"\\tilde{x}_c = g_c x_c", x * gate[:, :, None, None])

    def recompose(self, x, attention):
        return x * attention[None][:, :, None, None]

    def equations(self):
        return {"scale": r"<x> \\cdot <gate> = <scale>"}


torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(3, 8, 3), Loudness(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
backbone, x = attnviz.instrument(model), torch.rand(1, 3, 16, 16)
explanation = attnviz.explain(backbone, x)
record = explanation.attention[0]
print(backbone.findings(x))
print(record.mechanism, record.kind, [step.name for step in explanation.steps("1")])
shut = attnviz.explain(backbone, x, edits=attnviz.Edit("1", "set", values={3: 0.0}))
print(shut.attention[0].values[3].item(), float((shut.logits - explanation.logits).abs().max()) > 0)
from attnviz.equations import equations
print(list(equations(explanation, "1", 2, (5, 5))))
"""


def test_a_mechanism_is_taught_from_another_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    ran = subprocess.run([sys.executable, "mine.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [
        "1 block read and verified, 0 read but not verified, 0 skipped",
        "Loudness channel ['power', 'gate', 'scale']",
        "0.0 True",
        "['scale']",
    ]

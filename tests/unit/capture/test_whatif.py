"""What would come of other attention values: against plain hooks on an untouched network, and a pass for each edit."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

import attnviz
from attnviz import AttentionRecord, Edit, Explanation
from attnviz.errors import EditError, OptionError
from attnviz.mechanisms import Kind
from tests.unit.capture.networks import ATTENTIVE, picture, plain, tapped
from tests.unit.capture.oracles import changed, close_to, hooked
from tests.unit.readers.modules import lively

VALUES = (0.0, 0.3, 0.75, 1.0, 2.0)


def cell_of(record: AttentionRecord) -> Any:
    """A cell of a value, as a set edit names it."""
    return {
        Kind.CHANNEL: 5,
        Kind.SPATIAL: (1, 2),
        Kind.CONTEXT: (1, 2),
        Kind.VOLUME: (3, 1, 2),
        Kind.COORDINATE: ("w", 3, 2),
        Kind.BRANCH: (1, 4),
        Kind.AFFINITY: (7, 5),
    }[record.kind]


def went_on(explanation: Explanation) -> bool:
    """Whether the last answer came from one pass that was gone on with, not from a pass for each value."""
    return explanation._whatif._resumed[1] is not None


def one_by_one(explanation: Explanation, edits: list[Edit]) -> Tensor:
    """The logits with a pass for each edit."""
    backbone, x = explanation.backbone, explanation.input
    return torch.stack([attnviz.explain(backbone, x, edits=(*explanation.edits, each)).logits for each in edits])  # type: ignore[misc]


@pytest.mark.parametrize("model_id", ATTENTIVE)
def test_a_response_is_what_each_value_gives_alone(model_id: str) -> None:
    explanation = attnviz.explain(tapped(model_id), picture(3))
    for record in explanation.attention[:: max(1, len(explanation.attention) // 4)]:
        edit = Edit(record.layer, "set", part=record.part, values={cell_of(record): 0.0})
        edits = [Edit(record.layer, "set", part=record.part, values={cell_of(record): value}) for value in VALUES]
        found = explanation.response(edit, VALUES)
        assert went_on(explanation)
        close_to(found, one_by_one(explanation, edits))


def shut_by_hooks(model_id: str, path: str, index: tuple[int, ...]) -> Tensor:
    """The logits of the untouched network with one entry of a module's output at 0."""

    def shut(output: Tensor) -> Tensor:
        return output.index_put(tuple(torch.tensor(i) for i in (0, *index)), torch.tensor(0.0))

    return changed(plain(model_id), picture(3), {path: shut})


@pytest.mark.parametrize(
    ("model_id", "layer", "part", "point", "wide"),
    [
        ("resnet18t-se", "stage1.0.attention", None, "gate", False),
        ("resnet18t-se", "stage4.1.attention", None, "gate", False),
        ("resnet18t-eca", "stage2.1.attention", None, "gate", False),
        ("resnet18t-cbam", "stage3.0.attention", "spatial", "spatial_gate", True),
        ("resnet18t-scse", "stage3.1.attention", "sse", "sse", True),
    ],
)
def test_effects_are_what_hooks_on_an_untouched_network_give(
    model_id: str, layer: str, part: str | None, point: str, wide: bool
) -> None:
    explanation = attnviz.explain(tapped(model_id), picture(3))
    [record] = [r for r in explanation.attention if (r.layer, r.part) == (layer, part)]
    found = explanation.effects(layer, part)
    assert went_on(explanation)
    shape = tuple(record.tensor.shape)
    assert found.shape == (record.tensor.numel(), 10)
    path = f"{layer}.{point}"
    for flat in (0, 3, record.tensor.numel() - 1):
        index = (0, flat // shape[1], flat % shape[1]) if wide else (flat,)
        close_to(found[flat] + explanation.logits, shut_by_hooks(model_id, path, index))


@pytest.mark.parametrize(("layer", "pair"), [("stage2.0.attention", None), ("stage4.1.attention", (1, 4))])
def test_estimates_are_gate_times_gradient_by_hand(layer: str, pair: tuple[int, int] | None) -> None:
    explanation = attnviz.explain(tapped("resnet18t-se"), picture(3), pair)
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
        kept.append(output.detach().clone().requires_grad_())
        return kept[0]

    model = copy.deepcopy(plain("resnet18t-se"))
    with torch.enable_grad(), hooked(model, {f"{layer}.gate": keep}):
        logits = model(picture(3))[0]
        target = explanation.target
        score = logits[target] if isinstance(target, int) else logits[target[0]] - logits[target[1]]
        [gradient] = torch.autograd.grad(score, kept[0])
    close_to(explanation.estimates(layer), -(kept[0] * gradient)[0].detach())


def test_what_if_comes_on_top_of_the_edits() -> None:
    shut = Edit("stage1.0.attention", "off")
    explanation = attnviz.explain(tapped("resnet18t-se"), picture(3), edits=shut)
    later, same = "stage3.0.attention", "stage1.0.attention"
    for layer, fast in ((later, True), (same, False)):
        edits = [Edit(layer, "forced", channel=4, value=value) for value in VALUES]
        close_to(explanation.response(edits[0], VALUES), one_by_one(explanation, edits))
        assert went_on(explanation) is fast


class Twice(nn.Module):
    """A gate that runs twice, and a second output."""

    def __init__(self, *, two: bool = False) -> None:
        super().__init__()
        self.stem, self.end, self.two = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 5), two
        self.gate = attnviz.mechanisms.SE(8, reduction=2)

    def forward(self, x: Tensor) -> Any:
        y = self.gate(self.stem(x).relu_())
        y += self.gate(y * 2)
        logits = self.end(y.mean((2, 3)))
        return (logits, y) if self.two else logits


class Written(nn.Module):
    """SE in the network's own forward, in place, its gate read where it is used, and a random layer that is off."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.end = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 5)
        self.squeeze, self.excite, self.drop = nn.Linear(8, 4), nn.Linear(4, 16), nn.Dropout()

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x).relu_()
        gates = self.excite(self.squeeze(y.mean((2, 3))).relu_()).sigmoid_()
        y *= gates[:, :8, None, None]
        y = self.drop(y).mul_(gates[:, 8:, None, None])
        return self.end(y.mean((2, 3)))


OTHERS: dict[str, tuple[Callable[[], nn.Module], int, bool]] = {
    "timm SE, in place": (lambda: timm.create_model("legacy_seresnet18", num_classes=7), 64, True),
    "timm ECA": (lambda: timm.create_model("ecaresnet26t", num_classes=7), 64, True),
    "timm self-attention": (lambda: timm.create_model("botnet26t_256", num_classes=7), 256, False),
    "one module twice": (Twice, 24, False),
    "two outputs": (lambda: Twice(two=True), 24, False),
    "in the network's forward": (Written, 24, False),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_peoples_networks(name: str) -> None:
    make, size, fast = OTHERS[name]
    explanation = attnviz.explain(attnviz.instrument(lively(make().eval())), picture(2, (size, size)))
    for record in {r.layer: r for r in explanation.attention}.values():
        part = record.part
        edits = [Edit(record.layer, "set", part=part, values={cell_of(record): value}) for value in VALUES[:3]]
        found = explanation.response(edits[0], VALUES[:3])
        assert went_on(explanation) or not fast
        close_to(found, one_by_one(explanation, edits))


def test_what_cannot_be_varied_is_refused_in_a_line() -> None:
    explanation = attnviz.explain(tapped("resnet18t-cbam"), picture(3))
    with pytest.raises(EditError, match="a response is to a forced or a set edit"):
        explanation.response(Edit("stage1.0.attention", "off"), VALUES)
    with pytest.raises(OptionError, match="has several parts: name one of channel, spatial"):
        explanation.effects("stage1.0.attention")
    with pytest.raises(OptionError, match="no attention was read at 'nowhere'"):
        explanation.effects("nowhere")
    selective = attnviz.explain(tapped("resnet18t-sk"), picture(3))
    with pytest.raises(OptionError, match="gates of channels or of places can be shut one by one"):
        selective.effects(selective.attention[0].layer)
    with pytest.raises(EditError, match="is outside its"):
        explanation.response(Edit("stage1.0.attention", "forced", part="channel", channel=4000, value=0.0), VALUES)

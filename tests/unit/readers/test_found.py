"""Attention that no reader knows: found by its values, in networks written as blogs write them."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import attnviz
from attnviz.capture import Backbone
from attnviz.capture.flowing import FlowBlock
from attnviz.capture.papers import recorded
from attnviz.errors import EditError, ModelError
from attnviz.mechanisms import SE, Kind
from tests.unit.capture.oracles import close_to
from tests.unit.readers.blogs import First, Positions, Second, Squeezed
from tests.unit.readers.modules import features, lively


def picture() -> Tensor:
    return 2 * features(3, 16)


def spy(model: nn.Module, x: Tensor, name: str) -> list[Tensor]:
    """The results of a function that a model calls, by replacing it."""
    seen: list[Tensor] = []
    holder: Any = F if name in ("softmax", "scaled_dot_product_attention") else torch
    real = getattr(holder, name)

    def noted(*args: Any, **kwargs: Any) -> Tensor:
        seen.append(real(*args, **kwargs))
        return seen[-1]

    setattr(holder, name, noted)
    try:
        with torch.no_grad():
            model(x.clone())
    finally:
        setattr(holder, name, real)
    return seen


def values(backbone: Backbone, x: Tensor) -> dict[tuple[str, str | None, int], Any]:
    return {(r.layer, r.part, r.call): r.values for r in attnviz.explain(backbone, x).attention}


def test_the_first_network() -> None:
    model, x = lively(First()), picture()
    backbone = attnviz.instrument(lively(First()))
    assert str(backbone.findings(x)) == "4 blocks read and verified, 0 read but not verified, 1 skipped"
    assert backbone.findings(x).skipped[0].startswith("block: activation. ")
    found = values(backbone, x)
    swish, squeezed, channel = spy(model, x, "sigmoid")[:3]
    assert swish.shape == (1, 16, 16, 16)  # the activation is no attention
    torch.testing.assert_close(found["block", None, 0], squeezed[0])
    torch.testing.assert_close(found["(network) 1", "channel", 0], channel[0, :, 0, 0])
    affinity, _classifier = spy(model, x, "softmax")
    close_to(found["attend", None, 0].matrix(), affinity[0])
    assert {layer for layer, _, _ in found} == {"block", "(network) 1", "(network) 2", "attend"}
    out = []
    model.sa.conv1.register_forward_hook(lambda m, i, o: out.append(o.sigmoid()[0, 0].detach()))
    with torch.no_grad():
        model(x.clone())
    torch.testing.assert_close(found["(network) 1", "spatial", 0], out[0])
    torch.testing.assert_close(found["(network) 2", None, 0], out[1])


def test_the_second_network() -> None:
    model, x = lively(Second()), picture()
    backbone = attnviz.instrument(lively(Second()))
    assert str(backbone.findings(x)) == "5 blocks read and verified, 0 read but not verified, 0 skipped"
    assert [f.mechanism for f in backbone.findings(x).blocks] == ["Second", "SK", "GC", "Second", "self-attention"]
    found = {(layer[-1], part): value for (layer, part, _), value in values(backbone, x).items()}
    h, w, mask = spy(model, x, "sigmoid")
    torch.testing.assert_close(found["1", None].h, h[0, :, :, 0])
    torch.testing.assert_close(found["1", None].w, w[0, :, 0])
    torch.testing.assert_close(found["4", None], mask[0, 0])
    assert found["2", None].shape == (2, 16)
    torch.testing.assert_close(found["2", None].sum(0), torch.ones(16))
    torch.testing.assert_close(found["3", "context"].sum(), torch.tensor(1.0))
    q: list[Tensor] = []
    model.qkv.register_forward_hook(lambda m, i, o: q.append(o.detach()))
    with torch.no_grad():
        model(x.clone())
    q_, k, _ = q[0].view(1, 3, 2, 8, -1).transpose(3, 4).unbind(1)
    expected = (q_ @ k.transpose(2, 3) * 8**-0.5).softmax(-1)[0]
    for head in (0, 1):
        close_to(found["5", f"affinity head {head}"].matrix(), expected[head])


def test_edits_act_where_the_gate_is_called() -> None:
    x = picture()
    backbone = attnviz.instrument(lively(First()))
    plain = lively(First())

    def run(edit: attnviz.Edit) -> Tensor:
        return attnviz.explain(backbone, x, edits=edit).output

    class Open(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.ones(1, 1, 1, 1)

    model = lively(First())
    model.ca = Open()
    with torch.no_grad():
        close_to(run(attnviz.Edit("(network) 1", "off", "channel")), model(x.clone()))
    plain.sa.conv1.register_forward_hook(
        lambda m, i, o: torch.full_like(o, 50.0) if m.__dict__.setdefault("n", 0) else None
    )
    plain.sa.conv1.register_forward_hook(lambda m, i, o: m.__dict__.__setitem__("n", m.__dict__.get("n", 0) + 1))
    with torch.no_grad():
        close_to(run(attnviz.Edit("(network) 2", "off")), plain(x.clone()))
    model = lively(First())
    model.block.fc2.register_forward_hook(lambda m, i, o: torch.full_like(o, 50.0))
    with torch.no_grad():
        close_to(run(attnviz.Edit("block", "off")), model(x.clone()))


@pytest.mark.parametrize("how", ["uniform", "shuffled"])
@pytest.mark.parametrize(("number", "part"), [(1, None), (2, None), (3, "context"), (4, None), (5, "affinity head 1")])
def test_every_part_can_be_changed(number: int, part: str | None, how: str) -> None:
    backbone, x = attnviz.instrument(lively(Second())), picture()
    before, layer = values(backbone, x), f"(network) {number}"
    edit = attnviz.Edit(layer, how, part=part)
    after = {(r.layer, r.part, r.call): r.values for r in attnviz.explain(backbone, x, edits=edit).attention}
    plain, edited = (each[layer, part, 0] for each in (before, after))
    if number == 1:
        plain, edited = plain.h, edited.h
    elif number == 5:
        plain, edited = plain.matrix(), edited.matrix()
    flat = edited.flatten()
    if how == "shuffled":
        torch.testing.assert_close(flat.sort().values, plain.flatten().sort().values)
        assert not torch.equal(edited, plain)
    elif number == 2:
        torch.testing.assert_close(edited, torch.full_like(edited, 0.5))
    else:
        assert float(edited.std(-1).max()) < 1e-6


def test_steps_are_the_operations_that_lead_to_the_output() -> None:
    model, x = lively(First()), picture()
    explanation = attnviz.explain(attnviz.instrument(lively(First())), x)
    kept: list[Tensor] = []
    model.attend.register_forward_hook(lambda m, i, o: kept.extend((i[0].detach(), o.detach())))
    with torch.no_grad():
        model(x.clone())
    given, output = explanation.features("attend")
    close_to(given, kept[0][0])
    close_to(output, kept[1][0])
    block = explanation.backbone.blocks["attend"]
    assert isinstance(block, FlowBlock)
    assert [step.name for step in explanation.steps("attend")][-2:] == ["project", "residual"]  # its paper's own
    steps = recorded(explanation.backbone.model, block.seen, x, 0, {})
    assert [step.name for step in steps] == [
        "convolution", "convolution 2", "matrix product", "softmax", "convolution 3", "matrix product 2", "sum",
    ]  # fmt: skip
    close_to(steps[-1].value[0], kept[1][0])
    affinity = explanation.attention[-1].values.matrix()
    close_to(steps[3].value[0], affinity)
    assert steps[3].axes == "qk"
    assert steps[3].formula == r"y_{4} = \operatorname{softmax}_{\text{row and column}} y_{3}"


@pytest.mark.parametrize("how", ["off", "uniform"])
def test_steps_hold_the_edits(how: str) -> None:
    edits = attnviz.Edit("block", how)
    explanation = attnviz.explain(attnviz.instrument(lively(First())), picture(), edits=edits)
    gate = next(step for step in explanation.steps("block") if step.name == "gate")
    close_to(gate.value, explanation.attention[0].tensor)
    close_to(explanation.steps("block")[-1].value, explanation.features("block")[1])


@pytest.mark.parametrize(
    ("make", "layer", "part"),
    [
        (Second, "(network) 3", "context"),
    ],
)
def test_what_has_no_neutral_value_says_what_works(make: type[nn.Module], layer: str, part: str | None) -> None:
    backbone, x = attnviz.instrument(lively(make())), picture()
    with pytest.raises(
        EditError, match=r"no neutral value of its own; (make it uniform|switch the block off) ?(instead)?$"
    ):
        attnviz.explain(backbone, x, edits=attnviz.Edit(layer, "off", part=part))
    before = attnviz.explain(backbone, x)
    after = attnviz.explain(backbone, x, edits=attnviz.Edit(layer, "uniform", part=part))
    assert not torch.equal(after.logits, before.logits)


def test_frozen_at_its_own_values_changes_nothing() -> None:
    backbone, x = attnviz.instrument(lively(First())), picture()
    backbone.means = attnviz.measure_means(backbone, [x])
    plain = attnviz.explain(backbone, x, 2)
    for layer in ("block", "(network) 1", "(network) 2", "attend"):
        frozen = attnviz.explain(backbone, x, 2, edits=attnviz.Edit(layer, "frozen"))
        close_to(frozen.output, plain.output)
        close_to(frozen.cam.signed, plain.cam.signed)


def test_what_meets_nothing_that_can_be_checked_is_not_verified() -> None:
    class Coarse(nn.Module):
        """A mask at half the size, enlarged before it multiplies."""

        def __init__(self) -> None:
            super().__init__()
            self.mask, self.fc = nn.Conv2d(3, 1, 3, padding=1), nn.Linear(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            mask = torch.sigmoid(self.mask(F.avg_pool2d(x, 2)))
            return self.fc((x * F.interpolate(mask, scale_factor=2)).mean((2, 3)))

    findings = attnviz.instrument(lively(Coarse())).findings(picture())
    assert str(findings) == "0 blocks read and verified, 0 read but not verified, 1 skipped"
    assert findings.skipped == ("(network): input mask. The network's own input is masked.",)


def test_readers_and_search_share_a_network() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.se, self.b, self.fc = Squeezed(3, 16), SE(16), Positions(16), nn.Linear(16, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.b(self.se(self.a(x))).mean((2, 3)))

    backbone = attnviz.instrument(lively(Both()))
    explanation = attnviz.explain(backbone, picture())
    assert [(r.layer, r.mechanism, r.kind) for r in explanation.attention] == [
        ("a", "SE", Kind.CHANNEL),
        ("se", "SE", Kind.CHANNEL),
        ("b", "Non-Local", Kind.AFFINITY),
    ]
    assert str(backbone.findings(picture())) == "3 blocks read and verified, 0 read but not verified, 1 skipped"


def test_closing_leaves_no_hook_behind() -> None:
    model = lively(Second())
    backbone = attnviz.instrument(model)
    attnviz.explain(backbone, picture())
    backbone.close()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    from torch.nn.modules import module

    assert not module._global_forward_hooks
    assert not module._global_forward_pre_hooks


def test_traced_and_scripted_models_are_refused_with_the_reason() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sigmoid()).eval()
    with pytest.raises(ModelError, match="traced or scripted"):
        attnviz.instrument(torch.jit.trace(model, picture()))
    holder = nn.Sequential(torch.jit.script(model), nn.Conv2d(4, 2, 1))
    with pytest.raises(ModelError, match=r"0 is traced or scripted"):
        attnviz.instrument(holder)


def test_a_compiled_model_is_read_as_the_one_inside() -> None:
    model = lively(First())
    compiled = torch.compile(model, backend="eager")
    found = attnviz.explain(attnviz.instrument(compiled), picture())
    assert len(found.attention) == 5
    with pytest.raises(ModelError, match=r"0 is compiled"):
        attnviz.instrument(nn.Sequential(torch.compile(nn.Conv2d(3, 4, 1), backend="eager")))


def test_an_affinity_that_is_off_reads_nothing() -> None:
    backbone, x = attnviz.instrument(lively(First())), picture()
    model = lively(First())
    model.attend = nn.Identity()
    with torch.no_grad():
        close_to(attnviz.explain(backbone, x, edits=attnviz.Edit("attend", "off")).output, model(x.clone()))


def test_from_zeros_nothing_is_verified() -> None:
    model = lively(First())
    nn.init.zeros_(model.block.conv2.weight)
    nn.init.zeros_(model.block.conv2.bias)
    findings = attnviz.instrument(model).findings(picture())
    [(verified, why)] = [(f.verified, f.why) for f in findings.blocks if f.layer == "block"]
    assert not verified
    assert why == "The block's output is the same whatever the value is, so nothing follows about it."


def test_what_was_read_stays_when_the_network_works_in_place() -> None:
    class Over(nn.Module):
        """Its gate multiplies in place, and what comes of it is erased as soon as it has been used."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.mask, self.fc = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 1, 3, padding=1), nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            gate = torch.sigmoid(self.mask(x))
            y = x.mul_(gate).mean((2, 3))
            x.zero_()
            return self.fc(y)

    model, x = lively(Over()), picture()
    with torch.no_grad():
        features = model.conv(x)
        gate = model.mask(features).sigmoid()
    backbone = attnviz.instrument(model)
    assert str(backbone.findings(x)) == "1 block read and verified, 0 read but not verified, 0 skipped"
    explanation = attnviz.explain(backbone, x)
    assert explanation.cam is None
    assert explanation.cam_reason == (
        "no gradient passes from the logits to conv: one of the variables needed for gradient computation has been "
        "modified by an inplace operation"
    )
    [record] = explanation.attention
    torch.testing.assert_close(record.values, gate[0, 0])
    torch.testing.assert_close(record.before, features[0].abs().mean(0))
    torch.testing.assert_close(record.after, (features * gate)[0].abs().mean(0))


def test_what_is_not_looked_for_yet_is_said() -> None:
    backbone = attnviz.instrument(lively(First()))
    assert repr(backbone) == "Backbone(First, attention not looked for yet)"
    blocks = backbone.look(picture())
    assert list(blocks) == list(backbone.blocks) == ["block", "attend", "(network) 1", "(network) 2"]
    assert repr(backbone) == "Backbone(First, 4 attention blocks)"

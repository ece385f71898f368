"""What a call must survive: by a right answer, or by one clear line."""

import contextlib
import copy
import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import attnviz
from attnviz import Edit, Explanation
from attnviz.errors import AttnvizError, EditError, ModelError, OptionError, PictureError, ShapeError
from attnviz.mechanisms import SE
from tests.seeds import seed_for_run
from tests.unit.capture.formulas import tensors
from tests.unit.capture.networks import (
    ATTENTIVE,
    IDS,
    LABELS,
    Dressed,
    Tiny,
    family,
    picture,
    plain,
    randomize,
    seeded,
    tapped,
)
from tests.unit.capture.oracles import captum_evidence, captum_map, close_to

LAYERS = (None, "stage2", "stage3.0.bn1")


def everything(explanation: Explanation) -> list[Tensor]:
    """All tensors of an explanation, steps and features of a block included."""
    layer = explanation.attention[1].layer
    assert explanation.cam is not None
    assert explanation.logits is not None
    assert explanation.probabilities is not None
    found = [explanation.output, explanation.logits, explanation.probabilities, explanation.cam.signed]
    for record in explanation.attention:
        found += [*tensors(record.values), record.before, record.after]
    return [*found, *explanation.features(layer), *(step.value for step in explanation.steps(layer))]


def same(found: Explanation, expected: Explanation) -> None:
    pairs = zip(everything(found), everything(expected), strict=True)
    assert all(torch.equal(mine, theirs) for mine, theirs in pairs)


@contextlib.contextmanager
def nested() -> Any:
    with torch.inference_mode(), torch.no_grad(), torch.enable_grad():
        yield


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad, nested])
@pytest.mark.parametrize("model_id", ["resnet18t-se", "resnet18t-nl", "resnet18t-scse"])
@pytest.mark.parametrize("layer", LAYERS)
def test_inside_another_mode(model_id: str, layer: str | None, mode: Callable[[], Any]) -> None:
    expected = attnviz.explain(tapped(model_id), picture(), (1, 2), layer, edits=[Edit("*", "shuffled")])
    with mode():
        x = picture()  # an inference tensor in inference mode
        found = attnviz.explain(tapped(model_id), x, (1, 2), layer, edits=[Edit("*", "shuffled")])
        inside = everything(found)
    same(found, expected)
    for tensor in inside:
        assert not tensor.is_inference()
        assert not tensor.requires_grad
        (tensor.clone().requires_grad_() * tensor).sum().backward()


def test_an_inference_tensor_outside_of_inference_mode() -> None:
    with torch.inference_mode():
        x = picture()
    for layer in LAYERS:
        same(
            attnviz.explain(tapped("resnet18t-se"), x, 1, layer),
            attnviz.explain(tapped("resnet18t-se"), picture(), 1, layer),
        )


def test_means_measured_in_inference_mode() -> None:
    with torch.inference_mode():
        means = attnviz.measure_means(tapped("resnet18t-se"), [picture(3)])
    backbone = attnviz.instrument(family("resnet18t-se"), means=means)
    cams = [
        attnviz.explain(backbone, picture(), 1, "stage2", call, edits=[Edit("*", "frozen")]).cam for call in (-1, 0)
    ]
    assert cams[0] is not None
    assert cams[1] is not None
    assert cams[0].signed.any()
    assert torch.equal(cams[0].signed, cams[1].signed)


@pytest.mark.parametrize("layer", LAYERS)
def test_weights_frozen_before(layer: str | None) -> None:
    found = attnviz.explain(attnviz.instrument(family("resnet18t-se").requires_grad_(False)), picture(), 1, layer)
    same(found, attnviz.explain(tapped("resnet18t-se"), picture(), 1, layer))


def test_mixed_modes_are_explained_in_eval_mode() -> None:
    model = family("resnet18t-bam")
    for i, module in enumerate(model.modules()):
        module.training = i % 2 == 0
    same(
        attnviz.explain(attnviz.instrument(model), picture(), 1), attnviz.explain(tapped("resnet18t-bam"), picture(), 1)
    )


class InPlace(Tiny):
    """It normalizes the very tensor that it is given."""

    def forward(self, x: Tensor) -> Any:
        return super().forward(x.sub_(0.5).mul_(2).relu_())


@pytest.mark.parametrize("layer", [None, "conv", "bn"])
def test_a_network_that_works_on_its_input_in_place(layer: str | None) -> None:
    backbone = attnviz.instrument(seeded(lambda: InPlace(SE(8, reduction=2))))
    expected = copy.deepcopy(backbone.model)(picture())
    x = picture()
    found = attnviz.explain(backbone, x, 1, layer)
    assert torch.equal(found.output, expected)
    assert torch.equal(x, picture())
    first = found.features("attention")
    x.zero_()  # a buffer that its owner uses again
    for again in (found.features("attention"), found.features("attention")):
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(again, first, strict=True))
    assert first[0].any()


def test_the_input_keeps_its_gradient() -> None:
    x = picture().requires_grad_()
    for layer in LAYERS:
        same(
            attnviz.explain(tapped("resnet18t-se"), x, 1, layer),
            attnviz.explain(tapped("resnet18t-se"), picture(), 1, layer),
        )
    assert x.requires_grad
    assert x.grad is None


@dataclass
class Output:
    """What some libraries return."""

    logits: Tensor


DRESSES: dict[str, Callable[[Tensor], Any]] = {
    "tuple": lambda logits: (logits, logits * 2),
    "dict": lambda logits: OrderedDict(out=logits, aux=[logits + 1]),
    "dataclass": Output,
    "one dimension": lambda logits: logits[0],
    "maps": lambda logits: logits[:, :, None, None].expand(-1, -1, 4, 4),
    "nothing": lambda _: None,
    "two rows": lambda logits: torch.cat([logits, logits]),
}


@pytest.mark.parametrize("name", DRESSES)
@pytest.mark.parametrize("layer", [None, "body.conv"])
def test_outputs_in_other_dress(name: str, layer: str | None) -> None:
    """Logits are found in what holds them, and the output is given back as it came; where there are none it says so."""
    model = seeded(lambda: Dressed(Tiny(SE(8, reduction=2)), DRESSES[name]))
    expected = copy.deepcopy(model)(picture())
    found = attnviz.explain(attnviz.instrument(model), picture(), 2, layer)
    if name in {"tuple", "dict", "dataclass"}:
        logits = {"tuple": lambda: expected[0], "dict": lambda: expected["out"], "dataclass": lambda: expected.logits}
        assert torch.equal(found.logits, logits[name]()[0])  # type: ignore[arg-type]
        assert found.cam is not None
    else:
        assert (found.cam, found.logits, found.target) == (None, None, None)
        assert "scores" in str(found.cam_reason) or "logits" in str(found.cam_reason)
        with pytest.raises(OptionError, match="logits"):
            found.top()
    assert [record.layer for record in found.attention] == ["body.attention"]
    assert type(found.output) is type(expected)
    output = found.output
    if name in {"tuple", "dict"}:
        output, *others = output if name == "tuple" else (output["out"], *output["aux"])
        expected = expected[0] if name == "tuple" else expected["out"]
        assert not any(other.requires_grad for other in others)
    if isinstance(output, Tensor):
        assert not output.requires_grad
        assert torch.equal(output, expected)


@pytest.mark.parametrize("model_id", ["resnet18t-se", "resnet18t-sk", "resnet18t-nl", "resnet18t-plain"])
def test_bfloat16(model_id: str) -> None:
    model = copy.deepcopy(plain(model_id)).bfloat16()
    backbone = attnviz.instrument(copy.deepcopy(model), classes=LABELS)
    for seed in range(8):
        found = attnviz.explain(backbone, picture(seed), (1, 2))
        assert torch.equal(found.output, model(picture(seed).bfloat16()))
        assert found.logits is not None
        assert found.cam is not None
        assert found.logits.dtype == found.cam.signed.dtype == torch.float32
        close_to(found.cam.signed, captum_map(model, "stage4", picture(seed).bfloat16(), (1, 2)).float(), 0.03)
        for record in found.attention:
            assert all(each.dtype == torch.float32 for each in (*tensors(record.values), record.before, record.after))
    for record, exact in zip(found.attention, attnviz.explain(tapped(model_id), picture(7)).attention, strict=True):
        close_to(record.before, exact.before, 0.1)
    cut = attnviz.explain(backbone, picture(), (1, 2), "stage2").cam
    assert cut is not None
    close_to(cut.signed, captum_map(model, "stage2", picture().bfloat16(), (1, 2)).float(), 0.03)


def test_float64() -> None:
    model = copy.deepcopy(plain("resnet18t-cbam")).double()
    backbone = attnviz.instrument(copy.deepcopy(model))
    for layer in LAYERS:
        found = attnviz.explain(backbone, picture(), 3, layer)
        assert found.output.dtype == torch.float64
        assert found.cam is not None
        close_to(found.cam.signed, captum_map(model, found.cam.layer, picture().double(), 3).float())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool, torch.float16, torch.float64], ids=str)
def test_other_types_of_input_are_cast(dtype: torch.dtype) -> None:
    x = (picture() * 40 + 100).clamp(0, 255).to(dtype)
    same(attnviz.explain(tapped("resnet18t-se"), x, 1), attnviz.explain(tapped("resnet18t-se"), x.float(), 1))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_no_number_in_the_picture(value: float) -> None:
    x = picture()
    x[0, 1, 30, 30] = value
    with pytest.raises(PictureError) as caught:
        attnviz.explain(tapped("resnet18t-se"), x)
    assert "\n" not in str(caught.value)


def test_a_number_too_large_for_the_model() -> None:
    backbone = attnviz.instrument(seeded(Tiny).half())
    with pytest.raises(PictureError, match="float16"):
        attnviz.explain(backbone, picture() * 1e6)


def gray(value: int) -> Image.Image:
    return Image.new("L", (3, 2), value)


SHAPES = [(3, 48, 48), (2, 3, 48, 48), (0, 3, 48, 48), (1, 3, 0, 48), (1, 0, 48, 48), (48, 48), (), (1, 3, 4, 48, 48)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_other_shapes(shape: tuple[int, ...]) -> None:
    for backbone in tapped("resnet18t-se"), attnviz.instrument(seeded(Tiny), preprocess=lambda x: torch.zeros(shape)):
        with pytest.raises(ShapeError, match=r"\(1, C, H, W\)") as caught:
            attnviz.explain(backbone, torch.zeros(shape) if backbone is tapped("resnet18t-se") else gray(4))
        assert str(shape) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_preprocessing() -> None:
    with pytest.raises(ModelError, match="preprocess"):
        attnviz.explain(tapped("resnet18t-se"), "picture.png")
    backbone = attnviz.instrument(family("resnet18t-se"), preprocess=lambda image: picture(image.getpixel((0, 0))[0]))
    same(attnviz.explain(backbone, gray(4), 1), attnviz.explain(tapped("resnet18t-se"), picture(4), 1))
    assert attnviz.explain(backbone, gray(4)).picture is None


def test_preprocessing_is_handed_a_picture_whatever_was_given(tmp_path: Path) -> None:
    gray(9).save(tmp_path / "nine.png")
    seen: list[Any] = []
    backbone = attnviz.instrument(family("resnet18t-se"), preprocess=lambda image: (seen.append(image), picture(0))[1])
    for given in (tmp_path / "nine.png", str(tmp_path / "nine.png"), (tmp_path / "nine.png").read_bytes(), gray(9)):
        attnviz.explain(backbone, given)
    attnviz.explain(backbone, np.full((2, 3, 3), 9, np.uint8))
    assert [(type(each), each.mode, each.size, each.getpixel((0, 0))) for each in seen] == [
        (Image.Image, "RGB", (3, 2), (9, 9, 9))
    ] * 5
    with pytest.raises(PictureError, match="does not exist"):
        attnviz.explain(backbone, "nowhere.png")


@pytest.mark.parametrize("size", [(16, 16), (8, 8), (17, 240), (4, 9)], ids=str)
@pytest.mark.parametrize("model_id", IDS)
def test_small_and_long_pictures(model_id: str, size: tuple[int, int]) -> None:
    """The last map of more than one position; and any layer that is named, one position too."""
    x = picture(6, size)
    last = {(16, 16): "stage2", (8, 8): "stage1", (17, 240): "stage4", (4, 9): "stage2"}[size]
    for layer in (None, "stage4", "stage1.0"):
        found = attnviz.explain(tapped(model_id), x, (4, 5), layer)
        assert found.cam is not None
        assert found.cam.layer == (layer or last)
        # At one place nothing is left but a sum over channels, which may cancel to any size: its terms are the measure.
        one = found.cam.signed.numel() == 1
        peak = captum_evidence(plain(model_id), found.cam.layer, x, (4, 5)) if one else None
        close_to(found.cam.signed, captum_map(plain(model_id), found.cam.layer, x, (4, 5)), peak=peak)
    assert all(each.isfinite().all() for record in found.attention for each in tensors(record.values))


@pytest.mark.parametrize("model_id", ATTENTIVE)
def test_one_position_everywhere(model_id: str) -> None:
    found = attnviz.explain(tapped(model_id), picture(0, (2, 1)))
    assert found.cam is None
    assert "feature map" in str(found.cam_reason)
    assert found.logits is not None
    with torch.no_grad():
        close_to(found.logits, plain(model_id)(picture(0, (2, 1)))[0])
    for record in found.attention:
        assert record.before.shape == (1, 1)
        assert all(each.isfinite().all() for each in tensors(record.values))
        assert torch.equal(found.steps(record.layer)[-1].value, found.features(record.layer)[1])
        if record.kind == "affinity":
            assert record.values.row((0, 0)).tolist() == [[1.0]]


def test_a_network_without_maps() -> None:
    model = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3)))
    backbone = attnviz.instrument(model)
    found = attnviz.explain(backbone, picture(0, (2, 2)), (0, 2))
    assert found.cam is None
    assert "feature map" in str(found.cam_reason)
    assert found.target == (0, 2)
    assert len(found.top(5)) == 3
    for k in (0, -1, 2.5):
        with pytest.raises(OptionError, match="k is"):
            found.top(k)
    with pytest.raises(AttnvizError, match="1"):
        attnviz.explain(backbone, picture(0, (2, 2)), cam_layer="1")


@pytest.mark.parametrize("channels", [1, 4])
def test_other_channels(channels: int) -> None:
    model = seeded(lambda: Tiny(SE(8, reduction=2), inputs=channels))
    x = picture(0, (20, 24), channels)
    for layer in (None, "bn"):
        found = attnviz.explain(attnviz.instrument(copy.deepcopy(model)), x, 1, layer).cam
        assert found is not None
        close_to(found.signed, captum_map(model, found.layer, x, 1))


def test_strides_of_the_input() -> None:
    """Channels last, a part of something larger, one channel seen as three."""
    whole = torch.randn(1, 3, 90, 90, generator=torch.Generator().manual_seed(seed_for_run(0)))
    for x in (
        picture().to(memory_format=torch.channels_last),
        whole[:, :, 5:66:1, 3:86],
        whole.transpose(2, 3)[:, :, ::2],
        whole[:, :1].expand(-1, 3, -1, -1),
    ):
        found = attnviz.explain(tapped("resnet18t-cbam"), x, (1, 2), "stage3.0.bn1").cam
        assert found is not None
        close_to(found.signed, captum_map(plain("resnet18t-cbam"), "stage3.0.bn1", x.contiguous(), (1, 2)))


class ByKeyword(Tiny):
    """It names its modules' arguments."""

    def forward(self, x: Tensor) -> Any:
        features = self.attention(x=self.relu(self.bn(input=self.conv(input=x))))
        return self.fc(input=self.pool(input=features).flatten(1))


def test_arguments_by_keyword() -> None:
    models = [seeded(lambda make=make: randomize(make(SE(8, reduction=2)), 0)) for make in (Tiny, ByKeyword)]
    expected, found = (attnviz.explain(attnviz.instrument(model), picture(), 1) for model in models)
    assert torch.equal(found.output, expected.output)
    assert torch.equal(found.attention[0].values, expected.attention[0].values)
    assert torch.equal(found.attention[0].before, expected.attention[0].before)
    assert found.cam is not None
    assert expected.cam is not None
    close_to(found.cam.signed, expected.cam.signed)


def test_numpys_numbers_are_indices(tmp_path: Path) -> None:
    """What argmax and argsort give."""
    found = attnviz.explain(tapped("resnet18t-se"), picture(), (np.int64(3), np.int32(7)))
    assert found.target == (3, 7)
    assert all(type(index) is int for index in found.target)
    edit = Edit("stage1.0.attention", "forced", channel=np.int64(2), value=np.float32(0.5))  # type: ignore[arg-type]
    found = attnviz.explain(tapped("resnet18t-se"), picture(), edits=[edit])
    assert found.attention[0].values[2] == 0.5
    (saved,) = json.loads((found.save(tmp_path) / "explanation.json").read_text())["edits"]
    assert (saved["channel"], saved["value"]) == (2, 0.5)


def test_a_picture_that_overflows_the_network() -> None:
    with pytest.raises(PictureError, match="overflows the network"):
        attnviz.explain(tapped("resnet18t-se"), torch.randn(1, 3, 64, 64) * 3e37)


@pytest.mark.parametrize("edits", [None, 5, "off", ["off"], {"stage1": "off"}], ids=repr)
def test_what_is_no_edit(edits: Any) -> None:
    with pytest.raises(EditError, match="edits is an Edit or a list of them"):
        attnviz.explain(tapped("resnet18t-se"), torch.zeros(1, 3, 64, 64), edits=edits)


def test_layers_are_named_by_text() -> None:
    backbone = tapped("resnet18t-se")
    with pytest.raises(OptionError, match="no layer"):
        attnviz.explain(backbone, torch.zeros(1, 3, 64, 64), cam_layer=["stage4"])
    with pytest.raises(OptionError):
        attnviz.explain(backbone, torch.zeros(1, 3, 64, 64)).steps(["stage1.0.attention"])

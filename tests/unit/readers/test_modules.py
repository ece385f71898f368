"""Modules of libraries, with weights under which their attention varies: read, by flow or by a reader, and edited."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import attnviz
from attnviz import readers
from attnviz.capture import AffinityMap, Backbone, Coordinate
from attnviz.errors import EditError
from attnviz.mechanisms import Kind
from tests import seeds
from tests.unit.capture.oracles import close_to
from tests.unit.readers.modules import MODULES, C, features, lively

ALL = pytest.mark.parametrize("name", MODULES)
WITH_READER = pytest.mark.parametrize("name", [name for name, make in MODULES.items() if readers.reader_of(make())])


class Net(nn.Module):
    """A network around one block, which may change the number of channels and the grid."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, C, 3, padding=1)
        self.block = block
        with torch.no_grad():
            width = block.eval()(torch.zeros(1, C, 16, 16)).shape[1]
        self.last = nn.Sequential(nn.Conv2d(width, 16, 3, padding=1), nn.ReLU(inplace=True))
        self.fc = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block(self.stem(x).relu_())
        return self.fc(self.last(x.relu_()).mean((2, 3)))


def network(name: str, seed: int = 0) -> nn.Module:
    return lively(Net(MODULES[name]()), seed)


def picture() -> Tensor:
    return 4 * features(3, 16, seed=3)


@pytest.fixture
def backbone(name: str) -> Backbone:
    return attnviz.instrument(network(name))


@WITH_READER
def test_the_twin_computes_what_the_module_computes(name: str) -> None:
    module = lively(MODULES[name]())
    twin = readers.twin(module)
    for seed in (0, 1):
        x = features(seed=seed)
        with torch.no_grad():
            close_to(twin.mechanism(x.clone()), module(x.clone()))


@ALL
def test_what_is_read_is_verified(name: str, backbone: Backbone) -> None:
    x = picture()
    assert str(backbone.findings(x)) == "1 block read and verified, 0 read but not verified, 0 skipped"
    with torch.no_grad():
        torch.testing.assert_close(attnviz.explain(backbone, x).output, network(name)(x.clone()))


@ALL
def test_the_weights_make_attention_vary(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gates differ over channels or places, distributions are not uniform: a fact about one draw, whatever seeds the
    other tests have."""
    monkeypatch.setattr(seeds, "SHIFT", 0)
    explanation = attnviz.explain(attnviz.instrument(network(name)), picture())
    assert explanation.attention
    for record in explanation.attention:
        values = record.values.matrix() if isinstance(record.values, AffinityMap) else record.values
        tensors = list(values) if isinstance(values, Coordinate) else [values]
        if record.role == "distribution":
            axis = 0 if record.kind is Kind.BRANCH else -1
            p = tensors[0].flatten(0 if record.kind is Kind.CONTEXT else 1)
            if record.mechanism == "Halo attention":  # what falls outside the picture is missing (test_halo.py)
                p = p / p.sum(axis, keepdim=True)
            torch.testing.assert_close(p.sum(axis), torch.ones_like(p.sum(axis)))
            entropy = -(p * p.clamp(min=1e-30).log()).sum(axis) / np.log(p.shape[axis])
            assert float(entropy.mean()) < 0.98
        elif record.role == "term":
            assert float(tensors[0].std()) >= 0.05 * float(tensors[0].abs().mean())
        else:
            assert min(float(t.std()) for t in tensors) >= 0.05


def captured(model: nn.Module, path: str, x: Tensor) -> list[Tensor]:
    """What a submodule gave, by a hook of the test's own."""
    seen: list[Tensor] = []
    handle = model.get_submodule(path).register_forward_hook(lambda m, i, o: seen.append(o.detach().clone()))
    with torch.no_grad():
        model(x.clone())
    handle.remove()
    return seen


READ: dict[str, tuple[str | None, str, Callable[[Tensor], Tensor]]] = {
    "timm SE": (None, "block.gate", lambda t: t[0, :, 0, 0]),
    "timm legacy SE": (None, "block.sigmoid", lambda t: t[0, :, 0, 0]),
    "torchvision SE": (None, "block.scale_activation", lambda t: t[0, :, 0, 0]),
    "timm eSE": (None, "block.gate", lambda t: t[0, :, 0, 0]),
    "timm ECA": (None, "block.gate", lambda t: t[0, 0]),
    "timm CBAM": ("spatial", "block.spatial.gate", lambda t: t[0, 0]),
    "timm light CBAM": ("channel", "block.channel.fc2", lambda t: t[0, :, 0, 0].sigmoid()),
    "pytorchcv CBAM": ("channel", "block.ch_gate.sigmoid", lambda t: t[0]),
    "pytorchcv BAM": ("combined", "block.sigmoid", lambda t: t[0]),
    "smp scSE": ("sse", "block.sSE", lambda t: t[0, 0]),
    "timm SK": (None, "block.attn", lambda t: t[0, :, :, 0, 0]),
    "pytorchcv SK": (None, "block.softmax", lambda t: t[0]),
    "timm split attention": (None, "block.rsoftmax", lambda t: t.view(2, -1)),
    "timm split attention, one": (None, "block.rsoftmax", lambda t: t.flatten()),
    "timm GC additive": ("add", "block.mlp_add", lambda t: t[0, :, 0, 0]),
    "timm GC scaling": ("context", "block.conv_attn", lambda t: t.flatten().softmax(0).view(t.shape[2:])),
    "timm StripAttn": (None, "block.gate", lambda t: t[0]),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_read_is_what_the_module_had(name: str, backbone: Backbone) -> None:
    part, path, shaped = READ[name]
    [expected] = captured(network(name), path, picture())
    record = next(r for r in attnviz.explain(backbone, picture()).attention if r.part == part)
    torch.testing.assert_close(record.values, shaped(expected))


@pytest.mark.parametrize("name", ["timm CoordAttn", "timm ELA"])
def test_a_gate_that_runs_twice_is_two_strips(name: str, backbone: Backbone) -> None:
    h, w = captured(network(name), "block.gate", picture())
    [record] = attnviz.explain(backbone, picture()).attention
    torch.testing.assert_close(record.values.h, h[0, :, :, 0])
    torch.testing.assert_close(record.values.w, w[0, :, 0])


@pytest.mark.parametrize(
    ("name", "theta", "phi", "scale"),
    [
        ("timm Non-Local", "t", "p", C**-0.5),
        ("timm Non-Local unscaled", "t", "p", 1.0),
        ("mmcv embedded_gaussian", "theta", "phi", (C // 2) ** -0.5),
    ],
)
def test_an_affinity_from_its_embeddings(name: str, theta: str, phi: str, scale: float, backbone: Backbone) -> None:
    [q], [k] = (captured(network(name), f"block.{each}", picture()) for each in (theta, phi))
    expected = (q[0].flatten(1).T @ k[0].flatten(1) * scale).softmax(-1)
    [record] = attnviz.explain(backbone, picture()).attention
    close_to(record.values.matrix(), expected)


def test_bilinear_attention_reads_rows_and_columns(tmp_path: Any) -> None:
    model = network("timm BAT")
    [f] = captured(model, "block.ba.conv1", picture())
    ba = model.block.ba
    with torch.no_grad():
        p = ba.conv_p(f.amax(3, keepdim=True).unflatten(2, (4, 4)).amax(3)).view(2, 4, 4).sigmoid()
        q = ba.conv_q(f.amax(2, keepdim=True).unflatten(3, (4, 4)).amax(4)).view(2, 4, 4).sigmoid()
    p, q = p / p.sum(2, keepdim=True), q / q.sum(1, keepdim=True)
    records = attnviz.explain(attnviz.instrument(model), picture()).attention
    assert [record.part for record in records] == ["group 0", "group 1"]
    for group, record in enumerate(records):
        assert record.values.query_grid == record.values.key_grid == (4, 4)
        for i, j, k, l in ((0, 0, 0, 0), (1, 3, 2, 0), (3, 2, 1, 1)):  # noqa: E741
            assert record.values.row((i, j))[k, l].item() == pytest.approx(
                (p[group, i, k] * q[group, l, j]).item(), rel=1e-4
            )


@WITH_READER
def test_a_reading_that_is_shifted_by_one_is_not_verified(name: str) -> None:
    """One channel further, or one place: the block's output does not follow from it."""
    backbone = attnviz.instrument(network(name))
    [twin] = backbone.twins.values()
    recompose = twin.mechanism.recompose

    def shifted(x: Tensor, attention: dict[str | None, Tensor]) -> Tensor:
        return recompose(x, {part: value.roll(1, 1) for part, value in attention.items()})

    twin.mechanism.recompose = shifted
    findings = backbone.findings(picture())
    assert not findings.blocks[0].verified
    assert findings.blocks[0].error > 1e-3
    assert str(findings) == "0 blocks read and verified, 1 read but not verified, 0 skipped"
    with pytest.raises(EditError, match="not verified"):
        attnviz.explain(backbone, picture(), edits=attnviz.Edit("*", "shuffled"))


@pytest.mark.parametrize("name", ["timm SE", "timm ECA", "timm CBAM", "pytorchcv CBAM", "smp scSE", "timm CoordAttn"])
def test_a_gate_that_is_off_lets_everything_pass(name: str, backbone: Backbone) -> None:
    model = network(name)
    model.block = nn.Identity()
    with torch.no_grad():
        expected = model(picture().clone())
    found = attnviz.explain(backbone, picture(), edits=attnviz.Edit("block", "off"))
    close_to(found.output, expected)


def test_an_edit_inside_a_block_is_felt_by_what_follows_in_it(tmp_path: Any) -> None:
    """CBAM's spatial gate sees the channels as the edited gate leaves them."""
    model = network("timm CBAM")
    backbone = attnviz.instrument(network("timm CBAM"))
    edits = attnviz.Edit("block", "forced", part="channel", channel=3, value=0.0)
    found = attnviz.explain(backbone, picture(), edits=edits)
    model.block.channel.gate.register_forward_hook(lambda m, i, o: o.index_fill(1, torch.tensor([3]), 0.0))
    with torch.no_grad():
        close_to(found.output, model(picture().clone()))
    spatial = next(r for r in found.attention if r.part == "spatial").values
    [expected] = captured(model, "block.spatial.gate", picture())
    torch.testing.assert_close(spatial, expected[0, 0])


@ALL
def test_edits_that_change_nothing_change_nothing(name: str, backbone: Backbone) -> None:
    """Frozen at this picture's own values: the twin in the block's place, through to the logits and Grad-CAM."""
    x = picture()
    backbone.means = attnviz.measure_means(backbone, [x])
    plain = attnviz.explain(backbone, x, 1)
    frozen = attnviz.explain(backbone, x, 1, edits=attnviz.Edit("block", "frozen"))
    close_to(frozen.output, plain.output)
    close_to(frozen.cam.signed, plain.cam.signed)
    shuffled = attnviz.explain(backbone, x, 1, edits=attnviz.Edit("block", "shuffled"))
    assert (shuffled.output - plain.output).abs().max() > 1e-4


@ALL
def test_the_steps_end_in_the_network_s_own_output(name: str, backbone: Backbone) -> None:
    explanation = attnviz.explain(backbone, picture())
    [output] = captured(network(name), "block", picture())
    inside = explanation.inside("block")
    torch.testing.assert_close(inside.output, output[0])
    close_to(inside.steps[-1].value, output[0])


def test_classes_that_a_library_renamed_are_missed_here_first() -> None:
    """Every import path in the registry is that of a module that is tested above."""
    tested = {f"{kind.__module__}.{kind.__qualname__}" for make in MODULES.values() for kind in type(make()).__mro__}
    assert set(readers.known()) <= tested

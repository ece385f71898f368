"""Costs against torchinfo, torch's own flop counter, papers' figures and counts by hand; and what goes on beside."""

import csv
import io
import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import timm
import torch
import torchinfo
import torchvision
from torch import Tensor, nn
from torch.backends import mha
from torch.nn.modules import module as modules
from torch.utils.flop_counter import FlopCounterMode

import attnviz
from attnviz import Backbone, cost
from attnviz.capture.taps import Untapped
from attnviz.errors import AttnvizError, ModelError, OptionError
from tests.unit.capture.networks import IDS, family, picture, plain, tapped

SHAPE = (3, 48, 64)


class Straight(nn.Module):
    """Convolutions and a linear layer alone, with every kind of option that changes the count."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(8, 12, (3, 1), groups=4, dilation=2, bias=False)
        self.last = nn.Linear(12 * 4 * 6, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.second(self.relu(self.first(x))).flatten(1))


class Own(nn.Module):
    """A module that multiplies by itself, and runs one of its layers twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6, bias=False)
        self.weight = nn.Parameter(torch.ones(6, 4))

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(0, 2)
        return self.layer(self.layer(rows)) @ self.weight


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def by_path(found: cost.Cost) -> dict[str, cost.Layer]:
    return {layer.path: layer for layer in found.layers}


@pytest.mark.parametrize("model_id", IDS)
def test_rows_agree_with_torchinfo(model_id: str) -> None:
    found = cost.measure(tapped(model_id), SHAPE)
    model = plain(model_id)
    summary = torchinfo.summary(model, (1, *SHAPE), verbose=0)
    assert found.total.params == summary.total_params == sum(p.numel() for p in model.parameters())
    assert found.weights == 4 * summary.total_params
    paths = {module: path for path, module in model.named_modules()}
    layers = by_path(found)
    assert set(layers) == {paths[info.module] for info in summary.summary_list}
    once = [info for info in summary.summary_list if sum(o.module is info.module for o in summary.summary_list) == 1]
    for info in once:
        layer = layers[paths[info.module]]
        assert (layer.kind, list(layer.output), layer.leaf) == (
            info.class_name,
            info.output_size[1:],  # a ModuleList runs nothing and gives nothing
            info.is_leaf_layer,
        )
        assert layer.total.params == info.num_params
        if isinstance(info.module, nn.Conv2d | nn.Linear | nn.BatchNorm2d | nn.Sigmoid | nn.LayerNorm):
            assert layer.total.activations == info.output_bytes, layer.path


@pytest.mark.parametrize("model_id", IDS)
def test_macs_agree_with_torch_s_flop_counter_module_by_module(model_id: str) -> None:
    model = plain(model_id)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, *SHAPE))
    name = type(model).__name__
    expected = {path: sum(counts.values()) for path, counts in counter.get_flop_counts().items()}
    found = cost.measure(tapped(model_id), SHAPE)
    assert 2 * found.total.macs == counter.get_total_flops() == expected["Global"]
    for layer in (layer for layer in found.layers if layer.output):  # a ModuleList never runs itself
        assert 2 * layer.total.macs == expected.get(f"{name}.{layer.path}" if layer.path else name, 0), layer.path
    assert sum(layer.own.macs for layer in found.layers) == found.total.macs


@pytest.mark.parametrize("card", attnviz.catalogue("embedded"), ids=lambda card: card.id)
def test_the_cards_agree(card: attnviz.ModelCard) -> None:
    found = cost.measure(attnviz.load(card.id), (3, card.input_size, card.input_size))
    assert (found.total.params, found.total.macs) == (card.params, card.macs)


@pytest.mark.parametrize(
    ("model", "millions"),
    [(lambda: timm.create_model("seresnet50"), 28.09), (torchvision.models.resnext50_32x4d, 25.03)],
    ids=["SE-ResNet-50 (Woo et al. 2018, table 4)", "ResNeXt-50 (Woo et al. 2018, table 4)"],
)
def test_papers_parameters(model: type[nn.Module], millions: float) -> None:
    found = cost.measure(attnviz.instrument(model()), (3, 64, 64))
    assert found.total.params / 1e6 == pytest.approx(millions, rel=0.01)


def test_a_network_counted_by_hand() -> None:
    found = cost.measure(attnviz.instrument(Straight()), (3, 16, 12))
    layers = by_path(found)
    # 16 x 12 -> 8 x 6 (stride 2) -> 4 x 6 (a window of 3 rows, dilated to 5)
    expected = {
        "first": (8 * 3 * 9 + 8, 8 * 6 * 8 * 3 * 9, 4 * 8 * 8 * 6),
        "relu": (0, 0, 4 * 8 * 8 * 6),
        "second": (12 * 2 * 3, 4 * 6 * 12 * 2 * 3, 4 * 12 * 4 * 6),
        "last": (5 * 288 + 5, 5 * 288, 4 * 5),
    }
    for path, amount in expected.items():
        assert layers[path].total == layers[path].own == cost.Amount(*amount)
    assert found.total == cost.Amount(*map(sum, zip(*expected.values(), strict=True)))
    assert layers[""].own == cost.Amount()
    assert [layer.path for layer in found.layers] == ["", "first", "relu", "second", "last"]
    assert [layer.output for layer in found.layers] == [(5,), (8, 8, 6), (8, 8, 6), (12, 4, 6), (5,)]
    # Kept for the backward pass: what ReLU gave (the second convolution reads the same), and what the last layer reads.
    assert found.saved == 4 * 8 * 8 * 6 + 4 * 12 * 4 * 6


def test_what_a_module_computes_itself_is_its_own() -> None:
    found = cost.measure(attnviz.instrument(Own()), (2, 5, 6))
    layers = by_path(found)
    assert layers[""].own == cost.Amount(24, 10 * 6 * 4, 4 * 10 * 4)
    assert layers["layer"].own == cost.Amount(36, 2 * 10 * 6 * 6, 2 * 4 * 10 * 6)
    assert layers[""].total == layers[""].own + layers["layer"].own


def test_non_local_s_products() -> None:
    """Q K d for theta.phi and as many for a.g, beside four 1x1 convolutions; the products are nobody's module."""
    found = by_path(cost.measure(tapped("resnet18t-nl"), (3, 64, 96)))
    sizes = {"stage2.1": (64, 8 * 12), "stage3.0": (128, 4 * 6), "stage3.1": (128, 4 * 6)}
    for unit, (channels, positions) in sizes.items():
        block = found[f"{unit}.attention"]
        depth = channels // 2
        assert block.own.macs == positions * positions * depth
        assert found[f"{unit}.attention.affinity"].own.macs == positions * positions * depth
        assert block.total.macs == 2 * positions * positions * depth + 4 * channels * depth * positions
        assert block.total.params == 4 * channels * depth + 3 * depth + channels + 2 * channels


class Tokens(nn.Module):
    """Torch's own attention, which has a fast path in eval mode: with and without its weights, and in an encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 8, 8)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.encoder = nn.TransformerEncoderLayer(16, 4, 40, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = self.attention(x, x, x)[0] + self.attention(x, x, x, need_weights=False)[0]
        return self.encoder(x).mean(1)


@pytest.mark.parametrize("fast", [True, False])
def test_torch_s_own_attention_by_hand(fast: bool) -> None:
    """Four products with 16 x 16 weights, Q K^T and A V of 12 positions; however many heads share the 16 channels."""
    model = Tokens()
    before = mha.get_fastpath_enabled()
    try:
        mha.set_fastpath_enabled(fast)
        found = cost.measure(attnviz.instrument(model), (3, 24, 32))
        assert mha.get_fastpath_enabled() is fast
        with pytest.raises(ModelError):
            cost.measure(attnviz.instrument(Tokens()), (5, 24, 32))
        assert mha.get_fastpath_enabled() is fast
    finally:
        mha.set_fastpath_enabled(before)
    layers = by_path(found)
    attention, perceptron = 4 * 12 * 16 * 16 + 2 * 12 * 12 * 16, 2 * 12 * 16 * 40
    assert layers["attention"].total.macs == 2 * attention
    assert layers["encoder.self_attn"].total.macs == attention
    assert layers["encoder.linear1"].total.macs == layers["encoder.linear2"].total.macs == perceptron // 2
    assert layers["encoder"].total.macs == attention + perceptron
    assert found.total.macs == 3 * attention + perceptron + 12 * 16 * 3 * 64
    assert found.total.params == sum(parameter.numel() for parameter in model.parameters())


def test_the_time_is_of_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast path is switched off for counting alone."""
    fast: list[bool] = []
    model = Tokens()
    model.register_forward_hook(lambda *_: fast.append(mha.get_fastpath_enabled()))
    backbone = attnviz.instrument(model)
    cost.latency(backbone, (3, 24, 32), 2)
    assert fast
    assert all(fast)


def test_attention_is_marked() -> None:
    backbone = tapped("resnet18t-bam")
    layers = by_path(cost.measure(backbone, SHAPE))
    assert {path for path, layer in layers.items() if layer.attention} == set(backbone.blocks)
    assert layers["stage1.attention.spatial.0"].block == "stage1.attention"
    assert layers["stage1.0.conv1"].block is None


def test_training_memory() -> None:
    found = cost.measure(tapped("resnet18t-se"), SHAPE)
    weights = 4 * found.total.params
    for optimizer, numbers in (("SGD", 0), ("SGD with momentum", 1), ("Adam", 2)):
        estimate = found.training(32, optimizer)
        assert (estimate.weights, estimate.gradients, estimate.optimizer) == (weights, weights, numbers * weights)
        assert estimate.total == (2 + numbers) * weights + 32 * found.saved
    for wrong in ({"batch": 0}, {"batch": 2.0}, {"batch": 8, "optimizer": "magic"}):
        with pytest.raises(OptionError):
            found.training(**wrong)  # type: ignore[arg-type]


def test_what_autograd_keeps_is_as_much_in_a_training_network() -> None:
    """The same tensors by autograd's own account, in a network that is trained for real."""
    model = family("resnet18t-se")
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    x = torch.randn(2, *SHAPE)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = model.train()(x)
    for tensor in (x, *model.parameters(), *model.buffers()):
        kept.pop(tensor.untyped_storage().data_ptr(), None)
    assert output.requires_grad
    truth = sum(tensor.untyped_storage().nbytes() for tensor in kept.values()) / 2
    assert cost.measure(tapped("resnet18t-se"), SHAPE).saved == pytest.approx(truth, rel=0.02)


def state(backbone: Backbone) -> list[object]:
    model = backbone.model
    return [
        *(len(hooks) for m in model.modules() for hooks in (m._forward_hooks, m._forward_pre_hooks, m._backward_hooks)),
        *(m.training for m in model.modules()),
        *(getattr(m, "inplace", None) for m in model.modules()),
        *((id(p), p.requires_grad, p._version, p.grad is None) for p in model.parameters()),
        *((id(b), b._version) for b in model.buffers()),
    ]


def test_nothing_is_left_behind() -> None:
    backbone = attnviz.instrument(family("resnet18t-nl"))
    before = state(backbone)
    cost.measure(backbone, SHAPE)
    with pytest.raises(ModelError, match=r"cannot take an input of shape \(5, 48, 64\).*channels") as caught:
        cost.measure(backbone, (5, 48, 64))
    assert "\n" not in str(caught.value)
    assert state(backbone) == before
    assert not modules._global_forward_hooks
    assert not modules._global_forward_pre_hooks
    assert not torchinfo.torchinfo._cached_forward_pass
    with backbone.private() as copy:
        left = [hook for m in copy.modules() for hook in (*m._forward_hooks.values(), *m._forward_pre_hooks.values())]
        assert all(isinstance(hook, Untapped) for hook in left)
    backbone.close()
    with pytest.raises(ModelError, match="closed"):
        cost.measure(backbone, SHAPE)


def test_many_threads_at_once() -> None:
    """Counts and explanations side by side are what they are alone."""
    ids = ("resnet18t-nl", "resnet18t-se")
    alone = {model_id: cost.measure(tapped(model_id), SHAPE) for model_id in ids}
    expected = {model_id: attnviz.explain(tapped(model_id), picture()).logits for model_id in ids}
    start = threading.Barrier(6)

    def count(model_id: str) -> bool:
        start.wait()
        return all(cost.measure(tapped(model_id), SHAPE) == alone[model_id] for _ in range(3))

    def explain(model_id: str) -> bool:
        start.wait()
        found = [attnviz.explain(tapped(model_id), picture()).logits for _ in range(5)]
        return all(torch.equal(logits, expected[model_id]) for logits in found)

    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(job, model_id) for job in (count, count, explain) for model_id in ids]
        assert all(job.result() for job in jobs)


def test_two_networks_are_aligned_by_path() -> None:
    first, second = (cost.measure(tapped(f"resnet18t-{name}"), SHAPE) for name in ("sk", "se"))
    pairs = cost.align(first, second)
    ours, theirs = ([pair[side] for pair in pairs if pair[side]] for side in (0, 1))
    assert ours == list(first.layers)
    assert sorted(layer.path for layer in theirs if layer) == sorted(layer.path for layer in second.layers)
    assert all(a is None or b is None or a.path == b.path for a, b in pairs)
    paths = [(a or b).path for a, b in pairs if a or b]
    assert len(set(paths)) == len(paths)
    assert paths.index("stage1.0.conv2") < paths.index("stage2")  # SE's own row stays with its block


@pytest.mark.parametrize("both", [False, True])
def test_csv(both: bool) -> None:
    first, second = (cost.measure(tapped(f"resnet18t-{name}"), SHAPE) for name in ("plain", "se"))
    text = cost.table({"plain": first, "SE, thin": second} if both else {"SE, thin": second})
    rows = {row["layer"]: row for row in csv.DictReader(io.StringIO(text))}
    assert set(rows) == set(by_path(second))
    fc1 = rows["stage1.0.attention.fc1"]
    assert (fc1["type"], fc1["attention"], rows["stage1.0.attention"]["attention"]) == ("Linear", "inside", "block")
    prefix = "SE, thin: " if both else ""
    assert (fc1[f"{prefix}output"], fc1[f"{prefix}params"], fc1[f"{prefix}macs"]) == ("8", str(8 * 32 + 8), str(8 * 32))
    if both:
        assert fc1["plain: params"] == ""
        assert int(rows[""]["difference: params"]) == second.total.params - first.total.params
        assert int(fc1["difference: macs"]) == 8 * 32
    else:
        assert sum(int(row["own_macs"]) for row in rows.values()) == second.total.macs


def test_latency_is_the_median_and_the_quarters(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [9.0, 0.003, 0.001, 0.004, 0.005, 0.002]  # the first is for warming up
    ticks = itertools.chain.from_iterable((0.0, each) for each in seconds)
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    found = cost.latency(tapped("resnet18t-plain"), SHAPE, 5)
    assert (found.low, found.median, found.high, found.runs) == pytest.approx((2, 3, 4, 5))


@pytest.mark.parametrize("shape", [(3, 32), (3, 0, 32), (3, 32.0, 32), (True, 32, 32)])
def test_junk_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(AttnvizError):
        cost.measure(tapped("resnet18t-plain"), shape)

"""What cards are computed from, against hand-made cases."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import attnviz
from attnviz.backbones import build
from attnviz.capture import Backbone, batch_values
from attnviz.training import evaluation
from attnviz.training.data import Split
from attnviz.training.recipe import initialize
from attnviz.zoo.libraries import macs
from tests.seeds import seed_for_run

SIZE = 32


@pytest.fixture(scope="module")
def split() -> Split:
    rng = np.random.default_rng(seed_for_run(0))
    colors, coarse = rng.integers(0, 160, (70, 1, 1, 3)), rng.integers(0, 96, (70, 7, 7, 3))
    images = (colors + coarse).astype(np.uint8).repeat(32, 1).repeat(32, 2)
    return Split(images, torch.arange(70) % 10, tuple(map(str, range(70))))


def network(mechanism: str) -> Backbone:
    model = build(f"resnet18t-{mechanism}")
    initialize(model, 3)
    return attnviz.instrument(model, classes=[str(i) for i in range(10)])


def everything(backbone: Backbone, split: Split) -> dict[str, Tensor]:
    """All values of all pictures at once, where liveness adds them up batch by batch."""
    parts: dict[str, list[Tensor]] = {}
    for x, _ in evaluation.batches(split, SIZE, "all"):
        for key, value in batch_values(backbone.run(x)[1]).items():
            parts.setdefault(key, []).append(value.double())
    return {key: torch.cat(values) for key, values in parts.items()}


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662), (10, 10, 0.7225, 1.0)],
)
def test_wilson(right: int, count: int, low: float, high: float) -> None:
    assert evaluation.wilson(right, count) == pytest.approx((low, high), abs=2e-4)


def test_liveness_of_gates(split: Split) -> None:
    backbone = network("cbam")
    measured, values = evaluation.liveness(backbone, split, SIZE), everything(backbone, split)
    assert measured.keys() == values.keys()
    for key, entry in measured.items():
        flat = values[key].flatten(1).numpy()
        assert entry["std_images"] == pytest.approx(flat.std(0).mean(), abs=2e-5)
        assert entry["std_elements"] == pytest.approx(flat.std(1, ddof=1).mean(), abs=2e-5)
        assert entry["std_images"] > 1e-4  # five times the tolerance


def test_liveness_of_distributions(split: Split) -> None:
    for mechanism, axis in (("sk", 1), ("nl", 2)):
        backbone = network(mechanism)
        measured, values = evaluation.liveness(backbone, split, SIZE), everything(backbone, split)
        for key, entry in measured.items():
            p = values[key].numpy()
            entropy = -(p * np.log(np.maximum(p, 1e-300))).sum(axis) / math.log(p.shape[axis])
            assert entry["entropy"] == pytest.approx(entropy.mean(), abs=2e-5)


def test_size_of_a_term(split: Split) -> None:
    backbone = network("gc")
    measured = evaluation.liveness(backbone, split, SIZE)
    layer = "stage2.0.attention"
    total = 0.0
    for x, _ in evaluation.batches(split, SIZE, "all"):
        flow = backbone.run(x, keep=[layer])[1].flows[layer, 0]
        assert flow.input is not None
        assert flow.output is not None
        for a, b in zip(flow.input.numpy(), flow.output.numpy(), strict=True):
            total += float(np.linalg.norm(b - a) / np.linalg.norm(a))
    assert measured[f"{layer}/add"]["size"] == pytest.approx(total / len(split), abs=2e-5)


@pytest.mark.parametrize(
    ("mechanism", "entry", "verdict"),
    [
        ("se", {"std_images": 0.02}, True),
        ("se", {"std_images": 0.0199}, False),
        ("sk", {"entropy": 0.98}, True),
        ("sk", {"entropy": 0.981}, False),
        ("nl", {"entropy": 0.5, "size": 0.0099}, False),
        ("nl", {"entropy": 0.09, "size": 0.5}, False),
        ("nl", {"entropy": 0.1, "size": 0.01}, True),
    ],
)
def test_alive(mechanism: str, entry: dict[str, float], verdict: bool) -> None:
    backbone = network(mechanism)
    assert set(evaluation.alive(backbone, dict.fromkeys(backbone.blocks, entry)).values()) == {verdict}


def test_macs_count_functional_products() -> None:
    size = 64
    plain, non_local = network("plain"), network("nl")
    with torch.no_grad():
        by_hand = _convolutions(plain.model, size)
    assert macs(plain.model, size) == by_hand
    blocks = 0
    for channels, side in ((64, 8), (128, 4), (128, 4)):
        positions, inner = side * side, channels // 2
        blocks += 4 * channels * inner * positions + 2 * positions * positions * inner
    assert macs(non_local.model, size) == by_hand + blocks


def _convolutions(model: nn.Module, size: int) -> int:
    """k * k * in * out * positions of every convolution, and the classifier's weights."""
    total = 0

    def count(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += (
            module.weight.numel() * output[0, 0].numel() if isinstance(module, nn.Conv2d) else module.weight.numel()
        )

    handles = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    model(torch.zeros(1, 3, size, size))
    for handle in handles:
        handle.remove()
    return total

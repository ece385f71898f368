"""Counts against formulas: of single operations, of four networks, and on other kernels and threads."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

import attnviz
from attnviz import cost
from attnviz.counting import Count, multiply_adds
from attnviz.errors import ModelError
from attnviz.plain import PlainAttention, plain_attention
from tests.seeds import seed_for_run
from tests.unit.capture.networks import family


def counted(run: Callable[[], Any]) -> int:
    with Count() as count:
        run()
    return count.total_macs


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed_for_run(0)))


B, N, K, M = 2, 5, 6, 7
PRODUCTS: dict[str, tuple[Callable[[], Any], int]] = {
    "matrix by matrix": (lambda: random(N, K) @ random(K, M), N * K * M),
    "matrix by vector": (lambda: random(N, K) @ random(K), N * K),
    "vector by matrix": (lambda: random(K) @ random(K, M), K * M),
    "vectors, conjugated": (lambda: torch.vdot(random(K), random(K)), K),
    "whole numbers": (lambda: torch._int_mm(*(torch.ones(32, 32, dtype=torch.int8) for _ in "ab")), 32**3),
    "over time first": (lambda: torch.conv_tbc(random(9, B, 4), random(3, 4, 8), random(8)), B * 7 * 8 * 4 * 3),
    "vector by vector": (lambda: random(K) @ random(K), K),
    "outer product": (lambda: torch.outer(random(N), random(M)), 0),  # value by value
    "batch": (lambda: random(B, N, K) @ random(B, K, M), B * N * K * M),
    "batch by one": (lambda: random(B, N, K) @ random(K, M), B * N * K * M),
    "added to a matrix": (lambda: torch.addmm(random(M), random(N, K), random(K, M)), N * K * M),
    "added to a vector": (lambda: torch.addmv(random(N), random(N, K), random(K)), N * K),
    "added in place": (lambda: random(N, M).addmm_(random(N, K), random(K, M)), N * K * M),
    "added to a batch": (lambda: torch.baddbmm(random(B, 1, M), random(B, N, K), random(B, K, M)), B * N * K * M),
    "batch summed": (lambda: torch.addbmm(random(N, M), random(B, N, K), random(B, K, M)), B * N * K * M),
    "einsum": (lambda: torch.einsum("bnk,bkm->bnm", random(B, N, K), random(B, K, M)), B * N * K * M),
    "tensordot": (lambda: torch.tensordot(random(B, N, K), random(B, K, M), ((0, 2), (0, 1))), B * N * K * M),
    "linear": (lambda: nn.Linear(K, M)(random(B, N, K)), B * N * K * M),
    "linear, turned": (lambda: nn.Linear(K, M)(random(B, K, N).mT), B * N * K * M),
    "linear without a bias": (lambda: nn.Linear(K, M, bias=False)(random(B, N, K)), B * N * K * M),
    "linear of a vector": (lambda: nn.Linear(K, M)(random(K)), K * M),
    "bilinear": (lambda: nn.Bilinear(K, N, M)(random(B, K), random(B, N)), B * (M * K * N + M * N)),
    "convolution": (lambda: nn.Conv2d(4, 8, 3, 2, 1)(random(B, 4, 9, 7)), B * 5 * 4 * 8 * 4 * 9),
    "groups, dilation": (lambda: nn.Conv2d(4, 8, (3, 1), groups=2, dilation=2)(random(B, 4, 9, 7)), B * 35 * 8 * 2 * 3),
    "as large as it was": (lambda: nn.Conv2d(4, 8, 3, padding="same")(random(B, 4, 9, 7)), B * 63 * 8 * 4 * 9),
    "over a sequence": (lambda: nn.Conv1d(4, 8, 3)(random(B, 4, 9)), B * 7 * 8 * 4 * 3),
    "over a volume": (lambda: nn.Conv3d(4, 8, 3)(random(B, 4, 5, 6, 7)), B * 3 * 4 * 5 * 8 * 4 * 27),
    "transposed": (lambda: nn.ConvTranspose2d(4, 8, 3, 2)(random(B, 4, 5, 6)), B * 30 * 4 * 8 * 9),
    "LSTM": (lambda: nn.LSTM(K, M)(random(N, B, K)), N * B * 4 * M * (K + M)),
    "LSTM, two layers both ways": (
        lambda: nn.LSTM(K, M, 2, bidirectional=True, batch_first=True)(random(B, N, K)),
        N * B * 2 * 4 * M * (K + M + 2 * M + M),
    ),
    "LSTM without biases": (lambda: nn.LSTM(K, M, bias=False)(random(N, B, K)), N * B * 4 * M * (K + M)),
    "transposed, groups": (lambda: nn.ConvTranspose2d(4, 8, 3, groups=2)(random(B, 4, 5, 6)), B * 30 * 4 * 4 * 9),
    "LSTM cell": (lambda: nn.LSTMCell(K, M)(random(B, K)), B * 4 * M * (K + M)),
    "GRU": (lambda: nn.GRU(K, M)(random(N, B, K)), N * B * 3 * M * (K + M)),
    "plain recurrent": (lambda: nn.RNN(K, M, bias=False)(random(N, B, K)), N * B * M * (K + M)),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name: str) -> None:
    run, expected = PRODUCTS[name]
    assert counted(run) == expected
    with torch.inference_mode():
        assert counted(run) == expected


HEADS, WIDTH = 4, 8
ATTENTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "masked": {"attn_mask": random(N, M) > 0},
    "biased": {"attn_mask": random(HEADS, N, M)},
    "causal": {"is_causal": True},
    "scaled": {"scale": 0.3},
    "grouped": {"enable_gqa": True},
    "a query that may look nowhere": {"attn_mask": torch.ones(N, M, dtype=torch.bool).tril(-1)},
    "biased to look nowhere": {"attn_mask": torch.zeros(N, M).masked_fill(torch.ones(N, M).tril() == 0, -torch.inf)},
}


@pytest.mark.parametrize("name", ATTENTIONS)
def test_attention(name: str) -> None:
    """Equal to torch's own to float64's rounding, and counted alike from its products and in a single operation."""
    options = ATTENTIONS[name]
    shared = HEADS // 2 if options.get("enable_gqa") else HEADS
    shapes = ((B, HEADS, N, WIDTH), (B, shared, M, WIDTH), (B, shared, M, 6))
    query, key, value = (random(*shape).double() for shape in shapes)
    options = {k: v.double() if isinstance(v, Tensor) and v.is_floating_point() else v for k, v in options.items()}
    attend = partial(functional.scaled_dot_product_attention, query, key, value, **options)
    expected = attend()
    with PlainAttention():
        found = attend()
    assert (found - expected).abs().max() <= 1e-14 * expected.abs().max()
    macs = B * HEADS * N * M * (WIDTH + 6)
    assert counted(attend) == macs


def test_values_may_have_heads_of_their_own_number() -> None:
    query, key, value = (random(B, heads, N, WIDTH) for heads in (4, 2, 1))
    expected = functional.scaled_dot_product_attention(query, key.repeat_interleave(2, 1), value.expand(query.shape))
    found = plain_attention(query, key, value, enable_gqa=True)
    assert (found - expected).abs().max() <= 1e-6 * expected.abs().max()


def test_a_mask_of_another_type() -> None:
    query, mask = random(B, N, WIDTH).bfloat16(), random(N, N)
    assert plain_attention(query, query, query, mask).dtype == torch.bfloat16


def test_a_mask_and_causal_is_refused() -> None:
    query = random(B, N, WIDTH)
    for attend in (functional.scaled_dot_product_attention, plain_attention):
        with pytest.raises((RuntimeError, ValueError), match="is_causal"):
            attend(query, query, query, attn_mask=random(N, N), is_causal=True)


def test_attention_in_a_single_operation() -> None:
    """A kernel of attention that is called by its own name counts as its products."""
    query, key = random(B, HEADS, N, WIDTH), random(B, HEADS, M, WIDTH)
    flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default
    assert multiply_adds(flash, (query, key, key), None) == B * HEADS * N * M * 2 * WIDTH
    assert counted(lambda: flash(query, key, key)) == B * HEADS * N * M * 2 * WIDTH
    assert multiply_adds(torch.ops.aten.softmax.int, (query, -1), None) == 0


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("averaged", [False, True])
def test_torch_s_attention_layer_gives_what_it_gives(weights: bool, averaged: bool) -> None:
    layer = nn.MultiheadAttention(8, 2, batch_first=True).double().eval()
    x, mask = random(B, N, 8).double(), torch.ones(N, N, dtype=torch.bool).triu(1)
    attend = partial(layer, x, x, x, attn_mask=mask, need_weights=weights, average_attn_weights=averaged)
    with torch.no_grad():
        expected = attend()
        with PlainAttention():
            found = attend()
    assert (found[0] - expected[0]).abs().max() <= 1e-14
    if weights:
        assert (found[1] - expected[1]).abs().max() <= 1e-14
    else:
        assert found[1] is expected[1] is None


def layers(model: nn.Module, x: Tensor) -> int:
    """Multiply-adds of a network's convolutions and linear layers, by formula, from the shapes that hooks see."""
    total = 0

    def add(module: nn.Module, args: tuple[Tensor], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            window = prod(module.kernel_size) * module.in_channels // module.groups
            total += output.numel() * window
        else:
            assert isinstance(module, nn.Linear)
            total += output.numel() * module.in_features

    kinds = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    handles = [module.register_forward_hook(add) for module in kinds]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return total


def vit() -> tuple[nn.Module, int, int]:
    """ViT-B/16 (Dosovitskiy et al. 2021, table 1): 12 layers of width 768, 196 patches of 16 x 16 and a class token."""
    tokens, width, depth = 197, 768, 12
    layer = 4 * tokens * width**2 + 2 * tokens**2 * width + 2 * tokens * width * 4 * width
    return torchvision.models.vit_b_16(), 224, 196 * width * 3 * 16**2 + depth * layer + width * 1000


def swin() -> tuple[nn.Module, int, int]:
    """Swin-T (Liu et al. 2021, eq. 2): 4hwC^2 + 2M^2hwC a block beside its MLP, in windows of M = 7."""
    expected = 56**2 * 96 * 3 * 4**2 + 768 * 1000
    for depth, side, width in ((2, 56, 96), (2, 28, 192), (6, 14, 384), (2, 7, 768)):
        places = side**2
        expected += depth * (4 * places * width**2 + 2 * 7**2 * places * width + 8 * places * width**2)
        expected += places // 4 * 4 * width * 2 * width if side > 7 else 0  # four places merged into one
    return torchvision.models.swin_t(), 224, expected


def botnet() -> tuple[nn.Module, int, int]:
    """BotNet (Srinivas et al. 2021, figure 4) as timm has it: q k^T, q r^T (rows and columns apart), and weights v."""
    model = timm.create_model("botnet26t_256").eval()
    expected = layers(model, torch.zeros(1, 3, 256, 256))
    # The places that each block's attention works on; a block with a stride pools after it.
    sides = {"stages.2.1.self_attn": 16, "stages.3.0.self_attn": 16, "stages.3.1.self_attn": 8}
    blocks = {path: module for path, module in model.named_modules() if type(module).__name__ == "BottleneckAttn"}
    assert set(blocks) == set(sides)
    for path, module in blocks.items():
        side, heads, width = sides[path], module.num_heads, module.dim_head_qk
        relative = heads * side**2 * width * 2 * (2 * side - 1)
        expected += heads * side**4 * (width + module.dim_head_v) + relative
    return model, 256, expected


def non_local() -> tuple[nn.Module, int, int]:
    """Non-Local (Wang et al. 2018, figure 2): theta phi^T and its product with g, half the channels wide."""
    model = family("resnet18t-nl")
    expected = layers(model, torch.zeros(1, 3, 208, 208))
    for positions, channels in ((26**2, 64), (13**2, 128), (13**2, 128)):
        expected += 2 * positions**2 * channels // 2
    return model, 208, expected


@pytest.mark.parametrize("network", [vit, swin, botnet, non_local], ids=lambda make: make.__name__)
def test_networks(network: Callable[[], tuple[nn.Module, int, int]]) -> None:
    model, side, expected = network()
    assert cost.measure(attnviz.instrument(model), (3, side, side)).total.macs == expected


class Mixed(nn.Module):
    """What kernels differ in: torch's attention with and without its layer, recurrent layers, norms and pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2))
        self.encoder = nn.TransformerEncoderLayer(16, 4, 40, batch_first=True)
        self.lstm, self.gru = nn.LSTM(16, 8, bidirectional=True, batch_first=True), nn.GRU(16, 8, batch_first=True)
        self.norm, self.fc = nn.GroupNorm(2, 8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.encoder(self.stem(x).flatten(2).mT)
        x = x + functional.scaled_dot_product_attention(x, x, x)
        x = functional.layer_norm(self.lstm(x)[0], (16,))
        return self.fc(self.norm(self.gru(x)[0].mT).mean(2))


def mixed() -> dict[str, list[int]]:
    """Every count of ``Mixed`` by its layers: parameters, multiply-adds, bytes, and what training keeps."""
    torch.manual_seed(seed_for_run(0))
    found = cost.measure(attnviz.instrument(Mixed()), (3, 24, 32))
    rows = {layer.path: [layer.total.params, layer.total.macs, layer.total.activations] for layer in found.layers}
    return rows | {"weights and saved": [found.weights, found.saved]}


@pytest.mark.parametrize("capability", ["default", "avx2"])
@pytest.mark.parametrize("threads", [1, 2])
def test_counts_are_the_same_for_every_kernel(capability: str, threads: int) -> None:
    code = (
        f"import json, torch; torch.set_num_threads({threads}); from tests.unit.test_counting import mixed;"
        "print(json.dumps([torch.backends.cpu.get_cpu_capability(), mixed()]))"
    )
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": capability}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    used, found = json.loads(ran.stdout.splitlines()[-1])
    assert used == capability.upper() or capability == "avx2"  # other processors than x86 have no AVX2 to use
    assert found == mixed()


def test_bytes_by_hand() -> None:
    """Layers and functions count what they return; attention its scaled queries, logits, softmax and result."""
    found = {layer.path: layer for layer in cost.measure(attnviz.instrument(Mixed()), (3, 24, 32)).layers}
    tokens = 5 * 7
    expected = {
        "stem.0": 16 * 11 * 15,
        "stem.1": 16 * 11 * 15,
        "stem.2": 16 * 11 * 15,
        "stem.3": 16 * tokens,
        "lstm": tokens * 16 + 2 * 2 * 8,  # the last state and cell of both directions
        "gru": tokens * 8 + 8,
        "norm": tokens * 8,
        "fc": 5,
        "encoder.norm1": tokens * 16,
    }
    for path, numbers in expected.items():
        assert found[path].total.activations == 4 * numbers, path
    attention = 16 * tokens + 2 * tokens**2 + 16 * tokens  # its own, without a layer
    sum_norm_and_mean = 2 * 16 * tokens + 8
    assert found[""].own.activations == 4 * (attention + sum_norm_and_mean)


FUNCTIONS: dict[str, tuple[Callable[[Tensor], Any], int]] = {
    "a sum": (lambda x: x + 1, 30),
    "a view": (lambda x: x.flatten(1).mT[0], 0),
    "its copy": (lambda x: x.mT.contiguous(), 30),
    "in place": (lambda x: x.relu_(), 0),
    "into a place": (lambda x: torch.add(x, 1, out=x), 0),
    "two results": (lambda x: x.max(2), 6 + 2 * 6),  # places are numbers of eight bytes
    "a likeness": (lambda x: functional.cosine_similarity(x, x + 1, 2), 30 + 6),
    "both ends": (lambda x: x.aminmax(), 2),
    "a quantile": (lambda x: x.quantile(0.5), 1),
    "a norm": (lambda x: functional.normalize(x, dim=1), 30),
    "a group's norm": (lambda x: functional.group_norm(x, 1), 30),
    "maxima": (lambda x: functional.max_pool1d(x, 2), 2 * 3 * 2),
    "einsum": (lambda x: torch.einsum("bik,bjk->bij", x, x), 2 * 9),
    "attention": (lambda x: functional.scaled_dot_product_attention(x, x, x), 30 + 2 * 2 * 9 + 30),
    "a product of two": (lambda x: x * x.sigmoid(), 60),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bytes_of_functions(name: str) -> None:
    """What a release of torch computes on the way is none of the network's."""
    run, numbers = FUNCTIONS[name]
    x = random(2, 3, 5)
    with Count() as count:
        run(x)
    assert dict(count.bytes).get("", 0) == 4 * numbers


def test_a_layer_under_two_names_counts_once() -> None:
    """And keeps its weights: they are the user's."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = self.second = nn.Conv2d(3, 3, 1)
            self.tied = nn.Conv2d(3, 3, 1)
            self.tied.weight = self.first.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.tied(self.second(self.first(x))).mean((2, 3))

    backbone = attnviz.instrument(Twice())
    for _ in range(2):
        found = cost.measure(backbone, (3, 4, 4))
        assert found.total.params == 9 + 3 + 3
        assert found.weights == 4 * found.total.params
        assert found.saved == 4 * (2 * 3 * 16)  # what the second and the third layer were given
        with backbone.private() as copy:
            assert set(map(id, copy.parameters())) == set(map(id, backbone.model.parameters()))


def test_what_recurrent_layers_keep() -> None:
    """Their equations' values for each unit and step, whatever a kernel keeps for itself."""

    class Recurrent(nn.Module):
        def __init__(self, layer: nn.RNNBase) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x.flatten(2))[0].mean(1)

    for layer, kept in ((nn.LSTM, 7), (nn.GRU, 5), (nn.RNN, 1)):
        backbone = attnviz.instrument(Recurrent(layer(12, 6, num_layers=2, batch_first=True)))
        assert cost.measure(backbone, (5, 3, 4)).saved == 4 * kept * 5 * 2 * 6


def test_nothing_is_left_on_the_network() -> None:
    model = family("resnet18t-se")
    with pytest.raises(RuntimeError), Count(model):
        model(torch.zeros(1, 5, 32, 32))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert counted(lambda: random(N, K) @ random(K, M)) == N * K * M


def test_a_recurrent_layer_keeps_its_input_where_it_learns() -> None:
    class Deep(nn.Module):
        def __init__(self, learns: bool) -> None:
            super().__init__()
            self.conv, self.lstm, self.learns = nn.Conv2d(3, 8, 1), nn.LSTM(8, 7, batch_first=True), learns

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x).flatten(2).mT
            with torch.set_grad_enabled(self.learns and torch.is_grad_enabled()):
                return self.lstm(x)[0]

    kept = {learns: cost.measure(attnviz.instrument(Deep(learns)), (3, 4, 4)).saved for learns in (True, False)}
    assert kept == {True: 4 * (16 * 8 + 7 * 16 * 7), False: 0}


def test_an_error_that_a_network_catches_moves_nothing() -> None:
    class Tries(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wrong, self.right = nn.Conv2d(5, 4, 1), nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            try:
                x = self.wrong(x)
            except RuntimeError:
                x = self.right(x)
            rows = x.flatten(2)
            return rows @ rows.mT

    model = Tries()
    with Count(model) as count:
        model(random(1, 3, 4, 4))
    assert dict(count.macs) == {"": 4 * 4 * 16, "right": 16 * 12}


def test_what_runs_and_cannot_be_counted_is_said() -> None:
    class Sparse(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x.flatten(1).to_sparse() * 2).to_dense()

    with pytest.raises(ModelError, match="takes an input, but cannot be counted for one of shape"):
        cost.measure(attnviz.instrument(Sparse()), (3, 4, 4))


def test_an_assertion_without_words_is_an_error_in_one_line() -> None:
    class Picky(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            assert x.shape[1] == 3
            return x.mean((2, 3))

    with pytest.raises(ModelError, match="cannot take an input of shape"):
        cost.measure(attnviz.instrument(Picky()), (4, 8, 8))

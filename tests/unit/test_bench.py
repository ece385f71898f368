"""The bench against formulas by hand, for every mechanism at two settings; its options against the constructors."""

import inspect
from typing import Any

import pytest
import torch

from attnviz import bench, mechanisms
from attnviz.bench import Setting
from attnviz.errors import AttnvizError, OptionError
from attnviz.mechanisms import Mechanism

C, H, W = 96, 10, 7
HW = H * W


def map_(channels: int = C) -> int:
    return channels * HW


# Of each setting: parameters, multiply-adds, and the numbers in all steps' values, from the papers' formulas.
def se(hidden: int, bias: bool) -> tuple[int, int, int]:
    return 2 * C * hidden + bias * (hidden + C), 2 * C * hidden, C + 2 * hidden + 2 * C + map_()


def eca(kernel: int) -> tuple[int, int, int]:
    return kernel, kernel * C, 3 * C + map_()


def cbam(hidden: int, pools: int, kernel: int, norm: bool) -> tuple[int, int, int]:
    params = 2 * C * hidden + hidden + C + 2 * kernel * kernel + 2 * norm
    macs = pools * 2 * C * hidden + 2 * kernel * kernel * HW
    return params, macs, pools * (2 * C + hidden) + C + map_() + 2 * HW + 2 * HW + map_()


def bam(hidden: int, code: bool) -> tuple[int, int, int]:
    channel = 2 * C * hidden + hidden + C
    spatial = C * hidden + hidden + 2 * (9 * hidden * hidden + hidden) + hidden + 1
    norms = 2 * hidden + 3 * 2 * hidden if code else 2 * C + 2
    macs = 2 * C * hidden + HW * (C * hidden + 2 * 9 * hidden * hidden + hidden)
    return channel + spatial + norms, macs, 2 * C + HW + 3 * map_()


def sk(branches: int, groups: int, hidden: int, norm: bool) -> tuple[int, int, int]:
    params = (
        branches * (9 * C * C // groups + 2 * C) + C * hidden + (2 * hidden if norm else hidden) + branches * C * hidden
    )
    macs = branches * 9 * C * C // groups * HW + C * hidden + branches * C * hidden
    return params, macs, (branches + 1) * map_() + C + hidden + 2 * branches * C + map_()


def scse(hidden: int) -> tuple[int, int, int]:
    params = 2 * C * hidden + hidden + C + C + 1
    return params, 2 * C * hidden + C * HW, C + hidden + 2 * C + map_() + 2 * HW + map_() + map_()


def sse() -> tuple[int, int, int]:
    return C + 1, C * HW, 2 * HW + map_()


def non_local(depth: int, keys: int, norm: bool) -> tuple[int, int, int]:
    params = 3 * (C * depth + depth) + depth * C + C + 2 * C * norm
    macs = 4 * C * depth * HW + 2 * HW * keys * depth
    return params, macs, (HW + keys) * depth + HW * keys + keys * depth + HW * depth + 2 * map_()


def gc(hidden: int, transforms: int, att: bool) -> tuple[int, int, int]:
    params = att * (C + 1) + transforms * (2 * C * hidden + hidden + C + 2 * hidden)
    macs = att * C * HW + transforms * 2 * C * hidden
    multiplied = C if transforms == 2 else 0  # the gate, beside its logits
    return params, macs, att * 2 * HW + C + transforms * (C + map_()) + multiplied


def ca(hidden: int) -> tuple[int, int, int]:
    params = C * hidden + hidden + 2 * hidden + 2 * (hidden * C + C)
    macs = (C * hidden + hidden * C) * (H + W)
    return params, macs, 3 * C * (H + W) + hidden * (H + W) + map_()


CASES: tuple[tuple[str, dict[str, Any], tuple[int, int, int]], ...] = (
    ("SE", {}, se(6, True)),
    ("SE", {"reduction": 4, "bias": False}, se(24, False)),
    ("ECA", {}, eca(3)),  # (log2 96 + 1) / 2 = 3.79
    ("ECA", {"kernel": 9}, eca(9)),
    ("CBAM", {}, cbam(6, 2, 7, False)),
    ("CBAM", {"reduction": 8, "pools": "max", "kernel_size": 3, "norm": True}, cbam(12, 1, 3, True)),
    ("BAM", {}, bam(6, False)),
    ("BAM", {"reduction": 8, "norm": "code", "combine": "product", "dilation": 2}, bam(12, True)),
    ("SK", {}, sk(2, 32, 32, True)),
    ("SK", {"branches": 3, "groups": 4, "min_hidden": 10, "norm": False}, sk(3, 4, 10, False)),
    ("SCSE", {}, scse(48)),
    ("SCSE", {"halves": "spatial"}, sse()),
    ("NonLocal", {}, non_local(48, HW, True)),
    (
        "NonLocal",
        {"inner": 20, "subsample": True, "norm": False, "pairwise": "dot_product"},
        non_local(20, 5 * 3, False),
    ),
    ("GC", {}, gc(6, 1, True)),
    ("GC", {"pooling": "avg", "ratio": 0.25, "fusions": ("channel_add", "channel_mul")}, gc(24, 2, False)),
    ("CoordinateAttention", {}, ca(8)),
    ("CoordinateAttention", {"reduction": 4}, ca(24)),
)


def name(case: Any) -> str:
    return case if isinstance(case, str) else "-".join(map(str, case.values())) if isinstance(case, dict) else ""


@pytest.mark.parametrize(("mechanism", "options", "expected"), CASES, ids=name)
def test_costs_by_hand(mechanism: str, options: dict[str, Any], expected: tuple[int, int, int]) -> None:
    found = bench.measure(Setting(mechanism, options, C, H, W))
    params, macs, numbers = expected
    assert (found.total.params, found.total.macs, found.total.activations) == (params, macs, 4 * numbers)
    assert sum(step.macs for step in found.steps) == macs


@pytest.mark.parametrize(("mechanism", "options", "expected"), CASES, ids=name)
def test_steps_are_those_of_a_real_pass(mechanism: str, options: dict[str, Any], expected: object) -> None:
    module: Mechanism = getattr(mechanisms, mechanism)(C, **options).eval()
    with torch.no_grad():
        steps = module.steps(torch.randn(1, C, H, W))
    found = bench.measure(Setting(mechanism, options, C, H, W))
    assert found.input == (C, H, W)
    assert [(s.name, s.formula, s.shape, s.bytes) for s in found.steps] == [
        (s.name, s.formula, tuple(s.value.shape[1:]), s.value.numel() * s.value.element_size()) for s in steps
    ]


def test_all_nine_are_there() -> None:
    assert {mechanism for mechanism, _, _ in CASES} == set(bench.MECHANISMS)
    assert len(bench.MECHANISMS) == 9


@pytest.mark.parametrize("mechanism", bench.MECHANISMS)
def test_options_are_the_constructor_s(mechanism: str) -> None:
    found = {option.name: option for option in bench.options(mechanism)}
    parameters = dict(inspect.signature(getattr(mechanisms, mechanism)).parameters)
    del parameters["channels"]
    assert {name: option.default for name, option in found.items()} == {n: p.default for n, p in parameters.items()}
    for option in found.values():
        assert option.says, option.name
        for choice in option.choices:  # each is one that the mechanism takes
            bench.measure(Setting(mechanism, {option.name: choice}, C, H, W))
        assert (option.default is None) == option.optional


def test_options_of_each_kind() -> None:
    kinds = {o.name: o for name in ("NonLocal", "GC") for o in bench.options(name)}
    assert (kinds["dims"].kind, kinds["dims"].choices) == ("choice", (1, 2, 3))
    assert (kinds["inner"].kind, kinds["inner"].optional) == ("whole", True)
    assert (kinds["ratio"].kind, kinds["subsample"].kind) == ("number", "switch")
    assert kinds["fusions"].choices == (("channel_add",), ("channel_mul",), ("channel_add", "channel_mul"))
    assert kinds["subsample"].says == "max-pool phi and g by 2 (space alone in 3D): a quarter of the keys."


@pytest.mark.parametrize(("dims", "positions"), [(1, HW), (3, 4 * HW)])
def test_other_dimensions(dims: int, positions: int) -> None:
    found = bench.measure(Setting("NonLocal", {"dims": dims}, C, H, W))
    assert {step.name: step.shape for step in found.steps}["affinity"] == (positions, positions)


def test_growth() -> None:
    setting = Setting("NonLocal", {"norm": False}, 64, 8, 12)
    found = bench.growth(setting)
    assert [point.shape for point in found["channels"]] == [(c, 8, 12) for c in (16, 32, 64, 128, 256)]
    sides = [(2, 3), (4, 6), (8, 12), (16, 24), (32, 48)]
    assert [point.shape for point in found["positions"]] == [(64, *side) for side in sides]
    for points in found.values():
        for point in points:
            c, h, w = point.shape
            assert point.total is not None
            assert point.total.macs == 4 * c * (c // 2) * h * w + 2 * (h * w) ** 2 * (c // 2)
            assert point.total.params == 4 * c * (c // 2) + 3 * (c // 2) + c


def test_growth_says_what_cannot_be() -> None:
    found = bench.growth(Setting("SK", {"groups": 32}, 64, 1, 3))
    refused = {point.shape: point.refused for point in found["channels"]}
    assert refused[64, 1, 3] is None
    assert "does not divide 16 channels" in (refused[16, 1, 3] or "")
    assert found["channels"][0].total is None
    assert [point.shape[1:] for point in found["positions"]] == [(1, 1), (1, 1), (1, 3), (2, 6), (4, 12)]


def test_large_settings_are_cheap_for_they_hold_no_values() -> None:
    """A map whose affinity alone would take 275 GB, counted by the closed form."""
    found = bench.measure(Setting("NonLocal", {}, 2048, 256, 256))
    positions, depth = 256 * 256, 1024
    assert found.total.macs == 4 * 2048 * depth * positions + 2 * positions**2 * depth


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        (Setting("Attention"), "no mechanism 'Attention'"),
        (Setting("SE", {"ratio": 4}), "no option 'ratio'"),
        (Setting("SE", {"reduction": 512}), "leave no hidden unit"),
        (Setting("CBAM", {"kernel_size": 5}), "kernel_size is 5; it must be one of 3, 7"),
        (Setting("NonLocal", {"scale": True, "pairwise": "dot_product"}), "has no softmax"),
        (Setting("NonLocal", {"subsample": True}, 8, 1, 9), "leaves no keys"),
        (Setting("SE", channels=4096), "C is 4096; the bench takes a whole number from 1 to 2048"),
        (Setting("SE", height=0), "H is 0"),
        (Setting("SE", width=257), "W is 257"),
        (Setting("SE", channels=True), "C is True"),
        (Setting("SE", width=3.0), "W is 3.0"),  # type: ignore[arg-type]
        (Setting("SE", {"min_hidden": 10**12}), "takes 2048 at most"),
        (Setting("ECA", {"gamma": float("inf")}), "takes 2048 at most"),
        (Setting("ECA", {"gamma": float("nan")}), "finite number"),
        (Setting("SK", {"branches": 100}), "up to 64 steps"),
    ],
)
def test_refusals_are_one_line(setting: Setting, says: str) -> None:
    with pytest.raises(AttnvizError) as caught:
        bench.measure(setting)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("setting", [Setting("Attention"), Setting("SE", {"min_hidden": 4096}), Setting("SE", width=0)])
def test_growth_has_the_same_limits(setting: Setting) -> None:
    with pytest.raises(OptionError):
        bench.growth(setting)


def test_an_unknown_mechanism_has_no_options() -> None:
    with pytest.raises(OptionError, match="there are BAM, CBAM"):
        bench.options("nose")

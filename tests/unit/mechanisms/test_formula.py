"""Each step of each mechanism agrees with the paper's formula, worked out in NumPy."""

import copy
import re
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from latex2mathml.converter import convert

from attnviz.mechanisms import BAM, ECA, SK, Kind, Mechanism, NonLocal, Placement, Role
from attnviz.mechanisms.eca import kernel_size
from tests import seeds
from tests.seeds import seed_for_run
from tests.unit.mechanisms.helpers import (
    CASES,
    FORMS,
    MECHANISMS,
    SHAPES,
    SOFTMAX_FORMS,
    Case,
    Grid,
    distance,
    random_input,
    read,
    state_of,
)
from tests.unit.mechanisms.oracle import ORACLES

SHAPE_IDS = ["x".join(map(str, (batch, *plane))) for batch, plane in SHAPES]
PAPERS = {
    "SE": ("1709.01507", "Hu", "2018"),
    "ECA": ("1910.03151", "Wang", "2020"),
    "CBAM": ("1807.06521", "Woo", "2018"),
    "BAM": ("1807.06514", "Park", "2018"),
    "SK": ("1903.06586", "Li", "2019"),
    "SCSE": ("1803.02579", "Roy", "2018"),
    "NonLocal": ("1711.07971", "Wang", "2018"),
    "GC": ("1904.11492", "Cao", "2019"),
    "CoordinateAttention": ("2103.02907", "Hou", "2021"),
}


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize(("batch", "plane"), SHAPES, ids=SHAPE_IDS)
def test_every_step_is_the_papers(case: Case, batch: int, plane: Grid) -> None:
    module, x = case.build(), case.input(batch, plane)
    expected = ORACLES[case.mechanism.__name__](state_of(module), x.double().numpy(), **case.options)
    steps = module.steps(x)
    exact = copy.deepcopy(module).double().steps(x.double())
    assert [step.name for step in steps] == list(expected)
    for step, precise in zip(steps, exact, strict=True):
        assert step.value.shape == expected[step.name].shape, step.name
        assert distance(step.value, expected[step.name]) < 1e-5, step.name
        assert distance(precise.value, expected[step.name]) < 1e-12, step.name
    assert torch.equal(steps[-1].value, module(x))


AXES = {
    Kind.CHANNEL: (1,),
    Kind.SPATIAL: (2, 3),
    Kind.CONTEXT: (2, 3),
    Kind.VOLUME: (1, 2, 3),
    Kind.BRANCH: (1, 2),
    Kind.AFFINITY: (1, 2),
}
COORDINATE_AXES = ((0, 1, 2), (0, 1, 3))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_weights_make_attention_vary(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Agreement says little where a gate is flat or shut: each value varies along all that it may.

    A fact about one draw, whatever seeds the other tests have.
    """
    monkeypatch.setattr(seeds, "SHIFT", 0)
    module, x = case.build(), case.input(3, (5, 8))
    output, values = read(module, x)
    for part in module.parts:
        if part.kind is Kind.COORDINATE:
            strips = list(zip(values[part.name], COORDINATE_AXES, strict=True))
        else:
            strips = [(values[part.name], (0, *AXES[part.kind]))]
        for value, axes in strips:
            least = min(float(value.std(axis).mean()) for axis in axes)
            if part.role is Role.GATE:
                assert value.std() > 0.05, part
                assert least > 0.01, part
                assert ((value > 0.02) & (value < 0.98)).float().mean() > 0.6, part
            else:
                assert least > 0.05 * value.abs().mean(), part
    if output.shape == x.shape:
        assert distance(output, x) > 0.05


@pytest.mark.parametrize("case", CASES, ids=str)
def test_distributions_sum_to_one(case: Case) -> None:
    module = case.build()
    _, values = read(module, case.input(3, (5, 8)))
    axes = {Kind.BRANCH: (1,), Kind.AFFINITY: (2,), Kind.CONTEXT: (2, 3)}
    for part in module.parts:
        if part.role is Role.DISTRIBUTION:
            sums = values[part.name].double().sum(axes[part.kind])
            assert distance(sums, torch.ones_like(sums)) < 1e-5
            assert float(values[part.name].min()) >= 0


@pytest.mark.parametrize("pairwise", FORMS)
def test_only_a_softmax_affinity_is_called_a_distribution(pairwise: str) -> None:
    expected = Role.DISTRIBUTION if pairwise in SOFTMAX_FORMS else Role.TERM
    assert Case(NonLocal, 8, {"pairwise": pairwise}).build().part(None).role is expected


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("norm", [True, False], ids=["norm", "plain"])
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("pairwise", FORMS)
def test_a_new_non_local_block_is_the_identity(dims: int, pairwise: str, norm: bool, training: bool) -> None:
    torch.manual_seed(seed_for_run(0))
    options: dict[str, Any] = {"dims": dims, "pairwise": pairwise, "norm": norm}
    block = NonLocal(6, **options).train(training)
    x = random_input(2, 6, (4, 5, 6)[:dims])
    assert torch.equal(block(x), x)


@pytest.mark.parametrize(
    ("channels", "size"),
    [(1, 1), (7, 1), (8, 3), (16, 3), (32, 3), (64, 3), (127, 3), (128, 5), (256, 5), (512, 5), (2047, 5), (2048, 7)],
)
def test_ecas_rule_for_the_kernel(channels: int, size: int) -> None:
    assert kernel_size(channels) == size
    assert ECA(channels).conv.kernel_size == (size,)
    assert ECA(channels, min_kernel=5).conv.kernel_size == (max(size, 5),)


def test_the_widths_of_sks_windows() -> None:
    """Branch i sees 3 + 2i pixels a side, in both kinds of kernel, and no more."""
    kinds: tuple[dict[str, Any], ...] = ({"kernels": "dilated"}, {"kernels": "plain"})
    for kind in kinds:
        block = SK(1, groups=1, branches=4, min_hidden=1, **kind).eval()
        x = torch.zeros(1, 1, 15, 15)
        x[..., 7, 7] = 1
        for i, branch in enumerate(block.branches):
            next(branch.parameters()).fill_(1)  # the convolution's
            touched = branch(x)[0, 0].nonzero()
            assert (touched.amax(0) - touched.amin(0)).tolist() == [2 + 2 * i] * 2


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_mechanism_says_where_it_is_from(mechanism: type[Mechanism]) -> None:
    paper, author, year = PAPERS[mechanism.__name__]
    assert mechanism.paper == paper
    assert mechanism.citation.startswith(author)
    assert year in mechanism.citation
    assert "\n" not in mechanism.citation
    assert mechanism.label
    assert isinstance(mechanism.placement, Placement)


def _drawable(formula: str) -> None:
    """The formula becomes MathML with every command understood and all of its text kept."""
    assert formula.strip() == formula != ""
    markup = convert(formula)
    assert ElementTree.fromstring(markup).tag.endswith("math")
    assert "\\" not in markup, f"{formula} has a command that is not understood"
    assert formula.count("{") == formula.count("}")


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_formula_can_be_drawn(mechanism: type[Mechanism]) -> None:
    _drawable(mechanism.formula)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_steps_formula_can_be_drawn(case: Case) -> None:
    block = case.build()
    _drawable(block.formula)
    steps = block.steps(case.input(1, (4, 5)))
    assert len({step.name for step in steps}) == len(steps)
    for step in steps:
        _drawable(step.formula)
        assert re.fullmatch(r"[a-z0-9 ]+", step.name), step.name


def test_the_formula_is_of_the_block_as_it_was_built() -> None:
    assert NonLocal(8).formula.endswith(r"e^{\theta(x_i)^{\top}\phi(x_j)}")
    assert NonLocal(8, scale=True).formula.endswith(r"e^{\theta(x_i)^{\top}\phi(x_j) / \sqrt{d}}")
    assert NonLocal(8, pairwise="dot_product").formula.endswith(r"= \theta(x_i)^{\top}\phi(x_j)")
    assert r"\mathrm{BN}" in BAM(32).formula
    assert r"\mathrm{BN}" not in BAM(32, norm="code").formula
    assert r"M_c(F) \cdot M_s(F)" in BAM(32, combine="product").formula

"""Any grid, any batch, float32 or bfloat16; a wrong shape is refused in one line."""

import copy

import pytest
import torch

from attnviz.errors import ShapeError
from attnviz.mechanisms import ECA, SK, Mechanism, NonLocal
from tests.unit.mechanisms.helpers import CASES, FEW, FORMS, MECHANISMS, Case, Grid, distance, random_input

PLANES: tuple[Grid, ...] = ((1, 1), (1, 7), (6, 1), (2, 3), (9, 8))


def out_grid(case: Case, grid: Grid) -> Grid:
    stride = case.options.get("stride", 1)
    return tuple((n + stride - 1) // stride for n in grid)


@pytest.mark.parametrize("plane", PLANES, ids=lambda plane: "x".join(map(str, plane)))
@pytest.mark.parametrize("case", [case for case in CASES if not case.options.get("subsample")], ids=str)
def test_any_grid_and_any_batch(case: Case, plane: Grid) -> None:
    module, x = case.build(), case.input(3, plane)
    together = module(x)
    assert together.shape == (3, case.channels, *out_grid(case, case.grid(plane)))
    assert together.dtype is torch.float32
    for i in range(3):  # pictures do not see one another
        assert distance(module(x[i : i + 1]), together[i : i + 1]) < 1e-5


@pytest.mark.parametrize("plane", [(1, 1), (3, 5)], ids=["1x1", "3x5"])
@pytest.mark.parametrize("case", FEW, ids=str)
def test_bfloat16(case: Case, plane: Grid) -> None:
    half, x = case.build().bfloat16(), case.input(2, plane).bfloat16()
    output = half(x)
    assert output.dtype is torch.bfloat16
    assert output.isfinite().all()
    assert all(step.value.dtype is torch.bfloat16 for step in half.steps(x))
    assert distance(output, copy.deepcopy(half).float()(x.float())) < 2e-2


@pytest.mark.parametrize("case", FEW, ids=str)
def test_the_input_is_left_as_it_was(case: Case) -> None:
    module, x = case.build(), case.input(2, (4, 5))
    before = x.clone()
    module.steps(x)
    module(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("case", FEW, ids=str)
def test_the_memory_layout_of_a_map_does_not_matter(case: Case) -> None:
    module, x = case.build(), case.input(2, (4, 5))
    turned = x.transpose(1, -1).contiguous().transpose(1, -1)
    assert not turned.is_contiguous()
    assert distance(module(turned), module(x)) < 1e-5


@pytest.mark.parametrize("case", FEW, ids=str)
def test_every_parameter_gets_a_gradient(case: Case) -> None:
    module, x = case.build(), case.input(3, (5, 6))
    with torch.enable_grad():
        module(x).square().sum().backward()
    deaf = {"key.bias", "phi.bias"}  # a softmax does not see what is added to all of its logits
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert name in deaf or parameter.grad.abs().max() > 0, name


def wrong_shapes(mechanism: type[Mechanism], **options: object) -> tuple[Mechanism, list[tuple[int, ...]]]:
    module = mechanism(32, **options)
    grid = (4, 5, 6)[: module.grid_dims]
    return module, [(2, 31, *grid), (2, 33, *grid), (32, *grid), (2, 32, *grid, 7), (2, *grid, 32), (32,), ()]


@pytest.mark.parametrize("how", ["forward", "steps"])
@pytest.mark.parametrize(
    ("mechanism", "options"),
    [*((mechanism, {}) for mechanism in MECHANISMS), (NonLocal, {"dims": 1}), (NonLocal, {"dims": 3})],
)
def test_a_wrong_shape_is_refused(mechanism: type[Mechanism], options: dict[str, int], how: str) -> None:
    module, shapes = wrong_shapes(mechanism, **options)
    for shape in shapes:
        with pytest.raises(ShapeError) as error:
            module.steps(torch.zeros(shape)) if how == "steps" else module(torch.zeros(shape))
        line = str(error.value)
        assert "\n" not in line
        assert mechanism.__name__ in line
        assert str(shape) in line
        assert "32" in line.split("not")[0]


@pytest.mark.parametrize("pairwise", FORMS)
@pytest.mark.parametrize(
    ("dims", "grid", "size"),
    [(1, (1,), "1"), (2, (1, 1), "1x1"), (2, (1, 8), "1x8"), (2, (8, 1), "8x1"), (3, (4, 1, 6), "4x1x6")],
)
def test_a_map_too_small_to_sub_sample_is_refused(dims: int, grid: Grid, size: str, pairwise: str) -> None:
    block = Case(NonLocal, 8, {"dims": dims, "subsample": True, "pairwise": pairwise}).build()
    with pytest.raises(ShapeError) as error:
        block(random_input(1, 8, grid))
    assert "\n" not in str(error.value)
    assert size in str(error.value)


def test_a_video_of_one_frame_can_be_sub_sampled() -> None:
    """Only space is pooled."""
    block = Case(NonLocal, 8, {"dims": 3, "subsample": True}).build()
    assert block(random_input(1, 8, (1, 4, 5))).shape == (1, 8, 1, 4, 5)


@pytest.mark.parametrize(
    ("dims", "grid", "keys"),
    [(1, (9,), (4,)), (2, (11, 11), (5, 5)), (2, (4, 7), (2, 3)), (3, (3, 5, 8), (3, 2, 4))],
)
def test_the_grid_of_the_keys(dims: int, grid: Grid, keys: Grid) -> None:
    whole = Case(NonLocal, 8, {"dims": dims}).build()
    sampled = Case(NonLocal, 8, {"dims": dims, "subsample": True}).build()
    assert isinstance(whole, NonLocal)
    assert isinstance(sampled, NonLocal)
    assert whole.key_grid(grid) == grid
    assert sampled.key_grid(grid) == keys
    shape = {step.name: tuple(step.value.shape) for step in sampled.steps(random_input(1, 8, grid))}["affinity"]
    assert shape == (1, torch.Size(grid).numel(), torch.Size(keys).numel())


def test_a_window_wider_than_the_channels() -> None:
    assert ECA(2, kernel=9)(torch.ones(1, 2, 3, 3)).shape == (1, 2, 3, 3)


def test_a_strided_selective_kernel_keeps_the_last_row() -> None:
    block = SK(4, groups=1, stride=2).eval()
    assert block(torch.ones(1, 4, 7, 9)).shape == (1, 4, 4, 5)

"""What the mechanisms' tests share: the cases, weights that make attention vary, and hooks."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from attnviz.mechanisms import BAM, CBAM, ECA, GC, SCSE, SE, SK, CoordinateAttention, Mechanism, NonLocal, Part
from tests.seeds import seed_for_run
from tests.unit.mechanisms.oracle import State

MECHANISMS: tuple[type[Mechanism], ...] = (SE, ECA, CBAM, BAM, SK, SCSE, NonLocal, GC, CoordinateAttention)
Grid = tuple[int, ...]
SHAPES: tuple[tuple[int, Grid], ...] = ((1, (7, 5)), (2, (6, 6)), (3, (5, 8)))
FORMS = ("embedded_gaussian", "gaussian", "dot_product", "concatenation")
SOFTMAX_FORMS = FORMS[:2]


@dataclass(frozen=True)
class Case:
    """A mechanism with its options."""

    mechanism: type[Mechanism]
    channels: int
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        options = "-".join(f"{name}={_short(value)}" for name, value in self.options.items())
        return f"{self.mechanism.__name__}-{self.channels}-{options or 'defaults'}"

    @property
    def dims(self) -> int:
        return int(self.options.get("dims", 2))

    def build(self, seed: int = 0) -> Mechanism:
        """The block in eval mode, with random weights."""
        module = self.mechanism(self.channels, **self.options)
        return randomize(module, seed).eval()

    def grid(self, plane: Grid) -> Grid:
        """The plane as the block's grid: its width alone in 1D, four moments of it in 3D."""
        return (4, *plane)[-self.dims :]

    def input(self, batch: int, plane: Grid, seed: int = 1) -> Tensor:
        return random_input(batch, self.channels, self.grid(plane), seed)


def _short(value: Any) -> str:
    return "+".join(value) if isinstance(value, tuple) else f"{value:.3g}" if isinstance(value, float) else str(value)


def cases(mechanism: type[Mechanism], channels: int, *options: Mapping[str, Any]) -> list[Case]:
    return [Case(mechanism, channels, each) for each in options]


def _non_local_cases() -> list[Case]:
    forms: list[dict[str, Any]] = [
        {"dims": dims, "pairwise": pairwise, "subsample": subsample}
        for dims in (1, 2, 3)
        for pairwise in FORMS
        for subsample in (False, True)
    ]
    other: list[dict[str, Any]] = [
        {},
        {"norm": False},
        {"inner": 3},
        {"scale": True},
        {"scale": True, "pairwise": "gaussian"},
        {"scale": True, "inner": 3, "subsample": True, "norm": False},
        {"dims": 1, "norm": False},
        {"dims": 3, "norm": False, "inner": 5},
    ]
    return [*cases(NonLocal, 8, *forms, *other), Case(NonLocal, 1)]


_BOTH = ("channel_mul", "channel_add")
CASES: tuple[Case, ...] = (
    *cases(SE, 32, {}),
    *cases(SE, 12, {"reduction": 4}, {"reduction": 5}, {"reduction": 16, "min_hidden": 6}),
    *cases(SE, 12, {"reduction": 3, "squeeze": "max"}, {"reduction": 3, "bias": False}, {"reduction": 1}),
    *cases(ECA, 16, {}, {"gamma": 1, "b": 2}, {"gamma": 0.7, "b": -1.5}, {"kernel": 1}, {"kernel": 5}),
    *cases(ECA, 6, {}, {"min_kernel": 3}, {"min_kernel": 5}, {"kernel": 9}),
    Case(ECA, 128),
    *cases(CBAM, 32, {}),
    *cases(CBAM, 12, {"reduction": 3, "pools": "avg"}, {"reduction": 3, "pools": "max"}, {"min_hidden": 5}),
    *cases(CBAM, 12, {"reduction": 3, "kernel_size": 3}, {"reduction": 3, "norm": True}),
    *cases(CBAM, 12, {"reduction": 3, "bias": False}, {"reduction": 3, "halves": "channel"}, {"halves": "spatial"}),
    *cases(CBAM, 12, {"halves": "spatial", "kernel_size": 3, "norm": True}),
    *cases(BAM, 32, {}),
    *cases(BAM, 12, {"reduction": 3, "dilation": 1}, {"reduction": 4, "dilation": 2}, {"min_hidden": 5}),
    *cases(
        BAM, 12, *({"reduction": 3, "combine": c, "norm": n} for c in ("sum", "product") for n in ("paper", "code"))
    ),
    *cases(SK, 32, {}),
    *cases(SK, 12, {"groups": 1, "min_hidden": 5}, {"groups": 4, "reduction": 2, "min_hidden": 0}),
    *cases(SK, 12, *({"groups": 3, "branches": m, "kernels": k} for m in (2, 3, 4) for k in ("dilated", "plain"))),
    *cases(SK, 12, *({"groups": 3, "stride": s, "kernels": k} for s in (2, 3) for k in ("dilated", "plain"))),
    *cases(SK, 12, {"groups": 12, "norm": False}, {"groups": 6, "branches": 3, "stride": 2, "norm": False}),
    *cases(SCSE, 12, {}, {"reduction": 5}, {"reduction": 16, "min_hidden": 4}),
    *cases(SCSE, 12, *({"fusion": f, "halves": h} for f in ("sum", "max") for h in ("both", "channel", "spatial"))),
    *_non_local_cases(),
    *cases(GC, 32, {}),
    *cases(GC, 12, *({"pooling": p, "ratio": 0.5, "fusions": f} for p in ("att", "avg") for f in (_BOTH, _BOTH[:1]))),
    *cases(GC, 12, {"pooling": "avg", "ratio": 1.0}, {"ratio": 0.34, "fusions": _BOTH[::-1]}, {"min_hidden": 5}),
    *cases(CoordinateAttention, 12, {}, {"reduction": 2, "min_hidden": 1}, {"reduction": 3, "min_hidden": 0}),
    *cases(CoordinateAttention, 12, {"min_hidden": 5}),
)
# One case of each mechanism, and of each of its forms, where all of them would say no more.
FEW: tuple[Case, ...] = (
    Case(SE, 12, {"reduction": 3}),
    Case(ECA, 16),
    Case(CBAM, 12, {"reduction": 3, "norm": True}),
    *cases(BAM, 12, {"reduction": 3}, {"reduction": 3, "norm": "code", "combine": "product"}),
    *cases(SK, 12, {"groups": 3}, {"groups": 3, "kernels": "plain", "stride": 2}),
    *cases(SCSE, 12, {}, {"fusion": "max"}),
    *cases(NonLocal, 8, *({"dims": dims, "pairwise": form} for dims in (1, 2, 3) for form in FORMS)),
    *cases(GC, 12, {"ratio": 0.5}, {"ratio": 0.5, "fusions": _BOTH}),
    Case(CoordinateAttention, 12),
)


def random_input(batch: int, channels: int, grid: Grid, seed: int = 1) -> Tensor:
    """A map whose channels, and pictures, differ in their mean."""
    generator = torch.Generator().manual_seed(seed_for_run(seed))
    mean = torch.randn(batch, channels, *(1,) * len(grid), generator=generator)
    return 0.5 * mean + 0.7 * torch.randn(batch, channels, *grid, generator=generator)


def randomize(module: Mechanism, seed: int = 0) -> Mechanism:
    """Give every parameter and every running statistic a random value, away from its initial one."""
    generator = torch.Generator().manual_seed(seed_for_run(seed))

    def uniform(like: Tensor, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(like.shape, generator=generator)

    with torch.no_grad():
        for layer in module.modules():
            norm = isinstance(layer, nn.modules.batchnorm._BatchNorm | nn.LayerNorm)
            for name, tensor in layer.named_parameters(recurse=False):
                if name == "bias":
                    tensor.copy_(uniform(tensor, -0.5, 0.5))
                elif norm:
                    tensor.copy_(uniform(tensor, 0.5, 2.0))
                else:
                    fan_in = max(tensor[0].numel(), 1)
                    tensor.copy_(1.2 * torch.randn(tensor.shape, generator=generator) / fan_in**0.5)
            for name, buffer in layer.named_buffers(recurse=False):
                if name == "running_mean":
                    buffer.copy_(uniform(buffer, -0.5, 0.5))
                elif name == "running_var":
                    buffer.copy_(uniform(buffer, 0.3, 2.0))
    return module


def state_of(module: nn.Module) -> State:
    return {name: tensor.double().numpy() for name, tensor in module.state_dict().items()}


def distance(found: Tensor | np.ndarray, expected: Tensor | np.ndarray) -> float:
    """The greatest difference, relative to the expected peak."""
    a, b = (torch.as_tensor(each).double() for each in (found, expected))
    assert a.shape == b.shape, f"{tuple(a.shape)} is not {tuple(b.shape)}"
    assert a.isfinite().all()
    return float((a - b).abs().max() / b.abs().max().clamp_min(1e-12))


@contextmanager
def holding(module: nn.Module, values: Mapping[str, float]) -> Iterator[None]:
    """Put each submodule's output at a value while the context lasts."""

    def hold(value: float) -> Callable[..., Tensor]:
        return lambda _module, _inputs, output: torch.full_like(output, value)

    handles = [module.get_submodule(name).register_forward_hook(hold(value)) for name, value in values.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def record(module: nn.Module, x: Tensor, *points: str) -> tuple[Tensor, dict[str, Tensor]]:
    """The block's output, and what each point gave on the way; every point must run exactly once."""
    seen: dict[str, list[Tensor]] = {point: [] for point in points}

    def keep(point: str) -> Callable[..., None]:
        return lambda _module, _inputs, output: seen[point].append(output.clone())

    handles = [module.get_submodule(point).register_forward_hook(keep(point)) for point in points]
    try:
        output = module(x)
    finally:
        for handle in handles:
            handle.remove()
    assert all(len(values) == 1 for values in seen.values())
    return output, {point: values[0] for point, values in seen.items()}


def read(module: Mechanism, x: Tensor) -> tuple[Tensor, dict[str | None, Any]]:
    """The block's output, and each part's value as ``apply`` takes it: a pair where it has two points."""
    output, seen = record(module, x, *(point for part in module.parts for point in part.points))
    values = {part.name: tuple(seen[point] for point in part.points) for part in module.parts}
    return output, {name: value if len(value) > 1 else value[0] for name, value in values.items()}


def applied(module: Mechanism, x: Tensor, attention: Mapping[str | None, Any]) -> Tensor:
    """The block's output from its input and its attention alone."""
    return module.recompose(x, attention)


def off_values(part: Part, *, block: bool) -> dict[str, float]:
    """Where a part is switched off, and to what: alone, or as part of the whole block."""
    value = part.block_off if block and part.block_off is not None else part.off
    assert value is not None
    return dict.fromkeys((part.off_at,) if part.off_at else part.points, value)

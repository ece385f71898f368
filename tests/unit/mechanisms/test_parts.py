"""What a block's parts say of it: read at their points, they make its output; at "off", they do nothing."""

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from attnviz.errors import OptionError
from attnviz.mechanisms import BAM, CBAM, GC, SCSE, SK, Kind, Mechanism, Part
from tests.unit.mechanisms.helpers import CASES, MECHANISMS, Case, applied, distance, holding, off_values, read, record

PLANE = (5, 6)
# The axes that a value may be rolled along by one: channels, positions, branches or keys.
ROLLS = {
    Kind.CHANNEL: (1,),
    Kind.SPATIAL: (2, 3),
    Kind.VOLUME: (1, 2, 3),
    Kind.BRANCH: (1, 2),
    Kind.AFFINITY: (2,),
}


def touching(module: Mechanism) -> dict[str | None, Part]:
    return {part.name: part for part in module.parts if part.touches}


def rolled(value: Any, kind: Kind) -> Iterable[Any]:
    """The value rolled by one, in each way that its kind knows."""
    if kind is Kind.COORDINATE:
        g_h, g_w = value
        return [
            (g_h.roll(1, 2), g_w),
            (g_h, g_w.roll(1, 3)),
            (g_h.roll(1, 1), g_w),
            (g_h, g_w.roll(1, 1)),
        ]
    return [value.roll(1, axis) for axis in ROLLS[kind] if value.shape[axis] > 1]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_output_is_made_again_from_what_the_points_gave(case: Case) -> None:
    module, x = case.build(), case.input(2, PLANE)
    output, values = read(module, x)
    attention = {name: values[name] for name in touching(module)}
    assert distance(applied(module, x, attention), output) < 1e-5


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_part_that_touches_is_felt(case: Case) -> None:
    module, x = case.build(), case.input(2, PLANE)
    output, values = read(module, x)
    parts = touching(module)
    assert parts
    for name, part in parts.items():
        changed = list(rolled(values[name], part.kind))
        assert changed or case.channels == 1
        for value in changed:
            attention = {other: values[other] for other in parts} | {name: value}
            assert distance(applied(module, x, attention), output) > 1e-2, part


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_value_replaced_on_its_way_is_one_recomposed(case: Case) -> None:
    """A hook at the points does what recomposing with the replaced value does."""
    module, x = case.build(), case.input(2, PLANE)
    _, values = read(module, x)
    parts = touching(module)
    for name, part in parts.items():
        with holding(module, dict.fromkeys(part.points, 0.3)):
            edited, held = read(module, x)
        # A later part may be computed from features that the edit changed: take what was then read.
        attention = {other: held[other] for other in parts}
        level = [torch.full_like(v, 0.3) for v in (values[name] if len(part.points) > 1 else [values[name]])]
        attention[name] = tuple(level) if len(level) > 1 else level[0]
        assert distance(applied(module, x, attention), edited) < 1e-5, part


def identity(module: Mechanism, x: Tensor) -> Tensor:
    """What a block that is off gives: its input, or for SK the mean of its branches."""
    if not isinstance(module, SK):
        return x
    names = [f"branches.{m}" for m in range(len(module.branches))]
    return torch.stack(list(record(module, x, *names)[1].values())).mean(0)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_block_that_is_off_is_the_identity(case: Case) -> None:
    module, x = case.build(), case.input(2, PLANE)
    expected = identity(module, x)
    assert distance(module(x), expected) > 0.05
    held: dict[str, float] = {}
    for part in touching(module).values():
        held |= off_values(part, block=True)
    with holding(module, held):
        assert distance(module(x), expected) < 1e-6
    assert distance(module(x), expected) > 0.05


def switched_off(module: Mechanism, name: str, x: Tensor) -> Tensor:
    with holding(module, off_values(module.part(name), block=False)):
        output: Tensor = module(x)
    return output


@pytest.mark.parametrize("fusion", ["sum", "max"])
def test_a_part_of_scse_that_is_off_drops_its_branch(fusion: str) -> None:
    case = Case(SCSE, 12, {"fusion": fusion})
    module, x = case.build(), case.input(2, PLANE)
    steps = {step.name: step.value for step in module.steps(x)}
    assert torch.equal(switched_off(module, "cse", x), steps["sse"])
    assert torch.equal(switched_off(module, "sse", x), steps["cse"])


@pytest.mark.parametrize("halves", ["channel", "spatial"])
@pytest.mark.parametrize("fusion", ["sum", "max"])
def test_half_of_scse_that_is_off_is_the_identity(fusion: str, halves: str) -> None:
    case = Case(SCSE, 12, {"fusion": fusion, "halves": halves})
    module, x = case.build(), case.input(2, PLANE)
    (part,) = module.parts
    assert torch.equal(switched_off(module, str(part.name), x), x)


def test_a_part_of_cbam_that_is_off_leaves_the_other_half() -> None:
    module = Case(CBAM, 12, {"reduction": 3, "norm": True}).build()
    x = Case(CBAM, 12).input(2, PLANE)
    for off, kept in (("channel", "spatial"), ("spatial", "channel")):
        half = Case(CBAM, 12, {"reduction": 3, "norm": True, "halves": kept}).build(seed=1)
        half.load_state_dict({name: module.state_dict()[name] for name in half.state_dict()})
        assert torch.equal(switched_off(module, off, x), half(x))


@pytest.mark.parametrize("norm", ["paper", "code"])
def test_a_logit_of_bam_that_is_off_leaves_the_other(norm: str) -> None:
    case = Case(BAM, 12, {"reduction": 3, "norm": norm})
    module, x = case.build(), case.input(2, PLANE)
    logits = read(module, x)[1]
    assert distance(switched_off(module, "spatial", x), x + x * logits["channel"].sigmoid()[:, :, None, None]) < 1e-6
    assert distance(switched_off(module, "channel", x), x + x * logits["spatial"].sigmoid()) < 1e-6


@pytest.mark.parametrize("pooling", ["att", "avg"])
def test_a_part_of_gc_that_is_off_leaves_the_other(pooling: str) -> None:
    options = {"pooling": pooling, "ratio": 0.5, "fusions": ("channel_add", "channel_mul")}
    module, x = Case(GC, 12, options).build(), Case(GC, 12).input(2, PLANE)
    values = read(module, x)[1]
    assert distance(switched_off(module, "mul", x), x + values["add"][:, :, None, None]) < 1e-6
    assert distance(switched_off(module, "add", x), x * values["mul"][:, :, None, None]) < 1e-6


@pytest.mark.parametrize("fusion", ["sum", "max"])
def test_scse_without_both_of_its_branches_gives_numbers(fusion: str) -> None:
    """Each part dropped alone, at once: not the block switched off."""
    case = Case(SCSE, 12, {"fusion": fusion})
    module, x = case.build(), case.input(2, PLANE)
    held = off_values(module.part("cse"), block=False) | off_values(module.part("sse"), block=False)
    with holding(module, held):
        assert module(x).isfinite().all()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_pass_a_part_that_is_off(case: Case) -> None:
    """Grad-CAM of an edited pass goes through here."""
    module, x = case.build(), case.input(2, PLANE).requires_grad_()
    for part in module.parts:
        if part.off is None:
            continue
        with torch.enable_grad(), holding(module, off_values(part, block=False)):
            (gradient,) = torch.autograd.grad(module(x).square().sum(), x)
        assert gradient.isfinite().all(), part
        assert gradient.abs().max() > 0, part


@pytest.mark.parametrize("case", CASES, ids=str)
def test_parts_are_found_by_name(case: Case) -> None:
    module = case.build()
    names = [part.name for part in module.parts]
    assert len(set(names)) == len(names) > 0
    for part in module.parts:
        assert module.part(part.name) is part
        assert all(module.get_submodule(point) for point in (*part.points, *filter(None, [part.off_at])))
        assert len(part.points) == (2 if part.kind is Kind.COORDINATE else 1)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_an_unknown_part_is_refused_with_the_names_there_are(mechanism: type[Mechanism]) -> None:
    module = mechanism(32)
    with pytest.raises(OptionError) as error:
        module.part("nose")
    line = str(error.value)
    assert "\n" not in line
    assert all(repr(name) in line for name in ("nose", *(part.name for part in module.parts)))


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_block_is_still_a_module(mechanism: type[Mechanism]) -> None:
    """What torch calls on every module of a network finds no other meaning here."""
    seen: list[nn.Module] = []
    network = nn.Sequential(mechanism(32))
    assert network.apply(seen.append) is network
    assert len(seen) == len(list(network.modules()))
    own = {name for name in vars(Mechanism) if not name.startswith("_")}
    assert {name for name in own if hasattr(nn.Module, name)} <= {"forward"}

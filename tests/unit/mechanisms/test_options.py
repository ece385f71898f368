"""Options that cannot be are refused when a block is built, in one line that names the option."""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from attnviz.errors import OptionError
from attnviz.mechanisms import BAM, CBAM, ECA, GC, SCSE, SE, SK, CoordinateAttention, Mechanism, NonLocal
from tests.unit.mechanisms.helpers import CASES, MECHANISMS, Case

COUNT = (0, -1, 2.0, 1.5, "2", None, True, False, (2,), math.nan)  # never a whole number of 1 or more
LEAST = (-1, 2.0, 1.5, "2", None, True, (2,))  # never a whole number of 0 or more
FLAG = ("no", "", None, 0, 1, 0.0, ())  # never True or False
NUMBER = ("2", None, True, math.nan, math.inf, -math.inf, (2,))  # never a finite number
CHANNELS = 12


class Wrong(NamedTuple):
    """A value that an option cannot have, and the options beside it."""

    mechanism: type[Mechanism]
    option: str
    value: Any
    beside: dict[str, Any]

    def __str__(self) -> str:
        beside = "".join(f"-{name}={value}" for name, value in self.beside.items())
        return f"{self.mechanism.__name__}-{self.option}={self.value!r}{beside}"


def wrong(mechanism: type[Mechanism], option: str, *values: Any, **beside: Any) -> Iterator[Wrong]:
    return (Wrong(mechanism, option, value, beside) for value in values)


def widths(mechanism: type[Mechanism], **beside: Any) -> Iterator[Wrong]:
    """What no hidden width can be made of."""
    yield from wrong(mechanism, "reduction", *COUNT, **beside)
    yield from wrong(mechanism, "min_hidden", *LEAST, **beside)
    yield from wrong(mechanism, "reduction", CHANNELS + 1, 1000, **{"min_hidden": 0} | beside)


def choices(mechanism: type[Mechanism], option: str, *near: Any, **beside: Any) -> Iterator[Wrong]:
    """What is none of the choices, and what nearly is one."""
    return wrong(mechanism, option, *near, "", "nose", None, True, 0, 2.5, ("both",), ["sum"], **beside)


WRONG: tuple[Wrong, ...] = (
    *widths(SE),
    *choices(SE, "squeeze", "mean", "AVG", ("avg", "max"), reduction=3),
    *wrong(SE, "bias", *FLAG, reduction=3),
    *wrong(ECA, "gamma", 0, 0.0, -0.0, 1e-300, -1e-9, *NUMBER),
    *wrong(ECA, "b", *NUMBER),
    *wrong(ECA, "kernel", 0, -1, -3, 2, 4, 3.0, 2.5, "3", True, False, (3,)),
    *wrong(ECA, "min_kernel", 0, -1, -3, 2, 4, 3.0, 2.5, "3", True, None, (3,)),
    *widths(CBAM),
    *widths(CBAM, halves="channel"),
    *choices(CBAM, "pools", "mean", ("avg", "max"), ("avg",)),
    *wrong(CBAM, "kernel_size", 0, -7, 1, 5, 9, 7.0, 3.0, "7", (7, 7), True, None, reduction=3),
    *wrong(CBAM, "norm", *FLAG, reduction=3),
    *wrong(CBAM, "bias", *FLAG, reduction=3),
    *choices(CBAM, "halves", "none", "Channel", ("channel", "spatial")),
    *widths(BAM),
    *wrong(BAM, "dilation", *COUNT, reduction=3),
    *choices(BAM, "combine", "add", "mul", "*", reduction=3),
    *choices(BAM, "norm", "batch", False, reduction=3),
    *widths(SK, groups=3),
    *wrong(SK, "branches", *COUNT, 1, -2, groups=3),
    *wrong(SK, "groups", *COUNT, 5, 24, 32),
    *wrong(SK, "stride", *COUNT, (2, 2), groups=3),
    *choices(SK, "kernels", "large", "dilate", 3, 5, (3, 5), groups=3),
    *wrong(SK, "norm", *FLAG, groups=3),
    *widths(SCSE),
    *choices(SCSE, "fusion", "add", "mul", "cat"),
    *choices(SCSE, "halves", "cse", "sse", "none"),
    *wrong(NonLocal, "dims", -1, 4, 0, 1.0, 2.0, 3.0, 2.5, "2", (2,), True, False, None),
    *wrong(NonLocal, "inner", 0, -1, 2.0, 1.5, "2", True, False, (2,), math.nan),
    *choices(NonLocal, "pairwise", "softmax", "embedded", "dot", "Gaussian"),
    *wrong(NonLocal, "subsample", *FLAG),
    *wrong(NonLocal, "norm", *FLAG),
    *wrong(NonLocal, "scale", *FLAG),
    *wrong(NonLocal, "scale", True, pairwise="dot_product"),
    *wrong(NonLocal, "scale", True, pairwise="concatenation"),
    *choices(GC, "pooling", "max", "attention", ratio=0.5),
    *wrong(GC, "fusions", "channel_add", "channel_mul", "add", (), [], ("add",), (None,), ratio=0.5),
    *wrong(GC, "fusions", ("channel_add",) * 2, ("channel_add", "nose"), None, 5, True, ([],), ratio=0.5),
    *wrong(GC, "ratio", 0, 0.0, -0.5, 1.01, 2, 16, *NUMBER),
    *wrong(GC, "ratio", 0.01, 1 / 16, 1e-9),
    *wrong(GC, "min_hidden", *LEAST, ratio=0.5),
    *widths(CoordinateAttention),
)


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_a_wrong_option_is_refused(case: Wrong) -> None:
    with pytest.raises(OptionError) as error:
        case.mechanism(CHANNELS, **{case.option: case.value}, **case.beside)
    line = str(error.value)
    assert "\n" not in line
    assert line == line.strip() != ""
    assert case.option in line
    assert case.mechanism.__name__ in line
    assert repr(case.value) in line or case.beside.get("pairwise", "?") in line


@pytest.mark.parametrize("channels", [value for value in COUNT if value is not math.nan], ids=repr)
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_wrong_channels_are_refused(mechanism: type[Mechanism], channels: Any) -> None:
    with pytest.raises(OptionError) as error:
        mechanism(channels)
    line = str(error.value)
    assert "\n" not in line
    assert "channels" in line
    assert mechanism.__name__ in line
    assert repr(channels) in line


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_an_option_that_is_not_there_is_refused(mechanism: type[Mechanism]) -> None:
    build: Callable[..., Mechanism] = mechanism
    with pytest.raises(TypeError, match="nose"):
        build(32, nose=1)
    with pytest.raises(TypeError, match="positional"):
        build(32, 2)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_refused_option_leaves_the_right_ones_alone(case: Case) -> None:
    """Everything that the other tests build is what the options allow, with whole weights."""
    module = case.mechanism(case.channels, **case.options)
    assert module.channels == case.channels
    assert all(parameter.isfinite().all() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("mechanism", "options", "least"),
    [
        (SE, {}, 16),
        (CBAM, {}, 16),
        (BAM, {}, 16),
        (SCSE, {}, 2),
        (GC, {}, 16),
        (SE, {"reduction": 5}, 5),
        (CoordinateAttention, {"min_hidden": 0}, 32),
    ],
)
def test_the_fewest_channels_are_those_that_leave_a_hidden_unit(
    mechanism: type[Mechanism], options: dict[str, Any], least: int
) -> None:
    mechanism(least, **options)
    with pytest.raises(OptionError, match="hidden"):
        mechanism(least - 1, **options)


def test_cbams_spatial_half_needs_no_hidden_unit() -> None:
    assert [part.name for part in CBAM(2, halves="spatial").parts] == ["spatial"]
    assert [part.name for part in SCSE(1, halves="spatial").parts] == ["sse"]


def test_a_list_of_fusions_is_as_good_as_a_tuple() -> None:
    block = Case(GC, 32, {"fusions": ["channel_mul", "channel_add"]}).build()
    assert [part.name for part in block.parts] == ["context", "mul", "add"]

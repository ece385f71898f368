"""Nine mechanisms in ten styles: all named after their papers, with their parts, and their values."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from attnviz import flow
from attnviz.mechanisms import Kind
from tests.unit.flow.corpus.compare import (
    Hooks,
    block_at,
    built,
    check_claims,
    close,
    inputs,
    looked,
    paired,
    read,
    told,
    values_of,
)
from tests.unit.flow.corpus.styles import WRITTEN, parts

EVERY = pytest.mark.parametrize("name", WRITTEN)
REFERENCE = "F.sigmoid"


@cache
def sight_of(name: str, size: int = 0) -> Any:
    return looked(WRITTEN[name], size)


class Kept(TorchFunctionMode):
    """Every tensor that any function of PyTorch gives, copied."""

    def __init__(self) -> None:
        super().__init__()
        self.tensors: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.tensors += [leaf.detach().clone() for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        return result


def test_ninety() -> None:
    assert len(WRITTEN) == 90


@EVERY
def test_found_and_named(name: str) -> None:
    check_claims(sight_of(name), WRITTEN[name])


@EVERY
def test_found_and_named_at_another_size(name: str) -> None:
    check_claims(sight_of(name, 1), WRITTEN[name], shapes=False)


@EVERY
def test_parts_have_the_names_of_the_mechanism(name: str) -> None:
    mechanism, style = name.split(", ", 1)
    (block,) = sight_of(name).blocks
    got = {part.kind: part.name for part in block.parts}
    assert got == {shown.kind: named for named, shown in parts(mechanism, style).items()}, told(sight_of(name))


@EVERY
def test_values_are_those_that_flow(name: str) -> None:
    """Each value is one that a function gave in an untouched copy; shapes without axes of one."""
    network = WRITTEN[name]
    model, given = built(network), inputs(network)
    claim = replace(network.claims[0], parts=tuple(parts(*name.split(", ", 1)).values()))
    sight = flow.look(model, *given)
    readings = {reading.part: reading for reading in read(model, sight, *given)}
    untouched = Kept()
    with torch.no_grad(), untouched:
        built(network)(*(each.clone() for each in given))
    for shown, part in paired(block_at(sight, claim.layer), claim):
        for value in values_of(readings[part.name].value, shown):
            alone = any(like(tensor, value) for tensor in untouched.tensors)
            # Shares of branches may be computed one by one.
            assert alone or all(any(like(tensor, row) for tensor in untouched.tensors) for row in value), part.name


def like(tensor: Tensor, value: Tensor) -> bool:
    """Whether a tensor has these values, in this order or as (places, channels)."""
    tensor, value = tensor.squeeze(), value.squeeze()
    if tensor.numel() != value.numel() or tensor.dtype != value.dtype:
        return False
    exchanged = tensor.dim() == 2 and close(value, tensor.mT.reshape(value.shape))
    return exchanged or close(value, tensor)


@pytest.mark.parametrize("name", [name for name, network in WRITTEN.items() if network.claims[0].layer])
def test_features_are_the_module_s(name: str) -> None:
    network = WRITTEN[name]
    model, given = built(network), inputs(network)
    hooks = Hooks(model, {"attention"}, given)
    for reading in read(model, flow.look(model, *given), *given):
        assert close(reading.before, hooks.taken["attention"][0][0])
        assert close(reading.after, hooks.gave["attention"][0][0])


@pytest.mark.parametrize("mechanism", ["SE", "CBAM", "SK", "GC", "BAM"])
def test_distributions_sum_to_one_and_gates_lie_between(mechanism: str) -> None:
    network = WRITTEN[f"{mechanism}, {REFERENCE}"]
    model, given = built(network), inputs(network)
    for reading in read(model, flow.look(model, *given), *given):
        part = next(p for p in block_at(flow.look(model, *given), "attention").parts if p.name == reading.part)
        if part.kind == Kind.BRANCH:
            torch.testing.assert_close(reading.value.sum(0), torch.ones(16))
        elif part.kind == Kind.CONTEXT:
            torch.testing.assert_close(reading.value.sum(), torch.tensor(1.0))
        elif part.role == "gate":
            assert 0 <= reading.value.min() <= reading.value.max() <= 1

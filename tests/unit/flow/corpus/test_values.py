"""Values and features against hooks on an untouched copy, or what the copy keeps of its own."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from attnviz import flow
from tests.unit.flow.corpus.answers import Shown
from tests.unit.flow.corpus.compare import (
    ALL,
    CLAIMED,
    Hooks,
    block_at,
    built,
    close,
    inputs,
    paired,
    read,
    values_of,
)

HOOKED = [name for name in CLAIMED if any(shown.module for claim in ALL[name].claims for shown in claim.parts)]
KEPT = [
    name for name in CLAIMED if any(claim.kept and not all(s.module for s in claim.parts) for claim in ALL[name].claims)
]
WHOLE = [name for name in CLAIMED if all(claim.whole for claim in ALL[name].claims)]


@pytest.mark.parametrize("name", HOOKED)
def test_values_are_what_the_module_gives_bit_for_bit(name: str) -> None:
    network = ALL[name]
    model, given = built(network), inputs(network)
    modules = {shown.module for claim in network.claims for shown in claim.parts if shown.module}
    hooks = Hooks(model, modules, given)
    sight = flow.look(model, *given)
    readings = read(model, sight, *given)
    for claim in network.claims:
        for shown, part in paired(block_at(sight, claim.layer), claim):
            if shown.module is None:
                continue
            mine = [each for each in readings if (each.layer, each.part) == (claim.layer, part.name)]
            assert [each.call for each in mine] == list(range(claim.calls))
            for reading, wanted in zip(mine, hooks.gave[shown.module], strict=True):
                (value,) = values_of(reading.value, shown)
                assert torch.equal(value.float(), wanted.reshape(shown.shape).float())


@pytest.mark.parametrize("name", KEPT)
def test_values_are_what_the_network_kept(name: str) -> None:
    network = ALL[name]
    model, given = built(network), inputs(network)
    untouched = copy.deepcopy(model)
    with torch.no_grad():
        untouched(*(each.clone() for each in given))
    sight = flow.look(model, *given)
    readings = read(model, sight, *given)
    for claim in network.claims:
        seen = untouched.get_submodule(claim.layer).seen
        block = block_at(sight, claim.layer)
        for (shown, part), kept in zip(paired(block, claim), seen, strict=True):
            if kept is None:
                continue
            (reading,) = (each for each in readings if (each.layer, each.part) == (claim.layer, part.name))
            wanted = (kept,) if isinstance(kept, Tensor) else kept
            for value, tensor in zip(values_of(reading.value, shown), wanted, strict=True):
                assert close(value, tensor) or holds_the_plus(part, shown, value, tensor)


def holds_the_plus(part: Any, shown: Shown, value: Tensor, kept: Tensor) -> bool:
    """Whether what is added before the gate multiplies is in the value, and in its neutral value too."""
    if not shown.plus or not close(value, kept + shown.plus):
        return False
    return shown.neutral in (..., None) or part.neutral == pytest.approx(shown.neutral + shown.plus)


@pytest.mark.parametrize("name", WHOLE)
def test_features_are_the_module_s(name: str) -> None:
    network = ALL[name]
    model, given = built(network), inputs(network)
    hooks = Hooks(model, {claim.layer for claim in network.claims}, given)
    for reading in read(model, flow.look(model, *given), *given):
        assert close(reading.before, hooks.taken[reading.layer][reading.call][0])
        assert close(reading.after, hooks.gave[reading.layer][reading.call][0])


@pytest.mark.parametrize("name", ["channel gate, expanded", "map, of mean and maximum", "affinity, embedded"])
def test_another_picture_gives_its_own_values(name: str) -> None:
    """A look keeps no tensors: it is made with one picture and read with others."""
    network = ALL[name]
    model = built(network)
    sight = flow.look(model, *inputs(network))
    for seed in (21, 22):
        given = inputs(network, seed=seed)
        hooks = Hooks(model, {"attention"}, given)
        for reading in read(model, sight, *given):
            assert close(reading.before, hooks.taken["attention"][0][0])
            assert close(reading.after, hooks.gave["attention"][0][0])

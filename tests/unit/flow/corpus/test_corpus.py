"""Each network of the corpus against its answer, at two sizes."""

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnviz import flow
from attnviz.mechanisms import Kind
from tests.unit.flow.corpus.answers import Around
from tests.unit.flow.corpus.compare import (
    ALL,
    ATTENTION,
    PLAIN,
    Hooks,
    built,
    check_claims,
    check_named,
    close,
    inputs,
    look_at,
    told,
)

NAMED = [name for name in ATTENTION if not ALL[name].claims]
CLAIMED = [name for name in ATTENTION if ALL[name].claims]
SIZES = pytest.mark.parametrize("size", [0, 1], ids=["", "another size"])


def test_the_corpus_is_as_large_as_it_should_be() -> None:
    assert len(ATTENTION) >= 50
    assert len(PLAIN) >= 30


@pytest.mark.parametrize("name", CLAIMED)
def test_the_answer_is_true(name: str) -> None:
    """Where modules compute all gates of a block, their neutral values leave its features as they were."""
    network = ALL[name]
    for claim in network.claims:
        gates = [shown for shown in claim.parts if shown.kind not in (Kind.CONTEXT, Kind.BRANCH, Kind.AFFINITY)]
        if not (claim.whole and gates and all(shown.module and shown.neutral is not ... for shown in gates)):
            continue
        model = built(network)
        for shown in gates:
            model.get_submodule(shown.module).register_forward_hook(partial(set_to, shown.neutral))
        hooks = Hooks(model, {claim.layer}, inputs(network))
        for before, after in zip(hooks.taken[claim.layer], hooks.gave[claim.layer], strict=True):
            assert close(after, before)


def set_to(value: float, module: nn.Module, taken: Any, given: Tensor) -> Tensor:
    return torch.full_like(given, value)


@SIZES
@pytest.mark.parametrize("name", CLAIMED)
def test_attention_is_found(name: str, size: int) -> None:
    check_claims(look_at(name, size), ALL[name], shapes=size == 0)


@SIZES
@pytest.mark.parametrize("name", NAMED)
def test_attention_of_no_kind_is_named_as_what_it_is(name: str, size: int) -> None:
    check_named(look_at(name, size), ALL[name])


@SIZES
@pytest.mark.parametrize("name", PLAIN)
def test_nothing_is_invented(name: str, size: int) -> None:
    sight = look_at(name, size)
    assert not sight.blocks, told(sight)
    check_named(sight, ALL[name])


@pytest.mark.parametrize("name", ["channel gate, one layer", "affinity, embedded", "GLU of halves", "FiLM"])
def test_both_sizes_say_the_same(name: str) -> None:
    first, second = look_at(name, 0), look_at(name, 1)
    assert [(note.layer, note.what) for note in first.noted] == [(note.layer, note.what) for note in second.noted]
    assert [(b.layer, b.name, b.mechanism) for b in first.blocks] == [
        (b.layer, b.name, b.mechanism) for b in second.blocks
    ]


def test_a_block_bears_the_name_of_its_class() -> None:
    (block,) = look_at("channel gate, expanded").blocks
    assert block.name == "Excite"
    (block,) = look_at("gates, two modules").blocks
    assert block.name == "Residual"


class Noisy(nn.Module):
    """Noise is added in evaluation too."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(12, 12)

    def forward(self, x: Tensor) -> Tensor:
        g = self.fc(x.mean((2, 3))).sigmoid() + 0.01 * torch.randn(len(x), 12)
        return x * g[:, :, None, None]


class ByNumpy(nn.Module):
    """The gate is worked out in NumPy."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(12, 12)

    def forward(self, x: Tensor) -> Tensor:
        z = self.fc(x.mean((2, 3))).detach().numpy()
        return x * torch.from_numpy(1 / (1 + 2.0 ** (-z))).view(len(x), -1, 1, 1)


class ByNumber(nn.Module):
    """A number for the whole picture, through Python: it varies over no place and no channel."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(12, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * F.sigmoid(self.fc(x.mean((0, 2, 3)))).item()


def test_a_pass_that_rolls_dice_is_not_verified() -> None:
    torch.manual_seed(0)
    sight = flow.look(Around(Noisy()).eval(), torch.rand(1, 3, 14, 22))
    assert not any(block.verified for block in sight.blocks)
    assert "random" in told(sight).lower()


def test_what_is_computed_in_numpy_is_said_to_be() -> None:
    torch.manual_seed(0)
    sight = flow.look(Around(ByNumpy()).eval(), torch.rand(1, 3, 14, 22))
    assert not any(block.verified for block in sight.blocks)
    assert "numpy" in told(sight).lower()


def test_a_number_is_no_attention() -> None:
    torch.manual_seed(0)
    assert not flow.look(Around(ByNumber()).eval(), torch.rand(1, 3, 14, 22)).blocks

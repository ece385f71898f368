"""Steps, neutral values, and changes made at a part's points, against independent hooks on an untouched copy."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from attnviz.errors import ModelError, OptionError
from attnviz.flow import look, read
from attnviz.flow.sight import Part, Sight
from attnviz.flow.steps import steps
from attnviz.mechanisms import BAM, CBAM, ECA, GC, SCSE, SE, SK, CoordinateAttention, Kind, NonLocal, Role

MADE: dict[str, Callable[[], nn.Module]] = {
    "SE": lambda: SE(16),
    "ECA": lambda: ECA(16),
    "CBAM": lambda: CBAM(16),
    "BAM": lambda: BAM(16),
    "SK": lambda: SK(16, groups=4),
    "scSE": lambda: SCSE(16),
    "Non-Local": lambda: NonLocal(16),
    "GC": lambda: GC(16, ratio=1 / 4),  # one hidden unit would be normalized to a constant
    "CA": lambda: CoordinateAttention(16),
}


class Network(nn.Module):
    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.stem, self.attention, self.head = nn.Conv2d(3, 16, 3, padding=1), attention, nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.attention(self.stem(x)).mean((2, 3)))


def made(name: str) -> tuple[nn.Module, Tensor, Sight]:
    """A network around a mechanism of ours, lively; a picture; and what is seen in it."""
    torch.manual_seed(5)
    model = Network(MADE[name]()).eval()
    for value in model.attention.parameters():
        if value.dim() > 1 or float(value.detach().abs().max()) == 0:
            nn.init.normal_(value, std=0.3)
    x = torch.rand(1, 3, 10, 14)
    return model, x, look(model, x)


def through(model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Features before and after the block, and the output, by hooks on a copy."""
    model = copy.deepcopy(model)
    seen: list[Tensor] = []
    model.attention.register_forward_hook(lambda _, given, gave: seen.extend((given[0].clone(), gave.clone())))
    with torch.no_grad():
        output = model(x)
    return seen[0], seen[1], output


@pytest.mark.parametrize("name", MADE)
def test_our_own_mechanisms_are_seen_as_what_they_are(name: str) -> None:
    model, x, sight = made(name)
    [block] = sight.blocks
    assert (block.layer, block.verified, block.mechanism) == ("attention", True, name)
    before, after, output = through(model, x)
    readings = read(model, sight, x)
    torch.testing.assert_close(readings.before["attention", 0], before)
    torch.testing.assert_close(readings.after["attention", 0], after)
    torch.testing.assert_close(readings.output, output)
    ours = {(part.kind, part.role) for part in model.attention.parts}
    assert {(part.kind, part.role) for part in block.parts} == ours


@pytest.mark.parametrize("name", MADE)
def test_the_last_step_is_the_blocks_output(name: str) -> None:
    model, x, sight = made(name)
    shown = steps(model, sight.blocks[0], x)
    _, after, _ = through(model, x)
    torch.testing.assert_close(shown[-1].value, after[0])
    assert all(len(step.axes) == step.value.dim() for step in shown)
    assert all(step.formula and "{" in step.symbol for step in shown)


@pytest.mark.parametrize("name", ["SE", "ECA", "CBAM", "BAM", "GC", "CA", "scSE"])
def test_at_its_neutral_value_a_block_gives_what_it_got(name: str) -> None:
    model, x, sight = made(name)
    parts = [part for part in sight.blocks[0].parts if part.role in (Role.GATE, Role.TERM)]
    changes = {point: at(part.neutral) for part in parts for point in part.points[0]}
    readings = read(model, sight, x, changes=changes)
    torch.testing.assert_close(readings.after["attention", 0], through(model, x)[0], rtol=1e-4, atol=1e-5)


def at(value: float | None) -> Callable[[Tensor], Tensor]:
    assert value is not None
    return lambda tensor: torch.full_like(tensor, value)


def part_of(sight: Sight, kind: Kind) -> Part:
    return next(part for part in sight.blocks[0].parts if part.kind is kind)


def test_a_change_of_one_gate_is_what_a_hook_makes_of_it() -> None:
    model, x, sight = made("SE")
    [point] = part_of(sight, Kind.CHANNEL).points[0]

    def shut(tensor: Tensor) -> Tensor:
        value = point.layout.canonical(tensor).clone()
        value[:, 3] = 0
        return point.layout.spread(value, tensor)

    changed = read(model, sight, x, changes={point: shut})
    copied = copy.deepcopy(model)
    gates = [module for path, module in copied.named_modules() if path.endswith("gate")]
    assert len(gates) == 1

    def close(_: nn.Module, __: tuple[Tensor, ...], gave: Tensor) -> Tensor:
        gave = gave.clone()
        gave.view(len(gave), -1)[:, 3] = 0
        return gave

    gates[0].register_forward_hook(close)
    with torch.no_grad():
        torch.testing.assert_close(changed.output, copied(x))
    [reading] = changed.attention
    assert float(reading.value[0, 3]) == 0


def test_what_a_network_no_longer_computes_is_refused() -> None:
    model, x, sight = made("SE")
    model.attention = nn.Identity()
    with pytest.raises(ModelError, match="does not compute"):
        read(model, sight, x)
    with pytest.raises(OptionError, match="no call 7"):
        steps(model, sight.blocks[0], x, call=7)


def test_another_batch_is_read() -> None:
    model, x, sight = made("CBAM")
    many = torch.cat([x, 1 - x, x / 2])
    readings = read(model, sight, many)
    assert readings.attention[0].value.shape == (3, 16)
    [channel, spatial] = readings.attention
    alone = read(model, sight, many[1:2]).attention
    torch.testing.assert_close(channel.value[1:2], alone[0].value)
    torch.testing.assert_close(spatial.value[1:2], alone[1].value)

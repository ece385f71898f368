"""Recording leaves no trace, and what it wrote down gives the same numbers when it is computed again."""

import gc
import weakref
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnviz.errors import ModelError, OptionError
from attnviz.flow import look
from attnviz.flow.graph import Value
from attnviz.flow.memory import overwritten
from attnviz.flow.record import CREATE, record
from attnviz.flow.replay import between, difference, needed, replay
from attnviz.plain import plain_attention


class Busy(nn.Module):
    """Writes in place, through views, into buffers, with ``out=``, and draws random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x)).relu_()
        y[:, :4] *= 2
        y.view(len(y), -1)[:, 0] = 1
        out = torch.empty_like(y)
        torch.mul(y, y.mean((2, 3), keepdim=True).sigmoid(), out=out)
        flat = out.flatten(2)
        flat.clamp_(max=3)
        half = torch.zeros_like(y)
        half[:, ::2] = out[:, ::2]
        return self.drop(out + half + 0 * torch.rand(1))


def picture(seed: int = 0, **options: Any) -> Tensor:
    return torch.rand(1, 3, 8, 10, generator=torch.Generator().manual_seed(seed), **options)


def test_the_output_is_bit_equal() -> None:
    model, x = Busy().eval(), picture()
    with torch.no_grad():
        wanted = model(x.expand(2, -1, -1, -1).clone())
    assert torch.equal(record(model, (x,))[1], wanted)


@pytest.mark.parametrize("fails", [False, True])
def test_modes_random_state_and_buffers_are_put_back(fails: bool) -> None:
    class Fails(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            torch.rand(3)
            if fails:
                raise KeyError("as it likes")
            return x

    model = nn.Sequential(Busy(), Fails()).train()
    model[0].drop.eval()
    modes = [module.training for module in model.modules()]
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    if fails:
        with pytest.raises(KeyError, match="as it likes"):
            look(model, picture())
    else:
        look(model, picture())
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, buffers[name]) for name, value in model.named_buffers())
    assert torch.is_grad_enabled()


def test_a_recording_holds_no_tensor_of_the_pass() -> None:
    class Keeps(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x * 2
            self.__dict__["ref"] = weakref.ref(y)
            return y.relu()

    model = Keeps()
    graph, _ = record(model, (picture(),))
    gc.collect()
    assert model.ref() is None
    assert all(value.tensor is None or value.op is None for value in graph.values)


def test_what_was_recorded_is_computed_again_in_place_and_all() -> None:
    model, x, kept = Busy().eval(), picture(), {}

    def keep(value: Value, tensor: Tensor) -> None:
        kept[value.id] = tensor.detach().clone()

    graph, output = record(model, (x,), listener=keep)
    start = next(op.out for op in graph.ops if op.name == "convolution")
    ops = between(graph, [start], graph.outputs[0])
    asked: set[int] = set()

    def get(value: Value) -> Tensor:
        asked.add(value.id)
        return kept[value.id]

    assert torch.equal(replay(ops, {start.id: kept[start.id]}, get, graph.outputs[0]), output)
    assert asked <= {value.id for value in needed(ops, [start])}
    again = replay(ops, {start.id: 2 * kept[start.id]}, get, graph.outputs[0])
    assert difference(again, output) > 0.1


@pytest.mark.parametrize("kind", ["plain", "causal", "mask", "bias", "scale", "groups"])
def test_attention_written_out_is_torchs(kind: str) -> None:
    q, k, v = (torch.randn(2, heads, n, 8) for heads, n in ((4, 5), (2, 7), (2, 7)))
    options: dict[str, Any] = {"enable_gqa": True}
    if kind != "groups":
        k, v, options = k.repeat_interleave(2, 1), v.repeat_interleave(2, 1), {}
    options |= {
        "causal": {"is_causal": True},
        "mask": {"attn_mask": torch.rand(5, 7) > 0.3},
        "bias": {"attn_mask": torch.randn(2, 4, 5, 7)},
        "scale": {"scale": 0.5},
    }.get(kind, {})
    torch.testing.assert_close(plain_attention(q, k, v, **options), F.scaled_dot_product_attention(q, k, v, **options))


def test_what_cannot_be_looked_at_is_refused_in_one_line() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1))
    with pytest.raises(OptionError, match="nothing"):
        look(model)
    with pytest.raises(OptionError, match="list"):
        look(model, [1.0])  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="traced or scripted"):
        look(torch.jit.trace(model, picture()), picture())


def test_a_network_that_takes_one_picture_only() -> None:
    class One(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            assert len(x) == 1
            return (y * self.fc(y.mean((2, 3))).sigmoid().view(1, 8, 1, 1)).mean((2, 3))

    [block] = look(One(), picture()).blocks
    assert block.verified
    assert block.layer == ""


def test_a_sight_keeps_no_tensor() -> None:
    model = Busy().eval()
    before = weakref.ref(model)
    sight = look(model, picture())
    del model
    gc.collect()
    assert before() is None
    assert hash(sight)


class Lists(nn.Module):
    """Writes into a view whose own tensor is gone, into a list of tensors at once, and into a buffer twice."""

    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        gone = y.transpose(1, 2).flatten(1).sum(1)
        y.add_(1)
        pair = [y * 3, y + 1]
        torch._foreach_mul_(pair, 2.0)
        out = torch.empty_like(y)
        torch.add(pair[0], pair[1], out=out)
        seen = out + 0
        torch.mul(pair[0], pair[1], out=out)
        return seen * out + gone[:, None, None, None]


@pytest.mark.parametrize("make", [Busy, Lists])
def test_what_is_written_over_is_known(make: type[nn.Module]) -> None:
    held: dict[int, tuple[Value, Tensor, Tensor]] = {}

    def hold(value: Value, tensor: Tensor) -> None:
        held[value.id] = value, tensor.detach(), tensor.detach().clone()

    graph, _ = record(make().eval(), (picture(),), listener=hold)
    lost = {key for key, (_, now, then) in held.items() if not torch.equal(now, then)}
    lost -= {value.id for value in graph.values if value.op is not None and value.op.name in CREATE}  # of noise still
    assert len(lost) > 2
    assert lost <= overwritten(graph)


def test_what_nobody_writes_over_need_not_be_copied() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(320, 2)).eval()
    assert not overwritten(record(model, (picture(),))[0])

"""Looking and reading leave everything as it was, also when the network fails, and threads do not see each other."""

import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules import module as modules
from torch.overrides import _get_current_function_mode_stack
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from attnviz import flow
from tests.unit.flow.corpus.answers import Around
from tests.unit.flow.corpus.compare import ALL, Hooks, built, close, inputs, look_at, read, told

SOME = [
    "channel gate, in a residual branch",
    "channel gate, run twice",
    "channel gate, data parallel",
    "gates, two modules",
    "shares, three kernels",
    "context, added",
    "affinity, PyTorch's function",
    "affinity, class token",
    "signal, gate from a recurrent layer",
    "clip, pooled keys",
    "mixture of experts",
    "ladder",
]


def state_of(model: nn.Module) -> dict[str, Any]:
    """Modes, hooks, attributes, weights' versions and flags."""
    state: dict[str, Any] = {}
    for name, module in model.named_modules():
        hooks = {key: list(value) for key, value in vars(module).items() if "hooks" in key and hasattr(value, "keys")}
        state[name] = (module.training, type(module), hooks, set(vars(module)) - {"seen"}, vars(module).get("forward"))
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        state[f"tensor {name}"] = (tensor._version, tensor.requires_grad, tensor.grad is None, id(tensor))
    return state


def state_of_torch() -> dict[str, Any]:
    return {
        "grad": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "dtype": torch.get_default_dtype(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "fast paths": torch.backends.mha.get_fastpath_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "benchmark": torch.backends.cudnn.benchmark,
        "threads": torch.get_num_threads(),
        "modes": (len(_get_current_function_mode_stack()), len(_get_current_dispatch_mode_stack())),
        "call": (nn.Module.__call__, nn.Module.__getattr__, nn.Module._call_impl),
        "random": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),  # noqa: NPY002 (the global state is what must not move)
        "torch random": torch.get_rng_state().tolist(),
    }


def global_hooks() -> int:
    return sum(
        len(value) for key, value in vars(modules).items() if key.startswith("_global_") and hasattr(value, "keys")
    )


@pytest.fixture(autouse=True)
def nothing_global_is_left() -> Iterator[None]:
    before = global_hooks()
    yield
    assert global_hooks() == before


@pytest.mark.parametrize("name", SOME)
def test_all_is_as_it_was(name: str) -> None:
    network = ALL[name]
    model, given = built(network), inputs(network)
    with torch.no_grad():
        expected = model(*(each.clone() for each in given))
    copies = [each.clone() for each in given]
    before, torchs = state_of(model), state_of_torch()
    sight = flow.look(model, *given)
    read(model, sight, *given)
    assert state_of(model) == before
    assert state_of_torch() == torchs
    assert all(torch.equal(a, b) for a, b in zip(given, copies, strict=True))
    with torch.no_grad():
        assert torch.equal(model(*given), expected)


def test_gradients_flow_as_before() -> None:
    network = ALL["channel gate, expanded"]
    model, given = built(network), inputs(network)
    flow.look(model, *given)
    x = given[0].requires_grad_()
    model(x).sum().backward()
    assert x.grad is not None
    assert all(parameter.grad is not None for parameter in model.parameters())
    flow.look(model, x)
    assert x.requires_grad


class Fails(nn.Module):
    """Raises after it has computed a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(12, 12)
        self.fails = True

    def forward(self, x: Tensor) -> Tensor:
        x = x * self.fc(x.mean((2, 3))).sigmoid()[:, :, None, None]
        if self.fails:
            raise ZeroDivisionError("as it was written")
        return x


def test_a_forward_that_raises_leaves_nothing_behind() -> None:
    model, x = Around(Fails()).eval(), torch.rand(1, 3, 14, 22)
    before, torchs = state_of(model), state_of_torch()
    with pytest.raises(Exception, match="as it was written"):
        flow.look(model, x)
    assert state_of(model) == before
    assert state_of_torch() == torchs
    model.attention.fails = False
    sight = flow.look(model, x)
    assert [block.layer for block in sight.blocks] == ["attention"]
    before, torchs = state_of(model), state_of_torch()
    model.attention.fails = True
    with pytest.raises(Exception, match="as it was written"):
        read(model, sight, x)
    assert state_of(model) == before
    assert state_of_torch() == torchs


def together(*tasks: Callable[[], None]) -> None:
    """Runs all at once, and raises what the first of them raised."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(tasks))

    def run(task: Callable[[], None]) -> None:
        start.wait()
        try:
            task()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_two_threads_look_at_two_networks() -> None:
    names = ["channel gate, expanded", "affinity, three heads"]
    expected = {name: told(look_at(name)) for name in names}
    models = {name: built(ALL[name]) for name in names}

    def look(name: str) -> Callable[[], None]:
        def task() -> None:
            for _ in range(4):
                assert told(flow.look(models[name], *inputs(ALL[name]))) == expected[name]

        return task

    together(*(look(name) for name in names))


def test_two_threads_read_one_network() -> None:
    network = ALL["channel gate, expanded"]
    model = built(network)
    sight = flow.look(model, *inputs(network))

    def reading(seed: int) -> Callable[[], None]:
        given = inputs(network, seed=seed)
        wanted = Hooks(model, {"attention.fc"}, given).gave["attention.fc"][0]

        def task() -> None:
            for _ in range(8):
                (only,) = read(model, sight, *given)
                assert torch.equal(only.value, wanted.flatten())

        return task

    together(reading(31), reading(32))


def test_a_plain_pass_is_not_seen_by_one_that_looks() -> None:
    network = ALL["channel gate, expanded"]
    model, given, others = built(network), inputs(network), inputs(network, seed=41)
    expected = told(look_at("channel gate, expanded"))
    with torch.no_grad():
        output = model(*others)

    def look() -> None:
        for _ in range(6):
            assert told(flow.look(model, *given)) == expected

    def run() -> None:
        with torch.no_grad():
            for _ in range(200):
                assert close(model(*others), output)

    together(look, run)

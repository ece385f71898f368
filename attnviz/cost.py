"""What a network costs, layer by layer: parameters, multiply-adds, memory, and the time of a pass.

Everything but the time is counted on a private copy of the network (``Backbone.private``), which shares
its weights: nobody else sees a hook, a mode or a flag change.
"""

import csv
import io
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call
from torch.overrides import TorchFunctionMode
from torchinfo import summary
from torchinfo.torchinfo import clear_cached_forward_pass

from attnviz.capture import Backbone
from attnviz.counting import Count, storage
from attnviz.errors import ModelError, OptionError
from attnviz.plain import PlainAttention

OPTIMIZERS = {"SGD": 0, "SGD with momentum": 1, "Adam": 2}  # numbers that an optimizer keeps for each parameter
COLUMNS = ("layer", "type", "attention", "output", "params", "macs", "activation_bytes")
OWN = ("own_params", "own_macs", "own_activation_bytes")


@dataclass(frozen=True)
class Amount:
    """Parameters, multiply-adds, and bytes of activations: see ``measure``."""

    params: int = 0
    macs: int = 0
    activations: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Layer:
    """One module of a network.

    Attributes:
        path: its dotted path; "" is the network itself.
        kind: its class's name.
        output: the shape of what it gave (where it runs more than once: the last time), without the batch.
        total: what it and everything in it costs, all its runs together.
        own: what it costs outside of the modules in it: a product or a sum that its own ``forward`` computes.
        leaf: whether it has no modules in it.
        block: the path of the attention block that it is or lies in, or None.
    """

    path: str
    kind: str
    output: tuple[int, ...]
    total: Amount
    own: Amount
    leaf: bool
    block: str | None

    @property
    def attention(self) -> bool:
        """Whether it is an attention block, not a part of one."""
        return self.block == self.path


@dataclass(frozen=True)
class Training:
    """Bytes that training takes, an estimate: ``weights + gradients + optimizer + activations``.

    Weights and gradients: the parameters' bytes, once each; optimizer: OPTIMIZERS times that; activations:
    ``Cost.saved`` times the batch. Not in it: the batch itself, buffers, what libraries reserve for their work,
    and what the allocator cannot use.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.activations


@dataclass(frozen=True)
class Cost:
    """What a network costs for one input.

    Attributes:
        layers: its modules in the order they first ran, each after the one it lies in; the first is the network.
        shape: the input's, (C, H, W).
        weights: bytes of the parameters.
        saved: bytes that autograd keeps of the forward pass for the backward pass, each tensor once, weights and
            input left out; measured with gradients wanted for all weights, in eval mode.
    """

    layers: tuple[Layer, ...]
    shape: tuple[int, ...]
    weights: int
    saved: int

    @property
    def total(self) -> Amount:
        """The whole network's."""
        return self.layers[0].total

    def training(self, batch: int, optimizer: str = "SGD with momentum") -> Training:
        """An estimate of the memory that training takes. Raises OptionError for an optimizer not in OPTIMIZERS."""
        if optimizer not in OPTIMIZERS:
            raise OptionError(f"no optimizer {optimizer!r}; there are {', '.join(OPTIMIZERS)}")
        if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
            raise OptionError(f"a batch is a whole number of pictures, 1 or more, not {batch!r}")
        return Training(self.weights, self.weights, OPTIMIZERS[optimizer] * self.weights, batch * self.saved)


@dataclass(frozen=True)
class Latency:
    """Milliseconds of a forward pass: the median of ``runs``, and the quarter and three quarters of them."""

    median: float
    low: float
    high: float
    runs: int


def measure(backbone: Backbone, shape: Sequence[int]) -> Cost:
    """Count what a network costs for one input of shape (C, H, W).

    Parameters are the numbers that training sets (weights and biases; BatchNorm's running statistics are none).

    Multiply-adds (MACs) are those of convolutions and of every product of matrices, whether a module's or a
    function's (a Non-Local block's two products are functions'). A bias, a norm, an activation, pooling, a softmax, a
    sum and a product value by value are not counted, nor what operations do that other libraries compiled.

    Activations are the bytes of every tensor that a layer or a function returns, in the network's own type, as if
    no layer worked in place; views of others are none. Without gradients most are freed along the way, so that a
    pass needs less at a time; what training keeps is ``Cost.saved``.

    These counts are the same on every processor and release of torch: attention is counted as its products and its
    softmax, a recurrent layer as what its equations need, whatever kernels compute them here. ``Cost.saved`` is the
    same on every processor; a release of torch may keep more or less for the backward pass of a rare function.

    Raises:
        ModelError: in one line, where the network cannot take such an input, or cannot be counted.
    """
    shape, x = tuple(shape), _noise(backbone, shape)
    try:
        with backbone.private() as model:
            rows, count = _count(model, x)
            params = {path: 0 for path, _ in model.named_modules()}
            for name, parameter in model.named_parameters():
                params[name.rpartition(".")[0]] += parameter.numel()
            weights = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
            saved = _saved(model, x)
    except (RuntimeError, AssertionError) as error:
        if isinstance(error, ModelError):
            raise
        reason = (str(error.__cause__ or error).splitlines() or [type(error).__name__])[0]
        fails = "takes an input, but cannot be counted for one" if _runs(backbone, x) else "cannot take an input"
        raise ModelError(f"this network {fails} of shape {shape}: {reason}") from None
    own = {path: Amount(number, count.macs[path], count.bytes[path]) for path, number in params.items()}
    return Cost(tuple(_layers(rows, own, backbone.look(x))), shape, weights, saved)


def _runs(backbone: Backbone, x: Tensor) -> bool:
    try:
        with backbone.private() as model, torch.no_grad():
            model(x)
    except (RuntimeError, AssertionError):
        return False
    return True


Row = tuple[str, nn.Module, tuple[int, ...]]


def _count(model: nn.Module, x: Tensor) -> tuple[list[Row], Count]:
    """One pass: torchinfo's rows, one a module, and each module's own MACs and bytes of activations."""
    with Count(model) as count:
        listed = summary(model, input_data=x, verbose=0).summary_list
    clear_cached_forward_pass()  # torchinfo keeps the last network of a class alive
    paths = {module: path for path, module in model.named_modules()}
    rows = {paths[info.module]: (info.module, tuple(info.output_size[1:])) for info in listed}
    return [(path, *row) for path, row in rows.items()], count


class _Recurrent(TorchFunctionMode):
    """Runs recurrent layers without autograd's account, and counts what their equations keep: kernels keep more.

    For each unit, direction, layer and step: LSTM the input, forget, cell and output gates, the cell, its tanh and the
    output; GRU the two gates, the new gate, what its reset gate met, and the output; a plain one its output.
    Besides, the layer's input, which ``keep`` is handed.
    """

    KEPT: ClassVar[Mapping[str, int]] = {"lstm": 7, "gru": 5, "rnn_tanh": 1, "rnn_relu": 1}

    def __init__(self, keep: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.bytes, self._keep = 0, keep
        self.given: list[Tensor] = []  # what they gave, the output that is counted already

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name not in self.KEPT or not torch.is_grad_enabled():
            return func(*args, **(kwargs or {}))
        self._keep(args[0])
        with torch.no_grad():
            found = func(*args, **(kwargs or {}))
        output, *states = (each.requires_grad_() for each in found)
        units = states[-1].shape[0] * states[-1].shape[-1]  # of all layers and directions
        steps = output.numel() // output.shape[-1]
        self.bytes += self.KEPT[name] * steps * units * output.element_size()
        self.given += [output, *states]
        return (output, *states)


def _saved(model: nn.Module, x: Tensor) -> int:
    """Bytes that autograd keeps of a pass; a network's own flags stay as they are."""
    kept: dict[int, Any] = {}  # the storages themselves, so that no address is given twice

    def pack(tensor: Tensor) -> Tensor:
        kept[storage(tensor)] = tensor.untyped_storage()
        return tensor

    # Each module's own weights: by name a module that is registered twice would not get back what it had.
    learnt = {weight: weight.detach().requires_grad_() for weight in model.parameters()}
    owners = ((f"{path}." if path else "", module) for path, module in model.named_modules())
    weights = {
        f"{path}{name}": learnt[weight]
        for path, module in owners
        for name, weight in module.named_parameters(recurse=False, remove_duplicate=False)
    }
    with (
        PlainAttention(),
        _Recurrent(pack) as recurrent,
        torch.enable_grad(),
        saved_tensors_hooks(pack, lambda each: each),
    ):
        functional_call(model, weights, (x,), tie_weights=False)
    known = {storage(tensor) for tensor in (x, *model.parameters(), *model.buffers(), *recurrent.given)}
    return recurrent.bytes + sum(each.nbytes() for place, each in kept.items() if place not in known)


def _layers(rows: Iterable[Row], own: Mapping[str, Amount], blocks: Iterable[str]) -> Iterable[Layer]:
    for path, module, output in rows:
        inside = f"{path}." if path else ""
        below = [amount for name, amount in own.items() if name == path or name.startswith(inside)]
        block = next((name for name in blocks if f"{path}.".startswith(f"{name}.")), None)
        leaf = not any(True for _ in module.children())
        yield Layer(path, type(module).__name__, output, sum(below, Amount()), own[path], leaf, block)


def latency(backbone: Backbone, shape: Sequence[int], runs: int) -> Latency:
    """The time of a forward pass of noise (C, H, W) on this machine, as it is now; a pass to warm up is left out.

    With torch's fast path for attention, where the network takes it: what is timed is what runs.
    """
    x, times = _noise(backbone, shape), []
    for _ in range(runs + 1):
        start = time.perf_counter()
        backbone.run(x, read=False)
        if x.is_cuda:
            torch.cuda.synchronize(x.device)
        times.append(1000 * (time.perf_counter() - start))
    low, median, high = statistics.quantiles(times[1:], n=4, method="inclusive")
    return Latency(median, low, high, runs)


def align(first: Cost, second: Cost) -> list[tuple[Layer | None, Layer | None]]:
    """Two networks' layers side by side, by path: the first's order, the second's own after what they follow."""
    ours, theirs = ({layer.path: layer for layer in cost.layers} for cost in (first, second))
    order, before = list(ours), ""
    for path in theirs:
        if path not in ours:
            order.insert(order.index(before) + 1, path)
        before = path
    return [(ours.get(path), theirs.get(path)) for path in order]


def table(costs: Mapping[str, Cost]) -> str:
    """One network's layers as CSV, or two with the difference (second minus first); keys name the networks."""
    (name, first), *rest = costs.items()
    if not rest:
        rows = [[*_cells(layer), *astuple(layer.own)] for layer in first.layers]
        return _csv([[*COLUMNS, *OWN], *rows])
    (other, second), *_ = rest
    head = [*COLUMNS[:3], *(f"{each}: {column}" for each in (name, other) for column in COLUMNS[3:])]
    lines: list[list[Any]] = [[*head, *(f"difference: {column}" for column in COLUMNS[4:])]]
    for pair in align(first, second):
        here = next(layer for layer in pair if layer is not None)
        cells = [_cells(layer)[3:] if layer else [""] * len(COLUMNS[3:]) for layer in pair]
        before, after = (astuple(layer.total if layer else Amount()) for layer in pair)
        lines.append([*_cells(here)[:3], *cells[0], *cells[1], *(b - a for a, b in zip(before, after, strict=True))])
    return _csv(lines)


def _cells(layer: Layer) -> list[Any]:
    attention = "block" if layer.attention else "inside" if layer.block else ""
    return [layer.path, layer.kind, attention, "x".join(map(str, layer.output)), *astuple(layer.total)]


def _noise(backbone: Backbone, shape: Sequence[int]) -> Tensor:
    shape = tuple(shape)
    if len(shape) != 3 or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in shape):
        raise OptionError(f"an input's shape is (C, H, W), three whole numbers, not {shape!r}")
    return backbone.place(torch.randn(1, *shape, generator=torch.Generator().manual_seed(0)))


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()

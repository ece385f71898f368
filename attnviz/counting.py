"""What a pass computes, counted: multiply-adds by shapes, bytes of the tensors.

A product is counted where it is asked for, by the shapes of what it multiplies, whichever kernel computes it. Kernels
differ between processors and releases of torch: one computes attention in a single operation, another in three.
So attention is computed from its two products while something is counted (``PlainAttention``), and the bytes counted
are those of what layers and functions return, not of what a release of torch computes on the way.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from attnviz.plain import PlainAttention

Product = Callable[[Sequence[Any], Any], int]


class Count(TorchDispatchMode):
    """Counts what this thread computes, without gradients, by the innermost module that is running ("": the network).

    Bytes are those of every tensor that a layer or a function of torch returns, views of what it was given left out.
    What it computes on the way is none (an average for a norm, a copy for a kernel); attention's logits and softmax
    count, and in functions that TorchScript compiled each operation does.

    Args:
        model: in which modules are told apart; nobody else may run it meanwhile. None: everything counts as "".

    Attributes:
        macs: multiply-adds of convolutions and of products of matrices and vectors, by module.
        bytes: by module.
    """

    def __init__(self, model: nn.Module | None = None) -> None:
        TorchDispatchMode.__init__(self)
        self.macs: dict[str, int] = defaultdict(int)
        self.bytes: dict[str, int] = defaultdict(int)
        self._model, self._around = model, ExitStack()
        # The path, and whether a layer or a function of torch's runs, whose output alone counts.
        self._running: list[tuple[str, bool]] = [("", False)]

    def __enter__(self) -> "Count":
        # In inference mode torch would show a product as whatever asked for it.
        for context in (torch.inference_mode(False), torch.no_grad(), _Functions(self), PlainAttention()):
            self._around.enter_context(context)
        TorchDispatchMode.__enter__(self)
        for path, module in self._model.named_modules() if self._model is not None else ():
            running = (path, _is_layer(module))
            self._around.callback(module.register_forward_pre_hook(partial(self._enter, running)).remove)
            self._around.callback(module.register_forward_hook(self._leave, always_call=True).remove)
        return self

    def __exit__(self, *error: Any) -> None:
        TorchDispatchMode.__exit__(self, *error)
        self._around.close()

    @property
    def total_macs(self) -> int:
        """Of all modules together."""
        return sum(self.macs.values())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        path, inside = self._running[-1]
        self.macs[path] += multiply_adds(func, args, output)
        if not inside:
            self._add(path, tensors(output), (args, kwargs))
        return output

    def call(self, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Run a function of torch's and count what it returns."""
        path, inside = self._running[-1]
        if inside:
            return func(*args, **kwargs)
        self._running.append((path, True))
        try:
            output = func(*args, **kwargs)
        finally:
            self._running.pop()
        self._add(path, tensors(output), (args, kwargs))
        return output

    def _enter(self, running: tuple[str, bool], *_: Any) -> None:
        self._running.append(running)

    def _leave(self, _: nn.Module, args: Any, output: Any) -> None:
        path, layer = self._running.pop()
        if layer:
            self._add(path, tensors(output), args)

    def _add(self, path: str, computed: list[Tensor], given: Any) -> None:
        known = {storage(tensor) for tensor in tensors(given)}
        new = {storage(tensor): tensor.untyped_storage().nbytes() for tensor in computed}
        self.bytes[path] += sum(size for place, size in new.items() if place not in known)


class _Functions(TorchFunctionMode):
    """Hands a count every function of torch that is called."""

    def __init__(self, count: Count) -> None:
        super().__init__()
        self._count = count

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._count.call(func, args, kwargs or {})


def multiply_adds(func: Any, args: tuple[Any, ...], output: Any) -> int:
    """Multiply-adds of one ATen operation: 0 for what is no product, and for what other libraries compiled.

    Args:
        func: the operation (an ``OpOverload``).
        args: what it was given by position.
        output: what it gave.
    """
    name = func._schema.name.removeprefix("aten::").removesuffix("_")
    if name in PRODUCTS:
        return PRODUCTS[name](args, output)
    named = {argument.name: value for argument, value in zip(func._schema.arguments, args, strict=False)}
    if "attention" in name and {"query", "key", "value"} <= set(named):
        return _attention(named["query"], named["key"], named["value"])
    if "rnn" in name and "input" in named:
        return _recurrent(named)
    return 0


def _matrices(args: Sequence[Any], _: Any) -> int:
    """(..., n, k) by (..., k, m), or by a vector (k,)."""
    a, b = args[:2]
    return int(a.numel() * (b.shape[-1] if b.dim() > 1 else 1))


def _added(args: Sequence[Any], output: Any) -> int:
    """The same, added to something; ``addbmm`` sums its products, which takes no more of them."""
    return _matrices(args[1:], output)


def _linear(args: Sequence[Any], _: Any) -> int:
    x, weight = args[:2]
    return int(x.numel() * weight.numel() // weight.shape[-1])


def _bilinear(args: Sequence[Any], _: Any) -> int:
    """x (N, 1, 1, I) by weight (1, O, I, J), a matrix for each output, and that by another (N, 1, 1, J)."""
    x, weight = args[:2]
    rows = x.numel() // x.shape[-1]
    return int(rows * weight.numel() + rows * weight.numel() // x.shape[-1])


def _sequence(args: Sequence[Any], output: Any) -> int:
    """A convolution over the first axis: weight (window, C, C')."""
    return int(output.numel() // output.shape[-1] * args[1].numel())


def _convolution(args: Sequence[Any], output: Any) -> int:
    """Every place of the output takes a weight's whole window; transposed, every place of the input gives one."""
    x, weight, *options = args
    places = x if options[4] else output
    return int(places.numel() // places.shape[1] * weight.numel())


PRODUCTS: Mapping[str, Product] = {
    **dict.fromkeys(("mm", "bmm", "mv", "dot", "vdot", "_int_mm", "_scaled_mm"), _matrices),
    **dict.fromkeys(("addmm", "baddbmm", "addbmm", "addmv"), _added),
    **dict.fromkeys(("convolution", "convolution_overrideable", "_convolution"), _convolution),
    "conv_tbc": _sequence,
    "linear": _linear,
    "_trilinear": _bilinear,
}


def _attention(query: Tensor, key: Tensor, value: Tensor) -> int:
    """Q K^T and A V, computed in one operation."""
    return query.numel() // query.shape[-1] * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _recurrent(named: Mapping[str, Any]) -> int:
    """Each step of each sequence meets every matrix of a recurrent layer that is computed in one operation."""
    # On CPUs torch hands two matrices and two biases, which are matrices of zeros where a layer has none.
    weights = [named[name] for name in ("weight", "weight0", "weight1") if name in named]
    matrices = sum(each.numel() for each in tensors(weights) if each.dim() == 2)
    return named["input"].numel() // named["input"].shape[-1] * matrices


def _is_layer(module: nn.Module) -> bool:
    """Whether a module is one of torch's own layers, which holds no other."""
    return type(module).__module__.startswith("torch.nn.modules.") and not any(True for _ in module.children())


def tensors(values: Any) -> list[Tensor]:
    """Every tensor in nested values, in order."""
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def storage(tensor: Tensor) -> int:
    """What identifies a tensor's memory: views have the same as what they view."""
    return int(tensor.untyped_storage().data_ptr())

"""Recording: one real pass, seen below autograd, as a ``Graph``.

A dispatch mode sees every operation that runs, also those inside functions, ``autograd.Function`` and hooks of other
people. It holds tensors weakly, so a recording needs little more memory than the pass, and it changes nothing:
the network's output is what it would have been (but for ``scaled_dot_product_attention``, which is written out as
products and a softmax, and may differ in the last bit).
"""

import functools
import threading
import weakref
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.hooks import RemovableHandle

from attnviz.flow.graph import Frame, Graph, Op, Run, Strides, Value
from attnviz.plain import PlainAttention

Listener = Callable[[Value, Tensor], None]
CREATE = frozenset({
    "bernoulli", "empty_like", "full_like", "new_empty", "new_empty_strided", "new_full", "new_ones", "new_zeros",
    "ones_like", "rand_like", "randn_like", "randint_like", "zeros_like",
})  # fmt: skip
RANDOM = frozenset({
    "bernoulli", "multinomial", "normal", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like",
    "randperm", "uniform", "exponential", "native_dropout", "poisson",
})  # fmt: skip
SHAPES = frozenset({"device", "is_same_size", "layout", "sym_size", "sym_stride", "sym_numel", "sym_storage_offset"})


@functools.cache
def name_of(func: Any) -> str:
    """An operation's name, without the underscore of its in-place form."""
    name = func._schema.name.partition("::")[2]
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name


def counted_as(name: str) -> str:
    """Under which name an operation is counted: by the batch's size a product is one of matrices or of batches."""
    return "bmm" if name == "mm" else name


@functools.cache
def written(func: Any) -> tuple[tuple[int, str, bool], ...]:
    """The arguments that an operation writes into: place, name, and whether it is an ``out=``."""
    arguments = func._schema.arguments
    return tuple(
        (place, each.name, each.kwarg_only)
        for place, each in enumerate(arguments)
        if each.alias_info is not None and each.alias_info.is_write
    )


def tensors(found: Any) -> Iterator[Tensor]:
    """The tensors in an argument or a result, also in lists, tuples and dicts."""
    if isinstance(found, Tensor):
        yield found
    elif isinstance(found, list | tuple):
        for each in found:
            yield from tensors(each)
    elif isinstance(found, dict):
        for each in found.values():
            yield from tensors(each)


class Ledger:
    """Which value each tensor that is alive holds now, and which tensors share memory.

    Keyed by ``id``, which Python uses again: what dies is dropped at once.
    """

    def __init__(self) -> None:
        self._values: dict[int, Value] = {}
        self._refs: dict[int, weakref.ref[Tensor]] = {}
        self._memory: dict[int, set[int]] = defaultdict(set)

    def get(self, tensor: Tensor) -> Value | None:
        return self._values.get(id(tensor))

    def bind(self, tensor: Tensor, value: Value) -> None:
        key = id(tensor)
        if key not in self._refs:
            memory = _memory(tensor)
            self._memory[memory].add(key)
            self._refs[key] = weakref.ref(tensor, functools.partial(self._gone, key, memory))
        self._values[key] = value

    def _gone(self, key: int, memory: int, _: Any) -> None:
        self._values.pop(key, None)
        self._refs.pop(key, None)
        self._memory[memory].discard(key)
        if not self._memory[memory]:
            del self._memory[memory]

    def sharing(self, tensor: Tensor) -> list[Tensor]:
        """The other live tensors in the same memory, in the order in which their values came."""
        keys = self._memory.get(_memory(tensor), set()) - {id(tensor)}
        in_order = sorted(keys, key=lambda key: self._values[key].id)
        return [alias for key in in_order if (alias := self._refs[key]()) is not None]


def _memory(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):  # sparse tensors and the like have none
        return -id(tensor)


def _strides(tensor: Tensor) -> Strides:
    return Strides(tuple(tensor.shape), tuple(tensor.stride()), int(tensor.storage_offset()))


class Recorder(TorchDispatchMode):
    """Writes down every operation; ``listener`` is handed each value's tensor as it comes, and may not keep it."""

    def __init__(self, model: nn.Module, listener: Listener | None = None) -> None:
        TorchDispatchMode.__init__(self)
        self.graph = Graph()
        self._listener = listener
        self._ledger = Ledger()
        self._stack: list[Frame] = []
        self._runs: Counter[str] = Counter()
        self._counts: Counter[tuple[Frame | None, str]] = Counter()
        self._outside: list[Tensor] = []
        self._names = {id(each): name for name, each in (*model.named_parameters(), *model.named_buffers())}
        self._paths = {id(module): path for path, module in model.named_modules()}

    # Operations

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = name_of(func)
        if func.namespace == "prim" or name in SHAPES:
            return func(*args, **kwargs)
        if name == "_local_scalar_dense":
            self._leak(args[0])
            return func(*args, **kwargs)
        out_names = {each for _, each, is_out in written(func) if is_out}
        given = {key: value for key, value in kwargs.items() if key not in out_names}
        inputs = tuple(self._value(each) for each in (*tensors(args), *tensors(given)))
        valued = tuple(self._valued(each) for each in args), {key: self._valued(each) for key, each in given.items()}
        result = func(*args, **kwargs)
        op = self._op(name, func, *valued, inputs)
        depends = name not in CREATE and any(value.depends for value in inputs)
        if written(func):
            self._write(op, func, args, kwargs, depends=depends)
        self._collect(op, result, depends=depends)
        return result

    def _op(self, name: str, func: Any, args: Any, kwargs: Any, inputs: tuple[Value, ...]) -> Op:
        key = (self._stack[-1] if self._stack else None, counted_as(name))
        op = Op(len(self.graph.ops), name, func, args, kwargs, inputs, tuple(self._stack), self._counts[key])
        self._counts[key] += 1
        self.graph.ops.append(op)
        self.graph.random |= name in RANDOM
        return op

    def _collect(self, op: Op, result: Any, *, depends: bool) -> None:
        given: list[Value] = []
        for tensor in tensors(result):
            known = self._ledger.get(tensor)
            same = known is not None and (known in op.outputs or any(known is value for value in op.inputs))
            given.append(known if known is not None and same else self._make(tensor, op, depends=depends))
        # What is given comes first, in its order; then what was only written into, as a buffer of noise.
        op.outputs = [*dict.fromkeys(given), *(value for value in op.outputs if value not in given)]
        for slot, value in enumerate(op.outputs):
            if value.op is op:
                value.slot = slot

    def _make(self, tensor: Tensor, op: Op | None, *, depends: bool, name: str = "") -> Value:
        slot = len(op.outputs) if op else 0
        whole = not (tensor.is_floating_point() or tensor.is_complex())
        value = Value(len(self.graph.values), tuple(tensor.shape), op, slot, depends, whole, name)
        self.graph.values.append(value)
        if op is not None:
            op.outputs.append(value)
        self._ledger.bind(tensor, value)
        if self._listener is not None:
            self._listener(value, tensor)
        return value

    def _value(self, tensor: Tensor) -> Value:
        known = self._ledger.get(tensor)
        if known is None:
            known = self._make(tensor, None, depends=False, name=self._names.get(id(tensor), ""))
            known.tensor = tensor
            self._outside.append(tensor)
        return known

    def _valued(self, argument: Any) -> Any:
        if isinstance(argument, Tensor):
            return self._value(argument)
        if isinstance(argument, list | tuple):
            return [self._valued(each) for each in argument]
        return argument

    def _write(self, op: Op, func: Any, args: Any, kwargs: Any, *, depends: bool) -> None:
        """A new value for what was written, and one for every other tensor that looks at the same memory."""
        for place, name, _ in written(func):
            for tensor in tensors(args[place] if place < len(args) else kwargs.get(name)):
                new = self._make(tensor, op, depends=depends)
                for alias in self._ledger.sharing(tensor):
                    old = self._value(alias)
                    seen = self._op("alias_write", None, (old, new), {}, (old, new))
                    seen.strides = (_strides(tensor), _strides(alias))
                    self._make(alias, seen, depends=old.depends or depends)

    def _leak(self, tensor: Tensor) -> None:
        value = self._ledger.get(tensor)
        if value is not None and value.depends:
            self.graph.leaks.append(self._stack[-1].path if self._stack else "")

    # Inputs, outputs, modules

    def feed(self, tensor: Tensor) -> None:
        self.graph.inputs.append(self._make(tensor, None, depends=True, name="input"))
        self._outside.append(tensor)

    def known(self, found: Any) -> list[Value]:
        return [self._value(tensor) for tensor in tensors(found)]

    def enter(self, module: nn.Module, args: Any) -> None:
        path = self._paths.get(id(module), f"?{type(module).__name__}")
        frame = Frame(path, self._runs[path])
        self._runs[path] += 1
        self._stack.append(frame)
        self.graph.runs[frame] = Run(type(module).__name__, self.known(args))

    def leave(self, module: nn.Module, output: Any) -> None:
        path = self._paths.get(id(module), f"?{type(module).__name__}")
        while self._stack:
            frame = self._stack.pop()
            if frame.path == path:
                self.graph.runs[frame].outputs = self.known(output)
                return


class Follower(Protocol):
    """Whoever is told which modules run."""

    def enter(self, module: nn.Module, args: Any) -> None:
        """A module is about to run."""

    def leave(self, module: nn.Module, output: Any) -> None:
        """It has run."""


_followers: ContextVar[tuple[Follower, ...]] = ContextVar("attnviz_flow", default=())


def _enter(module: nn.Module, args: Any) -> None:
    # These hooks see every module of the process: only this thread's followers are told.
    for follower in _followers.get():
        follower.enter(module, args)


def _leave(module: nn.Module, _: Any, output: Any) -> None:
    for follower in _followers.get():
        follower.leave(module, output)


class _Hooks:
    """The two hooks that all recordings under way share: torch numbers hooks without a lock of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._handles = [
                    register_module_forward_pre_hook(_enter),
                    register_module_forward_hook(_leave, always_call=True),
                ]

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                for handle in self._handles:
                    handle.remove()


_hooks = _Hooks()


@contextmanager
def following(follower: Follower) -> Iterator[None]:
    """Tell this thread's module runs to ``follower``, too, for as long as it lasts."""
    token = _followers.set((*_followers.get(), follower))
    try:
        with _hooks:
            yield
    finally:
        _followers.reset(token)


@contextmanager
def quiet(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; modes and the random state are put back."""
    training = [module for module in model.modules() if module.training]
    state = torch.random.get_rng_state()
    for module in training:
        module.training = False
    try:
        with torch.inference_mode(False), torch.no_grad():
            yield
    finally:
        for module in training:
            module.training = True
        if not torch.equal(state, torch.random.get_rng_state()):
            torch.random.set_rng_state(state)


def doubled(tensor: Tensor) -> Tensor:
    """The picture twice in the batch, where there is one: an axis of one entry would say nothing."""
    return tensor.expand(2, *tensor.shape[1:]).clone() if tensor.dim() > 1 and len(tensor) == 1 else tensor.clone()


def record(
    model: nn.Module,
    inputs: Sequence[Tensor],
    *,
    double: bool = True,
    listener: Listener | None = None,
    around: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> tuple[Graph, Any]:
    """The graph of one pass, and what the network returned.

    Args:
        model: the network; it is run in evaluation mode, and left as it was.
        inputs: its arguments, (B, ...) each.
        double: whether a batch of one is run as two.
        listener: is handed each value and its tensor as it comes.
        around: what the pass runs in, as a reader that makes changes; what it changes is recorded.

    Whatever the network raises goes through, and hooks, modes and flags are put back first.
    """
    with quiet(model):
        recorder = Recorder(model, listener)
        fed = [doubled(each) if double else each.clone() for each in inputs]
        for tensor in fed:
            recorder.feed(tensor)
        with around(), following(recorder), recorder, PlainAttention():
            output = model(*fed)
        recorder.graph.outputs = recorder.known(output)
    graph = recorder.graph
    graph.batch = len(fed[0]) if fed and fed[0].dim() else 1
    graph.finish()
    return graph, output

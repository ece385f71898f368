"""The reader: takes the tensors at some points of a pass, and puts others in their place."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from attnviz.errors import GradientError
from attnviz.flow.graph import Frame
from attnviz.flow.record import SHAPES, counted_as, following, name_of, tensors
from attnviz.flow.sight import Point
from attnviz.plain import PlainAttention

Change = Callable[[Tensor], Tensor]
Take = Callable[[Point, Tensor], Tensor]


IN_PLACE = {
    **dict.fromkeys(("mul_", "multiply_", "__imul__"), "mul"),
    **dict.fromkeys(("div_", "divide_", "true_divide_", "__itruediv__"), "div"),
    **dict.fromkeys(("add_", "__iadd__"), "add"),
    **dict.fromkeys(("sub_", "subtract_", "__isub__"), "sub"),
}


def copied(_: Point, tensor: Tensor) -> Tensor:
    """A tensor as it is now: the network may go on working on it in place."""
    return tensor.detach().clone()


class Reader(TorchDispatchMode):
    """Takes and changes tensors of one pass; use ``watching`` around it.

    Args:
        model: the network that was looked at.
        points: where tensors are taken.
        changes: for a point ("result" or "operand"), what its tensor becomes.
        take: what is kept of a tensor at a point.
        clock: a number for each thing that is taken, rising.
        gradients: whether gradients have to pass through the changes. Below autograd it would not see them: then a
            change is made where the function that computes the tensor returns it.

    Attributes:
        taken: what was kept, by point; ``times``: when.
        changed: how often each change was made.
    """

    def __init__(
        self,
        model: nn.Module,
        points: tuple[Point, ...],
        changes: Mapping[Point, Change] | None = None,
        *,
        take: Take = copied,
        clock: Iterator[int] | None = None,
        gradients: bool = False,
    ) -> None:
        TorchDispatchMode.__init__(self)
        self.changes = changes or {}
        self.taken: dict[Point, Tensor] = {}
        self.times: dict[Point, int] = {}
        self.changed: Counter[Point] = Counter()
        self.due: list[tuple[Tensor, Point]] = []
        self.operands: list[tuple[Tensor, Point]] = []
        self._keep, self._clock, self._gradients = take, clock or count(), gradients
        self._reading = frozenset(points)
        self._paths = {id(module): path for path, module in model.named_modules()}
        self._stack: list[Frame] = []
        self._runs: Counter[str] = Counter()
        self._counts: Counter[tuple[str, int, str]] = Counter()
        self._wanted: dict[tuple[str, int, str], dict[int, list[Point]]] = defaultdict(lambda: defaultdict(list))
        self._around: dict[tuple[str, str, int], list[Point]] = defaultdict(list)
        self._pausing = False
        self.done: frozenset[Point] = frozenset()  # operands that are changed already
        self.refused: Point | None = None  # where no gradient can follow a change
        for point in dict.fromkeys((*points, *self.changes)):
            if point.where in ("result", "operand"):
                self._wanted[point.path, point.call, counted_as(point.name)][point.ordinal].append(point)
            else:
                self._around[point.where, point.path, point.call].append(point)
        self._names = {name for _, _, name in self._wanted}

    @contextmanager
    def watching(self) -> Iterator["Reader"]:
        """The pass, in this thread."""
        with ExitStack() as stack:
            stack.enter_context(following(self))
            stack.enter_context(self)
            if self._gradients and self.changes:
                stack.enter_context(_Returned(self))
            stack.enter_context(PlainAttention())
            yield self
        left = [self.refused] if self.refused is not None else [point for _, point in (*self.due, *self.operands)]
        for point in left:
            raise _unseen(point)

    @contextmanager
    def pausing(self) -> Iterator[None]:
        """What is computed meanwhile is not the network's."""
        before, self._pausing = self._pausing, True
        try:
            yield
        finally:
            self._pausing = before

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = counted_as(name_of(func))
        if self._pausing or name not in self._names or name in SHAPES:
            return func(*args, **kwargs)
        points = self.coming(name)
        self._counts[self._key(name)] += 1
        operands = [point for point in points if point.where == "operand"]
        if operands:
            args = self._operands(operands, args)
        result = func(*args, **kwargs)
        for point in points:
            if point.where == "result":
                self._result(point, list(tensors(result)))
        return result

    def _key(self, name: str) -> tuple[str, int, str]:
        return (*(self._stack[-1] if self._stack else ("", 0)), name)

    def coming(self, name: str) -> list[Point]:
        """The points at the next operation of that name."""
        key = self._key(name)
        return self._wanted[key].get(self._counts[key], []) if key in self._wanted else []

    def _operands(self, points: list[Point], args: Any) -> Any:
        found = list(tensors(args))
        for point in points:
            old = new = found[point.index]
            if point in self.done:
                self.changed[point] += 1
            elif point in self.changes:
                new = self.changes[point](old)
                args = [new if each is old else each for each in args]
                self.changed[point] += 1
                self.operands.append((old, point)) if self._gradients else None
            self._take(point, new)
        return args

    def _result(self, point: Point, found: list[Tensor]) -> None:
        if point.index >= len(found):
            return
        tensor = found[point.index]
        if point in self.changes:
            self.changed[point] += 1
            new = self.changes[point](tensor)
            if self._gradients:
                self.due.append((tensor, point))
                self._take(point, new)
                return
            tensor.copy_(new)  # the operation's own output: whatever looks at it sees the change
        self._take(point, tensor)

    def _take(self, point: Point, tensor: Tensor) -> None:
        if point in self._reading:
            self.taken[point] = self._keep(point, tensor)
            self.times.setdefault(point, next(self._clock))

    def enter(self, module: nn.Module, args: Any) -> None:
        """A module is about to run."""
        path = self._paths.get(id(module), f"?{type(module).__name__}")
        frame = Frame(path, self._runs[path])
        self._runs[path] += 1
        self._stack.append(frame)
        self._pass_by("input", frame, args)

    def leave(self, module: nn.Module, output: Any) -> None:
        """It has run."""
        path = self._paths.get(id(module), f"?{type(module).__name__}")
        while self._stack:
            frame = self._stack.pop()
            if frame.path == path:
                self._pass_by("output", frame, output)
                return

    def _pass_by(self, where: str, frame: Frame, found: Any) -> None:
        points = self._around.get((where, *frame), ())
        if points:
            with self.pausing():
                each = list(tensors(found))
                for point in points:
                    if point.index < len(each):
                        self._take(point, each[point.index])


class _Returned(TorchFunctionMode):
    """Makes a reader's changes above autograd: in what a function returns, or in what it is given."""

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self._reader = reader

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, reader = kwargs or {}, self._reader
        if func is Tensor.__rtruediv__:  # two functions in one: each is to be seen
            with self:
                return args[0].reciprocal() * args[1]
        name = getattr(func, "__name__", "")
        if name in IN_PLACE and (points := self._operands_of(IN_PLACE[name])):
            return self._before(points, func, args, kwargs)
        inplace = name.endswith("_") and not name.endswith("__") and hasattr(torch, name[:-1])
        if inplace and any(point in reader.changes for point in reader.coming(name[:-1])):
            # What was computed in place may be needed for the gradient: it is computed beside, and then put there.
            new = self._after(getattr(torch, name[:-1]), (args[0].clone(), *args[1:]), kwargs)
            return args[0].copy_(new)
        return self._after(func, args, kwargs)

    def _operands_of(self, name: str) -> list[Point]:
        reader = self._reader
        return [point for point in reader.coming(name) if point.where == "operand" and point in reader.changes]

    def _before(self, points: list[Point], func: Any, args: Any, kwargs: Any) -> Any:
        """A function that works in place can be run once only: from what its operands become."""
        reader, found = self._reader, list(tensors(args))
        with reader.pausing():
            given = {id(found[point.index]): reader.changes[point](found[point.index]) for point in points}
        if not torch.is_grad_enabled():
            reader.refused = points[0]
        reader.done = frozenset(points)
        try:
            return func(*(given.get(id(each), each) for each in args), **kwargs)
        finally:
            reader.done = frozenset()

    def _after(self, func: Any, args: Any, kwargs: Any) -> Any:
        reader = self._reader
        output = func(*args, **kwargs)
        if not reader.due and not reader.operands:
            return output
        due, operands = reader.due, reader.operands
        reader.due, reader.operands = [], []
        # Where no gradients are recorded, or are computed once more later, nobody would see the change.
        if not torch.is_grad_enabled() or _recomputed():
            reader.refused = [*due, *operands][0][1]
            return output
        with reader.pausing():
            if operands:
                args = self._given(operands, args)
                output = func(*args, **kwargs)
            return self._changed(due, output, in_place=any(output is each for each in (*args, kwargs.get("out"))))

    def _given(self, operands: list[tuple[Tensor, Point]], args: Any) -> Any:
        """The arguments with the changed operands in them: the function is computed once more, from those."""
        for old, point in operands:
            change, met = self._reader.changes[point], [each for each in args if _same(each, old)]
            if not met:
                self._reader.refused = point
            new = {id(each): change(each.reshape(old.shape)).reshape(each.shape) for each in met}
            args = tuple(new.get(id(each), each) for each in args)
        return args

    def _changed(self, due: list[tuple[Tensor, Point]], output: Any, *, in_place: bool) -> Any:
        for tensor, point in due:
            met = [each for each in tensors(output) if _same(each, tensor)]
            if not met:
                self._reader.refused = point
                continue
            change = self._reader.changes[point]
            if in_place:  # whoever holds the tensor sees the change
                return output.copy_(change(output.clone().reshape(tensor.shape)).reshape(output.shape))
            new = {id(each): change(each.reshape(tensor.shape)).reshape(each.shape) for each in met}
            output = tree_map(lambda each, new=new: new.get(id(each), each), output)
        return output


def _same(one: Any, two: Tensor) -> bool:
    """Whether one is the other, or all of it in another shape, as a matrix product's function shows it."""
    if one is two:
        return True
    if not isinstance(one, Tensor) or one.numel() != two.numel() or one.dtype != two.dtype:
        return False
    if one.data_ptr() != two.data_ptr():
        return False
    return (one.is_contiguous() and two.is_contiguous()) or _strides(one) == _strides(two)


def _strides(tensor: Tensor) -> list[tuple[int, int]]:
    """How it lies in its memory, axes of one entry left out."""
    return [(n, step) for n, step in zip(tensor.shape, tensor.stride(), strict=True) if n > 1]


def _recomputed() -> bool:
    """Whether what autograd saves goes through hooks, as a checkpoint's does, which computes it again in backward."""
    return torch._C._autograd._top_saved_tensors_default_hooks(True) is not None


def _unseen(point: Point) -> GradientError:
    where = point.path or "the network"
    return GradientError(
        f"no gradient can follow an edit of {where}: its attention is computed where autograd keeps no account of it "
        "(a checkpoint, a script, no_grad, an autograd.Function), or in a function that shows it in part"
    )

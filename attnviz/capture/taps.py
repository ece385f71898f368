"""Taps: hooks installed once on a model, which do nothing until a pass is under way.

Every module gets one tap. A tap asks a ContextVar for the pass of its own thread (or task) and
hands it what the module computed; without one it returns at once. So requests never install,
remove or share anything, and what one sees or changes is unseen by the others.
"""

import threading
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Protocol

from torch import nn
from torch.utils.hooks import RemovableHandle

from attnviz.errors import ModelError
from attnviz.mechanisms import Mechanism


class Listener(Protocol):
    """What a pass must answer to."""

    taps: "Taps"

    def on_input(self, path: str, args: tuple[Any, ...]) -> None:
        """A block is about to run."""

    def on_output(self, path: str, args: tuple[Any, ...], output: Any) -> Any:
        """A module has run; what is returned (unless None) replaces its output."""


current: ContextVar[Listener | None] = ContextVar("attnviz_pass", default=None)


_installing = threading.Lock()


class Taps:
    """The hooks of one model.

    Args:
        model: the network; each module under it is tapped under its dotted path.
        blocks: the attention blocks' paths: their input is wanted too.
        points: the only paths inside the blocks that are tapped.
        twins: what stands beside other people's blocks; its points are tapped under ``beside``.
    """

    def __init__(
        self, model: nn.Module, blocks: tuple[str, ...], points: frozenset[str], twins: Mapping[str, Mechanism]
    ) -> None:
        self.installed = True
        self._handles: list[RemovableHandle] = []
        with _installing:
            self._install(model, blocks, points)
            for path, twin in twins.items():
                for point in twin.points:
                    tap = Tap(self, beside(path, point))
                    self._handles.append(twin.get_submodule(point).register_forward_hook(tap))

    def _install(self, model: nn.Module, blocks: tuple[str, ...], points: frozenset[str]) -> None:
        if any(isinstance(hook, Tap) for module in model.modules() for hook in module._forward_hooks.values()):
            raise ModelError("this model is instrumented already; close its Backbone first")
        inside = tuple(f"{path}." for path in blocks)
        for path, module in model.named_modules():
            if path and (path in points or not path.startswith(inside)):
                self._handles.append(module.register_forward_hook(Tap(self, path)))
        for path in blocks:
            self._handles.append(
                model.get_submodule(path).register_forward_pre_hook(InputTap(self, path), with_kwargs=True)
            )

    def close(self) -> None:
        """Remove every hook."""
        self.installed = False
        for handle in self._handles:
            handle.remove()
        self._handles.clear()


def beside(block: str, point: str) -> str:
    """The path of a point that stands beside the model's modules: none of them has such a one."""
    return f"{block}\0{point}"


def owner(path: str) -> str:
    """The block of such a path."""
    return path.partition("\0")[0]


class Tap:
    """A forward hook that hands a module's output to the pass under way on its model."""

    def __init__(self, taps: Taps, path: str) -> None:
        self.taps, self.path = taps, path

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        listener = current.get()
        if listener is None or listener.taps is not self.taps:
            return None
        return listener.on_output(self.path, args, output)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copied or stored model is not tapped: what it gets does nothing."""
        return Untapped, ()


class Untapped:
    """What a tap is in a copy of its model."""

    def __call__(self, *args: Any) -> None:
        return None


class InputTap(Tap):
    """A forward pre-hook that hands a block's input to the pass under way on its model."""

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: Any) -> None:
        listener = current.get()
        if listener is not None and listener.taps is self.taps:
            listener.on_input(self.path, (*args, *kwargs.values()))

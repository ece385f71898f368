"""Looking for attention that no reader knows: one pass in which every function and every module is seen."""

from collections.abc import Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from attnviz.mechanisms import Mechanism
from attnviz.readers.found import blocks
from attnviz.readers.ops import ROOT, Watch

WHOLE = (nn.MultiheadAttention, nn.TransformerEncoderLayer)  # their functions are seen by nobody
STRANGER = "?"  # a module that the network calls and does not hold: what happens there is not its own

_looking: ContextVar["_Look | None"] = ContextVar("attnviz_search", default=None)


class _Look:
    """One search: the modules by identity, and what is watched."""

    def __init__(self, model: nn.Module, known: Mapping[str, Any]) -> None:
        self.paths = {id(module): path or ROOT for path, module in model.named_modules()}
        self.known = known
        self.watch = Watch(lambda *_: None, count(), keep=True)

    def enter(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        path = self.paths.get(id(module), STRANGER)
        if path in self.known and args:
            self.known[path].check_grid(tuple(args[0].shape[2:]))
        if isinstance(module, WHOLE):
            self.watch.missed.append(f"{path}: {type(module).__name__} of torch, which computes in one piece")
        if not _leaf(module):
            self.watch.enter(path, args, known=path in self.known or path == STRANGER)

    def leave(self, module: nn.Module, output: Any) -> None:
        self.watch.saw(output)
        if not _leaf(module):
            self.watch.leave(self.paths.get(id(module), STRANGER))


def _leaf(module: nn.Module) -> bool:
    """An activation is no scope: the module that holds it is."""
    return not any(True for _ in module.children()) and not any(True for _ in module.parameters())


@dataclass(frozen=True)
class Search:
    """What is known of a network: its blocks by path, the modules in whose forward a gate was called, and what was
    not understood."""

    blocks: dict[str, Mechanism]
    scopes: frozenset[str]
    skipped: tuple[str, ...]


def look(model: nn.Module, x: Tensor, known: Mapping[str, Any]) -> Search:
    """Look for attention in a pass of x.

    Args:
        model: in eval mode.
        x: its input.
        known: the blocks that need no search, by path.
    """
    sight = _Look(model, known)
    token = _looking.set(sight)
    try:
        with ExitStack() as stack:
            for handle in (
                register_module_forward_pre_hook(_enter),
                register_module_forward_hook(_leave, always_call=True),
            ):
                stack.callback(handle.remove)
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.no_grad())
            stack.enter_context(sight.watch)
            model(x)
    finally:
        _looking.reset(token)
    names = {path or ROOT: type(module).__name__ for path, module in model.named_modules()}
    found, skipped = blocks(sight.watch.seen, names.__getitem__)
    skipped = (*skipped, *dict.fromkeys(sight.watch.missed))
    return Search({**found}, frozenset(seen.scope for seen in sight.watch.seen) - {ROOT}, skipped)


def _enter(module: nn.Module, args: tuple[Any, ...]) -> None:
    # These hooks see every module of the process: only this thread's search concerns them.
    if (sight := _looking.get()) is not None:
        sight.enter(module, args)


def _leave(module: nn.Module, _: tuple[Any, ...], output: Any) -> None:
    if (sight := _looking.get()) is not None:
        sight.leave(module, output)

"""One forward pass, watched: what it reads, what it changes, and where it is cut for Grad-CAM."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from attnviz.capture.edits import Change
from attnviz.capture.flowing import FlowBlock, FlowPass
from attnviz.capture.taps import Taps, beside, current, owner
from attnviz.capture.values import AffinityMap, Flow, Reading, canonical
from attnviz.errors import EditError, OptionError
from attnviz.mechanisms import Block, Kind, Mechanism, Part
from attnviz.mechanisms.non_local import Affinity
from attnviz.readers import Twin


@dataclass
class Cut:
    """The layer and call (-1: the last) whose output becomes the leaf that Grad-CAM differentiates."""

    layer: str
    call: int = -1
    leaf: Tensor | None = None


@dataclass
class Pass:
    """What one forward pass sees and does. Use with ``running``.

    Args:
        model: the network.
        taps, blocks, twins: of the model.
        changes: edits by submodule path (``edits.plan``).
        cut: where Grad-CAM starts; ``watch``: layers whose last output is kept as it is.
        keep: blocks whose input and output are kept.
        read: whether attention is read at all.
        first_call: the number of the first call (steps are computed outside the network's own pass).
    """

    model: nn.Module
    taps: Taps
    blocks: Mapping[str, Block]
    twins: Mapping[str, Twin]
    changes: Mapping[str, list[Change]] = field(default_factory=dict)
    cut: Cut | None = None
    watch: frozenset[str] = frozenset()
    keep: frozenset[str] = frozenset()
    read: bool = True
    first_call: int = 0
    readings: list[Reading] = field(default_factory=list)
    flows: dict[tuple[str, int], Flow] = field(default_factory=dict)
    watched: dict[str, tuple[tuple[Any, ...], Any]] = field(default_factory=dict)
    maps: list[tuple[str, Tensor]] = field(default_factory=list)
    probe: bool = False

    def __post_init__(self) -> None:
        self._calls: Counter[str] = Counter()
        self._block_calls: Counter[str] = Counter()
        self._strips: dict[tuple[str, str | None], list[Tensor]] = {}
        self._edited = {owner(path) for path in self.changes if owner(path) != path}
        # Other people's blocks that are computed again beside themselves: to read what no submodule gives, or to edit.
        self._shadowed = (self._edited & set(self.twins)) | {
            layer for layer, twin in self.twins.items() if self.read and twin.inline
        }
        self._inputs: dict[str, Tensor] = {}
        self._hooked = {layer: block for layer, block in self.blocks.items() if isinstance(block, Mechanism)}
        self._clock = count()
        self._flowing = self._flow_pass()
        self._points = self._reading() if self.read else {}
        # Most modules mean nothing to a pass: their taps end at one look-up.
        self._wanted = {*self.changes, *self._points, *self.watch, *self._shadowed}
        if self.read:
            self._wanted.update(self._hooked)
        if self.cut is not None:
            self._wanted.add(self.cut.layer)

    def _flow_pass(self) -> FlowPass | None:
        found = {layer: block for layer, block in self.blocks.items() if isinstance(block, FlowBlock)}
        if not found or not (self.read or self._edited & found.keys()):
            return None
        cut = self.cut is not None
        return FlowPass(
            self.model, found, self.changes, read=self.read, keep=self.keep, clock=self._clock, gradients=cut
        )

    def on_input(self, path: str, args: tuple[Any, ...]) -> None:
        """A block is about to run."""
        with self._unseen():
            self._enter(path, args)

    def _enter(self, path: str, args: tuple[Any, ...]) -> None:
        x = args[0]
        self._hooked[path].check_grid(tuple(x.shape[2:]))  # what the module would raise may say nothing
        if path in self._shadowed:
            # A copy: the block may work in place. With its gradient where the twin takes the block's place.
            self._inputs[path] = x.clone() if path in self._edited else x.detach().clone()
        if not self.read:
            return
        kept = x.detach().clone() if path in self.keep else None
        self.flows[path, self._block_calls[path] + self.first_call] = Flow(_strength(x), input=kept)

    def on_output(self, path: str, args: tuple[Any, ...], output: Any) -> Any:
        """A module has run; what is returned (unless None) replaces its output."""
        if path not in self._wanted and not self.probe:
            return None
        with self._unseen():
            return self._ran(path, args, output)

    def _unseen(self) -> AbstractContextManager[Any]:
        """What a pass computes for itself is not the network's."""
        return self._flowing.pausing() if self._flowing is not None else nullcontext()

    def _ran(self, path: str, args: tuple[Any, ...], output: Any) -> Any:
        call = self._calls[path] + self.first_call
        self._calls[path] += 1
        replacement = self._shadow(path) if path in self._shadowed else None
        output = output if replacement is None else replacement
        for change in self.changes.get(path, ()):
            if change.call is None or change.call == call:
                output = replacement = change.function(output)
        if path in self._points:
            self._read(path, args, output, edited=replacement is not None)
        if self.read and path in self._hooked:
            self._leave(path, output)
        if self.cut is not None and path == self.cut.layer and self.cut.call in (-1, call):
            output = replacement = self._cut(output)
        if path in self.watch:
            # A copy: the next layer may work in place.
            self.watched[path] = (args, output.detach().clone() if isinstance(output, Tensor) else output)
        if self.probe and isinstance(output, Tensor) and output.dim() == 4 and output.shape[2] * output.shape[3] > 1:
            self.maps.append((path, output.detach().clone()))
        return replacement

    def watching(self) -> AbstractContextManager[Any]:
        """What sees the operations, where blocks are read by what flows."""
        return self._flowing.watching() if self._flowing is not None else nullcontext()

    def finish(self) -> None:
        """What is read by what flows is laid out once the pass is over."""
        if self._flowing is None:
            return
        self._calls.update(self._flowing.calls())
        if self.read:
            self.flows.update(self._flowing.flows())
            self.readings += self._flowing.readings()
            self.readings.sort(key=lambda reading: reading.time)

    def check_edits(self) -> None:
        """Raises EditError where an edit met no run of its block, or one that it is not made for."""
        met: dict[tuple[str, int | None], bool] = {}
        for path, changes in self.changes.items():
            for change in changes:
                ran = self._calls[path] > (change.call or 0)
                if change.first and change.call != 0 and self._calls[path] > 1:
                    raise EditError(
                        f"{owner(path)} ran {self._calls[path]} times, and means are of its first call: say call=0"
                    )
                met[change.layer, change.call] = ran or met.get((change.layer, change.call), False)
        for (layer, call), ran in met.items():
            if not ran:
                which = "did not run" if call is None else f"had no call {call}"
                raise EditError(f"{layer} {which} in this pass, so there was nothing to edit")

    def _shadow(self, layer: str) -> Tensor | None:
        """Compute a block again by its twin, whose taps read and edit; its output where that is edited."""
        edited = layer in self._edited
        with torch.set_grad_enabled(edited and torch.is_grad_enabled()):
            output = self.twins[layer].mechanism(self._inputs.pop(layer))
        return output if edited else None

    def _reading(self) -> dict[str, list[tuple[str, Part]]]:
        """Where each part is read: at our own points, at another's submodules, or beside it in its twin."""
        points: dict[str, list[tuple[str, Part]]] = {}
        for layer, block in self._hooked.items():
            twin = self.twins.get(layer)
            for part in block.parts:
                for point in part.points:
                    path = f"{layer}.{point}"
                    if twin is not None:
                        live = layer not in self._edited and all(p in twin.points for p in part.points)
                        path = f"{layer}.{twin.points[point]}" if live else beside(layer, point)
                    if (layer, part) not in points.setdefault(path, []):  # one submodule may run for both strips
                        points[path].append((layer, part))
        return points

    def _read(self, path: str, args: tuple[Any, ...], output: Tensor, *, edited: bool) -> None:
        for layer, part in self._points[path]:
            call = self._block_calls[layer] + self.first_call
            value = canonical(part.kind, output)
            if part.kind is Kind.AFFINITY:
                flow = self.flows[layer, call]
                reading = _affinity(self._hooked[layer], part, flow, args, value.clone() if edited else None)
                self.readings.append(Reading(layer, part, call, reading, next(self._clock)))
            elif len(part.points) == 1:
                self.readings.append(Reading(layer, part, call, value.clone(), next(self._clock)))
            else:
                strips = self._strips.setdefault((layer, part.name), [])
                strips.append(value.clone())
                if len(strips) == len(part.points):
                    self.readings.append(Reading(layer, part, call, tuple(strips), next(self._clock)))
                    strips.clear()

    def _leave(self, path: str, output: Tensor) -> None:
        flow = self.flows[path, self._block_calls[path] + self.first_call]
        flow.after = _strength(output)
        if path in self.keep:
            flow.output = output.detach().clone()
        self._block_calls[path] += 1

    def _cut(self, output: Any) -> Tensor:
        assert self.cut is not None
        if not isinstance(output, Tensor) or output.dim() != 4:
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise OptionError(f"Grad-CAM needs a map (1, C, H, W); {self.cut.layer} gives {shape}")
        # The copy that goes on may be changed in place by the next layer; the leaf may not.
        self.cut.leaf = output.detach().clone().requires_grad_()
        return self.cut.leaf.clone()


@contextmanager
def running(watcher: Pass) -> Iterator[Pass]:
    """The pass under way in this thread, for as long as the context lasts."""
    token = current.set(watcher)
    try:
        with watcher.watching():
            yield watcher
    finally:
        current.reset(token)


def _affinity(
    block: Mechanism, part: Part, flow: Flow, factors: tuple[Tensor, ...], fixed: Tensor | None
) -> AffinityMap:
    theta, phi = (factor.detach().clone() for factor in factors)
    grid = tuple(flow.before.shape[1:])
    pairing = block.get_submodule(part.points[0])
    assert isinstance(pairing, Affinity)
    kept = Affinity(pairing.pairwise, pairing.scale)
    return AffinityMap(theta, phi, block.query_grid(grid), block.key_grid(grid), kept, fixed)


def _strength(x: Tensor) -> Tensor:
    """Mean over channels of |x|: (B, C, *grid) -> (B, *grid)."""
    return x.detach().abs().mean(1)

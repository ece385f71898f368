"""Where Grad-CAM can stand in a network, and where it stands by itself: found on a pass of noise."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor, nn

from attnviz.capture.outputs import places, reads_mean, scores
from attnviz.capture.passes import Pass


@dataclass(frozen=True)
class Head:
    """What a network ends in.

    Attributes:
        maps: the layers that give a feature map of more than one position, in the order they ran last; of layers
            that hand on the same map, the outermost.
        cam_layer: the last of them that the scores depend on, or None. In a network that scores every place: the
            last of its smallest maps (its bottleneck, as Vinogradova et al. 2020 have it) that is not the scores.
        linear: the linear layer that makes the logits of that map's mean over positions, where one does.
    """

    maps: tuple[str, ...]
    cam_layer: str | None
    linear: str | None


def find(model: nn.Module, watcher: Pass, output: Any, blocks: tuple[str, ...], leads: Callable[[str], bool]) -> Head:
    """The head of a network, from a pass that probed it.

    Args:
        model: the network.
        watcher: the pass, with its maps and the runs of the network's linear layers.
        output: what the network gave.
        blocks: attention blocks; what lies inside is nothing to stand on.
        leads: whether the scores depend on a layer's output.
    """
    resized = {path for path, module in model.named_modules() if isinstance(module, nn.AdaptiveAvgPool2d)}
    inside = tuple(f"{layer}." for layer in blocks)
    maps = _maps([(path, value) for path, value in watcher.maps if not path.startswith(inside) and path not in resized])
    scored = scores(output) if places(output) is not None else None
    if scored is not None:
        maps = {path: value for path, value in maps.items() if not _same(value, scored)}
    if not maps:
        return Head((), None, None)
    candidates = list(maps if scored is None else _smallest(maps, scored.shape[1]))
    if scores(output) is not None and leads(next(iter(maps))):
        for path in reversed(candidates):  # an auxiliary head may run after all that counts
            linear = [name for name, run in watcher.watched.items() if reads_mean(maps[path], run, output)]
            if linear or leads(path):
                return Head(tuple(maps), path, linear[0] if linear else None)
    return Head(tuple(maps), candidates[-1], None)


def _maps(ran: list[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Each layer's last map, without those that the next layer hands on."""
    maps: dict[str, Tensor] = {}
    for (path, value), following in zip_longest(ran, [value for _, value in ran[1:]]):
        maps.pop(path, None)  # what runs again stands where it ran last
        if following is None or not _same(value, following):
            maps[path] = value
    return maps


def _smallest(maps: dict[str, Tensor], count: int) -> dict[str, Tensor]:
    """The maps of the fewest positions; those of ``count`` channels may be the scores before they are enlarged."""
    features = {path: value for path, value in maps.items() if value.shape[1] != count} or maps
    fewest = min(value[0, 0].numel() for value in features.values())
    return {path: value for path, value in features.items() if value[0, 0].numel() == fewest}


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(torch.equal(a, b))

"""Where Grad-CAM can stand in a network, and where it stands by itself: found on a pass of noise."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from attnviz.capture.outputs import places, reads_mean, scores
from attnviz.capture.passes import Pass

COARSEST = 64  # what is reduced by more than that is a summary beside the features, as a pyramid's pooled branch is


@dataclass(frozen=True)
class Head:
    """What a network ends in.

    Attributes:
        maps: the layers that give a map of more than one position on a grid of about the input's proportions, in the
            order they ran last. Others have no place on the picture: strips, tokens, channels that come last.
        cam_layer: the last of them that the scores depend on, or None. In a network that scores every place: the
            last of its smallest maps (its bottleneck, as Vinogradova et al. 2020 have it) that is not the scores.
            Maps of one channel, as a spatial gate has, stand back where others lead to the scores.
        linear: the linear layer that makes the logits of that map's mean over positions, where one does, and where
            their gradient says so too.
    """

    maps: tuple[str, ...]
    cam_layer: str | None
    linear: str | None


Again = Callable[[str], tuple[Tensor, Tensor] | None]


def find(
    model: nn.Module, watcher: Pass, output: Any, blocks: tuple[str, ...], size: tuple[int, int], again: Again
) -> Head:
    """The head of a network, from a pass that probed it.

    Args:
        model: the network.
        watcher: the pass, with its maps and the runs of the network's linear layers.
        output: what the network gave.
        blocks: attention blocks; what lies inside is nothing to stand on.
        size: the input's (H, W).
        again: the same pass cut at a layer, as the scores and the leaf (B, C, h, w) that they were computed from; None
            where they do not depend on it.
    """
    resized = {path for path, module in model.named_modules() if isinstance(module, nn.AdaptiveAvgPool2d)}
    inside = tuple(f"{layer}." for layer in blocks)
    maps: dict[str, Tensor] = {}
    for path, value in watcher.maps:
        maps.pop(path, None)  # what runs again stands where it ran last
        if not path.startswith(inside) and path not in resized and placed(tuple(value.shape[2:]), size):
            maps[path] = value
    maps = {path: value for path, value in maps.items() if not _affinity(value)}
    scored = scores(output) if places(output) is not None else None
    if scored is not None:
        maps = {path: value for path, value in maps.items() if not _same(value, scored)}
    if not maps:
        return Head((), None, None)
    candidates = _candidates(maps, size, scored)
    others = [path for path in maps if path not in candidates]
    for path in reversed([*others, *candidates] if scores(output) is not None else ()):
        # An auxiliary head may run after all that counts.
        if (cut := again(path)) is not None:
            linear = [name for name, run in watcher.watched.items() if reads_mean(maps[path], run, output)]
            proved = (name for name in linear if _is_gradient(model.get_submodule(name), *cut))
            return Head(tuple(maps), path, next(proved, None))
        if path == candidates[-1] and again(next(iter(maps))) is None:
            break  # no gradient passes at all, so there is no need to try every layer
    return Head(tuple(maps), candidates[-1], None)


def _is_gradient(linear: nn.Module, scored: Tensor, leaf: Tensor) -> bool:
    """Whether the scores (B, N) are W mean(leaf) + b to autograd too: then v scores^T has the gradient v W / hw
    everywhere.

    The numbers alone do not tell: what is made of a linear layer or added to it (a cosine, an adapter, a hook), and
    what is detached before it, may leave its input and its result as they are.
    """
    weight = linear.weight
    if not isinstance(weight, Tensor) or weight.shape != (scored.shape[1], leaf.shape[1]):
        return False
    v = torch.randn(scored.shape[1], generator=torch.Generator().manual_seed(0)).to(scored)
    try:
        (gradient,) = torch.autograd.grad(scored, leaf, v.expand_as(scored), retain_graph=True)
    except RuntimeError:  # no gradient passes, which is said when a map is asked for
        return False
    # No matrix product: under autocast it would not be in float32.
    expected = (v.to(weight.device, torch.float32)[:, None] * weight.detach().float()).sum(0) / leaf[0, 0].numel()
    expected = expected.to(gradient.device)[:, None, None]
    near = max(1e-3, 4 * torch.finfo(scored.dtype).eps, 4 * torch.finfo(leaf.dtype).eps)
    return bool((gradient.float() - expected).abs().max() <= near * expected.abs().max())


def placed(grid: tuple[int, ...], picture: tuple[int, ...]) -> bool:
    """Whether a grid lies on the picture: it has its proportions, to two cells; channels, patches, tokens have not."""
    return abs(grid[0] * picture[1] - grid[1] * picture[0]) <= 2 * max(picture)


def _candidates(maps: dict[str, Tensor], size: tuple[int, int], scored: Tensor | None) -> list[str]:
    """What Grad-CAM may stand on by itself, in the order in which it ran; ``scored``: scores for every place."""
    features = {path: value for path, value in maps.items() if value.shape[1] > 1} or maps
    if scored is None:
        return list(features)
    fine = {path: value for path, value in features.items() if _reduced(value, size) <= COARSEST}
    return list(_smallest(fine or features, scored.shape[1]))


def _affinity(value: Tensor) -> bool:
    """Whether a map's rows are distributions, as an affinity's are."""
    return bool(((value.sum(-1) - 1).abs() < 0.01).all())


def _reduced(value: Tensor, size: tuple[int, int]) -> float:
    return max(size[0] / value.shape[2], size[1] / value.shape[3])


def _smallest(maps: dict[str, Tensor], count: int) -> dict[str, Tensor]:
    """The maps of the fewest positions; those of ``count`` channels may be the scores before they are enlarged."""
    features = {path: value for path, value in maps.items() if value.shape[1] != count} or maps
    fewest = min(value[0, 0].numel() for value in features.values())
    return {path: value for path, value in features.items() if value[0, 0].numel() == fewest}


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(torch.equal(a, b))

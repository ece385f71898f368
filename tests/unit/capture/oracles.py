"""What the tests compare with: captum, plain hooks on an untouched network, and autograd by hand."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from captum.attr import LayerGradCam, LayerGradientXActivation
from torch import Tensor, nn

Target = int | tuple[int, int]
Change = Callable[[Tensor], Tensor]


def captum_map(model: nn.Module, layer: str, x: Tensor, target: Target) -> Tensor:
    """Signed Grad-CAM (h, w) by captum; a pair is the difference of its two maps."""
    if isinstance(target, tuple):
        return captum_map(model, layer, x, target[0]) - captum_map(model, layer, x, target[1])
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")
        method = LayerGradCam(model, model.get_submodule(layer))
        result = method.attribute(x.clone().requires_grad_(), target=target, relu_attributions=False)
    assert isinstance(result, Tensor)
    return result.detach()[0, 0]


def captum_evidence(model: nn.Module, layer: str, x: Tensor, target: tuple[int, int]) -> float:
    """What a map of one place adds up: the size of all channels' gradient times activation, by captum."""
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")
        method = LayerGradientXActivation(model, model.get_submodule(layer))
        results = [method.attribute(x.clone().requires_grad_(), target=each) for each in target]
    assert all(isinstance(each, Tensor) for each in results)
    return sum(float(each.abs().sum()) for each in results)


def autograd_map(model: nn.Module, layer: str, call: int, x: Tensor, target: Target) -> Tensor:
    """Signed Grad-CAM (h, w) of one run of a layer, by a hook and autograd."""
    outputs: list[Tensor] = []

    def keep(_module: nn.Module, _args: Any, output: Tensor) -> Tensor:
        outputs.append(output)
        return output.clone()

    handle = model.get_submodule(layer).register_forward_hook(keep)
    try:
        with torch.enable_grad():
            logits = model(x.clone().requires_grad_())[0]
            score = logits[target] if isinstance(target, int) else logits[target[0]] - logits[target[1]]
            (gradient,) = torch.autograd.grad(score, outputs[call])
    finally:
        handle.remove()
    return (gradient.mean((2, 3), keepdim=True) * outputs[call].detach()).sum(1)[0]


def close_to(found: Tensor, expected: Tensor, limit: float = 1e-5, peak: float | None = None) -> None:
    """Equal to within ``limit`` of the expected peak (or of what was added up to it), and that peak is no zero.

    Float32 rounds to 6e-8. A sum of some thousands, in whatever order a kernel adds, and some tens of layers leave 1e-7
    to 3e-6 of the peak; a wrong formula, place or channel leaves a hundredth and more.
    """
    assert found.shape == expected.shape, f"{tuple(found.shape)} is not {tuple(expected.shape)}"
    peak = peak or float(expected.abs().max())
    assert peak > 1e-6
    assert float((found.double() - expected.double()).abs().max()) <= limit * peak


def distance(found: Tensor, expected: Tensor) -> float:
    """The greatest difference, relative to the expected peak."""
    assert found.shape == expected.shape
    return float((found - expected).detach().abs().max() / expected.detach().abs().max())


@contextmanager
def hooked(model: nn.Module, hooks: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    """Forward hooks on submodules, for as long as the context lasts."""
    handles = [model.get_submodule(path).register_forward_hook(hook) for path, hook in hooks.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def observe(model: nn.Module, x: Tensor, *paths: str) -> dict[str, list[tuple[Tensor, Tensor]]]:
    """(input, output) of submodules, one for each run, by plain hooks."""
    seen: dict[str, list[tuple[Tensor, Tensor]]] = {path: [] for path in paths}

    def keep(path: str) -> Callable[..., None]:
        return lambda _module, args, output: seen[path].append((args[0].clone(), output.clone()))

    with hooked(model, {path: keep(path) for path in paths}):
        model(x)
    return seen


@torch.no_grad()
def changed(model: nn.Module, x: Tensor, changes: Mapping[str, Change]) -> Tensor:
    """The logits (N,) when submodules' outputs are changed by plain hooks."""

    def change(function: Change) -> Callable[..., Tensor]:
        return lambda _module, _args, output: function(output)

    with hooked(model, {path: change(function) for path, function in changes.items()}):
        return model(x)[0]


@torch.no_grad()
def bypassed(model: nn.Module, x: Tensor, *paths: str) -> Tensor:
    """The logits (N,) when submodules are the identity."""

    def bypass(_module: nn.Module, args: tuple[Tensor, ...], _output: Tensor) -> Tensor:
        return args[0]

    with hooked(model, dict.fromkeys(paths, bypass)):
        return model(x)[0]

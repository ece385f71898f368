"""A full explanation against a bare forward pass, beside Grad-CAM alone by three peers.

``python -m benchmarks.one_pass``: one process, every contestant in turn in each round, medians of
the rounds as ratios to the bare forward (inference mode). Differences under 10% are noise. The
second column is what is kept for backward: the bytes of all tensors that autograd saves.
"""

import statistics
import time
import warnings
from collections.abc import Callable
from typing import Annotated, Any

import timm
import torch
import typer
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM as PytorchGradCam
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchcam.methods import GradCAM as TorchCam

import attnviz
from attnviz.backbones import build

Contestant = Callable[[], Any]
MODELS = {"resnet18t-se": "stage4", "resnet50": "layer4"}


def network(name: str) -> nn.Module:
    """New weights: the time does not depend on them."""
    torch.manual_seed(0)
    model: nn.Module = timm.create_model(name, zero_init_last=False) if name == "resnet50" else build(name)
    return model.eval()


def contestants(name: str, x: Tensor, target: int) -> dict[str, Contestant]:
    """Each on a network of its own, so that nobody's hooks slow another."""
    layer = MODELS[name]
    bare = network(name).requires_grad_(False)
    backbone = attnviz.instrument(network(name))
    peers = [network(name) for _ in range(3)]
    layers = [model.get_submodule(layer) for model in peers]
    torchcam = TorchCam(peers[0], layers[0])
    grad_cam = PytorchGradCam(peers[1], [layers[1]])
    captum = LayerGradCam(peers[2], layers[2])
    inside = next((path for path, _ in backbone.model.named_modules() if path.startswith(f"{layer}.")), layer)

    def forward() -> Tensor:
        with torch.inference_mode():
            return bare(x)

    return {
        "bare forward": forward,
        "attnviz, everything": lambda: attnviz.explain(backbone, x, target),
        "attnviz, everything, cut": lambda: attnviz.explain(backbone, x, target, cam_layer=inside),
        "torch-cam": lambda: torchcam(target, peers[0](x)),
        "pytorch-grad-cam": lambda: grad_cam(x, [ClassifierOutputTarget(target)]),
        "captum LayerGradCam": lambda: captum.attribute(x, target),
    }


def saved_bytes(contestant: Contestant) -> int:
    """Bytes of the distinct tensors that one call saves for backward."""
    seen: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        contestant()
    return sum(seen.values())


def medians(entries: dict[str, Contestant], rounds: int) -> dict[str, float]:
    """Median seconds of each, all in turn in every round, after two rounds to warm up."""
    times: dict[str, list[float]] = {name: [] for name in entries}
    for _ in range(rounds + 2):
        for name, contestant in entries.items():
            start = time.perf_counter()
            contestant()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values[2:]) for name, values in times.items()}


def main(
    rounds: Annotated[int, typer.Option(help="rounds that count")] = 30,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 2,
) -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(threads)
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    for name in MODELS:
        entries = contestants(name, x, target=3)
        found = medians(entries, rounds)
        bare = found["bare forward"]
        print(f"\n{name}, 224 x 224, {threads} threads: bare forward {bare * 1000:.1f} ms (median of {rounds})")
        print(f"{'':26} {'x bare':>7} {'saved for backward':>19}")
        for entry, seconds in found.items():
            print(f"{entry:26} {seconds / bare:7.2f} {saved_bytes(entries[entry]) / 1e6:16.1f} MB")


if __name__ == "__main__":
    typer.run(main)

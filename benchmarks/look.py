"""What it costs to find a network's attention: ``python -m benchmarks.look`` prints a table of ten networks.

Time is that of instrumenting a network and looking at it for the first time (``findings``), and of reading it in a
pass (``run``), as multiples of the bare network's forward pass at batch 1 in the same process: the median of passes
that are made before and after. Memory is what the process grows by at its peak, in a process of its own for each, as
a multiple of what a bare pass grows by (Linux only).
"""

import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import timm
import torch
import typer
from torch import nn

from attnviz import instrument

NETWORKS = {
    "resnet50": 224,
    "seresnet50": 224,
    "vit_small_patch16_224": 224,
    "swin_tiny_patch4_window7_224": 224,
    "convnext_tiny": 224,
    "efficientnet_b0": 224,
    "botnet26t_256": 256,
    "mobilevitv2_100": 256,
    "resnest26d": 224,
    "coat_lite_mini": 224,
}
RUNS = 9


def peak() -> int:
    """The most that this process has held since the last reset, in kilobytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def grown(run: Callable[[], object]) -> int:
    """How much this process grows at its peak while something runs, in kilobytes."""
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    run()
    return peak() - before


def built(name: str) -> tuple[nn.Module, torch.Tensor]:
    """A network, and noise for it."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return timm.create_model(name).eval(), torch.randn(1, 3, NETWORKS[name], NETWORKS[name])


def memory(name: str, what: str) -> int:
    """What a bare pass or the first look grows the process by."""
    model, x = built(name)
    if what == "pass":
        with torch.no_grad():
            return grown(lambda: model(x))
    return grown(lambda: instrument(model).findings(x))


def timed(run: Callable[[], object]) -> float:
    """Seconds."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def times(name: str) -> dict[str, float]:
    """The first look, and a pass that reads attention, in bare passes."""
    model, x = built(name)

    def bare() -> float:
        with torch.no_grad():
            return statistics.median(timed(lambda: model(x)) for _ in range(RUNS))

    bare()
    before, backbone = bare(), None
    gc.collect()  # what importing has left to be collected is no cost of a look

    def look() -> None:
        nonlocal backbone
        backbone = instrument(model)
        backbone.findings(x)

    first = timed(look)
    assert backbone is not None
    watched = backbone
    reading = statistics.median(timed(lambda: watched.run(x)) for _ in range(RUNS))
    watched.close()
    plain = statistics.median([before, bare()])
    return {"pass": plain, "look": first / plain, "reading": reading / plain, "blocks": len(watched.blocks)}


def child(*arguments: str) -> str:
    """What this file prints in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.look", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]


def main(name: Annotated[str, typer.Argument()] = "", what: Annotated[str, typer.Argument()] = "") -> None:
    """Print the table; with a name and what is wanted (pass, look, times), that alone."""
    if name:
        print(json.dumps(times(name)) if what == "times" else memory(name, what))
        return
    print("| Network | Blocks | A pass | First look | Reading | Memory of a look |\n|---|---|---|---|---|---|")
    for each in NETWORKS:
        found = json.loads(child(each, "times"))
        more = int(child(each, "look")) / max(int(child(each, "pass")), 1)
        print(
            f"| {each} | {found['blocks']} | {1000 * found['pass']:.0f} ms | {found['look']:.1f} passes | "
            f"{found['reading']:.2f} passes | {more:.1f} x |",
            flush=True,
        )


if __name__ == "__main__":
    typer.run(main)

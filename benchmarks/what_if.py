"""What if, for many values of a gate: ``python -m benchmarks.what_if`` prints a table of one network's blocks.

As multiples of a bare forward pass at batch 1, in the same process: the first response of a block to 17 values of one
gate (a pass that keeps what is needed, and the rest of the network for a batch of 17), the next response of that block,
what shutting each of its gates alone does, and the first-order estimate of that.
"""

import gc
import statistics
import time
from collections.abc import Callable
from typing import Annotated

import torch
import typer

import attnviz
from attnviz.stock.embedded import assets

VALUES = torch.linspace(0, 1, 17).tolist()
RUNS = 7


def timed(run: Callable[[], object]) -> float:
    """Seconds."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main(name: Annotated[str, typer.Argument()] = "resnet18t-se") -> None:
    """Print the table."""
    backbone, picture = attnviz.load(name), sorted((assets() / "examples").glob("*.jpg"))[0]
    explanation = attnviz.explain(backbone, picture)
    x = explanation.input
    explanation.response(attnviz.Edit(explanation.attention[0].layer, "forced", channel=0, value=0.0), VALUES)

    def bare() -> float:
        with torch.no_grad():
            return statistics.median(timed(lambda: backbone.model(x)) for _ in range(RUNS))

    gc.collect()
    plain = bare()
    print(f"{name}: a bare pass {1000 * plain:.0f} ms, {len(VALUES)} of them {len(VALUES)}.0 passes")
    print("| Block | Gates | First response | Next | Each gate shut | Estimate |\n|---|---|---|---|---|---|")
    for record in explanation.attention:
        again = attnviz.explain(backbone, picture)
        layer, edit = record.layer, attnviz.Edit(record.layer, "forced", channel=0, value=0.0)
        runs = [
            lambda e=again, edit=edit: e.response(edit, VALUES),
            lambda e=again, edit=edit: e.response(edit, VALUES),
            lambda e=again, layer=layer: e.effects(layer),
            lambda e=again, layer=layer: e.estimates(layer),
        ]
        took = [timed(run) / plain for run in runs]
        print(f"| {layer} | {len(record.tensor)} | " + " | ".join(f"{each:.1f}" for each in took) + " |", flush=True)


if __name__ == "__main__":
    typer.run(main)

"""Cards as text, Markdown and curves."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from attnviz.cards import ModelCard

HEAD = ("model", "params", "MACs", "top-1", "95% interval", "off", "frozen", "Grad-CAM", "center", "alive")

INTRODUCTION = """# The ten networks

Written by `python -m attnviz.training docs` from the cards in `assets/weights/`.

The same thin ResNet-18, {recipe}, one seed: they differ in attention alone, which stands where its paper puts it (SK's
replaces a convolution; BAM and Non-Local stand in three places, the others in all eight blocks). Every share has its
95% interval (Wilson), and **a difference smaller than the interval is noise**; how much another seed would change is
not in it.

- **top-1** on the {count} photos of `val/`, which training never saw (the input size and Non-Local's scale were
  chosen on them). **off**: with all attention switched off, which also removes its average gain. **frozen**: with all
  attention held at its mean over the training set, so that it no longer answers to the photo. Read them side by side.
- **Grad-CAM**: how often the peak of the true class's map lies inside an object's box, on 248 photos that were used
  for nothing else (the pointing game, without tolerance). **center**: how often the picture's center does.
- **alive**: blocks whose attention answers to the photo (gates: standard deviation over photos of at least 0.02;
  distributions: entropy between 0.1 and 0.98 of the uniform one; what Non-Local and GC add: at least 1% of their
  input).
"""


def table(cards: Sequence[ModelCard]) -> str:
    """The cards as a table of text."""
    rows = [HEAD, *(row(card) for card in cards)]
    widths = [max(len(cells[i]) for cells in rows) for i in range(len(HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) for cells in rows)


def row(card: ModelCard) -> tuple[str, ...]:
    """A card's row of the table."""

    def counted(*keys: str) -> str:
        entry = card.metrics
        for key in keys:
            entry = entry.get(key, {})
        return f"{entry['share']:.2%} ({entry['count']})" if entry else "-"

    alive = card.metrics.get("alive", {})
    return (
        card.id,
        f"{card.params / 1e6:.2f}M",
        f"{card.macs / 1e6:.0f}M",
        counted("top1"),
        "{:.2%} to {:.2%}".format(*card.top1_interval),
        counted("off"),
        counted("frozen"),
        counted("pointing", "grad_cam"),
        counted("pointing", "center"),
        f"{sum(alive.values())} of {len(alive)}" if alive else "-",
    )


def markdown(cards: Sequence[ModelCard]) -> str:
    """docs/models.md: the table, and how alive each block of each network is."""
    recipe = f"{cards[0].recipe['epochs']} epochs"
    lines = [INTRODUCTION.format(recipe=recipe, count=cards[0].metrics["top1"]["of"])]
    lines += [_cells(HEAD), _cells(["---"] * len(HEAD)), *(_cells(row(card)) for card in cards)]
    for card in cards:
        if card.metrics.get("liveness"):
            lines += ["", f"## {card.id}", "", f"{card.mechanism}; options {json.dumps(card.recipe['options'])}.", ""]
            lines += _liveness(card.metrics["liveness"])
    return "\n".join(lines) + "\n"


def _liveness(measured: Mapping[str, Mapping[str, float]]) -> list[str]:
    columns = {
        "std_images": "std over photos",
        "std_elements": "std over elements",
        "entropy": "entropy / uniform",
        "size": "added / input",
    }
    used = [name for name in columns if any(name in entry for entry in measured.values())]
    head = ["block / part", *(columns[name] for name in used)]
    body = [[key, *(f"{entry[n]:.3f}" if n in entry else "" for n in used)] for key, entry in measured.items()]
    return [_cells(head), _cells(["---"] * len(head)), *(_cells(cells) for cells in body)]


def _cells(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def draw_curves(logs: Mapping[str, Path], out: Path) -> None:
    """Loss and top-1 by epoch of every log that is there."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    for model_id, path in logs.items():
        if not path.exists():
            continue
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        loss.plot([line["epoch"] for line in lines], [line["loss"] for line in lines], label=model_id)
        tested = [line for line in lines if "top1" in line]
        accuracy.plot([line["epoch"] for line in tested], [line["top1"] for line in tested], marker=".")
    loss.set(xlabel="epoch", ylabel="training loss")
    accuracy.set(xlabel="epoch", ylabel="top-1 on val/, averaged weights")
    loss.legend()
    figure.savefig(out, dpi=150)

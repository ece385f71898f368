"""What a card says: accuracy with and without attention, liveness, pointing, certainty."""

import csv
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from attnviz import cost
from attnviz.capture import Backbone, Edit, Means, batch_values, measure_means
from attnviz.capture.edits import mean_key
from attnviz.errors import ModelError
from attnviz.explanation import explain
from attnviz.measures import entropy
from attnviz.mechanisms import Kind, Part, Role
from attnviz.training.data import SIDE, Split, decode, load_split, resized

BATCH = 64
Interval = tuple[float, float]


def wilson(right: int, count: int) -> Interval:
    """The 95% interval of a share (Wilson 1927)."""
    z = 1.959964
    share, extra = right / count, z * z / count
    middle = (share + extra / 2) / (1 + extra)
    half = z * math.sqrt(share * (1 - share) / count + extra / count / 4) / (1 + extra)
    return middle - half, middle + half


def batches(split: Split, size: int, label: str) -> Iterator[tuple[Tensor, Tensor]]:
    """The whole split in order: normalized (B, 3, size, size) and labels."""
    for start in tqdm(range(0, len(split), BATCH), desc=label, unit="batch", mininterval=5):
        yield (
            resized(split.images[start : start + BATCH], size, torch.device("cpu")),
            split.labels[start : start + BATCH],
        )


def predictions(
    backbone: Backbone, split: Split, size: int, edits: Sequence[Edit] = (), label: str = "top-1"
) -> Tensor:
    """Logits (N, classes) of a split under edits."""
    return torch.cat([backbone.run(x, edits, read=False)[0] for x, _ in batches(split, size, label)])


def right(logits: Tensor, labels: Tensor) -> int:
    """How many rows have their label on top."""
    return int((logits.argmax(1) == labels).sum())


def share(hits: int, count: int) -> dict[str, Any]:
    """A count, the share it is, and that one's interval, as cards hold them."""
    return {"count": hits, "of": count, "share": hits / count, "interval": list(wilson(hits, count))}


def macs(backbone: Backbone, size: int) -> int:
    """Multiply-accumulates of one picture: convolutions and every matrix product, functional ones too."""
    return cost.measure(backbone, (3, size, size)).total.macs


def means(backbone: Backbone, split: Split, size: int) -> Means | None:
    """The mean of all attention over a split, or None for a network without any."""
    if not backbone.blocks:
        return None
    return measure_means(backbone, (x for x, _ in batches(split, size, "means")))


def liveness(backbone: Backbone, split: Split, size: int) -> dict[str, dict[str, float]]:
    """How alive each part is, by mean's key (``layer/part``).

    Gates, logits and terms: ``std_images``, the standard deviation of each element over pictures,
    averaged, and ``std_elements``, that over a picture's elements, averaged over pictures.
    Distributions: ``entropy`` of each against that of the uniform one (1), averaged; branches have
    both. Terms and residuals: ``size``, |output - input| against |input| of the block.
    """
    moments: dict[str, Tensor] = {}
    sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for x, _ in batches(split, size, "liveness"):
        _, watcher = backbone.run(x, keep=backbone.blocks)
        for key, value in batch_values(watcher).items():
            flat = value.flatten(1).double()
            if _kind(backbone, key) is not Kind.AFFINITY:
                moment = torch.stack([flat.sum(0), flat.square().sum(0)])
                moments[key] = moments[key] + moment if key in moments else moment
                sums[key]["std_elements"] += float(flat.std(1).sum())
            if _role(backbone, key) is Role.DISTRIBUTION:
                sums[key]["entropy"] += float(_entropy(value, _kind(backbone, key)).sum())
        for (layer, _call), flow in watcher.flows.items():
            for part in backbone.blocks[layer].parts:
                if part.role is Role.TERM or part.kind is Kind.AFFINITY:
                    assert flow.input is not None
                    assert flow.output is not None
                    added = (flow.output - flow.input).flatten(1).norm(dim=1) / flow.input.flatten(1).norm(dim=1)
                    sums[mean_key(layer, part.name)]["size"] += float(added.sum())
    n = len(split)
    alive = {key: {name: total / n for name, total in entry.items()} for key, entry in sums.items()}
    for key, (total, squares) in moments.items():
        alive[key]["std_images"] = float((squares / n - (total / n).square()).clamp(min=0).sqrt().mean())
    return {key: {name: round(v, 5) for name, v in sorted(entry.items())} for key, entry in sorted(alive.items())}


def alive(backbone: Backbone, measured: Mapping[str, Mapping[str, float]]) -> dict[str, bool]:
    """Whether each block is alive, by its parts that say so.

    A gate: std over pictures of 0.02 or more (all of its gates; either strip of a coordinate
    attention). A distribution: entropy between 0.1 and 0.98 of uniform. What Non-Local and GC add:
    1% or more of their input.
    """
    verdict = {}
    for layer, block in backbone.blocks.items():
        tests = []
        for part in block.parts:
            strips = ("h", "w") if part.kind is Kind.COORDINATE else (None,)
            entries = [measured[mean_key(layer, part.name, strip)] for strip in strips]
            if part.role is Role.GATE:
                tests.append(max(entry["std_images"] for entry in entries) >= 0.02)
            if part.role is Role.DISTRIBUTION:
                tests.append(0.1 <= entries[0]["entropy"] <= 0.98)
            if "size" in entries[0]:
                tests.append(entries[0]["size"] >= 0.01)
        verdict[layer] = all(tests)
    return verdict


def pointing(backbone: Backbone, folder: Path, size: int) -> dict[str, Any]:
    """The pointing game on ``folder/boxed``: Grad-CAM's peak for the true class, and the picture's center.

    A hit: the argmax of the map, upsampled bilinearly to 224 x 224, lies inside any of the photo's boxes.
    """
    boxes: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    with (folder / "boxed" / "boxes.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            boxes[Path(row["file"]).name].append(tuple(float(row[k]) for k in ("x0", "y0", "x1", "y1")))
    files = sorted((folder / "boxed").glob("*/*.JPEG"))
    if not files:
        raise ModelError(f"no photos in {folder / 'boxed'}")
    wnids = sorted({path.parent.name for path in files})
    hits = center = 0
    for path in tqdm(files, desc="pointing", unit="photo", mininterval=5):
        x = resized(decode(path)[None], size, torch.device("cpu"))
        cam = explain(backbone, x, target=wnids.index(path.parent.name)).cam
        assert cam is not None
        full = functional.interpolate(cam.map[None, None], (SIDE, SIDE), mode="bilinear", align_corners=False)[0, 0]
        y0, x0 = divmod(int(full.argmax()), SIDE)
        hits += _inside(boxes[path.name], x0 + 0.5, y0 + 0.5)
        center += _inside(boxes[path.name], SIDE / 2, SIDE / 2)
    return {"grad_cam": share(hits, len(files)), "center": share(center, len(files))}


def certainty(known: Tensor, folder: Path, backbone: Backbone, size: int) -> dict[str, list[float]] | None:
    """101 quantiles of the highest probability: on photos of the classes, and on photos of other things."""
    files = sorted(folder.glob("*.JPEG"))
    if not files:
        return None
    other = []
    for path in files:
        x = resized(decode(path)[None], size, torch.device("cpu"))
        other.append(backbone.run(x, read=False)[0])
    grid = np.linspace(0, 1, 101)

    def quantiles(logits: Tensor) -> list[float]:
        return [round(float(q), 5) for q in np.quantile(logits.softmax(1).amax(1).double().numpy(), grid)]

    return {"known": quantiles(known), "other": quantiles(torch.cat(other))}


def measure(backbone: Backbone, data: Path, cache: Path, size: int) -> dict[str, Any]:
    """Everything that a card's ``metrics`` hold, on the CPU in float32."""
    split = load_split(data, "val", cache)
    logits = predictions(backbone, split, size)
    result: dict[str, Any] = {"top1": share(right(logits, split.labels), len(split))}
    if backbone.blocks:
        for how in ("off", "frozen"):
            edited = predictions(backbone, split, size, [Edit("*", how)], how)
            result[how] = share(right(edited, split.labels), len(split))
        result["liveness"] = liveness(backbone, split, size)
        result["alive"] = alive(backbone, result["liveness"])
    if (data / "boxed").is_dir():
        result["pointing"] = pointing(backbone, data, size)
    found = certainty(logits, data / "other", backbone, size)
    return result | ({"certainty": found} if found else {})


def _inside(boxes: Sequence[tuple[float, ...]], x: float, y: float) -> bool:
    return any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in boxes)


def _entropy(value: Tensor, kind: Kind) -> Tensor:
    """Each picture's mean entropy, 1 for the uniform distribution: branches share over M, others over positions."""
    rows = (
        value.transpose(1, 2) if kind is Kind.BRANCH else value.flatten(1)[:, None] if kind is Kind.CONTEXT else value
    )
    return entropy(rows).mean(1)


def _part(backbone: Backbone, key: str) -> Part:
    layer, _, rest = key.partition("/")
    block = backbone.blocks[layer]
    return block.parts[0] if rest in ("", "h", "w") else block.part(rest)


def _kind(backbone: Backbone, key: str) -> Kind:
    return _part(backbone, key).kind


def _role(backbone: Backbone, key: str) -> Role:
    return _part(backbone, key).role

"""Records, maps and a picture as matplotlib figures, with their scales printed."""

from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from attnviz.capture import AffinityMap, Coordinate
from attnviz.mechanisms import Kind, Role
from attnviz.render.colors import DIVERGING

if TYPE_CHECKING:
    from attnviz.explanation import AttentionRecord, Explanation

Array = NDArray[Any]


@dataclass(frozen=True)
class Style:
    """How maps are drawn over the picture.

    Attributes:
        colors: one of ``render.colors.SEQUENTIAL``; signed values have a diverging map of their own.
        strength: of the overlay, 0 to 1.
        smooth: interpolated, or on the map's own grid.
        limits: the ends of the attention's color scale; None for the map's own.
        query: (row, column) of an affinity's query; None for the middle one.
    """

    colors: str = "viridis"
    strength: float = 0.6
    smooth: bool = True
    limits: tuple[float, float] | None = None
    query: tuple[int, ...] | None = None


def overview(explanation: "Explanation", record: "AttentionRecord | None", style: Style | None = None) -> Figure:
    """The picture, one record in its own form, and Grad-CAM, side by side, with what they are of."""
    style = style or Style()
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    figure.supxlabel(_origin(explanation), fontsize=8, color="0.4")
    photo, attention, cam = figure.subplots(1, 3)
    seen = _seen(explanation)
    photo.imshow(seen, aspect="auto")
    photo.set_title(_prediction(explanation))
    if record is None:
        attention.text(0.5, 0.5, "no attention in this network", ha="center")
        attention.set_axis_off()
    else:
        draw_record(attention, record, seen, style)
    if explanation.cam is None:
        cam.text(0.5, 0.5, explanation.cam_reason, ha="center", wrap=True)
        cam.set_axis_off()
    else:
        target = f"Grad-CAM: {_target(explanation)}" + ("" if explanation.cam.positive else " (no positive evidence)")
        evidence = replace(style, limits=(0.0, float(explanation.cam.map.max())))
        overlay(cam, explanation.cam.map.numpy(), seen, f"{target}\n{explanation.cam.layer}", evidence)
    photo.set_axis_off()
    _same_shape((photo, cam), seen)
    return figure


def draw_record(axes: Axes, record: "AttentionRecord", seen: Array, style: Style) -> None:
    """A record as its kind is best seen: bars for channels and branches, a map over the picture for the rest."""
    where = record.layer + (f", {record.part}" if record.part else "")
    title = f"{record.mechanism} {record.role}\n{where}"
    values = record.values
    if isinstance(values, AffinityMap):
        query = style.query or tuple(n // 2 for n in values.query_grid)
        overlay(axes, values.row(query).numpy(), seen, f"{title}, query {query}", style)
        height, width = seen.shape[:2]
        rows, columns = values.query_grid[-2:]
        x, y = (query[-1] + 0.5) * width / columns, (query[-2] + 0.5) * height / rows
        axes.plot(x, y, "o", mfc="none", mec="white", ms=10, mew=2)
    elif isinstance(values, Coordinate):
        product = values.h.mean(0)[:, None] * values.w.mean(0)[None]
        overlay(axes, product.numpy(), seen, f"{title}, mean strips' product", style)
    elif record.kind is Kind.CHANNEL:
        axes.bar(np.arange(len(values)), np.sort(values.numpy())[::-1], width=1.0)
        axes.set(title=f"{title}, sorted", xlabel="channel, by rank", ylabel=str(record.role))
        if record.role is Role.GATE:
            axes.set_ylim(0, 1)
    elif record.kind is Kind.BRANCH:
        axes.stackplot(
            np.arange(values.shape[1]), values.numpy(), labels=[f"branch {m + 1}" for m in range(len(values))]
        )
        axes.set(title=title, xlabel="channel", ylabel="share", ylim=(0, 1))
        axes.legend(loc="lower right")
    else:
        grid = values.mean(0) if record.kind is Kind.VOLUME else values
        note = ", mean over channels" if record.kind is Kind.VOLUME else ""
        overlay(axes, grid.numpy(), seen, title + note, style)


def overlay(axes: Axes, grid: Array, seen: Array, title: str, style: Style) -> None:
    """A map over the picture, with a bar that prints its scale's ends; signed values have zero in the middle."""
    height, width = seen.shape[:2]
    low, high = style.limits or (float(grid.min()), float(grid.max()))
    signed = low < 0
    if signed:
        high = max(-low, high)
        low = -high
    axes.imshow(seen.mean(2), cmap="gray", extent=(0, width, height, 0), vmin=0, vmax=255)
    image = axes.imshow(
        grid,
        cmap=DIVERGING if signed else style.colors,
        alpha=style.strength,
        extent=(0, width, height, 0),
        interpolation="bilinear" if style.smooth else "nearest",
        vmin=low,
        vmax=high,
    )
    axes.set_title(title)
    axes.set_axis_off()
    ends = [low, high] if high > low else [low]
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.05, ticks=ends)
    bar.ax.set_yticklabels([f"{v:.3g}" for v in ends])


def _origin(explanation: "Explanation") -> str:
    """What a figure is of, and what made it."""
    from attnviz import __version__

    backbone = explanation.backbone
    model = backbone.card.id if backbone.card else type(backbone.model).__name__
    edits = "".join(f" · {edit.how} at {edit.layer}" for edit in explanation.edits)
    versions = f"attnviz {__version__}, torch {version('torch')}"
    return f"{model}{edits} · {' × '.join(map(str, explanation.input.shape[2:]))} input · {versions}"


def _seen(explanation: "Explanation") -> Array:
    if explanation.picture is not None:
        return np.asarray(explanation.picture.original)
    # A tensor came without its picture: each channel on its own range, in gray where there are not three.
    x = explanation.input[0].float().cpu().numpy()
    x = x[:3] if len(x) >= 3 else np.repeat(x[:1], 3, 0)
    low, high = x.min((1, 2), keepdims=True), x.max((1, 2), keepdims=True)
    return ((x - low) / np.maximum(high - low, 1e-12) * 255).astype(np.uint8).transpose(1, 2, 0)


def _prediction(explanation: "Explanation") -> str:
    if explanation.logits is None:
        return "no logits"
    _, label, probability = explanation.top(1)[0]
    return f"{label} {probability:.1%}"


def _target(explanation: "Explanation") -> str:
    labels = explanation.backbone.classes

    def name(index: int) -> str:
        return labels[index] if labels else f"class {index}"

    target = explanation.target
    return f"{name(target[0])} against {name(target[1])}" if isinstance(target, tuple) else name(target or 0)


def _same_shape(axes: tuple[Axes, ...], seen: Array) -> None:
    for ax in axes:
        ax.set_box_aspect(seen.shape[0] / seen.shape[1])

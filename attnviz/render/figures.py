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
LINKS = 5  # of a query to the keys that it reads most of


@dataclass(frozen=True)
class Style:
    """How maps are drawn over the picture.

    Attributes:
        colors: one of ``render.colors.SEQUENTIAL``; signed values have a diverging map of their own.
        strength: of the overlay, 0 to 1.
        smooth: interpolated, or on the map's own grid.
        limits: the ends of the attention's color scale; None for the map's own.
        query: (row, column) of an affinity's query; None for the middle one.
        channel: which of a map for each channel; None for their mean.
    """

    colors: str = "viridis"
    strength: float = 0.65
    smooth: bool = True
    limits: tuple[float, float] | None = None
    query: tuple[int, ...] | None = None
    channel: int | None = None


@dataclass(frozen=True, eq=False)
class Ground:
    """What maps lie on: a picture's pixels, (H, W, 3), and the (left, top, right, bottom) that the network saw."""

    pixels: Array
    box: tuple[float, float, float, float]


def overview(
    explanation: "Explanation",
    record: "AttentionRecord | None",
    style: Style | None = None,
    evidence: tuple[str, Array] | None = None,
) -> Figure:
    """The picture, one record in its own form, and the evidence, side by side, with what they are of.

    ``evidence``: a title and a map over the picture, in Grad-CAM's place.
    """
    style = style or Style()
    ground = _ground(explanation)
    aspect = ground.pixels.shape[0] / ground.pixels.shape[1]
    figure = Figure(figsize=(13, min(max(3.9 * aspect + 1.0, 3.0), 9.0)), layout="constrained")  # bars as high as maps
    figure.supxlabel(_origin(explanation), fontsize=8, color="0.4")
    photo, attention, cam = figure.subplots(1, 3)
    photo.imshow(ground.pixels, aspect="auto")
    photo.set_title(_prediction(explanation))
    if record is None:
        attention.text(0.5, 0.5, "no attention in this network", ha="center")
        attention.set_axis_off()
    else:
        draw_record(attention, record, ground, style)
    if evidence is not None:
        title, grid = evidence
        overlay(cam, grid, ground, f"{title}: {_target(explanation)}\nthe network's input", replace(style, limits=None))
    else:
        _draw_cam(cam, explanation, ground, replace(style, limits=None))
    photo.set_axis_off()
    _same_shape((photo, cam), ground)
    return figure


@dataclass(frozen=True, eq=False)
class Row:
    """One network of a comparison: its explanation, and its attention as a map, with a title and a scale's ends.

    ``attention`` is (title, map, ends), or None for a network without.
    """

    name: str
    explanation: "Explanation"
    attention: tuple[str, Array, tuple[float, float]] | None


def comparison(rows: list[Row], style: Style | None = None) -> Figure:
    """Several networks on one picture, two in a line: attention and Grad-CAM, the latter on one scale."""
    style = style or Style()
    ground = _ground(rows[0].explanation)
    lines = -(-len(rows) // 2)
    aspect = ground.pixels.shape[0] / ground.pixels.shape[1]
    figure = Figure(figsize=(16, lines * (3.1 * aspect + 0.8)), layout="constrained")
    figure.supxlabel(_made(rows[0].explanation), fontsize=8, color="0.4")
    most = max((float(row.explanation.cam.map.max()) for row in rows if row.explanation.cam), default=1.0)
    axes = figure.subplots(lines, 4, squeeze=False).reshape(-1, 2)
    for (attention, cam), row in zip(axes, rows, strict=False):
        ground = _ground(row.explanation)  # networks may see different parts of the picture
        head = f"{row.name}: {_prediction(row.explanation)}"
        if row.attention is None:
            attention.imshow(ground.pixels)
            attention.set_title(f"{head}\nno attention")
        else:
            title, grid, ends = row.attention
            overlay(attention, grid, ground, f"{head}\n{title}", replace(style, limits=ends))
        _draw_cam(cam, row.explanation, ground, replace(style, limits=(0.0, most)))
    for ax in axes.reshape(-1):
        ax.set_axis_off()
        ax.title.set_fontsize(9)
    return figure


def _draw_cam(axes: Axes, explanation: "Explanation", ground: Ground, style: Style) -> None:
    found, region = explanation.cam, explanation.region
    of = "" if region is None else f", scores of rows {region[0]}-{region[2] - 1}, columns {region[1]}-{region[3] - 1}"
    if found is None:
        axes.text(0.5, 0.5, explanation.cam_reason or "no Grad-CAM", ha="center", wrap=True)
        axes.set_axis_off()
        return
    if not found.positive:
        axes.imshow(ground.pixels)
        axes.set_title(f"Grad-CAM: {_target(explanation)}\n{found.layer}{of}: no positive evidence")
        axes.set_axis_off()
        return
    title = f"Grad-CAM: {_target(explanation)}"
    limits = style.limits or (0.0, float(found.map.max()))
    overlay(axes, found.map.numpy(), ground, f"{title}\n{found.layer}{of}", replace(style, limits=limits))


def draw_record(axes: Axes, record: "AttentionRecord", ground: Ground, style: Style) -> None:
    """A record as its kind is best seen: bars for channels and branches, a map over the picture for the rest."""
    what = "affinity" if record.kind is Kind.AFFINITY else str(record.role)
    title = " ".join(filter(None, (record.mechanism, record.part, what))) + f"\n{record.layer}"
    values = record.values
    if isinstance(values, AffinityMap):
        query = style.query or tuple(n // 2 for n in values.query_grid)
        row = values.row(query).numpy()
        overlay(axes, row, ground, f"{title}, query {query}", style)
        x, y = _center(ground, query, values.query_grid)
        strongest = np.argsort(row.ravel())[::-1][:LINKS]
        for key in strongest:
            to = _center(ground, np.unravel_index(key, row.shape), values.key_grid)
            share = row.ravel()[key] / row.max() if row.max() > 0 else 0.0
            axes.plot([x, to[0]], [y, to[1]], color="white", lw=0.7 + 1.3 * max(share, 0.0))
        axes.plot(x, y, "o", mfc="none", mec="white", ms=10, mew=2)
    elif isinstance(values, Coordinate):
        h, w = values.h.numpy(), values.w.numpy()
        products = h[:, :, None] * w[:, None, :]
        overlay(axes, _one(products, style), ground, f"{title}, product of the strips, {_which(style)}", style)
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
        volume = record.kind is Kind.VOLUME
        grid = _one(values.numpy(), style) if volume else values.numpy()
        overlay(axes, grid, ground, f"{title}, {_which(style)}" if volume else title, style)


def _center(ground: Ground, cell: Any, grid: tuple[int, ...]) -> tuple[float, float]:
    """Where the center of a grid's (row, column) lies on the picture, as (x, y)."""
    left, top, right, bottom = ground.box
    rows, columns = grid[-2:]
    return left + (cell[-1] + 0.5) * (right - left) / columns, top + (cell[-2] + 0.5) * (bottom - top) / rows


def _one(maps: Array, style: Style) -> Array:
    """One of a map for each channel, or their mean."""
    return np.asarray(maps.mean(0) if style.channel is None else maps[style.channel])


def _which(style: Style) -> str:
    return "mean over channels" if style.channel is None else f"channel {style.channel}"


def overlay(axes: Axes, grid: Array, ground: Ground, title: str, style: Style) -> None:
    """A map over the picture, with a bar that prints its scale's ends; signed values have zero in the middle."""
    height, width = ground.pixels.shape[:2]
    left, top, right, bottom = ground.box
    low, high = style.limits or (float(grid.min()), float(grid.max()))
    signed = low < 0
    if signed:
        high = max(-low, high)
        low = -high
    axes.imshow(ground.pixels.mean(2), cmap="gray", extent=(0, width, height, 0), vmin=0, vmax=255)
    image = axes.imshow(
        grid,
        cmap=DIVERGING if signed else style.colors,
        alpha=style.strength,
        extent=(left, right, bottom, top),
        interpolation="bilinear" if style.smooth else "nearest",
        vmin=low,
        vmax=high,
    )
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_title(title)
    axes.set_axis_off()
    ends = [low, high] if high > low else [low]
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.05, aspect=20 * height / width, ticks=ends)
    bar.ax.set_yticklabels([f"{v:.3g}" for v in ends])


def _origin(explanation: "Explanation") -> str:
    """What a figure is of, and what made it."""
    backbone = explanation.backbone
    model = backbone.card.id if backbone.card else type(backbone.model).__name__
    edits = "".join(f" · {edit.how} at {edit.layer}" for edit in explanation.edits)
    return f"{model}{edits} · {_made(explanation)}"


def _made(explanation: "Explanation") -> str:
    """The input's size, and what made the figure."""
    from attnviz import __version__

    size = " × ".join(map(str, explanation.input.shape[2:]))
    return f"{size} input · attnviz {__version__}, torch {version('torch')}"


def _ground(explanation: "Explanation") -> Ground:
    if explanation.picture is not None:
        return Ground(np.asarray(explanation.picture.original), explanation.picture.box)
    # A tensor came without its picture: each channel on its own range, in gray where there are not three.
    x = explanation.input[0].float().cpu().numpy()
    x = x[:3] if len(x) >= 3 else np.repeat(x[:1], 3, 0)
    low, high = x.min((1, 2), keepdims=True), x.max((1, 2), keepdims=True)
    pixels = ((x - low) / np.maximum(high - low, 1e-12) * 255).astype(np.uint8).transpose(1, 2, 0)
    return Ground(pixels, (0, 0, *pixels.shape[1::-1]))


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


def _same_shape(axes: tuple[Axes, ...], ground: Ground) -> None:
    for ax in axes:
        ax.set_box_aspect(ground.pixels.shape[0] / ground.pixels.shape[1])

"""From an explanation to what components take: small, JSON-able, numbers as they are in the tensors."""

import base64
from collections.abc import Sequence
from io import BytesIO
from typing import Any, SupportsFloat

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attnviz.capture import AffinityMap
from attnviz.ui import prose, texts
from attnviz.ui.analysis import View, asked_grid

Array = NDArray[Any]
Payload = dict[str, Any]

THUMB = 48  # values on a side of a block's small map, at most
SKIPPED = 6  # places where attention may be that was not read, named at most
LARGEST = 200_000  # values of a map for each channel that are sent at once; of a larger one, what is drawn


def packed(values: Array, *, bits: int = 32) -> Payload:
    """An array for a script: float32 as it is, or 8 bits over its range; little-endian, base64."""
    values = np.ascontiguousarray(values, dtype="<f4")
    low, high = float(values.min()), float(values.max())
    raw = values
    if bits == 8:
        scale = 255 / (high - low) if high > low else 0.0
        raw = np.rint((values.astype(np.float64) - low) * scale).astype(np.uint8)
    data = base64.b64encode(raw.tobytes()).decode()
    return {"shape": list(values.shape), "data": data, "bits": bits, "min": low, "max": high}


def data_url(image: Image.Image, quality: int = 88) -> str:
    """A picture as a JPEG in a data: URL."""
    file = BytesIO()
    image.save(file, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def number(value: SupportsFloat) -> str:
    """A number for people: three significant digits."""
    return f"{float(value):.3g}".replace("-", "−")


def percent(share: SupportsFloat) -> str:
    """A share for people; never rounded to all or nothing."""
    value = 100 * float(share)
    if 0 < value < 0.1:
        return "under 0.1%"
    if 99.9 < value < 100:
        return "over 99.9%"
    return f"{value:.1f}%"


def with_interval(share: SupportsFloat, interval: Sequence[float]) -> str:
    """A share with its 95% interval."""
    low, high = (percent(end) for end in interval)
    return texts.SHARE_INTERVAL.format(share=percent(share), low=low.removesuffix("%"), high=high)


def picture(view: View) -> Payload:
    """The picture as the page shows it, and the region of it that the network saw."""
    shown = view.explanation.picture
    assert shown is not None
    small = shown.original.copy()
    small.thumbnail((160, 160), Image.Resampling.BICUBIC)
    width, height = shown.original.size
    return {
        "src": data_url(shown.original),
        "thumb": data_url(small),
        "width": width,
        "height": height,
        "box": box(view),
        "name": view.name,
        "source": view.state.source,
    }


def box(view: View) -> list[float]:
    """The region of the picture that the network saw, in shares of its sides: left, top, right, bottom."""
    shown = view.explanation.picture
    assert shown is not None
    width, height = shown.original.size
    left, top, right, bottom = shown.box
    return [left / width, top / height, right / width, bottom / height]


def rail(view: View) -> Payload:
    """The network's blocks in order: those with attention with a small map, the others as ticks."""
    records = view.explanation.attention
    backbone = view.explanation.backbone
    findings = backbone.findings(view.explanation.input)
    items: dict[str, Payload] = {}
    for record in records:
        item = items.setdefault(record.layer, {"kind": "block", "layer": record.layer, "parts": []})
        item["parts"].append({"name": record.part, "label": _part_label(record.part)})
        item |= {"mechanism": record.mechanism, "stage": record.stage, "grid": list(record.after.shape)}
        item["channels"] = backbone.blocks[record.layer].channels
        item["verified"] = record.layer not in findings.unverified
        small = small_map(record)
        if small is not None or "thumb" not in item:
            item["thumb"] = packed(_reduced(record.after.numpy() if small is None else small), bits=8)
    chosen = view.record
    return {
        "items": _with_ticks(view, items),
        "layer": chosen.layer if chosen else None,
        "part": chosen.part if chosen else None,
        "findings": texts.FINDINGS.format(findings=findings),
        "skipped": list(findings.skipped[:SKIPPED]),
    }


def _reduced(grid: Array) -> Array:
    """A map that is no larger than a thumbnail, each value the mean of those it stands for."""
    rows, columns = (min(n, THUMB) for n in grid.shape)
    if (rows, columns) == grid.shape:
        return grid
    image = Image.fromarray(np.ascontiguousarray(grid, dtype=np.float32))
    return np.asarray(image.resize((columns, rows), Image.Resampling.BOX))


def _with_ticks(view: View, items: dict[str, Payload]) -> list[Payload]:
    """The network's units that hold no attention, set among the blocks where the network has them."""
    backbone = view.explanation.backbone
    # Of several blocks in one module's own forward, each has a number after the module's path.
    modules = {path: path.partition(" ")[0] for path in items}
    bare = [unit for unit in backbone.units if not any(f"{m}.".startswith(f"{unit}.") for m in modules.values())]
    place = {path: i for i, (path, _) in enumerate(backbone.model.named_modules())}
    order = sorted([*items, *bare], key=lambda path: place.get(modules.get(path, path), len(place)))  # itself last
    if [path for path in order if path in items] != list(items):
        return list(items.values())  # it runs in another order than it was built in
    return [items.get(path, {"kind": "tick", "layer": path}) for path in order]


def small_map(record: Any) -> Array | None:
    """A record's attention as one map over the picture, where it has one."""
    values = record.values
    match record.kind:
        case "spatial" | "context":
            return np.asarray(values.numpy())
        case "volume":
            return np.asarray(values.numpy().mean(0))
        case "coordinate":
            return np.einsum("ch,cw->hw", values.h.numpy(), values.w.numpy()) / len(values.h)
    return None


def attention(view: View) -> Payload:
    """What the attention canvas draws for the chosen block."""
    record = view.record
    if record is None:
        skipped = view.explanation.backbone.findings(view.explanation.input).skipped
        return {"title": texts.NO_ATTENTION_TITLE, "empty": texts.UNREAD_ATTENTION if skipped else texts.NO_ATTENTION}
    where = record.layer + (f" · {record.part}" if record.part else "")
    value: Payload = {
        "layer": record.layer,
        "part": record.part,
        "kind": str(record.kind),
        "role": str(record.role),
        "title": title(record),
        "note": prose.sees(record.kind, record.role),
        "grid": list(asked_grid(record)),
        "query": list(view.place),
    }
    values: Any = record.values
    channel = view.state.channel
    match record.kind:
        case "spatial" | "context":
            value["map"] = packed(values.numpy())
        case "volume" if values.numel() > LARGEST:
            value |= {"map": packed(values.numpy().mean(0) if channel is None else values[channel].numpy())}
            value["channel"] = channel
        case "volume":
            value |= {"volume": packed(values.numpy()), "map": packed(values.numpy().mean(0)), "channel": channel}
        case "coordinate":
            value |= {"h": packed(values.h.numpy()), "w": packed(values.w.numpy()), "channel": channel}
        case "affinity":
            value["affinity"] = _factors(values)
        case _:
            value |= {
                "role": "output",
                "map": packed(record.after.numpy()),
                "title": texts.OUTPUT_TITLE.format(mechanism=record.mechanism),
                "note": texts.OUTPUT_NOTE,
            }
            where = f"{texts.OUTPUT_CAPTION} · {record.layer}"
    value["shared"] = shared(view)
    rows, columns = asked_grid(record)
    return value | {"caption": f"{where} · {rows}×{columns}"}


def shared(view: View) -> list[float] | None:
    """The ends of the maps of all blocks of this kind and part, for one scale; None for an affinity's rows."""
    chosen = view.record
    assert chosen is not None
    alike = [r for r in view.explanation.attention if (r.kind, r.part) == (chosen.kind, chosen.part)]
    if chosen.kind == "affinity":
        return None
    maps = [record.after.numpy() if (small := small_map(record)) is None else small for record in alike]
    return [min(float(each.min()) for each in maps), max(float(each.max()) for each in maps)]


def _factors(values: AffinityMap) -> Payload:
    """A Non-Local block's factors: the page computes the row under the pointer from them."""
    return {
        "theta": packed(values.theta.numpy()),
        "phi": packed(values.phi.numpy()),
        "queries": list(values.query_grid),
        "keys": list(values.key_grid),
        "pairwise": values.pairwise,
        "scale": values.scale,
    }


def title(record: Any) -> str:
    """What a record is called: "CBAM spatial gate"."""
    fixed = texts.TITLES.get((record.mechanism, record.part))
    return fixed or " ".join(filter(None, (record.mechanism, record.part, texts.ROLE_NAMES[record.role])))


def _part_label(part: str | None) -> str:
    return texts.PART_NAMES.get(part or "", part or "")

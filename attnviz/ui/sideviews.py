"""A block's parts side by side, and what they do together: what goes in, what comes out, and their ratio."""

import numpy as np

from attnviz import ModelCard, catalogue
from attnviz.capture import AffinityMap
from attnviz.explanation import AttentionRecord
from attnviz.ui import texts
from attnviz.ui.analysis import View
from attnviz.ui.modelviews import model_name
from attnviz.ui.payloads import Array, Payload, packed, small_map, title

NON_LOCAL = "Non-Local"


def sides(view: View) -> Payload | None:
    """The chosen block's figures; None for a network without attention."""
    record = view.record
    if record is None:
        return None
    before, after, names = _around(view, record)
    figures = [_part(part) for part in view.block if part.kind != "affinity"]
    family = {card.id: card for card in catalogue("embedded")}
    if record.mechanism == "GC" and view.state.model in family:
        figures += _non_local(view, record, [*family.values()])
    ends = [min(float(before.min()), float(after.min())), max(float(before.max()), float(after.max()))]
    figures += [
        _map("before", names["before"], before, ends),
        _map("after", names["after"], after, ends),
    ]
    if before.shape == after.shape:
        gain = ratio(record.before.numpy(), record.after.numpy())
        figures.append(_map("ratio", texts.SIDES["ratio"], gain))
    return {"caption": record.layer, "figures": figures}


def _around(view: View, record: AttentionRecord) -> tuple[Array, Array, dict[str, str]]:
    """What goes into the block and what comes out, of the chosen channel or in the mean, and how that is called."""
    channel, inside = view.state.channel, view.inside if view.state.channel is not None else None
    if channel is None or inside is None or len(inside.input) != len(inside.output):  # no channel that is both
        return record.before.numpy(), record.after.numpy(), texts.SIDES
    names = {name: text.format(channel=channel) for name, text in texts.SIDES_CHANNEL.items()}
    return inside.input[channel].numpy(), inside.output[channel].numpy(), names


def ratio(before: Array, after: Array) -> Array:
    """How much stronger a place is after the block than before it; 0 where nothing came in."""
    return np.divide(after, before, out=np.zeros_like(after), where=before > 0)


def _part(record: AttentionRecord) -> Payload:
    grid = small_map(record)
    if grid is not None:
        ends = [0.0, 1.0] if record.role == "gate" else None
        return _map(record.part or "attention", title(record), grid, ends)
    values = record.tensor.numpy()
    bars = values if record.kind == "channel" else values[-1]
    named = title(record) if record.kind == "channel" else texts.SIDES["last_branch"]
    return {"name": record.part or "attention", "kind": "bars", "title": named, "values": packed(np.sort(bars)[::-1])}


def _map(name: str, text: str, grid: Array, ends: list[float] | None = None) -> Payload:
    low, high = ends or [float(grid.min()), float(grid.max())]
    return {"name": name, "kind": "map", "title": text, "values": packed(grid), "low": low, "high": high}


def _non_local(view: View, record: AttentionRecord, family: list[ModelCard]) -> list[Payload]:
    """What the Non-Local network reads of this photo at the same stage, in the mean over its queries."""
    card = next((card for card in family if card.mechanism == NON_LOCAL), None)
    if card is None:
        return []
    stage = [each for each in view.through(card.id).attention if each.stage == record.stage]
    if not stage:
        return []
    values = stage[-1].values
    assert isinstance(values, AffinityMap)
    mean = values.matrix().mean(0).view(values.key_grid).numpy()
    return [_map("non_local", texts.SIDES["non_local"].format(model=model_name(card)), mean)]

"""The chosen block's own numbers, kind by kind, and its formula."""

import re
from typing import Any

import numpy as np
from latex2mathml.converter import convert

from attnviz.capture import AffinityMap
from attnviz.errors import OptionError
from attnviz.explanation import AttentionRecord
from attnviz.measures import entropy, query_dependence
from attnviz.ui import prose, texts
from attnviz.ui.analysis import View
from attnviz.ui.payloads import Array, Payload, number, packed, percent, title

BINS = 40
ALIKE = 0.25  # of the input's differences: less is called alike
PRIMED = re.compile(r"<msup>(<mi>[^<]*</mi>)(<mi>&#x0203[23];</mi>)</msup>")


def channels(view: View) -> Payload | None:
    """Bars: the chosen part's channels, or those of the block's channel part beside a spatial one."""
    record = barred(view)
    if record is None:
        return None
    values = per_channel(record)
    mean = texts.CHANNELS_MEAN if record.kind != "channel" else None
    where = " · ".join(filter(None, (record.layer, record.part, mean, f"{len(values)} channels")))
    return {
        "layer": record.layer,
        "part": record.part,
        "title": title(record),
        "caption": where,
        "role": str(record.role),
        "values": packed(values),
        "maps": record is view.record and record.kind != "channel",
        "channel": view.state.channel,
        "words": _channel_words(values, record),
    }


def barred(view: View) -> AttentionRecord | None:
    """The record of the chosen block that bars are drawn of, if any."""
    record = view.record
    if record is None or record.kind in ("channel", "volume", "coordinate"):
        return record
    others = [other for other in view.block if other.kind == "channel"]
    return others[0] if others and record.kind in ("spatial", "context") else None


def per_channel(record: AttentionRecord) -> Array:
    """A number for each channel: its own, or its mean over the places."""
    values: Any = record.values
    if record.kind == "channel":
        return np.asarray(values.numpy())
    if record.kind == "volume":
        return np.asarray(values.numpy().mean((1, 2)))
    return np.asarray(values.h.numpy().mean(1) * values.w.numpy().mean(1))


def _channel_words(values: Array, record: AttentionRecord) -> str:
    if record.kind != "channel":
        ends = {"low": number(values.min()), "high": number(values.max())}
        return texts.CHANNELS_RANGE.format(mean=number(values.mean()), **ends)
    if record.role != "gate":
        return texts.SIGNED.format(
            count=int((values > 0).sum()),
            all=len(values),
            low=number(values.min()),
            high=number(values.max()),
            mean=number(values.mean()),
        )
    half = (values >= 0.4) & (values <= 0.6)
    open_, shut = int((values > 0.9).sum()), int((values < 0.1).sum())
    words = texts.GATES_HALF.format(
        count=int(half.sum()), all=len(values), percent=percent(half.mean()), mean=number(values.mean())
    )
    return words + " " + texts.GATES_ENDS.format(open=open_, shut=shut)


def spread(view: View) -> Payload | None:
    """How the values of a map are spread: a histogram and a sentence."""
    record = view.record
    if record is None or record.kind not in ("spatial", "context", "volume"):
        return None
    values = np.asarray(record.tensor.numpy()).ravel()
    gate = record.role == "gate"
    low, high = (0.0, 1.0) if gate else (float(values.min()), float(values.max()))
    counts, _ = np.histogram(values, BINS, (low, high if high > low else low + 1))
    where = " · ".join(filter(None, (record.layer, record.part, f"{len(values):,} values")))
    return {
        "title": texts.SPREAD_TITLE.format(title=title(record)),
        "caption": where,
        "counts": counts.tolist(),
        "low": low,
        "high": high,
        "facts": {"min": float(values.min()), "mean": float(values.mean()), "max": float(values.max())},
        "words": _spread_words(values, record),
    }


def _spread_words(values: Array, record: AttentionRecord) -> str:
    if record.role == "gate":
        half = percent(((values >= 0.4) & (values <= 0.6)).mean())
        return texts.SPREAD_GATE.format(
            half=half, open=percent((values > 0.9).mean()), shut=percent((values < 0.1).mean())
        )
    if record.role != "distribution":
        return texts.SPREAD_SIGNED.format(positive=percent((values > 0).mean()))
    strongest = np.sort(values)[::-1][: max(1, round(len(values) / 10))]
    even = entropy(record.tensor.flatten())
    return texts.SPREAD_SHARE.format(entropy=percent(even), top=percent(strongest.sum()))


def branches(view: View) -> Payload | None:
    """The branches' shares of each channel, (M, C)."""
    record = view.record
    if record is None or record.kind != "branch":
        return None
    values = record.tensor.numpy()
    names = []
    for m in range(len(values)):
        window = texts.BRANCHES["window"].format(size=3 + 2 * m) if record.mechanism == "SK" else None
        names.append(" · ".join(filter(None, (texts.BRANCHES["branch"].format(branch=m + 1), window))))
    return {
        "title": title(record),
        "layer": record.layer,
        "part": record.part,
        "caption": f"{record.layer} · {values.shape[1]} channels",
        "values": packed(values),
        "mean": packed(values.mean(1)),
        "names": names,
    }


def affinity(view: View) -> Payload | None:
    """The pinned query's row, from the kept record."""
    record = view.record
    if record is None or not isinstance(record.values, AffinityMap):
        return None
    values = record.values
    return {
        "layer": record.layer,
        "role": str(record.role),
        "query": list(view.place),
        "queries": list(values.query_grid),
        "row": packed(values.row(view.place).numpy()),
        "caption": f"{record.layer} · {' × '.join(map(str, (len(values.theta), len(values.phi))))}",
    }


def dependence(view: View) -> Payload | None:
    """How much a Non-Local block depends on its query."""
    record = view.record
    if record is None or not isinstance(record.values, AffinityMap):
        return None
    try:
        found = query_dependence(view.explanation, record.layer, record.call)
    except OptionError:
        return {"caption": record.layer, "none": texts.DEPENDENCE_NONE.format(mechanism=record.mechanism)}
    ratio = found.output / found.input if found.input else 0.0
    words = texts.DEPENDENCE_LOW if ratio < ALIKE else texts.DEPENDENCE_HIGH
    return {
        "input": found.input,
        "attention": found.attention,
        "output": found.output,
        "caption": record.layer,
        "words": words.format(ratio=f"{ratio:.2g} times"),
    }


def formula(view: View) -> Payload | None:
    """The block's formula as MathML, line by line, its source, and what its picture means."""
    record = view.record
    if record is None:
        return None
    block = view.explanation.backbone.blocks[record.layer]
    by_role = prose.NOT_BY_ROLE.get(record.role)
    by_kind = prose.NOT_BY_MECHANISM.get(block.label, prose.DOES_NOT_MEAN[record.kind])
    return {
        "title": block.label,
        "none": None
        if block.formula
        else " ".join([*filter(None, [getattr(block, "unlike", "")]), texts.FOUND_FORMULA]),
        "lines": mathml(block.formula) if block.formula else [],
        "citation": block.citation or None,
        "paper": block.paper if block.paper.startswith("https:") else f"https://arxiv.org/abs/{block.paper}",
        # The sentence stands under the map already, where the attention has one.
        "sees": prose.sees(record.kind, record.role) if record.kind in ("channel", "branch") else None,
        "not": by_role if by_role and record.kind != "affinity" else by_kind,
    }


def mathml(formula: str) -> list[str]:
    """A formula's statements, a line of MathML each."""
    lines = [convert(line, display="block") for line in re.split(r",\s*\\quad\s*", formula)]
    # A prime is a raised sign already: as a superscript it would be raised twice.
    return [PRIMED.sub(r"<mrow>\1\2</mrow>", line) for line in lines]

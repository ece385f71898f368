"""What the network says of the photo, and what speaks for it: classes, and the evidence for one."""

from math import gcd

import numpy as np

from attnviz.attribution import METHODS, Attribution
from attnviz.capture.outputs import places
from attnviz.cards import ModelCard
from attnviz.ui import texts
from attnviz.ui.analysis import View
from attnviz.ui.payloads import Payload, packed, percent

TOP, FEW = 5, 20  # classes that are listed first; as many are listed one by one


def prediction(view: View) -> Payload:
    """The first five classes, and the others: each with its probability where they are few, else as numbers to be
    searched by name (``values``); ``chosen`` is the explained class where it is none of those listed."""
    explanation, names = view.explanation, view.names
    if explanation.probabilities is None:
        none = texts.PREDICTION_NONE if places(explanation.output) is None else texts.PREDICTION_PLACES
        return {"top": [], "rest": [], "target": None, "none": none}
    ranked = [(i, names[i], p) for i, _, p in explanation.top(len(names))]
    classes = [{"index": i, "label": label, "value": p, "percent": percent(p)} for i, label, p in ranked]
    few = len(classes) <= FEW
    return {
        "top": classes[:TOP],
        "rest": classes[TOP:] if few else [],
        "chosen": None if few else next((each for each in classes[TOP:] if each["index"] == view.target), None),
        "values": None if few else packed(explanation.probabilities.numpy()),
        "target": view.target,
        "against": view.state.against,
        "certainty": certainty(view.card, ranked[0][2]),
        "where": where(view),
    }


def certainty(card: ModelCard, probability: float) -> str | None:
    """Where this certainty stands among photos of the card's classes and photos of other things, in a sentence.

    From ``card.metrics["certainty"]``: "known" and "other", each 101 quantiles (ascending) of the highest
    probability on such photos. None where the card has none.
    """
    quantiles = card.metrics.get("certainty")
    if not quantiles:
        return None
    known = share_below(quantiles["known"], probability, or_equal=True)
    other = 1 - share_below(quantiles["other"], probability, or_equal=False)
    return texts.CERTAINTY.format(known=_in_words(known), other=_in_words(other).lower(), percent=percent(probability))


def share_below(quantiles: list[float], value: float, *, or_equal: bool) -> float:
    """The share of a sample under (or up to) a value, between its quantiles by interpolation."""
    levels = np.linspace(0, 1, len(quantiles))
    points = np.asarray(quantiles, dtype=np.float64)
    after = int(np.searchsorted(points, value, side="right" if or_equal else "left"))
    if after in (0, len(points)):
        return float(after > 0)
    low, high = points[after - 1], points[after]
    within = (value - low) / (high - low) if high > low else 0.0
    return float(levels[after - 1] + within * (levels[after] - levels[after - 1]))


def _in_words(share: float) -> str:
    """A share of photos as "about 3 in 10 photos": in tenths, or in hundredths near the ends."""
    hundredths = round(100 * share)
    if not 1 <= hundredths <= 99:
        return texts.SHARE_MANY if hundredths > 99 else texts.SHARE_FEW
    part, whole = (round(10 * share), 10) if 10 <= hundredths <= 90 else (hundredths, 100)
    common = gcd(part, whole)
    return texts.SHARE.format(part=part // common, whole=whole // common)


def cam(view: View) -> Payload:
    """What the Grad-CAM canvas draws: relu(signed), not rescaled."""
    explanation = view.explanation
    grid = places(explanation.output)
    asked: Payload = {"scored": grid, "region": view.state.region}
    if explanation.cam is None:
        unasked = grid is not None and view.state.region is None
        reason = texts.CAM_PLACES if unasked else texts.CAM_MISSING.format(reason=explanation.cam_reason)
        return {"title": texts.CAM_MISSING_TITLE, "empty": reason, **asked}
    rows, columns = explanation.cam.map.shape
    names = _named(view)
    alone = view.state.against is None
    note = texts.CAM_NOTE if alone else texts.CAM_NOTE_AGAINST
    none = texts.CAM_NONE if alone else texts.CAM_NONE_AGAINST
    return {
        "kind": "cam",
        "role": "evidence",
        "title": texts.EVIDENCE_TITLE.format(method=texts.EVIDENCE["grad_cam"], of=evidence_of(view)),
        "caption": f"{explanation.cam.layer} · {rows}×{columns}",
        "note": (note if explanation.cam.positive else none).format(layer=explanation.cam.layer, **names),
        "map": packed(explanation.cam.map.numpy()),
        "silent": not explanation.cam.positive,
        **asked,
    }


def attribution(view: View, found: Attribution) -> Payload:
    """What the Grad-CAM canvas draws instead: evidence on the network's own input."""
    rows, columns = found.map.shape
    return {
        "kind": "cam",
        "role": "attribution",
        "title": texts.EVIDENCE_TITLE.format(method=texts.EVIDENCE[found.method], of=evidence_of(view)),
        "caption": f"{texts.EVIDENCE_INPUT} · {rows}×{columns}",
        "note": f"{texts.EVIDENCE_NOTES[found.method]} {METHODS[found.method].citation}.",
        "map": packed(found.map.numpy()),
        "scored": places(view.explanation.output),
        "region": view.state.region,
    }


def evidence(view: View, progress: float | None = None) -> Payload:
    """What the evidence is for, against and by which method, and the classes there are; how far a method is."""
    explanation, state = view.explanation, view.state
    method = texts.EVIDENCE[state.method]
    text = None if progress is None else texts.EVIDENCE["progress"].format(method=method, percent=f"{progress:.0%}")
    return {
        "method": state.method,
        "target": view.target,
        "against": state.against,
        "classes": list(view.names),
        "layer": explanation.cam.layer if explanation.cam else None,
        "layers": list(explanation.backbone.head(explanation.input).maps),
        "grid": places(explanation.output),
        "where": where(view),
        "progress": None if progress is None else {"share": progress, "text": text},
    }


def where(view: View) -> str | None:
    """Of which places of a network's map of scores the logits are the mean; None for a network without such a map."""
    grid, region = places(view.explanation.output), view.state.region
    if grid is None:
        return None
    if region is None:
        return texts.SCORED["none"].format(rows=grid[0], columns=grid[1])
    top, left, bottom, right = region
    name = "all" if (bottom - top, right - left) == grid else "one" if bottom - top == right - left == 1 else "some"
    ends = {"top": top, "left": left, "bottom": bottom - 1, "right": right - 1}
    return texts.SCORED[name].format(rows=grid[0], columns=grid[1], **ends)


def _named(view: View) -> dict[str, str]:
    target, against, names = view.target, view.state.against, view.names
    return {"label": "" if target is None else names[target], "other": "" if against is None else names[against]}


def evidence_of(view: View) -> str:
    """What the evidence is for: a class, or one against another."""
    names = _named(view)
    return texts.EVIDENCE_AGAINST.format(**names) if names["other"] else names["label"]

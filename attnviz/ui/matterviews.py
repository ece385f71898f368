"""Does it matter? The prediction and Grad-CAM with the attention as it is, and with it changed."""

from attnviz import Edit, Explanation, explain
from attnviz.capture.outputs import places
from attnviz.errors import EditError
from attnviz.ui import texts
from attnviz.ui.analysis import View
from attnviz.ui.evidenceviews import evidence_of
from attnviz.ui.payloads import Payload, packed, percent, with_interval

TOP = 5


def matter(view: View) -> Payload | None:
    """Before and after the state's edit, of the chosen block or of all; None for a network without attention."""
    record, state = view.record, view.state
    if record is None:
        return None
    value: Payload = {
        "how": state.how,
        "scope": state.scope,
        "layer": record.layer,
        "caption": record.layer if state.scope == "block" else texts.MATTER_ALL,
        "before": None,
        "after": None,
        "refused": None,
        "cam_of": evidence_of(view),
        "validation": _validation(view),
    }
    if view.target is None:
        placeless = places(view.explanation.output) is None
        return value | {"refused": texts.MATTER_NO_LOGITS if placeless else texts.MATTER_PLACES}
    value["before"] = _side(view, view.explanation)
    try:
        changed = edited(view)
    except EditError as error:
        return value | {"refused": str(error)}
    return value | {"after": _side(view, changed), "words": _words(view, changed)}


def edit_of(view: View) -> Edit | None:
    """The state's edit, of the chosen block or of all; None for a network without attention."""
    if view.record is None:
        return None
    return Edit(view.record.layer if view.state.scope == "block" else "*", view.state.how)


def edited(view: View) -> Explanation:
    """The picture's explanation with the state's edit. Raises EditError for one that makes no sense there."""
    edit = edit_of(view)
    assert edit is not None
    before, state = view.explanation, view.state
    return explain(before.backbone, before.input, before.target, state.cam_layer, edits=edit, region=state.region)


def after(view: View) -> Explanation | None:
    """``edited``, or None where there is nothing to edit or the edit makes no sense."""
    try:
        return None if view.record is None else edited(view)
    except EditError:
        return None


def _side(view: View, explanation: Explanation) -> Payload:
    cam, names = explanation.cam, view.names
    return {
        "top": [{"index": i, "label": names[i], "value": p, "percent": percent(p)} for i, _, p in explanation.top(TOP)],
        "cam": packed(cam.map.numpy()) if cam and cam.positive else None,
        "target": view.target,
    }


def _words(view: View, after: Explanation) -> str:
    """What became of the class that is explained, in a sentence."""
    before, target = view.explanation, view.target
    assert target is not None
    first, then = (view.names[e.top(1)[0][0]] for e in (before, after))
    assert before.probabilities is not None
    assert after.probabilities is not None
    was, now = float(before.probabilities[target]), float(after.probabilities[target])
    same = texts.MATTER_SAME if first == then else texts.MATTER_OTHER
    return texts.MATTER_WORDS.format(
        label=view.names[target], was=percent(was), now=percent(now), rest=same.format(first=first, then=then)
    )


def _validation(view: View) -> list[Payload]:
    """Top-1 on the whole validation set from the card: as it is, off and frozen."""
    metrics = view.card.metrics
    names = {"top1": texts.MATTER["as_is"], "off": texts.MATTER["off"], "frozen": texts.MATTER["frozen"]}
    found = [(label, name, metrics[name]) for name, label in names.items() if name in metrics]
    return [
        {
            "name": name,
            "label": label,
            "value": entry["share"],
            "text": with_interval(entry["share"], entry["interval"]),
        }
        for label, name, entry in found
    ]

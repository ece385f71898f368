"""One photo through several networks: a row each, on shared scales, and what their cards say."""

from math import ceil, isnan
from typing import Any

from attnviz import Explanation, zoo
from attnviz.cards import ModelCard
from attnviz.cost import latency
from attnviz.explanation import AttentionRecord
from attnviz.ui import texts
from attnviz.ui.analysis import PREFERRED, Analyst, View
from attnviz.ui.modelviews import choices, model_name
from attnviz.ui.payloads import Array, Payload, box, packed, percent, small_map, title, with_interval

STAGES = ("stage1", "stage2", "stage3", "stage4")
RUNS = 3  # forward passes that are timed
MOST = 16  # networks at once: the explanations of two classes fit the analyst's shelf


def offered(analyst: Analyst) -> list[Payload]:
    """Every network that the page knows by name, and where its weights are, as far as no server has to be asked.

    Nothing is said of what other visitors brought, or of what they look at.
    """
    listed = [model for group in choices(analyst) for model in group["models"]]
    return [{"id": each["id"], "name": _listed(each), "state": each["state"]} for each in listed]


def members(family: list[ModelCard]) -> list[Payload]:
    """The family's networks, by what they differ in."""
    return [{"id": card.id, "name": card.mechanism or texts.COMPARE["plain"]} for card in family]


def _listed(model: Payload) -> str:
    random = model["id"].startswith(zoo.RANDOM)
    return texts.NAME_RANDOM.format(name=model["name"]) if random else str(model["name"])


def network(view: View, stage: str) -> Payload:
    """What one network makes of the photo: its prediction, its attention at a stage, and Grad-CAM for the class.

    ``box`` is the region of the photo that it saw: others may see another.
    """
    explanation, names = view.explanation, view.names
    prediction = {"index": None, "label": texts.COMPARE["no_logits"], "value": 0.0, "percent": ""}
    if names:
        index, _, probability = explanation.top(1)[0]
        prediction = {"index": index, "label": names[index], "value": probability, "percent": percent(probability)}
    record = at_stage(explanation, stage)
    cam = explanation.cam
    return {
        "id": view.state.model,
        "name": model_name(view.card),
        "prediction": prediction,
        "attention": _attention(record) if record else None,
        "cam": packed(cam.map.numpy()) if cam else None,
        "class": "" if view.target is None else names[view.target],
        "milliseconds": latency(explanation.backbone, explanation.input.shape[1:], RUNS).median,
        "box": box(view),
    }


def at_stage(explanation: Explanation, stage: str) -> AttentionRecord | None:
    """The last attention of a stage, or of the stage before it that has some; of a block's parts one with a map.

    In a network whose stages have other names: the attention about as deep.
    """
    layers = list(dict.fromkeys(record.layer for record in explanation.attention))
    if layers and not any(record.stage in STAGES for record in explanation.attention):
        deep = layers[ceil(len(layers) * (STAGES.index(stage) + 1) / len(STAGES)) - 1]
        return _mapped([record for record in explanation.attention if record.layer == deep])
    for name in reversed(STAGES[: STAGES.index(stage) + 1]):
        records = [record for record in explanation.attention if record.stage == name]
        if records:
            return _mapped([record for record in records if record.layer == records[-1].layer])
    return None


def _mapped(block: list[AttentionRecord]) -> AttentionRecord:
    return min(block, key=lambda record: PREFERRED.index(record.kind))


def _attention(record: AttentionRecord) -> Payload:
    text, role, grid = drawn(record)
    return {"map": packed(grid), "title": text, "role": role, "layer": record.layer}


def drawn(record: AttentionRecord) -> tuple[str, str, Array]:
    """A record as one map: its title, its role, and the map; what leaves its block where it has none of its own."""
    grid = small_map(record)
    if grid is None:
        return texts.OUTPUT_TITLE.format(mechanism=record.mechanism), "output", record.after.numpy()
    return title(record), str(record.role), grid


def scales(maps: list[tuple[str, Array]]) -> dict[str, tuple[float, float]]:
    """The ends of every role's scale, over the (role, map) of all networks: gates from 0 to 1."""
    ends = {
        role: (
            min(float(grid.min()) for other, grid in maps if other == role),
            max(float(grid.max()) for other, grid in maps if other == role),
        )
        for role, _ in maps
    }
    return ends | {"gate": (0.0, 1.0)}


def table(cards: list[ModelCard]) -> list[Payload]:
    """What the cards say, a row a network, those of one recipe together."""
    groups = list(dict.fromkeys(card.recipe_group for card in cards))
    ordered = sorted(cards, key=lambda card: groups.index(card.recipe_group))
    return [
        {
            "id": card.id,
            "name": model_name(card),
            "group": card.recipe_group,
            "top1": None if isnan(card.top1) else _top1(card),
            "params": {"value": card.params, "text": f"{card.params / 1e6:.2f} M"},
            "macs": {"value": card.macs, "text": f"{card.macs / 1e6:.0f} M"},
            "pointing": _pointing(card.metrics.get("pointing")),
        }
        for card in ordered
    ]


def _top1(card: ModelCard) -> Payload:
    return {"value": card.top1, "text": with_interval(card.top1, card.top1_interval)}


def _pointing(measured: dict[str, Any] | None) -> Payload | None:
    if measured is None:
        return None
    found = measured["grad_cam"]
    return {"value": found["share"], "text": with_interval(found["share"], found["interval"])}


def center(cards: list[ModelCard]) -> str:
    """How often the picture's center lies inside the box: what a pointing rate is read beside."""
    found = next((card.metrics["pointing"]["center"]["share"] for card in cards if "pointing" in card.metrics), None)
    return "?" if found is None else percent(found)

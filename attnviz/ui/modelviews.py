"""What is said of models: their names and captions, the groups they are chosen from, and where their weights are."""

from math import isnan
from typing import Any

from attnviz import zoo
from attnviz.cards import ModelCard
from attnviz.stock import FAMILY, Availability, availability, entries
from attnviz.ui import texts
from attnviz.ui.analysis import Analyst, View
from attnviz.ui.payloads import Payload, percent

BUILT = tuple(f"{zoo.RANDOM}{name}" for name in texts.BUILT_NAMES)  # networks that have no weights of their own


def model_name(card: ModelCard) -> str:
    """A model's name for people."""
    plain = card.id.removeprefix(zoo.RANDOM)
    if ":" in plain:
        name = plain.partition(":")[2]
    elif plain in texts.BUILT_NAMES:
        name = texts.BUILT_NAMES[plain]
    else:
        name = texts.MODEL_NAME.format(mechanism=card.mechanism) if card.mechanism else texts.MODEL_PLAIN
    return name if plain == card.id else texts.NAME_RANDOM.format(name=name)


def caption(card: ModelCard) -> str:
    """What a card says in a line, but for where the weights are."""
    facts = {"params": f"{card.params / 1e6:.2f} M", "macs": _giga(card.macs)}
    if card.id.startswith(zoo.OWN):
        return texts.MODEL_OWN.format(**facts)
    if card.id.startswith(zoo.RANDOM):
        return texts.MODEL_RANDOM.format(**facts)
    if card.id in FAMILY:
        low, high = (percent(end) for end in card.top1_interval)
        dataset = card.dataset.split(" (")[0]
        return texts.MODEL_FAMILY.format(**facts, top1=percent(card.top1), low=low, high=high, dataset=dataset)
    top1 = texts.MODEL_UNKNOWN
    if not isnan(card.top1):
        top1 = texts.MODEL_TOP1.format(top1=percent(card.top1), dataset=card.dataset, source=card.top1_source)
    light = texts.MODEL["light" if card.light else "slow"]
    return texts.MODEL_CAPTION.format(**facts, top1=top1, light=light, licence=card.licence)


def _giga(macs: int) -> str:
    return f"{macs / 1e9:.2f} G" if macs >= 1e9 else f"{macs / 1e6:.0f} M"


def megabytes(count: int) -> str:
    """Bytes for people."""
    return f"{count / 1e6:.1f} MB" if count < 1e7 else f"{count / 1e6:.0f} MB"


def choices(analyst: Analyst) -> list[Payload]:
    """The groups that a model is chosen from, each with its models: the family, ImageNet's by mechanism, the built."""
    groups: dict[str, list[Payload]] = {}
    known = availability(entries().values(), ask=False)
    for card in analyst.cards.values():
        if card.id in analyst.family:
            group, state = texts.MODEL_GROUPS["family"], Availability.EMBEDDED
        else:
            name = texts.MODEL_GROUPS["imagenet" if card.mechanism else "plain"]
            group, state = name.format(mechanism=card.mechanism), known[card.id]
        groups.setdefault(group, []).append(choice(card) | {"state": _known(state)})
    groups[texts.MODEL_GROUPS["built"]] = [
        {"id": name, "name": texts.BUILT_NAMES[name.removeprefix(zoo.RANDOM)], "state": Availability.EMBEDDED}
        for name in BUILT
    ]
    return [{"name": name, "models": models} for name, models in groups.items()]


def _known(state: Availability) -> Availability | None:
    """What can be said before any server was asked."""
    return None if state is Availability.OUT_OF_REACH else state


def choice(card: ModelCard) -> Payload:
    """A model as it is chosen: its name, what its card says, and whose classes it knows."""
    return {
        "id": card.id,
        "name": model_name(card),
        "caption": caption(card),
        "dataset": card.dataset,
        "light": card.light,
        "size": megabytes(card.size_bytes),
    }


def reach() -> Payload:
    """Where the weights of every listed model are, by id; the servers are asked for at most 0.7 seconds."""
    return {model: str(state) for model, state in availability(entries().values()).items()}


def models(view: View) -> Payload:
    """The model that is shown, under the id that the page knows it by."""
    return choice(view.card) | {"id": view.state.model, "random": view.state.model.startswith(zoo.RANDOM)}


def banner(view: View) -> str | None:
    """What has to be said above everything that is drawn of a model."""
    return texts.BANNER_RANDOM if view.card.id.startswith(zoo.RANDOM) else None


def arriving(name: str, done: int, total: int | None) -> dict[str, Any]:
    """How far a download is."""
    if not total:
        text = texts.FETCH["so_far" if done else "looking"].format(name=name, done=megabytes(done))
        return {"share": 0.0, "text": text}
    text = texts.FETCH["progress"].format(name=name, done=megabytes(done), total=megabytes(total))
    return {"share": done / total, "text": text}

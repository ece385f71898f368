"""What there is to load, whether it is at hand, and getting it: all without torch."""

from dataclasses import replace

from attnviz.cards import ModelCard
from attnviz.errors import ModelError, OptionError
from attnviz.stock.embedded import FAMILY, assets, embedded_card, embedded_cards, shipped
from attnviz.stock.entries import Entry, entries
from attnviz.stock.reach import Availability, availability

__all__ = [
    "FAMILY",
    "Availability",
    "Entry",
    "assets",
    "availability",
    "catalogue",
    "embedded_card",
    "embedded_cards",
    "entries",
    "shipped",
    "unknown",
]


def catalogue(*only: str) -> list[ModelCard]:
    """Every listed model as its card: the family that comes with attnviz, then ImageNet networks.

    ``card.availability`` is "embedded", "cached" (its weights were fetched before, by attnviz or by their library),
    "downloadable" or "out of reach". The last two are found by asking the servers, for at most 0.7 seconds in all;
    with HF_HUB_OFFLINE none is asked.

    Args:
        only: those of these availabilities alone; none is asked for "embedded" and "cached".

    Raises:
        OptionError: for an availability that is none.
    """
    wanted = set(only or Availability)
    if odd := sorted(wanted - set(Availability)):
        raise OptionError(f"no availability {odd[0]!r}; there are {', '.join(Availability)}")
    cards = embedded_cards() if Availability.EMBEDDED in wanted else []
    if wanted != {Availability.EMBEDDED}:
        ask = bool(wanted & {Availability.DOWNLOADABLE, Availability.OUT_OF_REACH})
        found = availability(entries().values(), ask=ask)
        cards += [replace(entries()[name].card, availability=state) for name, state in found.items()]
    return [card for card in cards if card.availability in wanted]


def unknown(model_id: str) -> ModelError:
    """What to say about an id that there is not."""
    return ModelError(
        f"no model {model_id!r} in the catalogue; there are {', '.join(FAMILY)}, those of `attnviz models`, "
        "and timm:NAME for any other of timm's"
    )

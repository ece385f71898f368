"""What there is to load, whether it is at hand, and getting it: all without torch."""

import difflib
import reprlib
from collections.abc import Iterable
from dataclasses import replace

from attnviz.cards import ModelCard
from attnviz.errors import ModelError, OptionError
from attnviz.stock.embedded import FAMILY, assets, embedded_card, embedded_cards, shipped
from attnviz.stock.entries import Entry, entries
from attnviz.stock.reach import Availability, availability

__all__ = [
    "FAMILY",
    "RANDOM",
    "Availability",
    "Entry",
    "assets",
    "availability",
    "catalogue",
    "embedded_card",
    "embedded_cards",
    "entries",
    "nearest",
    "shipped",
    "shortened",
    "unknown",
]

RANDOM = "random:"  # before an id: the network with random weights
_repr = reprlib.Repr()
_repr.maxstring = 80


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


def nearest(name: str, names: Iterable[str]) -> str:
    """The three of the names that are most like one that there is not, for an error's line."""
    return ", ".join(difflib.get_close_matches(name[:80], set(names), 3, cutoff=0))


def unknown(model_id: str, others: Iterable[str] = ()) -> ModelError:
    """What to say about an id that there is not; ``others``: what could be meant besides what is listed."""
    near = nearest(model_id, (*FAMILY, *entries(), *others))
    return ModelError(
        f"no model {shortened(model_id)} in the catalogue; the nearest are {near}; `attnviz models` lists what there "
        "is, and timm:NAME is any other of timm's"
    )


def shortened(name: object) -> str:
    """Somebody's text as an error's line quotes it."""
    return _repr.repr(name)

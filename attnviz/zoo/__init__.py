"""What can be loaded, and from where."""

import threading

from attnviz.capture import Backbone
from attnviz.errors import ModelError
from attnviz.stock import assets, catalogue
from attnviz.zoo.embedded import load_embedded

__all__ = ["assets", "catalogue", "load"]

_loaded: dict[tuple[str, str], Backbone] = {}
_lock = threading.Lock()


def load(id: str, device: str = "cpu") -> Backbone:  # noqa: A002
    """A network of the catalogue, ready to be explained: one shared, thread-safe object.

    Args:
        id: as in the catalogue.
        device: "cpu", "cuda", ...

    Raises:
        ModelError: for an id that is not in the catalogue (the line lists those that are), or a device that is
            not there.
    """
    if not isinstance(id, str):
        raise ModelError(f"a model's id is a text like 'resnet18t-cbam', not {id!r}")
    with _lock:
        if (id, device) not in _loaded:
            cards = {card.id: card for card in catalogue()}
            if id not in cards:
                raise ModelError(f"no model {id!r} in the catalogue; there are {', '.join(cards)}")
            _loaded[id, device] = load_embedded(cards[id], device)
        return _loaded[id, device]

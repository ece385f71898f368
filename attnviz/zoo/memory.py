"""Loaded networks, kept for whoever asks next, up to a number of bytes."""

import gc
import os
import threading
from collections.abc import Callable
from weakref import WeakValueDictionary

from attnviz.capture import Backbone
from attnviz.errors import OptionError

BYTES = "ATTNVIZ_MODELS_BYTES"  # how many bytes of weights are kept; what somebody holds is not cut short by it
DEFAULT = 1_000_000_000
Key = tuple[str, str]


class Memory:
    """Loaded networks by id and device; those used least recently leave first.

    A network that somebody still holds is the same object for whoever asks again, even after it has left.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Key, Backbone] = {}  # the order is that of their last use
        self._alive: WeakValueDictionary[Key, Backbone] = WeakValueDictionary()
        self._gates: dict[Key, threading.Lock] = {}

    def find(self, key: Key) -> Backbone | None:
        """The network, if it is in memory."""
        with self._lock:
            backbone = self._alive.get(key)
            if backbone is not None:
                self._keep(key, backbone)
            return backbone

    def get(self, key: Key, make: Callable[[], Backbone]) -> Backbone:
        """The network; made where it is not in memory, once for all who ask at the same time."""
        with self._lock:
            gate = self._gates.setdefault(key, threading.Lock())
        with gate:
            backbone = self.find(key)
            if backbone is None:
                backbone = make()
                with self._lock:
                    self._alive[key] = backbone
                    self._keep(key, backbone)
            return backbone

    def ids(self) -> set[str]:
        """Those that are kept, on whichever device."""
        with self._lock:
            return {model_id for model_id, _ in self._kept}

    def clear(self) -> None:
        """Let all of them go."""
        with self._lock:
            self._kept.clear()

    def _keep(self, key: Key, backbone: Backbone) -> None:
        """Make a network the last used, and let go of those that are too many; the last used stays, however large."""
        self._kept.pop(key, None)
        self._kept[key] = backbone
        room = limit() - sum(size(each) for each in self._kept.values())
        gone = False
        while room < 0 and len(self._kept) > 1:
            room += size(self._kept.pop(next(iter(self._kept))))
            gone = True
        if gone:
            gc.collect()  # hooks and modules refer to each other in circles


def size(backbone: Backbone) -> int:
    """Bytes of a network's parameters and buffers."""
    return sum(
        value.numel() * value.element_size() for value in (*backbone.model.parameters(), *backbone.model.buffers())
    )


def limit() -> int:
    """How many bytes are kept. Raises OptionError for a variable that is no number."""
    text = os.environ.get(BYTES, str(DEFAULT))
    if not text.isdigit():
        raise OptionError(f"{BYTES} is {text!r}; it must be a whole number of bytes")
    return int(text)

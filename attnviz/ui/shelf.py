"""A small shelf for what was computed: bounded, expiring, safe among threads."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class Shelf(Generic[V]):
    """Values by key; the least recently used goes first, and nothing stays longer than ``seconds``."""

    def __init__(self, limit: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit, self.seconds, self._clock = limit, seconds, clock
        self._values: OrderedDict[Hashable, tuple[float, V]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable) -> V | None:
        """The value under a key, or None."""
        with self._lock:
            self._expire()
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][1]

    def find(self, matches: Callable[[Hashable], bool]) -> V | None:
        """Some value whose key matches, or None."""
        with self._lock:
            self._expire()
            return next((value for key, (_, value) in self._values.items() if matches(key)), None)

    def put(self, key: Hashable, value: V) -> None:
        """Keep a value; what it displaces is forgotten."""
        with self._lock:
            self._values[key] = (self._clock(), value)
            self._values.move_to_end(key)
            while len(self._values) > self.limit:
                self._values.popitem(last=False)

    def _expire(self) -> None:
        oldest = self._clock() - self.seconds
        for key in [key for key, (born, _) in self._values.items() if born < oldest]:
            del self._values[key]

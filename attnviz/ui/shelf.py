"""A small shelf for what was computed: bounded, expiring, safe among threads."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")
MARGIN = 0.05  # seconds by which the timer comes late rather than early


class Shelf(Generic[V]):
    """Values by key; the least recently used goes first, and nothing stays longer than ``seconds``.

    What outlives nobody's visit is swept away by a timer, which runs while there is anything to sweep.
    """

    def __init__(self, limit: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit, self.seconds, self._clock = limit, seconds, clock
        self._values: OrderedDict[Hashable, tuple[float, V]] = OrderedDict()
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

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

    def find(self, matches: Callable[[Hashable], bool]) -> tuple[Hashable, V] | None:
        """Some key that matches with its value, or None."""
        with self._lock:
            self._expire()
            return next(((key, value) for key, (_, value) in self._values.items() if matches(key)), None)

    def drop(self, matches: Callable[[Hashable], bool]) -> None:
        """Forget the values of all keys that match."""
        with self._lock:
            for key in [key for key in self._values if matches(key)]:
                del self._values[key]

    def put(self, key: Hashable, value: V, as_old_as: Hashable = None) -> None:
        """Keep a value; what it displaces is forgotten. It counts as old as the value under another key."""
        with self._lock:
            born, _ = self._values.get(as_old_as, (self._clock(), None))
            self._values[key] = (born, value)
            self._values.move_to_end(key)
            while len(self._values) > self.limit:
                self._values.popitem(last=False)
            self._wind()

    def _wind(self) -> None:
        """Set the timer for the oldest value, where none runs."""
        if self._timer is None and self._values:
            oldest = min(born for born, _ in self._values.values())
            self._timer = threading.Timer(max(oldest + self.seconds - self._clock(), 0) + MARGIN, self._sweep)
            self._timer.daemon = True
            self._timer.start()

    def _sweep(self) -> None:
        with self._lock:
            self._timer = None
            self._expire()
            self._wind()

    def _expire(self) -> None:
        oldest = self._clock() - self.seconds
        for key in [key for key, (born, _) in self._values.items() if born < oldest]:
            del self._values[key]

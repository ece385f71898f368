"""Which networks are at hand, which can be fetched: found at once, whatever the connection is like."""

import threading
import time
from collections.abc import Iterable
from enum import StrEnum

from attnviz.stock.entries import Entry
from attnviz.stock.origins import Origin

DEADLINE = 0.7  # seconds that a listing waits for all servers together
PATIENCE = 5.0  # seconds after which a request is given up; an answer that comes in time for the next listing counts
KEPT = 30.0  # seconds for which an answer holds


class Availability(StrEnum):
    """Where a network's weights are."""

    EMBEDDED = "embedded"
    CACHED = "cached"
    DOWNLOADABLE = "downloadable"
    OUT_OF_REACH = "out of reach"


class Servers:
    """What the servers say, asked in threads of their own: one whose name cannot be resolved holds nobody up."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._answers: dict[str, tuple[float, bool]] = {}
        self._asking: set[str] = set()

    def have(self, origins: Iterable[Origin], deadline: float) -> set[Origin]:
        """Those of the origins whose server says, before the deadline, that it has the file."""
        until = time.monotonic() + deadline
        wanted = {origin: origin.address for origin in origins}
        with self._changed:
            for origin, address in wanted.items():
                if address not in self._asking and not self._known(address):
                    self._asking.add(address)
                    # A daemon: a hanging look-up of a name can be left behind, but not ended.
                    threading.Thread(target=self._ask, args=(origin, address), daemon=True).start()
            self._changed.wait_for(
                lambda: not self._asking.intersection(wanted.values()), max(0.0, until - time.monotonic())
            )
            return {origin for origin, address in wanted.items() if self._answers.get(address, (0.0, False))[1]}

    def forget(self) -> None:
        """Ask anew next time."""
        with self._changed:
            self._answers.clear()

    def _known(self, address: str) -> bool:
        """Whether there is an answer that still holds; one that does not is dropped."""
        when = self._answers.get(address, (-KEPT, False))[0]
        if time.monotonic() - when < KEPT:
            return True
        self._answers.pop(address, None)
        return False

    def _ask(self, origin: Origin, address: str) -> None:
        try:
            from huggingface_hub import get_session

            # The hub's own client: it goes through proxies and with certificates as the environment says.
            answer = get_session().head(address, headers=origin.headers(), timeout=PATIENCE, follow_redirects=False)
            has = answer.status_code < 400
        except Exception:  # whatever went wrong on the way to the server, it is out of reach
            has = False
        finally:
            with self._changed:
                self._asking.discard(address)
                self._answers[address] = (time.monotonic(), has)
                self._changed.notify_all()


SERVERS = Servers()


def availability(entries: Iterable[Entry], *, ask: bool = True, deadline: float = DEADLINE) -> dict[str, Availability]:
    """Where each entry's weights are, by id. Without ``ask``, or offline, what is not at hand is out of reach.

    ``deadline``: the seconds that all servers together have to answer.
    """
    entries = list(entries)
    away = [entry for entry in entries if not any(origin.cached() for origin in entry.origins)]
    found = SERVERS.have((entry.origins[0] for entry in away), deadline) if ask and not offline() else set()
    missing = {
        entry.card.id: Availability.DOWNLOADABLE if entry.origins[0] in found else Availability.OUT_OF_REACH
        for entry in away
    }
    return {entry.card.id: missing.get(entry.card.id, Availability.CACHED) for entry in entries}


def offline() -> bool:
    """Whether HF_HUB_OFFLINE says that no server is to be asked: the hub, or any other."""
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE

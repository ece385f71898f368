"""Weights on their way: one download of a file at a time, shared by all who ask for it."""

import copy
import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from attnviz.errors import AttnvizError, CanceledError, ModelError, OutOfReachError
from attnviz.stock.entries import Entry
from attnviz.stock.files import CutError, Progress, Remote, receive
from attnviz.stock.origins import Origin
from attnviz.stock.reach import PATIENCE, offline

TICK = 0.1  # seconds between two looks at what others are doing


class Download:
    """One asker's part in a download. Who has left hears no more of it; when all have left, it ends.

    What came until then stays, and the next download goes on from there.
    """

    def __init__(self, transfer: "_Transfer") -> None:
        self._transfer, self._left = transfer, False

    @property
    def done(self) -> int:
        """Bytes that are here."""
        return self._transfer.done

    @property
    def total(self) -> int | None:
        """Bytes in all, or None before the server has said."""
        return self._transfer.total

    @property
    def finished(self) -> bool:
        """Whether ``result`` answers at once."""
        return self._left or self._transfer.finished.is_set()

    def wait(self, seconds: float) -> None:
        """Wait for its end, but no longer than that."""
        if not self._left:
            self._transfer.finished.wait(seconds)

    def cancel(self) -> None:
        """Leave."""
        if not self._left:
            self._left = True
            self._transfer.leave()

    def result(self, progress: Progress | None = None) -> Path:
        """Wait for the file.

        Args:
            progress: called in this thread, ten times a second, with (bytes here, bytes in all or None); what it
                raises is passed on, and is a way to leave.

        Raises:
            ModelError: the reason, in one line, why the file cannot be had.
            CanceledError: after ``cancel``.
        """
        try:
            while not self.finished:
                self._transfer.finished.wait(TICK)
                if progress is not None:
                    progress(self.done, self.total)
        except BaseException:
            self.cancel()
            raise
        if self._left:
            raise CanceledError("the download was canceled; what came is kept, and another goes on from there")
        return self._transfer.outcome()


class _Transfer:
    """The download itself, in a thread of its own."""

    def __init__(self, entry: Entry) -> None:
        self.entry, self.origin = entry, entry.origins[0]
        self.done, self.askers = 0, 0
        self.total: int | None = None
        self.finished, self.stop = threading.Event(), threading.Event()
        self._path: Path | None = None
        self._error: AttnvizError | None = None
        # A daemon: a connection that hangs must not keep a program from ending.
        self.thread = threading.Thread(target=self._run, daemon=True)

    def leave(self) -> None:
        with _lock:
            self.askers -= 1
            if self.askers == 0:
                self.stop.set()
                self._forget()

    def outcome(self) -> Path:
        if self._error is not None:
            raise copy.copy(self._error)  # each asker's own: a raised error keeps the way that it took
        assert self._path is not None
        return self._path

    def _run(self) -> None:
        try:
            self._path = self._fetch()
        except (CanceledError, OutOfReachError) as error:
            self._error = error
        except AttnvizError as error:
            told = str(error)
            self._error = ModelError(told if self._id in told else f"{self._id}: {told}")
        except Exception as error:
            self._error = self._explained(error)
        finally:
            with _lock:
                self._forget()
            self.finished.set()

    def _forget(self) -> None:
        """Whoever asks from now on starts anew."""
        if _running.get(self.origin) is self:
            del _running[self.origin]

    def _fetch(self) -> Path:
        found = at_hand(self.entry)
        if found is not None:
            return found
        if offline():
            raise out_of_reach(self.entry, "HF_HUB_OFFLINE says to ask no server", "Unset it")
        remote = self.origin.describe(PATIENCE)
        remote.target.parent.mkdir(parents=True, exist_ok=True)
        with self._alone(remote):
            path = self.origin.cached()  # another process may have fetched it meanwhile
            if path is None:
                if not remote.target.exists():
                    receive(remote, self.stop, self._progress)
                path = self.origin.settle(remote.target)
        return path

    @contextmanager
    def _alone(self, remote: Remote) -> Iterator[None]:
        """Keep other processes from the same file; while one of them fetches it, its progress is this one's."""
        part = remote.target.with_name(remote.target.name + ".part")
        file = part.with_name(part.name + ".lock")
        lock = FileLock(file, thread_local=False)
        while True:
            try:
                lock.acquire(timeout=TICK)
                break
            except Timeout:
                if self.stop.is_set():
                    raise CanceledError("the download was canceled") from None
                if part.exists():
                    self._progress(part.stat().st_size, remote.size)
        try:
            yield
            file.unlink(missing_ok=True)  # the file is there: whoever comes now has nothing to write
        finally:
            lock.release()

    def _progress(self, done: int, total: int | None) -> None:
        self.done, self.total = done, total

    def _explained(self, error: Exception) -> ModelError:
        """Why it did not work, in one line."""
        host = urlsplit(self.origin.address).netloc
        answer = getattr(error, "response", None)
        if answer is not None:
            return out_of_reach(self.entry, f"{host} answers {answer.status_code}")
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            homes = "set HF_HOME and TORCH_HOME to folders on another"
            return ModelError(f"the disk is full: make room, or {homes}, for {self._id}")
        if isinstance(error, OSError) and error.filename is not None:
            return ModelError(f"the weights of {self._id} cannot be written: {error.strerror}")
        reason = next(iter(str(error).splitlines()), type(error).__name__)[:100]
        if isinstance(error, CutError) and self.done:
            kept = "what came is kept, and the next attempt goes on from there"
            return out_of_reach(self.entry, f"the connection to {host} was cut ({reason}); {kept}")
        return out_of_reach(self.entry, f"{host} does not answer ({reason})")

    @property
    def _id(self) -> str:
        return self.entry.card.id


_running: dict[Origin, _Transfer] = {}
_lock = threading.Lock()


def download(entry: Entry) -> Download:
    """Fetch an entry's weights, or join those who do already. Raises ModelError where none are published."""
    if not entry.origins:
        raise ModelError(f"no weights of {entry.card.id} are published; random:{entry.card.id} has random ones")
    with _lock:
        transfer = _running.get(entry.origins[0])
        if transfer is None:
            transfer = _running[entry.origins[0]] = _Transfer(entry)
            transfer.thread.start()
        transfer.askers += 1
    return Download(transfer)


def at_hand(entry: Entry) -> Path | None:
    """The file of an entry's weights, where one was fetched before."""
    return next((path for origin in entry.origins if (path := origin.cached())), None)


def out_of_reach(entry: Entry, why: str, remedy: str = "Connect") -> OutOfReachError:
    """What to say, and to do, about weights that are neither here nor to be had."""
    told, advice = f"{entry.card.id} is out of reach: {why}. {remedy}", entry.origins[0].advice
    return OutOfReachError(
        f"{told}, {advice}, or run `attnviz fetch {entry.card.id}` beforehand", fetching=f"{told}, or {advice}"
    )

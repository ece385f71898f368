"""Fetching a network's weights while the page goes on, and asking where those of all networks are."""

import logging
import secrets
import threading
from collections.abc import Iterator
from typing import Any

import gradio as gr

from attnviz import zoo
from attnviz.errors import AttnvizError, OptionError
from attnviz.stock.downloads import Download, download
from attnviz.ui import modelviews, texts
from attnviz.ui.analysis import LONGEST, Analyst
from attnviz.ui.components.fetching import fetching
from attnviz.ui.components.reach import reach
from attnviz.ui.pages.events import listen
from attnviz.ui.state import serial

EVERY = 0.25  # seconds between two words of progress
AT_ONCE = 16  # pages that wait for weights: a waiting one takes a quarter of a second's look now and then


class Fetching:
    """The parts beside a page that fetch: laid out once, inside a ``gr.Blocks``."""

    def __init__(self, analyst: Analyst) -> None:
        self._analyst = analyst
        self._lock = threading.Lock()
        self._running: dict[str, Download] = {}

    def lay_out(self) -> None:
        """The progress of what is fetched, and the asking that nobody sees."""
        # What is asked in the background, or said in passing, is no event: a page that is left waits for no answer.
        reach(server_functions=[_reach])

        def cancel(key: Any) -> None:
            self.cancel(key)

        part = fetching(server_functions=[cancel])
        listen(part, self._fetch, [part], queue="fetch", at_once=AT_ONCE)

    def _fetch(self, event: gr.EventData) -> Iterator[dict[str, Any]]:
        """How far the weights of the asked model are; at last whether they are there, or the line why not."""
        data, key = event._data, secrets.token_urlsafe(12)
        answer = {"serial": serial(data), "key": key, "there": False}
        try:
            model, name = asked(data)
            answer["id"] = model
            for progress in self._arriving(model, name, key):
                yield answer | {"progress": progress}
        except AttnvizError as error:
            yield answer | {"said": sentence(error)}
        except Exception:
            logging.getLogger(__name__).exception("fetching failed")
            yield answer | {"said": texts.WENT_WRONG}
        else:
            yield answer | {"there": True}

    def _arriving(self, model: str, name: str, key: str) -> Iterator[dict[str, Any]]:
        yield modelviews.arriving(name, 0, None)  # with the key: from now on it can be canceled
        if self._analyst.ready(model):
            return
        entry = zoo.find(model)
        assert entry is not None
        one = download(entry)
        try:
            with self._lock:
                self._running[key] = one
            while not one.finished:
                yield modelviews.arriving(name, one.done, one.total)
                one.wait(EVERY)
            one.result()
        finally:
            one.cancel()  # who closes the page leaves the download too
            with self._lock:
                self._running.pop(key, None)

    def cancel(self, key: Any) -> None:
        """Leave a download, known by the key that only its own page was told."""
        with self._lock:
            one = self._running.get(key) if isinstance(key, str) else None
        if one is not None:
            one.cancel()


def asked(data: Any) -> tuple[str, str]:
    """The model that a page wants to have fetched, and what it calls it. Raises OptionError for junk."""
    model, name = (data.get("id"), data.get("name")) if isinstance(data, dict) else (None, None)
    if not isinstance(model, str) or not isinstance(name, str) or max(len(model), len(name)) > LONGEST:
        raise OptionError(texts.BAD_REQUEST.format(what="model"))
    return model, name


def sentence(error: AttnvizError) -> str:
    """An error's line as a sentence; a name that it begins with stays as it is."""
    line = str(error)
    word = line.partition(" ")[0].rstrip(",:;")
    return (line[:1].upper() + line[1:] if word.isalpha() else line) + ("" if line.endswith(".") else ".")


def _reach(_: Any = None) -> dict[str, Any]:
    return modelviews.reach()

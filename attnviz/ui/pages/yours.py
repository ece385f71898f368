"""Your model: weights that a visitor brings, or code of whoever runs the server, shown like any other network."""

import logging
import re
from pathlib import Path
from typing import Any

import gradio as gr

from attnviz import zoo
from attnviz.backbones import BUILT
from attnviz.errors import AttnvizError, OptionError
from attnviz.ui import texts
from attnviz.ui.analysis import LONGEST, Analyst, in_uploads
from attnviz.ui.components.yours import yours
from attnviz.ui.modelviews import model_name
from attnviz.ui.pages.events import listen
from attnviz.ui.pages.fetching import sentence
from attnviz.ui.state import serial
from attnviz.zoo import own
from attnviz.zoo.files import CONVERT

MOST = 300_000_000  # bytes of a file: 75 million parameters as float32
PRIVATE = re.compile(r"[0-9a-f]{32}-")  # before the name of a file that the page sent for this alone
SKIPPED = 6  # places where attention may be, named at most


class Yours:
    """The page: built once, inside a ``gr.Blocks``. ``trusted``: whether it runs Python files of its visitors."""

    def __init__(self, analyst: Analyst, *, trusted: bool = False) -> None:
        self._analyst, self._trusted = analyst, trusted
        part = yours(None, code=trusted, most=MOST, convert=CONVERT, built=", ".join(BUILT))
        listen(part, self._brought, [part], queue="own", at_once=1)  # one file in memory at a time

    def _brought(self, event: gr.EventData) -> dict[str, Any]:
        """What was found in the network that was brought, and the id that its visitor alone is told; or one line."""
        number = {"serial": serial(event._data)}
        try:
            return number | self._loaded(event._data)
        except AttnvizError as error:
            return number | {"said": sentence(error)}
        except Exception:
            logging.getLogger(__name__).exception("a network of a visitor's own failed")
            return number | {"said": texts.WENT_WRONG}

    def _loaded(self, data: Any) -> dict[str, Any]:
        given = data if isinstance(data, dict) else {}
        if "code" in given:
            if not self._trusted:
                raise OptionError(texts.UNTRUSTED)
            backbone = own.from_code(_text(given, "code", 4096))
        else:
            path = _private(_text(given, "path", 4096))
            try:
                backbone = own.from_file(_text(given, "architecture", LONGEST), path, MOST)
            finally:
                path.unlink(missing_ok=True)
        found = own.tried(backbone, next(iter(self._analyst.examples.values())).path)
        assert backbone.card is not None
        return {
            "model": zoo.keep(backbone),
            "name": model_name(backbone.card),
            "findings": str(found),
            "blocks": [
                {
                    "layer": block.layer,
                    "mechanism": block.mechanism,
                    "kinds": ", ".join(dict.fromkeys(map(str, block.kinds))),
                    "verified": block.verified,
                    "error": min(block.error, 1e9),  # JSON knows no infinity
                }
                for block in found.blocks
            ],
            "skipped": list(found.skipped[:SKIPPED]),
        }


def _private(text: str) -> Path:
    """An upload that this page named, and may delete. Raises OptionError for any other, which may be another's too."""
    path = in_uploads(text)
    if not PRIVATE.match(path.name) or not path.is_file():
        raise OptionError(texts.BAD_REQUEST.format(what="upload"))
    return path


def _text(given: dict[str, Any], name: str, longest: int) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise OptionError(texts.BAD_REQUEST.format(what=name))
    return value

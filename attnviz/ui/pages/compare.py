"""Compare: the photo that is open, through every network at once, each row as soon as it is ready."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from attnviz.errors import AttnvizError, OptionError
from attnviz.ui import compareviews, texts
from attnviz.ui.analysis import Analyst
from attnviz.ui.components.compare import compare
from attnviz.ui.pages.events import listen
from attnviz.ui.state import State


class Compare:
    """The page: built once, inside a ``gr.Blocks``."""

    def __init__(self, analyst: Analyst) -> None:
        self._analyst = analyst
        self._part = compare(
            None,
            stages=list(compareviews.STAGES),
            classes=list(next(iter(analyst.family.values())).classes),
            table=compareviews.table([*analyst.family.values()]),
            center=compareviews.center([*analyst.family.values()]),
        )
        listen(self._part, self._answers, [self._part])

    def _answers(self, event: gr.EventData) -> Iterator[dict[str, Any]]:
        """All rows that are ready, one more each time, with what the browser asked for."""
        name = event._data.get("asked") if isinstance(event._data, dict) else None
        try:
            state, stage = asked(event._data, self._analyst.first)
            rows: list[Any] = []
            views = list(compared(self._analyst, state))
            for each in views:
                view = self._analyst.view(each)
                row = compareviews.network(view, stage)
                if view.state.model not in self._analyst.family:
                    row["facts"] = compareviews.table([view.card])[0] | {"id": view.state.model}
                rows.append(row)
                yield {"rows": rows, "done": len(rows), "of": len(views), "asked": name}
        except AttnvizError as error:
            yield {"rows": [], "said": str(error), "asked": name}
        except Exception:
            logging.getLogger(__name__).exception("a comparison failed")
            yield {"rows": [], "said": texts.WENT_WRONG, "asked": name}


def asked(data: Any, default: State) -> tuple[State, str]:
    """The picture, the class and the stage that a browser asks for. Raises OptionError for junk."""
    state = State.read(data, default)
    stage = data.get("stage")
    if stage not in compareviews.STAGES:
        raise OptionError(texts.BAD_REQUEST.format(what="stage"))
    return State(source=state.source, model=state.model, target=state.target), stage


def compared(analyst: Analyst, state: State) -> Iterator[State]:
    """The networks that are compared: the family, and the open one where it is another.

    A class belongs to those that know it: where another network is open, each of the family explains its prediction.
    """
    other = state.model not in analyst.family
    for model in analyst.family:
        yield replace(state, model=model, target=None if other else state.target)
    if other:
        yield state

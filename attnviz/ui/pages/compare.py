"""Compare: the photo that is open, through the networks that are chosen, each row as soon as it is ready."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from attnviz.errors import AttnvizError, OptionError
from attnviz.ui import compareviews, texts
from attnviz.ui.analysis import LONGEST, Analyst, View
from attnviz.ui.components.chooser import chooser
from attnviz.ui.components.compare import compare
from attnviz.ui.modelviews import model_name
from attnviz.ui.names import same_class, told_apart
from attnviz.ui.pages.events import listen
from attnviz.ui.pages.fetching import sentence
from attnviz.ui.payloads import Payload
from attnviz.ui.state import State


class Compare:
    """The page: built once, inside a ``gr.Blocks``."""

    def __init__(self, analyst: Analyst) -> None:
        self._analyst = analyst
        chooser(
            family=compareviews.members(list(analyst.family.values())),
            networks=compareviews.offered(analyst),
            random=texts.NAME_RANDOM,
            most=compareviews.MOST,
        )
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
            for answer in self._rows(state, stage, chosen(event._data)):
                yield {"asked": name, **answer}
        except AttnvizError as error:
            yield {"rows": [], "said": sentence(error), "asked": name}
        except Exception:
            logging.getLogger(__name__).exception("a comparison failed")
            yield {"rows": [], "said": texts.WENT_WRONG, "asked": name}

    def _rows(self, state: State, stage: str, models: Sequence[str]) -> Iterator[Payload]:
        """A network that is not there takes no other's row away: it is named, with the line that says why."""
        label = explained(self._analyst, state)
        rows: list[Payload] = []
        lost: list[Payload] = []
        for model in models:
            try:
                rows.append(self._row(self._analyst.view(through(self._analyst, state, model, label)), stage))
            except AttnvizError as error:
                lost.append({"id": model, "said": self._said(model, error)})
            done = len(rows) + len(lost)
            yield {"rows": [*rows], "lost": [*lost], "label": label, "done": done, "of": len(models)}

    def _said(self, model: str, error: AttnvizError) -> str:
        """Why a network is not there, with its name where it is at hand: its line may be of the picture alone."""
        try:
            card = self._analyst.backbone(model).card
        except AttnvizError:
            card = None
        return sentence(error) if card is None else f"{model_name(card)}: {sentence(error)}"

    def _row(self, view: View, stage: str) -> Payload:
        model = view.state.model
        row = compareviews.network(view, stage)
        if model not in self._analyst.family:
            row["facts"] = compareviews.table([view.card])[0] | {"id": model}
        return row


def asked(data: Any, default: State) -> tuple[State, str]:
    """The picture, the class and the stage that a browser asks for. Raises OptionError for junk."""
    state = State.read(data, default)
    stage = data.get("stage")
    if stage not in compareviews.STAGES:
        raise OptionError(texts.BAD_REQUEST.format(what="stage"))
    return State(source=state.source, model=state.model, target=state.target), stage


def chosen(data: Any) -> tuple[str, ...]:
    """The networks that a browser asks for, each once. Raises OptionError for junk, for none and for too many."""
    models = data.get("models") if isinstance(data, dict) else None
    if models == []:
        raise OptionError(texts.COMPARE["empty"])
    if not isinstance(models, list) or len(models) > compareviews.MOST or not all(map(_an_id, models)):
        raise OptionError(texts.BAD_REQUEST.format(what="models"))
    return tuple(dict.fromkeys(models))


def _an_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST


def explained(analyst: Analyst, state: State) -> str | None:
    """The label of the class that is explained; None for each network's prediction, and for a class without one."""
    if state.target is None:
        return None
    labels = told_apart(analyst.backbone(state.model).classes)
    if labels and state.target >= len(labels):
        raise OptionError(texts.BAD_REQUEST.format(what="class"))
    return labels[state.target] if labels else None


def through(analyst: Analyst, state: State, model: str, label: str | None) -> State:
    """The same picture through a network: for the class of a label where it knows that, else for its prediction.

    Raises ModelError or OptionError for a network that is not at hand, or that there is not.
    """
    labels = analyst.backbone(model).classes
    if model == state.model:
        return state
    return replace(state, model=model, target=None if label is None else same_class(label, labels))


def compared(analyst: Analyst, state: State, models: Sequence[str]) -> list[View]:
    """The views of the networks that are chosen. Raises AttnvizError where one of them is not there."""
    label = explained(analyst, state)
    return [analyst.view(through(analyst, state, model, label)) for model in models]

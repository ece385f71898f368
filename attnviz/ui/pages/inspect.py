"""Inspect: a picture, what each attention block did to it, and Grad-CAM for a class."""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from queue import SimpleQueue
from threading import Event
from typing import Any, NamedTuple

import gradio as gr

from attnviz.attribution import Attribution
from attnviz.errors import AttnvizError
from attnviz.ui import (
    blockviews,
    compareviews,
    costviews,
    evidenceviews,
    exports,
    links,
    matterviews,
    modelviews,
    payloads,
    sideviews,
    stepviews,
    texts,
    zoomviews,
)
from attnviz.ui.analysis import Analyst, View, shown
from attnviz.ui.components.affinity import affinity
from attnviz.ui.components.banner import banner
from attnviz.ui.components.branches import branches
from attnviz.ui.components.channels import channels
from attnviz.ui.components.dependence import dependence
from attnviz.ui.components.evidence import evidence
from attnviz.ui.components.formula import formula
from attnviz.ui.components.map_view import map_view
from attnviz.ui.components.matter import matter
from attnviz.ui.components.models import models
from attnviz.ui.components.notice import notice
from attnviz.ui.components.photo import photo
from attnviz.ui.components.prediction import prediction
from attnviz.ui.components.rail import rail
from attnviz.ui.components.sides import sides
from attnviz.ui.components.spread import spread
from attnviz.ui.components.stepper import stepper
from attnviz.ui.components.toolbar import toolbar
from attnviz.ui.components.viewbar import viewbar
from attnviz.ui.components.zoom import zoom
from attnviz.ui.pages.compare import chosen, compared
from attnviz.ui.pages.events import listen
from attnviz.ui.pages.fetching import Fetching, sentence
from attnviz.ui.state import State, changes, forgotten, linked, serial

Make = Callable[[View], Any]
EVERY = 0.25  # seconds between two words of progress


class Panel(NamedTuple):
    """A part of the page: what makes its value of a view, and the fields of the state that it depends on."""

    make: Make
    fields: tuple[str, ...]


NETWORK = ("source", "model")
BLOCK = (*NETWORK, "layer", "part")
CLASS = (*NETWORK, "target", "against", "region")
EVIDENCE = (*CLASS, "method", "cam_layer")
PANELS: dict[str, Panel] = {
    "photo": Panel(payloads.picture, NETWORK),  # another network may see another part of it
    "models": Panel(modelviews.models, NETWORK),
    "banner": Panel(modelviews.banner, NETWORK),
    "zoom": Panel(zoomviews.zoom, NETWORK),
    "prediction": Panel(evidenceviews.prediction, CLASS),
    "evidence": Panel(evidenceviews.evidence, EVIDENCE),
    "cam": Panel(evidenceviews.cam, EVIDENCE),
    "matter": Panel(matterviews.matter, (*CLASS, "cam_layer", "layer", "how", "scope")),
    "rail": Panel(payloads.rail, BLOCK),
    "attention": Panel(payloads.attention, (*BLOCK, "channel")),
    "channels": Panel(blockviews.channels, (*BLOCK, "channel")),
    "spread": Panel(blockviews.spread, BLOCK),
    "branches": Panel(blockviews.branches, BLOCK),
    "sides": Panel(sideviews.sides, (*BLOCK, "channel")),
    "affinity": Panel(blockviews.affinity, (*BLOCK, "query")),
    "dependence": Panel(blockviews.dependence, BLOCK),
    "stepper": Panel(stepviews.stepper, (*BLOCK, "query", "channel")),
    "formula": Panel(blockviews.formula, BLOCK),
}


def drawn_anew(changed: Iterable[str]) -> dict[str, Make]:
    """What makes the panels that depend on fields which change."""
    fields = frozenset(changed)
    return {name: panel.make for name, panel in PANELS.items() if fields & {*panel.fields}}


ASKS = ("toolbar", "photo", "models", "prediction", "rail", "attention", "cam", "evidence", "stepper", "matter")


class Inspect:
    """The page, in parts: what stands above and beside every page, and what is its own.

    Each is laid out once, inside a ``gr.Blocks``; then ``listen``.
    """

    def __init__(self, analyst: Analyst) -> None:
        self._analyst = analyst
        self._first = analyst.first
        self._view = analyst.view(self._first)
        self._value = {name: make(self._view) for name, make in drawn_anew(NETWORK).items()}
        self._parts: dict[str, gr.HTML] = {}
        self._fetching = Fetching(analyst)

    def above(self) -> None:
        """The header's tools."""
        self._parts["toolbar"] = toolbar(
            {"link": links.write(self._view)},
            names=list(links.READERS),
            kinds=list(exports.MAKERS),
            tabs=list(texts.TABS),
            stages=list(compareviews.STAGES),
            models=list(costviews.names(self._analyst)),
            sides=list(costviews.sides(self._analyst)),
            most=compareviews.MOST,
            forgotten=forgotten(),
        )

    def beside(self) -> None:
        """The photo, the model and the prediction."""
        parts, value = self._parts, self._value
        parts["photo"] = photo(value["photo"], examples=self._thumbs())
        parts["notice"] = notice(_notice("", self._view.state, 0))
        parts["models"] = models(value["models"], groups=modelviews.choices(self._analyst))
        self._fetching.lay_out()
        parts["prediction"] = prediction(value["prediction"])

    def main(self) -> None:
        """The maps, the network's blocks, and the chosen one's numbers."""
        parts, value = self._parts, self._value
        parts["banner"] = banner(value["banner"])
        with gr.Row(elem_classes="av-maps"):
            viewbar()
            parts["attention"] = map_view(value["attention"], side="attention", elem_id="attention")
            parts["cam"] = map_view(value["cam"], side="cam", elem_id="cam")
            parts["evidence"] = evidence(value["evidence"])
        parts["rail"] = rail(value["rail"])
        numbers = {
            "affinity": affinity,
            "dependence": dependence,
            "branches": branches,
            "zoom": zoom,
            "channels": channels,
            "spread": spread,
            "matter": matter,
        }
        with gr.Row(elem_classes="av-below"):
            with gr.Column():
                parts |= {name: made(value[name]) for name, made in numbers.items()}
            with gr.Column():
                parts["stepper"] = stepper(value["stepper"])
                parts["formula"] = formula(value["formula"])
                parts["sides"] = sides(value["sides"])

    def listen(self) -> None:
        """Answer what the components ask."""
        for name in ASKS:
            self._listen(name)

    def _thumbs(self) -> list[dict[str, str]]:
        return [
            {
                "source": f"example:{example.id}",
                "label": example.label,
                "origin": example.origin,
                "thumb": payloads.data_url(shown(example.path, 128)),
            }
            for example in self._analyst.examples.values()
        ]

    def _listen(self, name: str) -> None:
        """A component's request: what comes back depends on which field of the state it changes."""
        answers = list(self._parts.values())

        def answer(event: gr.EventData) -> Iterator[list[Any]]:
            for made in self._answers(event._data):
                yield [made.get(part, gr.skip()) for part in self._parts]

        listen(self._parts[name], answer, answers)

    def _export(self, view: View, asked: Any, found: Attribution | None) -> dict[str, Any]:
        """What is shown, as a file: the block and the evidence, or on Compare's tab the networks that are chosen."""
        if not isinstance(asked, dict) or asked.get("tab") != "compare":
            return exports.export(view, asked, found)
        state = State(view.state.source, view.state.model, view.state.target)
        return exports.export_all(compared(self._analyst, state, chosen(asked)), asked)

    def _read(self, data: Any) -> View:
        return self._analyst.view(State.read(data, self._first))

    def _linked(self, data: Any) -> tuple[View, str, str | None]:
        """What a link asks for, what to say of it, and its network where the weights have to be fetched first."""
        asked, junk = linked(data)
        away = links.away(asked, self._analyst)
        given = asked if away is None else {name: asked[name] for name in asked if name == "example"}
        view, lost = links.read(given, self._first, self._analyst)
        return view, links.regret(given, lost + junk) if away is None else texts.LINK_FETCHED, away

    def _answers(self, data: Any) -> Iterator[dict[str, Any]]:
        """New values by component, the last time all; for a refusal one line, and everything else stays."""
        number = serial(data)
        try:
            fields = changes(data)
            linking = "link" in fields
            view, note, away = self._linked(data) if linking else (self._read(data), "", None)
            fields = ("source",) if linking else fields
            shows = drawn_anew(fields)
            found: Attribution | None = None
            if view.state.method != "grad_cam" and ("cam" in shows or "export" in fields):
                for share, found in attributed(self._analyst, view):
                    if found is None:
                        yield {"evidence": evidenceviews.evidence(view, share)}
            file = None
            if "export" in fields:  # numbered, since a part that is told the same twice does not listen
                file = self._export(view, data.get("export"), found) | {"serial": number}
            made: dict[str, Any] = {"toolbar": {"link": links.write(view), "file": file}}
            if found is not None and "cam" in shows:
                made["cam"] = evidenceviews.attribution(view, found)
            made = {name: make(view) for name, make in shows.items() if name not in made} | made
            if away is not None:  # what the page fetches, seen, and asks for again when it is there
                made["models"] |= {"wish": {"id": away, "link": data["link"]}}
        except AttnvizError as error:
            yield {"notice": _notice(sentence(error), None, number)}
        except Exception:
            logging.getLogger(__name__).exception("a request failed")
            yield {"notice": _notice(texts.WENT_WRONG, None, number)}
        else:
            yield made | {"notice": _notice(note, view.state, number)}


def attributed(analyst: Analyst, view: View) -> Iterator[tuple[float, Attribution | None]]:
    """How far one of captum's methods is, a few times a second, and at last what it gave.

    It works in a thread of its own; where nobody waits for it any more, it ends at its next step.
    """
    shares: SimpleQueue[float] = SimpleQueue()
    left = Event()

    def progress(share: float) -> None:
        if left.is_set():
            raise CancelledError
        shares.put(share)

    share = 0.0
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(analyst.attribution, view, progress)
        try:
            while not wait([work], EVERY).done:
                while not shares.empty():
                    share = shares.get()
                yield share, None
        finally:
            left.set()
        yield 1.0, work.result()


def _notice(text: str, state: State | None, number: int) -> dict[str, Any]:
    """The answer's line, the state that it confirms, and the number of the request it answers."""
    return {"text": text, "state": state.payload() if state else None, "serial": number}

"""Models: what one network costs, or two side by side, layer by layer."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from attnviz import ModelCard, load
from attnviz.cost import Cost, latency, measure
from attnviz.errors import AttnvizError, OptionError
from attnviz.ui import costviews, texts
from attnviz.ui.analysis import KEPT, SECONDS, Analyst
from attnviz.ui.components.layers import layers
from attnviz.ui.components.networks import networks
from attnviz.ui.pages.events import listen
from attnviz.ui.pages.fetching import sentence
from attnviz.ui.payloads import Payload
from attnviz.ui.shelf import Shelf

RUNS = 15  # forward passes that are timed


@dataclass(frozen=True)
class Request:
    """One network or two, a square input's side, and whether their passes are to be timed."""

    models: tuple[str, ...]
    side: int
    timed: bool


class Models:
    """The page: built once, inside a ``gr.Blocks``."""

    def __init__(self, analyst: Analyst) -> None:
        self._names = costviews.names(analyst)
        self._costs: Shelf[Cost] = Shelf(KEPT, SECONDS)
        pair = first_pair(list(analyst.family.values()))
        self._sides = costviews.sides(analyst)
        with gr.Row(elem_classes="av-costs"):
            with gr.Column():
                chooser = networks(
                    None,
                    choices=[{"id": model, "name": name} for model, name in self._names.items()],
                    pair=pair,
                    sides=self._sides,
                    side=analyst.family[pair[0]].input_size,
                    batch=costviews.BATCH,
                    optimizer=costviews.OPTIMIZER,
                    runs=RUNS,
                )
            with gr.Column():
                rows = layers(None, quantities=list(costviews.QUANTITIES))
        listen(chooser, self._answers, [chooser, rows])

    def _answers(self, event: gr.EventData) -> Iterator[list[Any]]:
        """How far the work is, and at last the totals and the layers, or the times; or one line."""
        data = event._data
        name = data.get("asked") if isinstance(data, dict) else None
        try:
            request = asked(data, tuple(self._names), self._sides)
            for answer, rows in self._timed(request) if request.timed else self._counted(request):
                yield [{"asked": name, **answer}, gr.skip() if rows is None else rows]
        except AttnvizError as error:
            yield [{"asked": name, "said": sentence(error)}, gr.skip()]
        except Exception:
            logging.getLogger(__name__).exception("a network was not counted")
            yield [{"asked": name, "said": texts.WENT_WRONG}, gr.skip()]

    def _counted(self, request: Request) -> Iterator[tuple[Payload, Payload | None]]:
        costs = {}
        for number, model in enumerate(request.models):
            yield {"progress": self._progress("counting", model, number, len(request.models))}, None
            costs[model] = self._cost(model, request.side)
        found = list(costs.values())
        called = [self._names[model] for model in costs]
        answer = {"names": called, "totals": costviews.totals(found), "file": costviews.file(costs, request.side)}
        yield answer, {"names": called, **costviews.layers(found)}

    def _timed(self, request: Request) -> Iterator[tuple[Payload, None]]:
        times = []
        for number, model in enumerate(request.models):
            yield {"progress": self._progress("timing", model, number, len(request.models))}, None
            times.append(costviews.latency(latency(load(model), (3, request.side, request.side), RUNS)))
        yield {"latency": times}, None

    def _cost(self, model: str, side: int) -> Cost:
        cost = self._costs.get((model, side))
        if cost is None:
            cost = measure(load(model), (3, side, side))
            self._costs.put((model, side), cost)
        return cost

    def _progress(self, what: str, model: str, number: int, of: int) -> Payload:
        text = texts.NETWORKS_PROGRESS[what].format(name=self._names[model])
        return {"text": text, "share": number / of}


def first_pair(cards: list[ModelCard]) -> list[str]:
    """What is shown first: the plain network and the one with SE, or the first two there are."""
    plain = [card.id for card in cards if card.mechanism is None]
    squeezed = [card.id for card in cards if card.mechanism == "SE"]
    return list(dict.fromkeys([*plain[:1], *squeezed[:1], *(card.id for card in cards)]))[:2]


def asked(data: Any, models: tuple[str, ...], sides: tuple[int, ...]) -> Request:
    """What a browser asks for. Raises OptionError for junk."""
    wanted = data.get("models") if isinstance(data, dict) else None
    if not isinstance(wanted, list) or not 1 <= len(wanted) <= 2 or any(each not in models for each in wanted):
        raise OptionError(texts.BAD_REQUEST.format(what="models"))
    side = data.get("side")
    if isinstance(side, bool) or side not in sides:
        raise OptionError(texts.BAD_REQUEST.format(what="side"))
    # One network beside itself has no differences: it is shown alone.
    return Request(tuple(dict.fromkeys(wanted)), int(side), data.get("timed") is True)

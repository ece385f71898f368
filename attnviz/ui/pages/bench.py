"""Bench: a mechanism alone, two settings of it side by side, and how what they take grows."""

import logging
from typing import Any

import gradio as gr

from attnviz.bench import Setting, growth, measure
from attnviz.errors import AttnvizError
from attnviz.ui import benchviews, costviews, texts
from attnviz.ui.components.bench import bench
from attnviz.ui.components.growth import growth as curves
from attnviz.ui.pages.events import listen
from attnviz.ui.pages.fetching import sentence
from attnviz.ui.payloads import Payload


class Bench:
    """The page: built once, inside a ``gr.Blocks``."""

    def __init__(self) -> None:
        first = benchviews.FIRST
        sizes = {name: getattr(first[0], name) for name in benchviews.LIMITS}
        shown, grown = self._measured(first)
        part = bench(
            shown | {"asked": None},
            mechanisms=benchviews.choices(),
            first=[setting.mechanism for setting in first],
            sizes=sizes,
            limits=benchviews.LIMITS,
        )
        lines = curves(grown, quantities=list(costviews.QUANTITIES))
        listen(part, self._answer, [part, lines])

    def _answer(self, event: gr.EventData) -> list[Any]:
        """Both settings, and how they grow; or one line, and what is shown stays."""
        data = event._data
        name = data.get("asked") if isinstance(data, dict) else None
        try:
            shown, grown = self._measured(benchviews.asked(data))
        except AttnvizError as error:
            return [{"asked": name, "said": sentence(error)}, gr.skip()]
        except Exception:
            logging.getLogger(__name__).exception("a setting was not counted")
            return [{"asked": name, "said": texts.WENT_WRONG}, gr.skip()]
        return [shown | {"asked": name}, grown]

    def _measured(self, settings: tuple[Setting, Setting]) -> tuple[Payload, Payload]:
        shown = benchviews.bench(settings, [measure(setting) for setting in settings])
        return shown, benchviews.growth(settings, [growth(setting) for setting in settings])

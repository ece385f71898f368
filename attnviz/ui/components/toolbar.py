"""What stands on top of every page: lecture mode, a link that holds the state, and what can be taken away."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-toolbar">
  <input class="address" type="text" readonly hidden>
  <button type="button" class="link"></button>
  <select class="export"></select>
  <button type="button" class="lecture" aria-pressed="false"></button>
</section>"""
HIDEABLE = ("photo", "model", "prediction", "view", "evidence", "rail", "numbers", "matter", "steps", "formula")


def toolbar(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``link`` (``links.write``), and ``file`` (``exports.export``) where one was asked for."""
    return component(__file__, TEMPLATE, texts.TOOLBAR, value, hideable=HIDEABLE, **props)

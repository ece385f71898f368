"""What stands on top of every page: lecture mode, and a link that holds the state."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-toolbar">
  <input class="address" type="text" readonly hidden>
  <button type="button" class="link"></button>
  <button type="button" class="lecture" aria-pressed="false"></button>
</section>"""
HIDEABLE = ("photo", "model", "prediction", "view", "evidence", "rail", "numbers", "matter", "steps", "formula")


def toolbar(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``link``, the state's parameters (``links.write``). What a link may hide is marked by its class."""
    return component(__file__, TEMPLATE, texts.TOOLBAR, value, hideable=HIDEABLE, **props)

"""The model: one of the catalogue, and what its card says."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-card av-models">
  <label><h2></h2><select class="av-field"></select></label>
  <p class="caption"></p>
</section>"""


def models(value: Any = None, **props: Any) -> gr.HTML:
    """Value: the chosen id. Prop ``choices``: ``payloads.model_choices``."""
    return component(__file__, TEMPLATE, texts.MODEL, value, **props)

"""The model: one of the catalogue or any other of timm's, its weights or random ones, and what its card says."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-card av-models">
  <label><h2></h2><select class="av-field"></select></label>
  <p class="caption"></p>
  <p class="availability"></p>
  <div class="weights"></div>
  <details><summary></summary>
    <form><input class="av-field name" type="text" autocomplete="off" spellcheck="false" maxlength="120">
      <button type="submit" class="av-link"></button></form>
  </details>
</section>"""


def models(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``modelviews.models``. Prop ``groups``: ``modelviews.choices``."""
    return component(__file__, TEMPLATE, texts.MODEL, value, **props)

"""The prediction: every class with its probability; choosing one chooses what Grad-CAM explains."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-card av-prediction">
  <h2></h2>
  <div class="top" role="group"></div>
  <div class="chosen" role="group"></div>
  <p class="none" hidden></p>
  <div class="search" hidden><input class="av-field" type="search" autocomplete="off">
    <div class="found" role="group" aria-live="polite"></div></div>
  <p class="certainty"></p>
  <p class="more"></p>
  <div class="rest" role="group"></div>
</section>"""


def prediction(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``evidenceviews.prediction``."""
    return component(__file__, TEMPLATE, texts.PREDICTION, value, **props)

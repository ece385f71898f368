"""A zoom into the photo's center, and how the branches' shares move with it."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-card av-zoom" hidden>
  <header><h2></h2><span class="caption"></span></header>
  <label><span class="name"></span> <input type="range" step="1" min="0"> <output></output></label>
  <div class="pair"><canvas class="crop" role="img"></canvas><canvas class="plot" role="img"></canvas></div>
  <dl></dl>
  <p class="words"></p>
  <p class="formula"></p>
</section>"""


def zoom(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``zoomviews.zoom``, or None to show nothing."""
    return component(__file__, TEMPLATE, texts.ZOOM, value, **props)

"""Does it matter? An edit is chosen; the prediction and Grad-CAM stand side by side before and after it."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component
from attnviz.ui.state import HOWS

TEMPLATE = """
<section class="av-card av-matter" hidden>
  <header><div><h2></h2><span class="caption"></span></div><div class="switches"></div></header>
  <div class="sides">
    <div class="side before"><h3></h3><canvas role="img"></canvas><div class="top"></div></div>
    <div class="side after"><h3></h3><canvas role="img"></canvas><div class="top"></div></div>
  </div>
  <p class="of"></p>
  <p class="words" aria-live="polite"></p>
  <div class="validation"><h3></h3><dl></dl></div>
  <p class="meaning"></p>
</section>"""


def matter(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``matterviews.matter``, or None to show nothing."""
    return component(__file__, TEMPLATE, texts.MATTER, value, hows=HOWS, **props)

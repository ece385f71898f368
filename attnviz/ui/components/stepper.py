"""The block's formula step by step: each step's equation, with a channel's numbers, and its tensor."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-card av-stepper" hidden>
  <header><div><h2></h2><span class="caption"></span></div>
    <div class="moves"><button type="button" class="back"></button><button type="button" class="next"></button></div>
  </header>
  <p class="none" hidden></p>
  <ol class="steps"></ol>
  <div class="live" aria-live="polite"></div>
  <p class="where"><label><span class="name"></span> <input class="av-field" type="number" min="0" step="1"></label>
    <span class="place"></span></p>
  <canvas tabindex="0" role="application"></canvas>
  <div class="scale">
    <output class="low"></output><canvas class="bar" role="img"></canvas><output class="high"></output>
  </div>
  <p class="readout" aria-live="polite"><span class="drawn"></span> · <span class="shape"></span>
    · <span class="at"></span> <b class="value"></b></p>
  <p class="hint"></p>
</section>"""


def stepper(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``stepviews.stepper``, or None to show nothing."""
    return component(__file__, TEMPLATE, texts.STEPPER, value, **props)

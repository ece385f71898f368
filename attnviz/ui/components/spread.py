"""How a map's values spread: a histogram and a sentence."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-card av-spread" hidden>
  <header><h2></h2><span class="caption"></span></header>
  <canvas tabindex="0" role="application"></canvas>
  <p class="readout" aria-live="polite"></p>
  <p class="words"></p>
</section>"""


def spread(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``blockviews.spread``, or None to show nothing."""
    return component(__file__, TEMPLATE, texts.SPREAD, value, **props)

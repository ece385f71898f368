"""The shares of a Selective Kernel's branches: channel by channel, and in the mean."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-card av-branches" hidden>
  <header><div><h2></h2><span class="caption"></span></div><div class="orders"></div></header>
  <p class="heading"></p>
  <div class="means"></div>
  <canvas tabindex="0" role="application"></canvas>
  <p class="readout" aria-live="polite"><span class="which"></span> <span class="shares"></span></p>
</section>"""


def branches(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``blockviews.branches``, or None to show nothing."""
    return component(__file__, TEMPLATE, texts.BRANCHES, value, **props)

"""Bars, one a channel: in the network's order or sorted, for 32 channels or 2048."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-card av-channels" hidden>
  <header><div><h2></h2><span class="caption"></span></div><div class="orders"></div></header>
  <canvas tabindex="0" role="application"></canvas>
  <p class="readout" aria-live="polite"><span class="which"></span> <b class="value"></b> <span class="rank"></span>
    <button type="button" class="av-link mean" hidden></button></p>
  <p class="words"></p>
</section>"""


def channels(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``blockviews.channels``, or None to show nothing."""
    return component(__file__, TEMPLATE, texts.CHANNELS, value, **props)

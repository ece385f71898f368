"""A map over the picture: drawn in the browser, read by pointer and keyboard."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<figure class="av-map">
  <figcaption><h2></h2><span class="caption"></span></figcaption>
  <div class="frame"><canvas class="picture" tabindex="0" role="application"></canvas></div>
  <div class="scale">
    <output class="low"></output><canvas class="bar" role="img"></canvas><output class="high"></output>
  </div>
  <p class="readout" aria-live="polite"><span class="at"></span> <b class="value"></b></p>
  <p class="note"></p>
</figure>"""


def map_view(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``payloads.attention`` or ``evidenceviews.cam``. Prop ``side``: "attention" or "cam"."""
    return component(__file__, TEMPLATE, texts.MAP, value, **{"side": "attention", **props})

"""How two settings grow: a curve each along the channels and along the map's size, and the numbers below them."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-card av-growth">
  <header><div><h2></h2><p class="hint"></p></div><span class="switch"></span></header>
  <div class="ways"></div>
</section>"""


def growth(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``benchviews.growth``. Prop: ``quantities``."""
    return component(__file__, TEMPLATE, texts.GROWTH, value, **props)

"""Small figures side by side: a block's parts, and what goes in and comes out of it."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-card av-sides" hidden>
  <header><h2></h2><span class="caption"></span></header>
  <div class="figures"></div>
  <p class="note"></p>
</section>"""


def sides(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``sideviews.sides``, or None to show nothing."""
    return component(__file__, TEMPLATE, texts.SIDES, value, **props)

"""The network as a row of blocks, in the order it computes them; one is chosen, and a part of it."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-card av-rail">
  <header><h2></h2><div class="parts"></div></header>
  <div class="blocks" role="listbox" aria-orientation="horizontal"></div>
  <p class="findings"></p>
</section>"""


def rail(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``payloads.rail``."""
    return component(__file__, TEMPLATE, texts.RAIL, value, **props)

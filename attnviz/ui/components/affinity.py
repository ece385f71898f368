"""What a Non-Local block's query reads: the facts of the row that the map shows."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-card av-affinity" hidden>
  <header><h2></h2><span class="caption"></span></header>
  <p class="query"></p>
  <p class="row"></p>
  <p class="entropy"></p>
  <h3></h3>
  <ol></ol>
</section>"""


def affinity(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``blockviews.affinity``, or None to show nothing. The row goes to the map, and comes back as drawn."""
    return component(__file__, TEMPLATE, texts.AFFINITY, value, **props)

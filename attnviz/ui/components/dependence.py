"""How much a Non-Local block depends on its query: GCNet's question, in three bars."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-card av-dependence" hidden>
  <header><h2></h2><span class="caption"></span></header>
  <dl></dl>
  <p class="words"></p>
  <p class="formula"></p>
</section>"""


def dependence(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``blockviews.dependence``, or None to show nothing."""
    return component(__file__, TEMPLATE, texts.DEPENDENCE, value, **props)

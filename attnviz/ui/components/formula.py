"""The block's formula, its source, what one sees and what that does not mean."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-card av-formula" hidden>
  <header><h2></h2><span class="caption"></span></header>
  <p class="none" hidden></p>
  <div class="lines"></div>
  <dl><dt></dt><dd class="sees"></dd><dt></dt><dd class="not"></dd></dl>
  <p class="citation"><span></span> <a target="_blank" rel="noopener"></a></p>
</section>"""


def formula(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``blockviews.formula``, or None to show nothing."""
    return component(__file__, TEMPLATE, texts.FORMULA, value, **props)

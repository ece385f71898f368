"""Which networks are compared: the family's, each on or off, and others whose weights are at hand."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-card av-chooser">
  <h2></h2><p class="hint"></p>
  <fieldset><legend></legend><div class="chips"></div></fieldset>
  <div class="row">
    <button type="button" class="av-link all"></button>
    <button type="button" class="av-link nobody"></button>
    <span class="count" role="status"></span>
    <form>
      <label><span></span><select class="av-field"></select></label><button type="submit" class="add"></button>
    </form>
  </div>
  <p class="elsewhere"></p>
</section>"""


def chooser(**props: Any) -> gr.HTML:
    """Props: ``family`` (``compareviews.members``), ``networks`` (``compareviews.offered``), how a network with
    ``random`` weights is called, and how many there may be at ``most``.

    It tells the page's other parts ``compare``, the choice as a link has it, and ``compared``, what that means now.
    """
    return component(__file__, TEMPLATE, texts.COMPARE, None, **props)

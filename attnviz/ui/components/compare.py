"""A grid of the networks that are chosen, a card each, and the table of what is known of them."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-compare">
  <header class="av-card">
    <label><span class="target-name"></span> <select class="target av-field"></select></label>
    <label><span class="stage-name"></span> <select class="stage av-field"></select></label>
    <div class="progress av-progress" role="progressbar" aria-valuemin="0" hidden><i></i><span></span></div>
    <p class="said" role="alert" hidden></p>
  </header>
  <div class="grid"></div>
  <div class="av-card table" tabindex="0">
    <h2></h2><table><thead></thead><tbody></tbody></table><p class="note"></p>
  </div>
</section>"""


def compare(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``rows`` (``compareviews.network``) of the networks that were asked for, those that are ``lost``, the
    ``label`` that is explained, ``done`` and ``of``. Props: what can be chosen, and the family's table."""
    return component(__file__, TEMPLATE, texts.COMPARE, value, **props)

"""Weights on their way: how far they are, in bytes, and a way to leave them."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-card av-fetching" hidden>
  <div class="progress av-progress" role="progressbar" aria-valuemin="0" aria-valuemax="100"><i></i><span></span></div>
  <button type="button" class="av-link"></button>
</section>"""


def fetching(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``Fetching`` says what is there of the weights that the page asked for, by the number of its request."""
    return component(__file__, TEMPLATE, texts.FETCH, value, **props)

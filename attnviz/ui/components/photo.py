"""The photo: what is shown, how to bring another, and examples to choose."""

from typing import Any

import gradio as gr

from attnviz.images import MAX_BYTES
from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-card av-photo">
  <h2></h2>
  <div class="drop"><img alt=""><i class="crop" aria-hidden="true" hidden></i></div>
  <p class="seen" hidden></p>
  <p class="hint"><span></span> <button type="button" class="av-link"></button>. <span class="kept"></span></p>
  <input type="file" accept="image/*" hidden>
  <h3></h3>
  <ul class="examples"></ul>
</section>"""


def photo(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``payloads.picture``. Prop ``examples``: [{"source", "label", "origin", "thumb"}]."""
    return component(__file__, TEMPLATE, texts.PHOTO, value, most=MAX_BYTES, **props)

"""What evidence is drawn: by which method, for which class, against which other."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component
from attnviz.ui.state import EVIDENCE

TEMPLATE = """
<section class="av-evidence">
  <label><span class="by"></span> <select class="method av-field"></select></label>
  <label><span class="for"></span>
    <input class="target av-field" type="text" list="av-classes" autocomplete="off"></label>
  <label><span class="versus"></span> <select class="against av-field"></select>
    <input class="other av-field" type="text" list="av-classes" autocomplete="off" hidden></label>
  <datalist id="av-classes"></datalist>
  <div class="progress av-progress" role="progressbar" aria-valuemin="0" aria-valuemax="100" hidden>
    <i></i><span></span>
  </div>
</section>"""


def evidence(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``payloads.evidence``, with ``progress`` (share, text) while a method is at work."""
    return component(__file__, TEMPLATE, texts.EVIDENCE, value, methods=EVIDENCE, **props)

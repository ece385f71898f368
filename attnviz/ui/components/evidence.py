"""What evidence is drawn: by which method, for which class, against which other, and where Grad-CAM stands."""

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
  <label class="stand"><span class="on"></span>
    <input class="layer av-field" type="text" list="av-layers" autocomplete="off" spellcheck="false"></label>
  <span class="scored"><span class="where"></span> <button class="whole av-link" type="button"></button></span>
  <datalist id="av-classes"></datalist>
  <datalist id="av-layers"></datalist>
  <div class="progress av-progress" role="progressbar" aria-valuemin="0" aria-valuemax="100" hidden>
    <i></i><span></span>
  </div>
</section>"""


def evidence(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``evidenceviews.evidence``, with ``progress`` (share, text) while a method is at work."""
    return component(__file__, TEMPLATE, texts.EVIDENCE, value, methods=EVIDENCE, **props)

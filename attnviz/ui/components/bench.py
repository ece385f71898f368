"""Two settings of a mechanism: what is chosen, their totals with the difference, and each one's steps."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-bench">
  <div class="av-card both">
    <div><h2></h2><p class="hint"></p>
      <fieldset><legend></legend><div class="sizes"></div></fieldset>
      <p class="working" role="status"></p><p class="said" role="alert" hidden></p></div>
    <div class="sum"><div class="scroll" tabindex="0" role="region"><table><thead></thead><tbody></tbody></table></div>
      <p class="note"></p></div>
  </div>
  <div class="sides"></div>
</section>"""


def bench(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``benchviews.bench``. Props: ``mechanisms`` (``benchviews.choices``), ``first``, ``sizes``, ``limits``."""
    return component(__file__, TEMPLATE, texts.BENCH, value, **props)

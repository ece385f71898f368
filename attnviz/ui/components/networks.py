"""Which networks are counted, at which input; their totals side by side, a pass's time, and the layers as a file."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-networks">
  <div class="av-card">
    <h2></h2><p class="hint"></p>
    <label><span class="first-name"></span><select class="first av-field"></select></label>
    <label><span class="second-name"></span><select class="second av-field"></select></label>
    <label><span class="side-name"></span><select class="side av-field"></select></label>
    <div class="progress av-progress" role="progressbar" aria-valuemin="0" hidden><i></i><span></span></div>
    <p class="said" role="alert" hidden></p>
    <div class="table" tabindex="0" role="region"><table><thead></thead><tbody></tbody></table></div>
    <p class="note"></p>
    <div class="takes"><button type="button" class="time"></button><button type="button" class="csv"></button></div>
  </div>
</section>"""


def networks(value: Any = None, **props: Any) -> gr.HTML:
    """Value: what ``Models`` answers. Props: ``choices``, ``pair``, ``sides``, ``side``, and what the words name."""
    return component(__file__, TEMPLATE, texts.NETWORKS, value, **props)

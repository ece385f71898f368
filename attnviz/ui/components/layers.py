"""A table of layers, part by part of the network: what each takes, and its share of the whole."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-card av-layers">
  <header><div><h2></h2><p class="hint"></p></div><div class="tools"><span class="switch"></span>
    <button type="button" class="av-link all" hidden></button></div></header>
  <div class="table" tabindex="0" role="region"><table><thead></thead></table></div>
</section>"""


def layers(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``names``, and ``costviews.layers``. Prop: ``quantities``."""
    return component(__file__, TEMPLATE, texts.LAYERS, value, **props)

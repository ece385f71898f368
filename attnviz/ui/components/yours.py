"""A network of one's own: an architecture and a file of weights, or, where the server was told to trust it, code."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = """
<section class="av-yours">
  <form class="av-card weights">
    <h2></h2><p class="hint"></p>
    <label><span class="name"></span>
      <input class="architecture av-field" type="text" autocomplete="off" spellcheck="false" maxlength="120"></label>
    <p class="built"></p>
    <input type="file" accept=".safetensors" hidden>
    <p class="pick"><button type="button" class="choose"></button> <span class="chosen"></span></p>
    <button type="submit" class="load"></button>
    <p class="convert"></p><code tabindex="0"></code>
  </form>
  <form class="av-card code" hidden>
    <h2></h2><p class="hint"></p>
    <label><span class="name"></span>
      <input class="path av-field" type="text" autocomplete="off" spellcheck="false"></label>
    <button type="submit" class="load"></button>
  </form>
  <p class="doing" role="status"></p>
  <p class="said" role="alert" hidden></p>
  <div class="av-card result" hidden>
    <p class="found"></p>
    <table><thead></thead><tbody></tbody></table>
    <p class="skipped"></p>
    <button type="button" class="open"></button>
  </div>
</section>"""


def yours(value: Any = None, **props: Any) -> gr.HTML:
    """Value: what was found in the last network that was brought, or why it was refused.

    Props: ``code``, whether a path is taken; ``most``, bytes of a file; ``convert``, the command; ``built``.
    """
    return component(__file__, TEMPLATE, texts.YOURS, value, **props)

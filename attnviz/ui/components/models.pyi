"""The model: one of the catalogue, and what its card says."""

from attnviz.ui import texts
from attnviz.ui.components.base import Component

from gradio.events import Dependency

class Models(Component):
    """Value: the chosen id. Prop ``choices``: ``payloads.model_choices``."""

    words = texts.MODEL
    template = """
    <section class="av-card av-models">
      <label><h2></h2><select></select></label>
      <p class="caption"></p>
    </section>"""
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component
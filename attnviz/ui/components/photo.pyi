"""The photo: what is shown, how to bring another, and examples to choose."""

from attnviz.ui import texts
from attnviz.ui.components.base import Component

from gradio.events import Dependency

class Photo(Component):
    """Value: ``payloads.picture``. Prop ``examples``: [{"source", "label", "origin", "thumb"}]."""

    words = texts.PHOTO
    template = """
    <section class="av-card av-photo">
      <h2></h2>
      <div class="drop"><img alt=""></div>
      <p class="hint"><span></span> <button type="button" class="av-link"></button>. <span class="kept"></span></p>
      <input type="file" accept="image/*" hidden>
      <h3></h3>
      <ul class="examples"></ul>
    </section>"""
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component
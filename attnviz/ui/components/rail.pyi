"""The network as a row of blocks, in the order it computes them; one is chosen, and a part of it."""

from attnviz.ui import texts
from attnviz.ui.components.base import Component

from gradio.events import Dependency

class Rail(Component):
    """Value: ``payloads.rail``."""

    words = texts.RAIL
    template = """
    <section class="av-card av-rail">
      <header><h2></h2><div class="parts"></div></header>
      <div class="blocks" role="listbox" aria-orientation="horizontal"></div>
    </section>"""
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component
"""What a Non-Local block's query reads: the pinned row's facts."""

from attnviz.ui import texts
from attnviz.ui.components.base import Component

from gradio.events import Dependency

class Affinity(Component):
    """Value: ``blockviews.affinity``, or None to show nothing. The row goes on to the map."""

    words = texts.AFFINITY
    template = """
    <section class="av-card av-affinity" hidden>
      <header><h2></h2><span class="caption"></span></header>
      <p class="query"></p>
      <p class="row"></p>
      <p class="entropy"></p>
      <h3></h3>
      <ol></ol>
      <p class="hint"></p>
    </section>"""
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component
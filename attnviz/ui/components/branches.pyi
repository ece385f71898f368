"""The shares of a Selective Kernel's branches: channel by channel, and in the mean."""

from typing import Any

from attnviz.ui import texts
from attnviz.ui.components.base import Component

from gradio.events import Dependency

class Branches(Component):
    """Value: ``blockviews.branches``, or None to show nothing."""

    words = texts.BRANCHES
    template = """
    <section class="av-card av-branches" hidden>
      <header><div><h2></h2><span class="caption"></span></div><div class="orders"></div></header>
      <p class="heading"></p>
      <div class="means"></div>
      <canvas tabindex="0" role="application"></canvas>
      <p class="readout" aria-live="polite"><span class="which"></span> <span class="shares"></span></p>
    </section>"""

    def __init__(self, value: Any = None, **props: Any) -> None:
        super().__init__(value, **props)
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component
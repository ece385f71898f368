"""Bars, one a channel: in the network's order or sorted, for 32 channels or 2048."""

from attnviz.ui import texts
from attnviz.ui.components.base import Component

from gradio.events import Dependency

class Channels(Component):
    """Value: ``blockviews.channels``, or None to show nothing."""

    words = texts.CHANNELS
    template = """
    <section class="av-card av-channels" hidden>
      <header><div><h2></h2><span class="caption"></span></div><div class="orders"></div></header>
      <canvas tabindex="0" role="application"></canvas>
      <p class="readout" aria-live="polite"><span class="which"></span> <b class="value"></b> <span class="rank"></span>
        <button type="button" class="av-link mean" hidden></button></p>
      <p class="words"></p>
    </section>"""
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component
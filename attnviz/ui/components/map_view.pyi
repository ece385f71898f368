"""A map over the picture: drawn in the browser, read by pointer and keyboard."""

from typing import Any

from attnviz.ui import texts
from attnviz.ui.components.base import Component

from gradio.events import Dependency

class MapView(Component):
    """Value: ``payloads.attention`` or ``payloads.cam``. Prop ``side``: "attention" or "cam"."""

    words = texts.MAP
    template = """
    <figure class="av-map">
      <figcaption><h2></h2><span class="caption"></span></figcaption>
      <div class="frame"><canvas class="picture" tabindex="0" role="application"></canvas></div>
      <div class="scale"><output class="low"></output><canvas class="bar" role="img"></canvas><output class="high"></output></div>
      <p class="readout" aria-live="polite"><span class="at"></span> <b class="value"></b></p>
      <p class="note"></p>
    </figure>"""

    def __init__(self, value: Any = None, **props: Any) -> None:
        super().__init__(value, **{"side": "attention", **props})
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component
"""One line for a person: what went wrong with the last request, or nothing."""

from attnviz.ui import texts
from attnviz.ui.components.base import Component

from gradio.events import Dependency

class Notice(Component):
    """Value: {"text", "state", "serial"}. It also settles the page's state after each answer."""

    words = texts.NOTICE
    template = '<div class="av-notice" role="alert" hidden><span></span><button type="button">×</button></div>'
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component
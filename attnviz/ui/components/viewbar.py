"""How the maps are drawn: overlay, colors, scale, grid. All of it happens in the browser."""

from typing import Any

from attnviz.render.colors import SEQUENTIAL
from attnviz.ui import texts
from attnviz.ui.components.base import Component


class ViewBar(Component):
    """No value; what is chosen goes to the maps on the page."""

    words = texts.VIEW
    template = '<div class="av-viewbar" role="toolbar"></div><div class="av-busy" aria-hidden="true"></div>'

    def __init__(self, value: Any = None, **props: Any) -> None:
        super().__init__(value, **{"maps": list(SEQUENTIAL), **props})

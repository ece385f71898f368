"""How the maps are drawn: overlay, colors, scale, grid. All of it happens in the browser."""

from typing import Any

import gradio as gr

from attnviz.render.colors import SEQUENTIAL
from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = '<div class="av-viewbar" role="toolbar"></div><div class="av-busy" aria-hidden="true"></div>'


def viewbar(value: Any = None, **props: Any) -> gr.HTML:
    """No value; what is chosen goes to the maps on the page."""
    return component(__file__, TEMPLATE, texts.VIEW, value, **{"maps": list(SEQUENTIAL), **props})

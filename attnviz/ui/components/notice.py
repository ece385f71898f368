"""One line for a person: what went wrong with the last request, or nothing."""

from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.components.base import component

TEMPLATE = '<div class="av-notice" role="alert" hidden><span></span><button type="button">×</button></div>'


def notice(value: Any = None, **props: Any) -> gr.HTML:
    """Value: {"text", "state", "serial"}. It also settles the page's state after each answer."""
    return component(__file__, TEMPLATE, texts.NOTICE, value, **props)

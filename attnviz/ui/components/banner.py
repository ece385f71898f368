"""One line above everything that is drawn of a network: what has to be known before any of it is read."""

from typing import Any

import gradio as gr

from attnviz.ui.components.base import component

TEMPLATE = '<p class="av-banner" role="status" hidden></p>'


def banner(value: Any = None, **props: Any) -> gr.HTML:
    """Value: ``modelviews.banner``, or None to show nothing."""
    return component(__file__, TEMPLATE, {}, value, **props)

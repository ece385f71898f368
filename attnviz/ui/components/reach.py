"""Where every network's weights are: asked in the background, and told to the list of models."""

from typing import Any

import gradio as gr

from attnviz.ui.components.base import component

TEMPLATE = "<i hidden></i>"


def reach(value: Any = None, **props: Any) -> gr.HTML:
    """No value, and nothing of it is seen. Its server function ``_reach`` answers as ``modelviews.reach``."""
    return component(__file__, TEMPLATE, {}, value, **props)

"""How every page is asked: a part's event brings what the browser wants, and the answer fills parts of the page."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from attnviz.ui.analysis import AT_ONCE


def listen(
    part: gr.HTML,
    answer: Callable[[gr.EventData], Any],
    outputs: list[gr.HTML],
    *,
    queue: str = "model",
    at_once: int = AT_ONCE,
) -> None:
    """Let ``answer`` return, or yield, new values of the outputs whenever ``part`` asks.

    All events of one queue share its places. Those that pass something through a network share "model".
    """
    part.select(
        answer,
        inputs=None,
        outputs=outputs,
        concurrency_id=queue,
        concurrency_limit=at_once,
        trigger_mode="multiple",  # the page itself sends one at a time: nothing that it asks may be dropped
        show_progress="hidden",
        api_visibility="private",
    )

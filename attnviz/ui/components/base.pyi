"""What our components share: a template, a script and a style, in three files of one name."""

import inspect
from pathlib import Path
from typing import Any, ClassVar

import gradio as gr

from gradio.events import Dependency

class Component(gr.HTML):  # type: ignore[misc]
    """A control or a canvas of our own.

    Its behavior is in the .js and its look in the .css beside the module that defines it. The
    template stays free of the value: the script draws, so that an update rebuilds nothing.
    ``words`` are the texts that the script shows.
    """

    template: ClassVar[str]
    words: ClassVar[dict[str, str]] = {}

    def __init__(self, value: Any = None, **props: Any) -> None:
        home = Path(inspect.getfile(type(self)))
        super().__init__(
            value=value,
            html_template=self.template,
            css_template=home.with_suffix(".css").read_text(encoding="utf-8"),
            js_on_load=home.with_suffix(".js").read_text(encoding="utf-8"),
            apply_default_css=False,
            **{"words": self.words, **props},
        )

    def api_info(self) -> dict[str, Any]:
        """What the value is to an API client."""
        return {"type": "object"}
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component
"""What our components share: a template, a script and a style, in three files of one name."""

from pathlib import Path
from typing import Any

import gradio as gr

from attnviz.ui import prose


def component(file: str, template: str, words: dict[str, str], value: Any, **props: Any) -> gr.HTML:
    """A control or a canvas of our own; what ``prose.ABOUT`` says of it stands at its foot.

    Its behavior is in the .js and its look in the .css beside ``file``. The template stays free of
    the value: the script draws, so that an update rebuilds nothing. ``words`` are the texts that
    the script shows; further props reach it too.

    A function and no subclass: for each subclass of a component Gradio writes a .pyi beside it.
    """
    home = Path(file)
    about = prose.ABOUT.get(props.get("side", home.stem))
    return gr.HTML(
        value=value,
        html_template=template,
        css_template=home.with_suffix(".css").read_text(encoding="utf-8"),
        js_on_load=home.with_suffix(".js").read_text(encoding="utf-8") + "attnviz.about(element, props.about);",
        apply_default_css=False,
        **{"words": words, "about": about and {**prose.ABOUT_WORDS, "says": about}, **props},
    )

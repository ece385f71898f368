"""The app: one shell, a tab for each page."""

from pathlib import Path
from typing import Any

import gradio as gr

from attnviz.ui import texts
from attnviz.ui.analysis import Analyst
from attnviz.ui.examples import examples
from attnviz.ui.pages.bench import Bench
from attnviz.ui.pages.compare import Compare
from attnviz.ui.pages.inspect import Inspect
from attnviz.ui.pages.models import Models
from attnviz.ui.pages.read import read
from attnviz.ui.pages.yours import MOST, Yours
from attnviz.ui.theme import head, theme

HOUR, SWEEP = 3600, 300  # seconds that an upload stays, and between two looks for those that stayed longer
MAX_FILE = MOST  # of any upload; a picture's own limit is smaller (images.py)


def build(examples_folder: Path | None = None, *, trusted: bool = False) -> gr.Blocks:
    """The whole app, with its first view computed. Raises AttnvizError where something it needs is missing.

    ``trusted``: whether the page runs Python files on this machine, by their path.
    """
    analyst = Analyst(examples(examples_folder))
    with gr.Blocks(title=f"{texts.APP}: {texts.TAGLINE}", fill_width=True, delete_cache=(SWEEP, HOUR)) as blocks:
        gr.HTML(f'<header class="av-brand"><h1>{texts.APP}</h1></header>', padding=False, apply_default_css=False)
        inspect = Inspect(analyst)
        inspect.above()
        with gr.Row(elem_classes="av-page"):
            with gr.Column():
                inspect.beside()
            with gr.Column(), gr.Tabs():
                with gr.Tab(texts.TABS["inspect"], id="inspect"), gr.Column():
                    inspect.main()
                with gr.Tab(texts.TABS["compare"], id="compare"):
                    Compare(analyst)
                with gr.Tab(texts.TABS["models"], id="models"):
                    Models(analyst)
                with gr.Tab(texts.TABS["bench"], id="bench"), gr.Column():
                    Bench()
                with gr.Tab(texts.TABS["yours"], id="yours"):
                    Yours(analyst, trusted=trusted)
                with gr.Tab(texts.TABS["read"], id="read"), gr.Column():
                    read()
        inspect.listen()
    # A class of thirty clicks at once.
    return blocks.queue(max_size=64)


def launch_options() -> dict[str, Any]:
    """How the app is launched, whatever its address."""
    return {
        "theme": theme(),
        "head": head(),
        "ssr_mode": False,
        "show_error": False,
        "max_file_size": MAX_FILE,
        "footer_links": [],
        "run_history": False,
        "quiet": True,
    }

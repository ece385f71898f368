"""The look: our colors over Gradio's plainest theme, and what the page's head carries. Nothing is fetched."""

import base64
import json
from pathlib import Path

import gradio as gr

from attnviz.render.colors import DIVERGING, tables

HERE = Path(__file__).parent
SYSTEM = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
SCRIPTS = ("values.js", "drawing.js", "maps.js", "query.js", "about.js")


def theme() -> gr.themes.Base:
    """Gradio's base theme with fonts of the visitor's system."""
    return gr.themes.Base(font=SYSTEM, font_mono=["ui-monospace", "monospace"])


def head() -> str:
    """The styles, the scripts that components share, and the color tables, written into the page itself."""
    style = (HERE / "theme.css").read_text(encoding="utf-8")
    scripts = [(HERE / "shared" / name).read_text(encoding="utf-8") for name in SCRIPTS]
    packed = {name: base64.b64encode(table.tobytes()).decode() for name, table in tables().items()}
    packed["diverging"] = packed.pop(DIVERGING)
    luts = f"for (const [name, data] of Object.entries({json.dumps(packed)})) attnviz.luts[name] = attnviz.bytes(data);"
    return f"<style>{style}</style>" + "".join(f"<script>{script}</script>" for script in [*scripts, luts])

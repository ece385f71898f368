"""Read: the project's own texts, on how to read the page and on each mechanism."""

import re

import gradio as gr

from attnviz.backbones import VARIANTS
from attnviz.stock import shipped
from attnviz.ui import texts

SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
FORMULAS: list[dict[str, str | bool]] = [{"left": "$$", "right": "$$", "display": True}]


def read() -> None:
    """Lay the page out, inside a ``gr.Blocks``: what is in it, and a card for each text, under the id read-NAME."""
    found = [*guide(), *papers()]
    links = "".join(f'<a href="#read-{name}">{title}</a>' for name, title, _ in found)
    gr.HTML(f'<nav class="av-contents" aria-label="{texts.TABS["read"]}">{links}</nav>', apply_default_css=False)
    for name, title, body in found:
        gr.Markdown(
            f"## {title}\n{body}", elem_id=f"read-{name}", elem_classes="av-card av-text", latex_delimiters=FORMULAS
        )


def guide() -> list[tuple[str, str, str]]:
    """How to read the page: each section's name (as a link to a heading has it), title and text."""
    _, *parts = SECTION.split((shipped("docs") / "reading.md").read_text(encoding="utf-8"))
    return [(_slug(title), title, body) for title, body in zip(parts[::2], parts[1::2], strict=True)]


def papers() -> list[tuple[str, str, str]]:
    """The mechanisms: each one's label, its page's title and text."""
    found = []
    for mechanism in (variant.mechanism for variant in VARIANTS.values() if variant.mechanism):
        file = shipped("docs") / "mechanisms" / f"{mechanism.__module__.rpartition('.')[2]}.md"
        title, _, body = file.read_text(encoding="utf-8").partition("\n")
        found.append((mechanism.label, title.removeprefix("# "), body))
    return found


def _slug(title: str) -> str:
    return re.sub(r"[^a-z ]", "", title.lower()).replace(" ", "-")

"""What is shown, to take away: a figure, its arrays, and the code that makes them again."""

import base64
from collections.abc import Callable
from io import BytesIO
from typing import Any

from attnviz import __version__
from attnviz.errors import OptionError
from attnviz.render.colors import SEQUENTIAL
from attnviz.render.figures import Style
from attnviz.ui import texts
from attnviz.ui.analysis import View
from attnviz.ui.blockviews import position
from attnviz.ui.payloads import Payload, shared

SNIPPET = '''"""Made by attnviz {version}: the arrays that the page showed, again."""

import attnviz
{imports}
backbone = attnviz.load({model!r})
explanation = attnviz.explain(backbone, {picture}, target={target!r})
explanation.save("attnviz-export")  # arrays.npz, explanation.json and figure.png
{more}'''


def export(view: View, kind: Any, settings: Any) -> Payload:
    """A file for the browser to keep: its name, its type and its bytes. Raises OptionError for another kind."""
    if not isinstance(kind, str) or kind not in MAKERS:
        raise OptionError(texts.BAD_REQUEST.format(what="export"))
    mime, make = MAKERS[kind]
    layer = view.record.layer if view.record else "none"
    data = make(view, settings if isinstance(settings, dict) else {})
    return {
        "name": f"attnviz-{view.card.id}-{layer}.{kind}",
        "mime": mime,
        "data": base64.b64encode(data).decode(),
    }


def style(view: View, settings: dict[str, Any]) -> Style:
    """The page's way of drawing, as a figure's."""
    colors, strength = settings.get("map"), settings.get("strength")
    record, limits, query = view.record, None, None
    if record is not None:
        if settings.get("scale") == "absolute" and record.role == "gate":
            limits = (0.0, 1.0)
        elif settings.get("scale") == "shared" and (ends := shared(view)) is not None:
            limits = (ends[0], ends[1])
        query = position(view, tuple(record.after.shape))
    return Style(
        colors=colors if colors in SEQUENTIAL else SEQUENTIAL[0],
        strength=min(max(float(strength), 0.0), 1.0) if isinstance(strength, int | float) else 0.65,
        smooth=settings.get("smooth") is not False,
        limits=limits,
        query=query,
    )


def _figure(kind: str) -> Callable[[View, dict[str, Any]], bytes]:
    def make(view: View, settings: dict[str, Any]) -> bytes:
        file = BytesIO()
        figure = view.explanation.figure(view.record, style(view, settings))
        figure.savefig(file, format=kind, dpi=160)
        return file.getvalue()

    return make


def _arrays(view: View, _: dict[str, Any]) -> bytes:
    file = BytesIO()
    view.explanation.write_arrays(file)
    return file.getvalue()


def _snippet(view: View, _: dict[str, Any]) -> bytes:
    return snippet(view).encode()


def snippet(view: View) -> str:
    """Python that makes the same arrays again; an upload's path is for its owner to fill in."""
    kind, _, name = view.state.source.partition(":")
    imports, picture = "", repr(view.name)
    if kind == "example" and name.startswith("drawn-"):
        imports = "from attnviz.zoo import assets\n"
        picture = f'assets() / "examples" / {name.removeprefix("drawn-") + ".jpg"!r}'
    elif kind == "example" and name.startswith("package-"):
        imports = "from importlib.resources import files\n"
        picture = f'str(files("gradio") / "media_assets" / "images" / {name.removeprefix("package-") + ".jpg"!r})'
    classes, state = view.card.classes, view.state
    target: Any = classes[view.target]
    if state.against is not None:
        target = (target, classes[state.against])
    more = "" if state.method == "grad_cam" else f"print(attnviz.attribute(explanation, {state.method!r}).map)\n"
    return SNIPPET.format(
        version=__version__, imports=imports, model=view.card.id, picture=picture, target=target, more=more
    )


MAKERS: dict[str, tuple[str, Callable[[View, dict[str, Any]], bytes]]] = {
    "png": ("image/png", _figure("png")),
    "svg": ("image/svg+xml", _figure("svg")),
    "pdf": ("application/pdf", _figure("pdf")),
    "npz": ("application/zip", _arrays),
    "py": ("text/x-python", _snippet),
}

"""What is shown, to take away: a figure, its arrays, and the code that makes them again."""

import base64
from collections.abc import Callable
from io import BytesIO
from math import inf
from typing import Any, TypeGuard

from attnviz import __version__
from attnviz.attribution import Attribution
from attnviz.errors import OptionError
from attnviz.render.colors import SEQUENTIAL
from attnviz.render.figures import Style, overview
from attnviz.ui import texts
from attnviz.ui.analysis import View
from attnviz.ui.payloads import Payload, shared

Make = Callable[[View, dict[str, Any], Attribution | None], bytes]
SNIPPET = '''"""Made by attnviz {version}: the arrays that the page showed, again."""

import attnviz
{imports}
backbone = attnviz.load({model!r})
explanation = attnviz.explain(backbone, {picture}, target={target!r})
{arrays}'''


def export(view: View, asked: Any, found: Attribution | None = None) -> Payload:
    """A file for the browser to keep: its name, its type and its bytes. Raises OptionError for another kind.

    ``asked``: ``kind``, one of MAKERS, and ``view``, the page's settings. ``found``: the evidence that the page
    shows in Grad-CAM's place.
    """
    kind, settings = (asked.get("kind"), asked.get("view")) if isinstance(asked, dict) else (None, None)
    if not isinstance(kind, str) or kind not in MAKERS:
        raise OptionError(texts.BAD_REQUEST.format(what="export"))
    mime, make = MAKERS[kind]
    layer = view.record.layer if view.record else "none"
    data = make(view, settings if isinstance(settings, dict) else {}, found)
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
        elif settings.get("scale") == "shared" and view.state.channel is None and (ends := shared(view)) is not None:
            limits = (ends[0], ends[1])
        query = view.place
    return Style(
        colors=colors if colors in SEQUENTIAL else SEQUENTIAL[0],
        strength=min(max(strength, 0.0), 1.0) if _finite(strength) else Style.strength,
        smooth=settings.get("smooth") is not False,
        limits=limits,
        query=query,
        channel=view.state.channel,
    )


def _finite(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and abs(value) < inf


def _figure(kind: str) -> Make:
    def make(view: View, settings: dict[str, Any], found: Attribution | None) -> bytes:
        file = BytesIO()
        evidence = None if found is None else (texts.EVIDENCE[found.method], found.map.numpy())
        figure = overview(view.explanation, view.record, style(view, settings), evidence)
        figure.savefig(file, format=kind, dpi=160)
        return file.getvalue()

    return make


def _arrays(view: View, _: dict[str, Any], found: Attribution | None) -> bytes:
    file = BytesIO()
    view.explanation.write_arrays(file, **({found.method: found.values.numpy()} if found else {}))
    return file.getvalue()


def _snippet(view: View, _: dict[str, Any], __: Attribution | None) -> bytes:
    return snippet(view).encode()


def snippet(view: View) -> str:
    """Python that makes the same arrays again; the path of a picture of one's own is for its owner to fill in."""
    source, file = view.state.source, view.path.name
    imports, picture = "# The picture's path is yours to fill in.\n", repr(file)
    if source.startswith("example:drawn-"):
        imports = "from attnviz.zoo import assets\n"
        picture = f'assets() / "examples" / {file!r}'
    elif source.startswith("example:package-"):
        imports = "from importlib.resources import files\n"
        picture = f'str(files("gradio") / "media_assets" / "images" / {file!r})'
    classes, state = view.card.classes, view.state
    target: Any = classes[view.target]
    if state.against is not None:
        target = (target, classes[state.against])
    method = state.method
    arrays = 'explanation.write_arrays("attnviz-export.npz")\n'
    if method != "grad_cam":
        arrays = (
            f"found = attnviz.attribute(explanation, {method!r})\n"
            f'explanation.write_arrays("attnviz-export.npz", {method}=found.values.numpy())\n'
        )
    return SNIPPET.format(
        version=__version__, imports=imports, model=view.card.id, picture=picture, target=target, arrays=arrays
    )


MAKERS: dict[str, tuple[str, Make]] = {
    "png": ("image/png", _figure("png")),
    "svg": ("image/svg+xml", _figure("svg")),
    "pdf": ("application/pdf", _figure("pdf")),
    "npz": ("application/zip", _arrays),
    "py": ("text/x-python", _snippet),
}

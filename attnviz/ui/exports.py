"""What is shown, to take away: a figure, its arrays, and the code that makes them again."""

import base64
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from math import inf
from typing import Any, TypeGuard

import numpy as np
from matplotlib.figure import Figure

from attnviz import __version__, zoo
from attnviz.attribution import Attribution
from attnviz.errors import OptionError
from attnviz.render.colors import SEQUENTIAL
from attnviz.render.figures import Row, Style, comparison, overview
from attnviz.ui import texts
from attnviz.ui.analysis import View
from attnviz.ui.compareviews import STAGES, at_stage, drawn, scales
from attnviz.ui.matterviews import after, edit_of
from attnviz.ui.modelviews import model_name
from attnviz.ui.payloads import Payload, shared

Make = Callable[[View, dict[str, Any], Attribution | None], bytes]
SNIPPET = '''"""Made by attnviz {version}: the arrays that the page showed, again."""

import attnviz
{imports}
picture = {picture}
{code}'''
OWN = """from attnviz.zoo import own

backbone = {own}  # yours to fill in
"""
LOADED = "backbone = attnviz.load({model!r})\n"
ONE = """{backbone}\
explanation = attnviz.explain(backbone, picture, target={target!r}{options})
more = {{}}
{more}explanation.write_arrays("attnviz-export.npz", **more)
"""
EDITED = """edit = attnviz.Edit({layer!r}, {how!r})
edited = attnviz.explain(backbone, explanation.input, explanation.target, edits=edit{options})
more |= {{f"edited/{{name}}": values for name, values in edited.arrays().items()}}
"""
FOUND = "more[{method!r}] = attnviz.attribute(explanation, {method!r}).values.numpy()\n"
ALL = """import numpy
{mine}
targets = {{
{targets}
}}
arrays = {{}}
for model, target in targets.items():
    explanation = attnviz.explain({loaded}, picture, target=target)
    arrays |= {{f"{{model}}/{{name}}": values for name, values in explanation.arrays().items()}}
numpy.savez_compressed("attnviz-export.npz", **arrays)
"""
MINE = """
from attnviz.zoo import own

mine = {{  # yours to fill in
{own}
}}
"""
MINE_LINE = "    {name!r}: {own},"


def export(view: View, asked: Any, found: Attribution | None = None) -> Payload:
    """A file for the browser to keep: its name, its type and its bytes. Raises OptionError for another kind.

    ``asked``: ``kind``, one of MAKERS, and ``view``, the page's settings. ``found``: the evidence that the page
    shows in Grad-CAM's place.
    """
    kind, settings = _asked(asked)
    mime, make = MAKERS[kind]
    layer = view.record.layer if view.record else "none"
    return _file(f"attnviz-{_plain(view.card.id)}-{_plain(layer)}.{kind}", mime, make(view, settings, found))


def export_all(views: Sequence[View], asked: Any) -> Payload:
    """The same of several networks' views at a stage (``asked["stage"]``): what Compare shows."""
    kind, settings = _asked(asked)
    stage = asked.get("stage")
    if stage not in STAGES:
        raise OptionError(texts.BAD_REQUEST.format(what="stage"))
    mime, _ = MAKERS[kind]
    match kind:
        case "npz":
            named = zip(_ids(views), views, strict=True)
            arrays = {f"{key}/{name}": a for key, view in named for name, a in view.explanation.arrays().items()}
            file = BytesIO()
            np.savez_compressed(file, allow_pickle=False, **arrays)
            data = file.getvalue()
        case "py":
            data = snippet_all(views).encode()
        case _:
            data = _bytes(comparison(_rows(views, stage), style(views[0], settings)), kind)
    return _file(f"attnviz-compare-{stage}.{kind}", mime, data)


def _rows(views: Sequence[View], stage: str) -> list[Row]:
    records = [at_stage(view.explanation, stage) for view in views]
    maps = [drawn(record) if record else None for record in records]
    ends = scales([(role, grid) for _, role, grid in filter(None, maps)])
    return [
        Row(
            name,
            view.explanation,
            (f"{found[0]} · {record.layer}", found[2], ends[found[1]]) if found and record else None,
        )
        for name, view, record, found in zip(_numbered(map(_called, views)), views, records, maps, strict=True)
    ]


def _called(view: View) -> str:
    return model_name(view.card)


def _ids(views: Sequence[View]) -> list[str]:
    """What each network's arrays are filed under: its card's id, which of a person's own does not tell the key."""
    return _numbered(view.card.id for view in views)


def _numbered(names: Iterable[str]) -> list[str]:
    """Names, with a number behind one that was there before: two networks of a person's own may be called alike."""
    found: list[str] = []
    times: Counter[str] = Counter()
    for name in names:
        times[name] += 1
        found.append(f"{name} ({times[name]})" if times[name] > 1 else name)
    return found


def _asked(asked: Any) -> tuple[str, dict[str, Any]]:
    kind, settings = (asked.get("kind"), asked.get("view")) if isinstance(asked, dict) else (None, None)
    if not isinstance(kind, str) or kind not in MAKERS:
        raise OptionError(texts.BAD_REQUEST.format(what="export"))
    return kind, settings if isinstance(settings, dict) else {}


def _plain(name: str) -> str:
    """A name as every system's files may have it."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-")


def _file(name: str, mime: str, data: bytes) -> Payload:
    return {"name": name, "mime": mime, "data": base64.b64encode(data).decode()}


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


def _bytes(figure: Figure, kind: str) -> bytes:
    file = BytesIO()
    figure.savefig(file, format=kind, dpi=160)
    return file.getvalue()


def _figure(kind: str) -> Make:
    def make(view: View, settings: dict[str, Any], found: Attribution | None) -> bytes:
        evidence = None if found is None else (texts.EVIDENCE[found.method], found.map.numpy())
        return _bytes(overview(view.explanation, view.record, style(view, settings), evidence), kind)

    return make


def _arrays(view: View, _: dict[str, Any], found: Attribution | None) -> bytes:
    """The explanation's arrays, those of "Does it matter?", and the evidence that stands in Grad-CAM's place."""
    more = {found.method: found.values.numpy()} if found else {}
    edited = after(view)
    if edited is not None:
        more |= {f"edited/{name}": values for name, values in edited.arrays().items()}
    file = BytesIO()
    view.explanation.write_arrays(file, **more)
    return file.getvalue()


def _snippet(view: View, _: dict[str, Any], __: Attribution | None) -> bytes:
    return snippet(view).encode()


def snippet(view: View) -> str:
    """Python that makes the view's arrays again; a picture of one's own is for its owner to fill in."""
    state = view.state
    target = _said(view, view.target)
    if state.against is not None:
        target = (target, _said(view, state.against))
    asked = {"cam_layer": state.cam_layer, "region": state.region}
    options = "".join(f", {name}={value!r}" for name, value in asked.items() if value is not None)
    more = "" if state.method == "grad_cam" else FOUND.format(method=state.method)
    edit = edit_of(view)
    if edit is not None and after(view) is not None:
        more += EDITED.format(layer=edit.layer, how=edit.how, options=options)
    mine = state.model.startswith(zoo.OWN)
    backbone = OWN.format(own=_brought(view)) if mine else LOADED.format(model=state.model)
    return _script(view, ONE.format(backbone=backbone, target=target, options=options, more=more))


def snippet_all(views: Sequence[View]) -> str:
    """The same of several networks, each for the class that it explains."""
    ids = _ids(views)
    targets = [
        f"    {name!r}: {None if view.state.target is None else _said(view, view.target)!r},"
        for name, view in zip(ids, views, strict=True)
    ]
    own = [
        MINE_LINE.format(name=name, own=_brought(view))
        for name, view in zip(ids, views, strict=True)
        if view.state.model.startswith(zoo.OWN)
    ]
    mine = MINE.format(own="\n".join(own)) if own else ""
    loaded = "mine[model] if model in mine else attnviz.load(model)" if own else "attnviz.load(model)"
    return _script(views[0], ALL.format(mine=mine, targets="\n".join(targets), loaded=loaded))


def _brought(view: View) -> str:
    """What brings a network of a person's own again: its file's place is known to that person alone."""
    name = view.card.id.removeprefix(zoo.OWN)  # an architecture's, or a Python file's
    return 'own.from_code("PATH.py")' if name.endswith(".py") else f'own.from_file({name!r}, "WEIGHTS.safetensors")'


def _script(view: View, code: str) -> str:
    """Code, under what makes the view's picture."""
    source, file = view.state.source, view.path.name
    imports, picture = "", f"{file!r}  # its path is yours to fill in"
    if source.startswith("example:drawn-"):
        imports = "from attnviz.zoo import assets\n"
        picture = f'assets() / "examples" / {file!r}'
    elif source.startswith("example:package-"):
        imports = "from importlib.resources import files\n"
        picture = f'str(files("gradio") / "media_assets" / "images" / {file!r})'
    return SNIPPET.format(version=__version__, imports=imports, picture=picture, code=code)


def _said(view: View, index: int | None) -> Any:
    """A class as ``explain`` takes it: by its label, where no other has the same."""
    labels = view.explanation.backbone.classes
    return labels[index] if labels and index is not None and view.names[index] == labels[index] else index


MAKERS: dict[str, tuple[str, Make]] = {
    "png": ("image/png", _figure("png")),
    "svg": ("image/svg+xml", _figure("svg")),
    "pdf": ("application/pdf", _figure("pdf")),
    "npz": ("application/zip", _arrays),
    "py": ("text/x-python", _snippet),
}

"""A link holds the state of the page, in words that a person can read and change; an upload is never in it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from attnviz import zoo
from attnviz.errors import ModelError, OptionError
from attnviz.ui import texts
from attnviz.ui.analysis import Analyst, View, asked_grid
from attnviz.ui.fields import Kind
from attnviz.ui.names import index_of
from attnviz.ui.state import FIELDS, State

OWN = "own"  # in place of a model's id: a person's own is theirs alone
UPLOAD = "upload"  # in place of an example's name: the picture was a person's own
Read = Callable[[str, State, Analyst], dict[str, Any]]


def write(view: View) -> dict[str, str]:
    """The link's parameters, without those that say what the page would choose by itself."""
    found: dict[str, str] = {}
    for name, field in FIELDS.items():
        value = getattr(view.state, name)
        if value is not None and (text := WORDS[name](value, view) if name in WORDS else field.kind.write(value)):
            found[field.link] = text
    return found


def read(given: Mapping[str, Any], default: State, analyst: Analyst) -> tuple[View, list[str]]:
    """The view that a link asks for, and the names of what in it is not there."""
    state, lost = default, []
    for name, reader in READERS.items():
        if name not in given:
            continue
        try:
            state = replace(state, **reader(str(given[name]), state, analyst))
        except (KeyError, ValueError, ModelError):
            lost.append(name)
    wanted, state = state, replace(state, query=None, channel=None)
    view, state = _viewed(state, analyst, lost)
    if view.state.cam_layer != state.cam_layer:
        state, lost = replace(state, cam_layer=None), [*lost, "camlayer"]
    blocks = {record.layer: record for record in view.explanation.attention}
    if state.layer is not None and state.layer not in blocks:
        state, lost = replace(state, layer=None, part=None), [*lost, "block"]
    elif state.part is not None and view.state.part != state.part:
        lost.append("part")
    view = analyst.view(state)
    return _placed(view, wanted, analyst, lost), lost


def away(given: Mapping[str, Any], analyst: Analyst) -> str | None:
    """The model that a link asks for, where its weights have to be fetched first."""
    model = str(given.get("model") or "")
    try:
        return model if model and not model.startswith(zoo.OWN) and not analyst.ready(model) else None
    except (OptionError, ModelError):
        return None  # there is no such model: ``read`` says so


def _viewed(state: State, analyst: Analyst, lost: list[str]) -> tuple[View, State]:
    """The view of a state, without the classes or the region that its network's output does not have."""
    try:
        return analyst.view(state), state
    except OptionError:
        bare = replace(state, target=None, against=None, region=None)
        if bare == state:
            raise
        given = {"class": state.target, "against": state.against, "region": state.region}
        lost.append(next(name for name, value in given.items() if value is not None))
        return analyst.view(bare), bare


def regret(given: Mapping[str, Any], lost: list[str]) -> str:
    """What to say of a link whose wishes cannot all be met; nothing where they can."""
    said = []
    if given.get("example") == UPLOAD:
        said.append(texts.LINK_UPLOAD)
        lost = [name for name in lost if name != "example"]
    if given.get("model") == OWN:
        said.append(texts.LINK_OWN)
        lost = [name for name in lost if name != "model"]
    if lost:
        said.append(texts.TOOLBAR["lost"].format(names=", ".join(lost)))
    return " ".join(said)


def _placed(view: View, wanted: State, analyst: Analyst, lost: list[str]) -> View:
    """The view at the place and the channel that were asked for, where its block has them."""
    state, found = view.state, view.record
    if found is not None and wanted.query is not None:
        rows, columns = asked_grid(found)
        if wanted.query[0] < rows and wanted.query[1] < columns:
            state = replace(state, query=wanted.query)
        else:
            lost.append("at")
    if found is not None and wanted.channel is not None:
        if wanted.channel < view.explanation.backbone.blocks[found.layer].channels:
            state = replace(state, channel=wanted.channel)
        else:
            lost.append("channel")
    return analyst.view(state)


def _example(value: str, _: State, analyst: Analyst) -> dict[str, Any]:
    return {"source": f"example:{analyst.examples[value].id}"}


def _model(value: str, _: State, analyst: Analyst) -> dict[str, Any]:
    if value.startswith(zoo.OWN) or not analyst.ready(value):
        raise ValueError(value)
    return {"model": value}


def _label(field: str) -> Read:
    def read_label(value: str, state: State, analyst: Analyst) -> dict[str, Any]:
        return {field: index_of(value, analyst.backbone(state.model).classes)}

    return read_label


def _checked(name: str, kind: Kind) -> Read:
    """A field whose words its declaration reads."""

    def read_checked(value: str, _: State, __: Analyst) -> dict[str, Any]:
        return {name: kind.check(kind.read(value))}

    return read_checked


def _source(source: str, _: View) -> str:
    return source.removeprefix("example:") if source.startswith("example:") else UPLOAD


def _own(model: str, _: View) -> str:
    return OWN if model.startswith(zoo.OWN) else model


def _class(index: int, view: View) -> str:
    return view.names[index]


# The fields whose words in a link are others than their values.
WORDS: dict[str, Callable[[Any, View], str]] = {"source": _source, "model": _own, "target": _class, "against": _class}
SAID: dict[str, Read] = {"source": _example, "model": _model, "target": _label("target"), "against": _label("against")}
# By its name in a link, in the order in which they are read: the network before its blocks and classes.
READERS: dict[str, Read] = {field.link: SAID.get(name) or _checked(name, field.kind) for name, field in FIELDS.items()}

"""What a page shows, as the browser sends it with every event: checked here, field by field."""

from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from attnviz.attribution import METHODS
from attnviz.errors import OptionError
from attnviz.ui import texts
from attnviz.ui.fields import NUMBER, TEXT, Declared, declared, numbers, one_of, whole

HOWS = ("off", "frozen", "uniform", "shuffled")
SCOPES = ("block", "all")
EVIDENCE = ("grad_cam", *METHODS)
# What puts another network, or another block, on the page.
NETWORK = ("link", "model")
BLOCK = ("link", "source", "model", "layer", "part")


@dataclass(frozen=True)
class State:
    """A picture, a model and what is chosen of them. Each field is declared here, once (``fields.Declared``).

    Attributes:
        source: "example:NAME", or "upload:PATH" inside the upload folder.
        target: the class that is explained; None for the predicted one.
        against: a class whose logit is taken away from it; None for none.
        method: what draws the evidence for it.
        cam_layer: where Grad-CAM stands; None for the network's own last map.
        region: (top, left, bottom, right) of a network's map of scores, whose mean is explained; None for none.
        layer, part: the chosen block; None for the page's own choice.
        query: (row, column) of the chosen place on the block's grid, a Non-Local block's query; None for
            the page's own choice.
        channel: the chosen channel of the block; None for the page's own choice.
        how, scope: what is done to the attention to see whether it matters, to the chosen block or to all.
    """

    source: str = declared(TEXT, "example")
    model: str = declared(TEXT, "model")
    target: int | None = declared(NUMBER, "class", NETWORK, default=None)
    layer: str | None = declared(TEXT, "block", default=None)
    part: str | None = declared(TEXT, "part", default=None)
    query: tuple[int, int] | None = declared(numbers(2), "at", BLOCK, default=None)
    channel: int | None = declared(NUMBER, "channel", BLOCK, default=None)
    how: str = declared(one_of(HOWS), "edit", default=HOWS[0])
    scope: str = declared(one_of(SCOPES), "scope", default=SCOPES[0])
    against: int | None = declared(NUMBER, "against", NETWORK, default=None)
    method: str = declared(one_of(EVIDENCE), "evidence", default=EVIDENCE[0])
    cam_layer: str | None = declared(TEXT, "camlayer", NETWORK, default=None)
    region: tuple[int, int, int, int] | None = declared(numbers(4), "region", NETWORK, default=None)

    @classmethod
    def read(cls, data: Any, default: "State") -> "State":
        """A state from what a browser sent. Raises OptionError for any field of another type."""
        if not isinstance(data, dict):
            raise _bad("no state")
        found = {}
        for each in fields(cls):
            try:
                value = FIELDS[each.name].kind.check(data.get(each.name))
            except ValueError:
                raise _bad(each.name) from None
            found[each.name] = getattr(default, each.name) if value is None and each.default is MISSING else value
        return cls(**found)

    def payload(self) -> dict[str, Any]:
        """The state as JSON has it."""
        return asdict(self)


FIELDS: dict[str, Declared] = {each.name: each.metadata["declared"] for each in fields(State)}
CHANGES = (*FIELDS, "link", "export")


def forgotten() -> dict[str, tuple[str, ...]]:
    """For each field the fields whose change makes the page forget it, as the browser is told."""
    return {name: each.gone for name, each in FIELDS.items() if each.gone}


def changes(data: Any) -> tuple[str, ...]:
    """Which fields a browser's event changes: one, or those that were chosen while it waited for an answer."""
    names = data.get("changes") if isinstance(data, dict) else None
    if not isinstance(names, list) or not names or any(name not in CHANGES for name in names):
        raise _bad("changes")
    return tuple(dict.fromkeys(map(str, names)))


def linked(data: Any) -> tuple[dict[str, Any], list[str]]:
    """What a link in the browser's address asks for, and what of it the browser did not understand."""
    link = data.get("link")
    asked, junk = (link.get("asked"), link.get("junk") or []) if isinstance(link, dict) else (None, None)
    if not isinstance(asked, dict) or not isinstance(junk, list) or len(junk) > 20:
        raise _bad("link")
    return asked, [str(name)[:40] for name in junk]


def serial(data: Any) -> int:
    """The number that a browser gave its event; 0 for none."""
    number = data.get("serial") if isinstance(data, dict) else None
    return int(number) if number is not None and whole(number) else 0


def _bad(what: str) -> OptionError:
    return OptionError(texts.BAD_REQUEST.format(what=what))

"""What a page shows, as the browser sends it with every event: checked here, field by field."""

from dataclasses import asdict, dataclass
from typing import Any

from attnviz.attribution import METHODS
from attnviz.capture.outputs import Region
from attnviz.errors import OptionError
from attnviz.ui import texts

CHANGES = (
    "source",
    "model",
    "target",
    "layer",
    "part",
    "query",
    "channel",
    "how",
    "scope",
    "against",
    "method",
    "cam_layer",
    "region",
    "link",
    "export",
)
HOWS = ("off", "frozen", "uniform", "shuffled")
SCOPES = ("block", "all")
EVIDENCE = ("grad_cam", *METHODS)


@dataclass(frozen=True)
class State:
    """A picture, a model and what is chosen of them.

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

    source: str
    model: str
    target: int | None = None
    layer: str | None = None
    part: str | None = None
    query: tuple[int, int] | None = None
    channel: int | None = None
    how: str = "off"
    scope: str = "block"
    against: int | None = None
    method: str = "grad_cam"
    cam_layer: str | None = None
    region: Region | None = None

    @classmethod
    def read(cls, data: Any, default: "State") -> "State":
        """A state from what a browser sent. Raises OptionError for any field of another type."""
        if not isinstance(data, dict):
            raise _bad("no state")
        return cls(
            source=_text(data, "source") or default.source,
            model=_text(data, "model") or default.model,
            target=_number(data, "target"),
            layer=_text(data, "layer"),
            part=_text(data, "part"),
            query=_numbers(data, "query", 2),
            channel=_number(data, "channel"),
            how=_one_of(data, "how", HOWS),
            scope=_one_of(data, "scope", SCOPES),
            against=_number(data, "against"),
            method=_one_of(data, "method", EVIDENCE),
            cam_layer=_text(data, "cam_layer"),
            region=_numbers(data, "region", 4),
        )

    def payload(self) -> dict[str, Any]:
        """The state as JSON has it."""
        return asdict(self)


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
    return int(number) if number is not None and _whole(number) else 0


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1_000_000


def _number(data: dict[str, Any], name: str) -> int | None:
    value = data.get(name)
    if value is not None and not _whole(value):
        raise _bad(name)
    return value


def _numbers(data: dict[str, Any], name: str, count: int) -> Any:
    value = data.get(name)
    if value is not None and (not isinstance(value, list) or len(value) != count or not all(map(_whole, value))):
        raise _bad(name)
    return None if value is None else tuple(value)


def _one_of(data: dict[str, Any], name: str, known: tuple[str, ...]) -> str:
    value = data.get(name) or known[0]
    if value not in known:
        raise _bad(name)
    return str(value)


def _text(data: dict[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > 4096):
        raise _bad(name)
    return value or None


def _bad(what: str) -> OptionError:
    return OptionError(texts.BAD_REQUEST.format(what=what))

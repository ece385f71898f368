"""How a field of the page's state is declared, once: what it takes, its name in a link, and what makes it forgotten."""

from collections.abc import Callable
from dataclasses import field
from typing import Any, NamedTuple

LONGEST = 4096  # letters of a text
MOST = 1_000_000  # of a number


class Kind(NamedTuple):
    """What a field takes: ``check`` a browser's JSON (ValueError for anything else), ``read`` and ``write`` a link's
    words, which ``check`` then sees.
    """

    check: Callable[[Any], Any]
    read: Callable[[str], Any]
    write: Callable[[Any], str | None] = str


class Declared(NamedTuple):
    """A field: its kind, its name in a link, and the fields whose change makes it forgotten."""

    kind: Kind
    link: str
    gone: tuple[str, ...]


def declared(kind: Kind, link: str, gone: tuple[str, ...] = (), **default: Any) -> Any:
    """A dataclass's field that carries its declaration."""
    return field(metadata={"declared": Declared(kind, link, gone)}, **default)


def whole(value: Any) -> bool:
    """Whether it is a number that counts something."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST


def _number(value: Any) -> int | None:
    if value is not None and not whole(value):
        raise ValueError(value)
    return value


def _text(value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or len(value) > LONGEST):
        raise ValueError(value)
    return value or None


NUMBER = Kind(_number, int)
TEXT = Kind(_text, str)


def numbers(count: int) -> Kind:
    """So many numbers, as a tuple."""

    def check(value: Any) -> tuple[int, ...] | None:
        if value is None:
            return None
        if not isinstance(value, list) or len(value) != count or not all(map(whole, value)):
            raise ValueError(value)
        return tuple(value)

    return Kind(check, lambda text: [int(each) for each in text.split(",")], lambda value: ",".join(map(str, value)))


def one_of(known: tuple[str, ...]) -> Kind:
    """One of several words; the first is meant where none is said, and is not written."""

    def check(value: Any) -> str:
        value = value or known[0]
        if value not in known:
            raise ValueError(value)
        return str(value)

    return Kind(check, str, lambda value: None if value == known[0] else str(value))

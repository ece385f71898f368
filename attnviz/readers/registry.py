"""Which reader reads which class: by its import path."""

from collections.abc import Callable, Mapping

from torch import nn

from attnviz.errors import OptionError
from attnviz.readers.twin import Twin

Reader = Callable[[nn.Module], Twin | None]

_by_path: dict[str, Reader] = {}


def reads(*paths: str) -> Callable[[Reader], Reader]:
    """The decorated function reads the classes at these import paths, and what is derived from them."""

    def register(reader: Reader) -> Reader:
        _by_path.update(dict.fromkeys(paths, reader))
        return reader

    return register


def twin(module: nn.Module) -> Twin | None:
    """The module's twin, or None where no reader knows it."""
    reader = reader_of(module)
    return reader(module) if reader is not None else None


def reader_of(module: nn.Module) -> Reader | None:
    """The reader of the module's class, or None; it may still refuse the module for its options."""
    for kind in type(module).__mro__:
        reader = _by_path.get(f"{kind.__module__}.{kind.__qualname__}")
        if reader is not None:
            return reader
    return None


def twins(
    model: nn.Module, inside: tuple[str, ...] = (), readers: Mapping[str, Reader] | None = None
) -> dict[str, Twin]:
    """Every module that a reader knows, by its path, the outermost ones; what lies in ``inside`` is passed over.

    ``readers`` say by path how a module is to be read, whatever its class. Raises OptionError where one cannot.
    """
    found: dict[str, Twin] = {}
    for path, reader in (readers or {}).items():
        found[path] = _given(path, reader, model.get_submodule(path))
    for path, module in model.named_modules():
        if path in found or path.startswith((*inside, *(f"{outer}." for outer in found))):
            continue
        made = twin(module) if path else None
        if made is not None:
            found[path] = made
    return found


def _given(path: str, reader: Reader, module: nn.Module) -> Twin:
    """What a person's own reader makes of a module."""
    try:
        made = reader(module)
    except Exception as error:
        line = (str(error).splitlines() or [""])[0]
        raise OptionError(f"{path}: the reader that was given for it failed: {type(error).__name__}: {line}") from error
    if not isinstance(made, Twin):
        raise OptionError(f"{path}: the reader that was given for it does not read it")
    paths = {each for each, _ in module.named_modules()}
    for point, inside in made.points.items():
        if inside not in paths:
            raise OptionError(f"{path}: its reader reads {point} at {inside!r}, and it has no such submodule")
    return made


def known() -> tuple[str, ...]:
    """The import paths of all classes that are read."""
    return tuple(_by_path)

"""Which reader reads which class: by its import path, else by its name and what it holds."""

from collections.abc import Callable, Mapping

from torch import nn

from attnviz.errors import OptionError
from attnviz.readers.twin import Twin

Reader = Callable[[nn.Module], Twin | None]

_by_path: dict[str, Reader] = {}
_by_signature: list[tuple[str, frozenset[str], Reader]] = []


def reads(*paths: str) -> Callable[[Reader], Reader]:
    """The decorated function reads the classes at these import paths, and what is derived from them."""

    def register(reader: Reader) -> Reader:
        _by_path.update(dict.fromkeys(paths, reader))
        return reader

    return register


def reads_like(name: str, *attributes: str) -> Callable[[Reader], Reader]:
    """The decorated function reads classes of this name with these attributes, wherever they come from."""

    def register(reader: Reader) -> Reader:
        _by_signature.append((name, frozenset(attributes), reader))
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
    for name, attributes, reader in _by_signature:
        if type(module).__name__ == name and all(hasattr(module, attribute) for attribute in attributes):
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
        made = reader(model.get_submodule(path))
        if made is None:
            raise OptionError(f"{path}: the reader that was given for it does not read it")
        found[path] = made
    for path, module in model.named_modules():
        if path in found or path.startswith((*inside, *(f"{outer}." for outer in found))):
            continue
        made = twin(module) if path else None
        if made is not None:
            found[path] = made
    return found


def known() -> tuple[str, ...]:
    """The import paths and the names of all classes that are read."""
    return (*_by_path, *(name for name, _, _ in _by_signature))

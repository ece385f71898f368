"""Loading networks: the family that comes with the project, and those of other libraries."""

from collections.abc import Callable
from functools import partial

import torch

from attnviz.backbones import BUILT
from attnviz.capture import Backbone
from attnviz.errors import ModelError
from attnviz.stock import FAMILY, RANDOM, Entry, assets, catalogue, embedded_card, entries, unknown
from attnviz.stock.downloads import at_hand, download
from attnviz.stock.files import Progress
from attnviz.zoo.control import load_random
from attnviz.zoo.embedded import load_embedded
from attnviz.zoo.files import timm_names
from attnviz.zoo.libraries import described, load_entry
from attnviz.zoo.memory import Memory
from attnviz.zoo.own import OWN, load_built, new_id

__all__ = ["OWN", "RANDOM", "assets", "catalogue", "find", "held", "keep", "load", "ready"]

_loaded = Memory()


def load(id: str, device: str = "cpu", progress: Progress | None = None) -> Backbone:  # noqa: A002
    """A network, ready to be explained: one shared, thread-safe object.

    Weights that are not at hand are fetched, into the folder where their library looks for them. Networks stay in
    memory up to ATTNVIZ_MODELS_BYTES bytes of weights (a billion by default); those used least recently leave first.

    Args:
        id: as in the catalogue; ``timm:NAME`` for any other network of timm's with published weights;
            ``random:ID`` for a network with random weights, as a control (ID also one of ``backbones.BUILT``).
        device: "cpu", "cuda", ...
        progress: told of a download, ten times a second, (bytes here, bytes in all or None); what it raises ends the
            load, and the download if nobody else waits for it.

    Raises:
        ModelError: for an id that there is not, a device that is not there, weights that are out of reach, or
            weights that do not fit their network.
    """
    if not isinstance(id, str):
        raise ModelError(f"a model's id is a text like 'resnet18t-cbam', not {id!r}")
    found = _loaded.find((id, device))
    return found or _loaded.get((id, device), _maker(id, device, progress))


def ready(id: str) -> bool:  # noqa: A002
    """Whether ``load`` would fetch nothing. Raises ModelError for an id that there is not."""
    if _loaded.find((id, "cpu")) is not None or id.startswith(OWN):
        return True
    plain = id.removeprefix(RANDOM)
    entry = None if plain != id and plain in BUILT else find(plain)
    return entry is None or plain != id or at_hand(entry) is not None


def held() -> set[str]:
    """The ids of the networks that memory keeps: what else is made of one of them need not be kept either."""
    return _loaded.ids()


def keep(backbone: Backbone) -> str:
    """Put a network of a person's own into memory, for as long as there is room: the id that ``load`` finds it by,
    which nobody else can guess."""
    model_id = new_id()
    _loaded.get((model_id, "cpu"), lambda: backbone)
    return model_id


def find(id: str) -> Entry | None:  # noqa: A002
    """What is known of a network of another library; None for one that comes with attnviz.

    Raises ModelError for an id that there is not.
    """
    if id in FAMILY:
        return None
    entry = entries().get(id) or described(id)
    if entry is None:
        raise unknown(id, [*(f"timm:{name}" for name in timm_names()), *(f"{RANDOM}{name}" for name in BUILT)])
    return entry


def _maker(model_id: str, device: str, progress: Progress | None) -> Callable[[], Backbone]:
    """What makes a network, with all that it needs at hand."""
    plain = model_id.removeprefix(RANDOM)
    if model_id.startswith(OWN):
        raise ModelError("your network is no longer in memory, which has room for the last ones alone: bring it again")
    built = plain != model_id and plain in BUILT
    entry = None if built else find(plain)
    try:
        torch.empty(0, device=device)  # before anything is fetched for it
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"{model_id} cannot go to device {device!r}: {str(error).splitlines()[0]}") from None
    if built:
        return partial(load_built, plain, device)
    if entry is None:
        return partial(load_embedded if plain == model_id else load_random, embedded_card(plain), device)
    path = (at_hand(entry) or download(entry).result(progress)) if plain == model_id else None
    return partial(load_entry, entry, path, device)

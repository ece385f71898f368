"""Networks as they are, without hooks: what is looked at before anything is done to it."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from attnviz.backbones import BUILT
from attnviz.errors import ModelError
from attnviz.stock import FAMILY, RANDOM, Entry, embedded_card, entries, unknown
from attnviz.stock.downloads import at_hand
from attnviz.zoo.control import NAME, random_model
from attnviz.zoo.embedded import load_embedded
from attnviz.zoo.files import timm_names
from attnviz.zoo.libraries import build, described, filled
from attnviz.zoo.own import USUAL, defined, in_one_line

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Bare:
    """A network in evaluation mode, on the processor; ``size``: (H, W) of its pictures; ``weights``: in words."""

    model: nn.Module
    size: Size
    weights: str


@torch.inference_mode(False)
def bare(name: str, size: Size | None = None) -> Bare:
    """A network by its name, with its weights where they are at hand, and else with random ones.

    Args:
        name: an id of the catalogue; ``timm:NAME``, ``torchvision:NAME`` or ``pytorchcv:NAME``; ``random:ID``; or the
            path of a Python file that defines ``model`` or ``build()`` (it is run).
        size: (H, W) of the pictures; None for what the network is made for.

    Raises ModelError in one line for a name that there is not, a file that fails or a network that cannot be built.
    """
    if name.endswith(".py"):
        model, _ = defined(name)
        with in_one_line(f"the network of {Path(name).name}"):
            return Bare(model.cpu().float().eval(), size or (USUAL.size, USUAL.size), "the weights that its file gives")
    plain = name.removeprefix(RANDOM)
    with in_one_line(f"building {plain}"), torch.device("cpu"):
        if plain in FAMILY:
            return _of_family(plain, size, drawn=plain != name)
        if plain != name and plain in BUILT:
            side = USUAL.size
            return Bare(random_model(lambda: BUILT[plain]().float(), size or side), size or (side, side), NAME)
        return _of_library(plain, size, drawn=plain != name)


def _of_family(name: str, size: Size | None, *, drawn: bool) -> Bare:
    card = embedded_card(name)
    backbone = load_embedded(card, "cpu")
    backbone.close()
    model, size = backbone.model, size or (card.input_size, card.input_size)
    return Bare(random_model(lambda: model, size) if drawn else model.eval(), size, NAME if drawn else "its weights")


def _of_library(name: str, size: Size | None, *, drawn: bool) -> Bare:
    entry = entries().get(name) or described(name)
    if entry is None:
        return _unlisted(name, size)
    size = size or (entry.card.input_size, entry.card.input_size)
    path = None if drawn else at_hand(entry)
    if path is None:
        return Bare(random_model(lambda: _built(entry), size), size, NAME)
    return Bare(filled(entry, path).float().eval(), size, "its weights")


def _built(entry: Entry) -> nn.Module:
    return build(entry).float()


def _unlisted(name: str, size: Size | None) -> Bare:
    """A network of torchvision's or pytorchcv's that the catalogue does not list, with random weights."""
    library, _, plain = name.partition(":")
    if library == "torchvision" and plain in torchvision_names():
        from torchvision import models

        found = size or _prescribed(plain)
        return Bare(random_model(lambda: models.get_model(plain, weights=None), found), found, NAME)
    if library == "pytorchcv" and plain in pytorchcv_names():
        from pytorchcv.model_provider import get_model

        model = get_model(plain)
        height, width = getattr(model, "in_size", (USUAL.size, USUAL.size))
        found = size or (height, width)
        return Bare(random_model(lambda: model, found), found, NAME)
    raise _unknown(name, library)


def _unknown(name: str, library: str) -> ModelError:
    """With the nearest names of the library that is meant, or of all."""
    known = {"timm": timm_names, "torchvision": torchvision_names, "pytorchcv": pytorchcv_names}
    asked = [library] if library in known else list(known)
    return unknown(name, [f"{each}:{found}" for each in asked for found in known[each]()])


def _prescribed(name: str) -> Size:
    """The size that torchvision's own weights of a network are for."""
    from torchvision import models

    weights = next(iter(models.get_model_weights(name)), None)
    (side,) = weights.transforms().crop_size if weights is not None else (USUAL.size,)
    return side, side


def torchvision_names() -> list[str]:
    """Torchvision's classifiers."""
    from torchvision import models

    return list(models.list_models(module=models))


def pytorchcv_names() -> list[str]:
    """All that pytorchcv has."""
    from pytorchcv.model_provider import _models

    return list(_models)

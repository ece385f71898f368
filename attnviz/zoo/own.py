"""Networks that no catalogue lists: those that attnviz builds without weights, and a person's own."""

import importlib.util
import secrets
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from attnviz.backbones import BUILT
from attnviz.capture import Backbone, instrument
from attnviz.capture.findings import Findings
from attnviz.cards import ModelCard
from attnviz.errors import AttnvizError, ModelError
from attnviz.images import Picture, load_picture
from attnviz.stock.entries import DATASET
from attnviz.zoo.control import random_card, random_model
from attnviz.zoo.embedded import placed
from attnviz.zoo.files import LIMIT, load_own
from attnviz.zoo.libraries import Recipe, labels_of, preprocessing, timm_recipe, unlisted_card

OWN = "own:"
# ImageNet's usual: the middle 224 of a picture whose shorter side has 256 pixels.
USUAL = Recipe(224, 256, True, Image.Resampling.BILINEAR, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def new_id() -> str:
    """An id that nobody can guess."""
    return OWN + secrets.token_urlsafe(16)


@torch.inference_mode(False)
def load_built(name: str, device: str) -> Backbone:
    """One of ``backbones.BUILT`` with random weights, always the same."""
    with torch.device("cpu"):
        model = random_model(lambda: BUILT[name]().float(), USUAL.size)
    backbone = _made(model, name, USUAL, source="attnviz")
    assert backbone.card is not None
    backbone.card = replace(random_card(backbone.card), dataset=DATASET)
    placed(model, name, device)
    return backbone


@torch.inference_mode(False)
def from_file(architecture: str, path: str | Path, limit: int = LIMIT) -> Backbone:
    """A network with weights of a person's own, ready to be explained: see ``files.load_own`` for what it refuses."""
    model = load_own(architecture, path, limit)
    recipe = USUAL if architecture in BUILT else timm_recipe(architecture, model)
    return _made(model, f"{OWN}{architecture}", recipe)


@torch.inference_mode(False)
def from_code(path: str | Path) -> Backbone:
    """The network of a Python file, which is run: only for one's own files, on one's own machine.

    The file defines ``model``, a torch.nn.Module, or ``build()``, which returns one; and may define ``classes``, the
    labels of its logits, and ``preprocess``, from a picture to a tensor (1, 3, H, W).

    Raises:
        ModelError: in one line, for a file that is not there, that fails, or that defines no network.
    """
    file = Path(path).expanduser()
    if file.suffix != ".py" or not file.is_file():
        raise ModelError("there is no such Python file: give the path of one on the server's machine, ending in .py")
    found = _ran(file)
    model: Any = found.get("model")
    if model is None and callable(build := found.get("build")):
        with _in_one_line(f"the build() of {file.name}"):
            model = build()
    if not isinstance(model, nn.Module):
        raise ModelError(
            f"the file {file.name} defines neither `model`, a torch.nn.Module, nor `build()`, which returns one"
        )
    prepare: Any = found.get("preprocess")
    with _in_one_line(f"the network of {file.name}"):
        model = model.cpu().float()
        return _made(model, f"{OWN}{file.name}", USUAL, found.get("classes"), prepare and _whole(prepare))


def _whole(preprocess: Callable[[Any], Tensor]) -> Callable[[Any], tuple[Tensor, Picture]]:
    """A preprocessing of somebody's, which sees the whole picture for all that is known of it."""

    def prepared(image: Any) -> tuple[Tensor, Picture]:
        picture = load_picture(image)
        x = preprocess(picture)
        if not isinstance(x, Tensor) or x.dim() != 4:
            raise ModelError("`preprocess` has to make a tensor (1, 3, H, W) of a picture")
        return x, Picture(picture, picture.resize((x.shape[3], x.shape[2])), (0, 0, *picture.size))

    return prepared


@torch.inference_mode(False)
def tried(backbone: Backbone, image: Any) -> Findings:
    """What was found in a network, on a picture's size. Raises ModelError, in one line, where it does not run."""
    with _in_one_line("a pass of a picture"):
        return backbone.findings(backbone.preprocess(image)[0])


def _ran(file: Path) -> dict[str, Any]:
    """What a Python file defines."""
    name = f"attnviz_own_{secrets.token_hex(4)}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # as dataclasses and the like look for it
    sys.path.insert(0, str(file.parent))
    try:
        with _in_one_line(f"running {file.name}"):
            spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(file.parent))
        del sys.modules[name]
    return vars(module)


@contextmanager
def _in_one_line(what: str) -> Iterator[None]:
    """Whatever somebody's code raises, as one line."""
    try:
        yield
    except AttnvizError:
        raise
    except BaseException as error:
        # A person's Ctrl-C reaches the main thread alone; in any other it is the code that raised it.
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise
        reason = next(iter(str(error).splitlines()), "")[:150]
        raise ModelError(f"{what} failed: {type(error).__name__}{': ' + reason if reason else ''}") from error


def _made(
    model: nn.Module,
    card_id: str,
    recipe: Recipe,
    classes: Sequence[str] | None = None,
    preprocess: Callable[[Any], tuple[Tensor, Picture]] | None = None,
    source: str = "own",
) -> Backbone:
    """A network made ready, with a card of what can be counted."""
    blank = torch.zeros(1, 3, recipe.size, recipe.size)
    model.eval()
    if preprocess is None:
        with torch.no_grad():
            output = model(blank)
        if isinstance(output, Tensor) and output.dim() == 2 and classes is None:
            classes = labels_of(output.shape[1])
    card: ModelCard = unlisted_card(card_id, model, recipe.size, source=source, dataset=card_id, licence="its owner's")
    card = replace(card, classes=tuple(classes or ()), mean=recipe.mean, std=recipe.std, availability=source)
    backbone = instrument(model, preprocess or preprocessing(recipe, card), classes or None)
    backbone.card = card
    return backbone

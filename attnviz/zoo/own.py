"""Networks that no catalogue lists: those that attnviz builds without weights, and a person's own."""

import importlib.util
import secrets
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from attnviz.backbones import BUILT, VARIANTS
from attnviz.capture import Backbone, instrument
from attnviz.capture.findings import Findings
from attnviz.capture.means import check_pictures
from attnviz.capture.outputs import logits_of, scores
from attnviz.errors import AttnvizError, ModelError
from attnviz.images import Picture, load_picture
from attnviz.stock import embedded_card, shortened
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
    """A network with weights of a person's own, ready to be explained: see ``files.load_own`` for what it refuses.

    One of the family's sees pictures as the family does, and has its classes where their number is the file's.
    """
    model = load_own(architecture, path, limit)
    if architecture in VARIANTS:
        card = embedded_card(architecture)
        size = card.input_size  # the whole picture, squashed
        recipe = Recipe(size, size, False, Image.Resampling.BICUBIC, card.mean, card.std)
        return _made(model, f"{OWN}{architecture}", recipe, known=card.classes)
    recipe = USUAL if architecture in BUILT else timm_recipe(architecture, model)
    return _made(model, f"{OWN}{architecture}", recipe)


@torch.inference_mode(False)
def from_code(path: str | Path) -> Backbone:
    """The network of a Python file, which is run: only for one's own files, on one's own machine.

    The file defines ``model``, a torch.nn.Module, or ``build()``, which returns one; and may define ``classes``, the
    labels of its logits, and ``preprocess``, from a picture to a tensor (1, 3, H, W) or (3, H, W).

    Raises:
        ModelError: in one line, for a file that is not there, that fails, or that defines no network. So is whatever
            the network's own code raises later on.
    """
    model, found = defined(path)
    name = Path(path).name
    prepare: Any = found.get("preprocess")
    what = f"the network of {name}"
    with in_one_line(what):
        model = model.cpu().float()
        backbone = _made(model, f"{OWN}{name}", USUAL, _labels(found.get("classes")), prepare and _whole(prepare))
        _guard(backbone.model, what)
    return backbone


def defined(path: str | Path) -> tuple[nn.Module, Mapping[str, Any]]:
    """The network of a Python file, which is run, and all that the file defines.

    Raises ModelError, in one line, for a file that is not there, that fails, or that defines no network.
    """
    try:
        file = Path(path).expanduser()
        there = file.suffix == ".py" and file.is_file()
    except (OSError, RuntimeError, ValueError):  # too long for a path, or the home of nobody
        there = False
    if not there:
        asked = shortened(Path(str(path)).name)
        raise ModelError(f"there is no Python file {asked}: give the path of one on the machine where attnviz runs")
    found = _ran(file)
    return _defined(found, file.name), found


def _defined(found: Mapping[str, Any], name: str) -> nn.Module:
    """The network that a file defines. Raises ModelError where it defines none."""
    model, build, told = found.get("model"), found.get("build"), f"the `model` of {name} has to be"
    if model is None and callable(build):
        told = f"the build() of {name} has to return"
        with in_one_line(f"the build() of {name}"):
            model = build()
    elif model is None:
        raise ModelError(
            f"the file {name} defines neither `model`, a torch.nn.Module, nor `build()`, which returns one"
        )
    if not isinstance(model, nn.Module):
        raise ModelError(f"{told} a torch.nn.Module, not {type(model).__name__}")
    return model


def _labels(classes: Any) -> tuple[str, ...] | None:
    """Labels of logits, whatever somebody keeps them in. Raises ModelError for what has no order of labels."""
    if classes is None:
        return None
    if isinstance(classes, str | bytes | Mapping) or not isinstance(classes, Iterable):
        raise ModelError(f"`classes` has to be a list of labels, one for each logit, not {type(classes).__name__}")
    return tuple(map(str, classes))


def _guard(model: nn.Module, what: str) -> None:
    """Let whatever a network's own code raises be one line, even what would end the program that calls it."""

    def call(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        with in_one_line(what):
            return super(guarded, self).__call__(*args, **kwargs)

    # A class, for a wrapped method of the instance would be the original's in a copy of it; and the name stays what
    # it is, for attention is known by its class's.
    kind = type(model)
    told = {"__call__": call, "__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    guarded: Any = types.new_class(kind.__name__, (kind,), exec_body=lambda space: space.update(told))
    model.__class__ = guarded


def _whole(preprocess: Callable[[Any], Tensor]) -> Callable[[Any], tuple[Tensor, Picture]]:
    """A preprocessing of somebody's, which sees the whole picture for all that is known of it."""

    def prepared(image: Any) -> tuple[Tensor, Picture]:
        picture = load_picture(image)
        with in_one_line("`preprocess`"):
            x = preprocess(picture)
        if isinstance(x, Tensor) and x.dim() == 3:
            x = x[None]  # as a transform of torchvision's leaves it
        if not isinstance(x, Tensor) or x.dim() != 4 or x.shape[:2] != (1, 3):
            got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ModelError(f"`preprocess` has to make a tensor (1, 3, H, W) of a picture, not {got}")
        return x, Picture(picture, picture.resize((x.shape[3], x.shape[2])), (0, 0, *picture.size))

    return prepared


@torch.inference_mode(False)
def tried(backbone: Backbone, image: Any) -> Findings:
    """What was found in a network, on a picture's size.

    Raises:
        AttnvizError: in one line, where it does not run on the picture, gives logits that are none, or has another
            number of labels than of them.
    """
    with in_one_line("a pass of a picture"):
        x = backbone.preprocess(image)[0]
        check_pictures(x, one=True)
        found = backbone.findings(x)
        _check_scores(backbone, backbone.run(x, read=False)[0])
        return found


def _check_scores(backbone: Backbone, output: Any) -> None:
    """Refuse scores that no page can show; a network without any is shown without a prediction."""
    logits, found = logits_of(output, None)[0], scores(output)
    if found is None or (logits is None and found.dim() != 4):
        return
    count = found.shape[1]
    if not count:
        raise ModelError(f"the network gives no logits: its output is {tuple(found.shape)}")
    if not found.isfinite().all():
        raise ModelError("the network's logits for a picture are NaN or infinite")
    if backbone.classes is not None and len(backbone.classes) != count:
        raise ModelError(f"`classes` has {len(backbone.classes)} labels, and the network gives {count} logits")


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
        with in_one_line(f"running {file.name}"):
            spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(file.parent))
        del sys.modules[name]
    return vars(module)


@contextmanager
def in_one_line(what: str) -> Iterator[None]:
    """Whatever somebody's code raises, as one line; but for Ctrl-C, which is nobody's code."""
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
    classes: tuple[str, ...] | None = None,
    preprocess: Callable[[Any], tuple[Tensor, Picture]] | None = None,
    source: str = "own",
    known: tuple[str, ...] = (),
) -> Backbone:
    """A network made ready, with a card of what can be counted; ``known``: labels, where the logits are as many."""
    model.eval()
    height, width = (recipe.size, recipe.size)
    if preprocess is not None:  # the network may take no other size than it makes
        height, width = preprocess(Image.new("RGB", (256, 256)))[0].shape[2:]
    else:
        with torch.no_grad():
            output = model(torch.zeros(1, 3, height, width))
        if isinstance(output, Tensor) and output.dim() == 2 and classes is None:
            classes = known if len(known) == output.shape[1] else labels_of(output.shape[1])
    counted = unlisted_card(card_id, model, (height, width), source=source, dataset=card_id, licence="its owner's")
    card = replace(counted, classes=tuple(classes or ()), mean=recipe.mean, std=recipe.std, availability=source)
    backbone = instrument(model, preprocess or preprocessing(recipe, card), classes or None)
    backbone.card = card
    return backbone

"""Networks of timm, torchvision and pytorchcv: built by their library, with its weights and its preprocessing."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from attnviz.capture import Backbone
from attnviz.cards import ModelCard
from attnviz.counting import Count
from attnviz.errors import ModelError
from attnviz.images import Picture, crop, load_picture
from attnviz.stock import Entry
from attnviz.stock.entries import DATASET, torch_file
from attnviz.stock.origins import HubFile, Origin
from attnviz.zoo.control import random_card, random_model
from attnviz.zoo.embedded import normalized, placed

SAFE = {"open_clip_pytorch_model.bin": "open_clip_model.safetensors"}  # as timm prefers them


@dataclass(frozen=True)
class Recipe:
    """What a library does to a picture before a network sees it: resize, crop, normalize."""

    size: int
    side: int
    keep_aspect: bool
    resample: Image.Resampling
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@torch.inference_mode(False)
def load_entry(entry: Entry, path: Path | None, device: str) -> Backbone:
    """A network of another library, ready to be explained.

    Args:
        entry: which.
        path: its weights; None for random ones (always the same), which its card then says.
        device: "cpu", "cuda", ...

    Raises:
        ModelError: for weights that cannot be read or do not fit, or a preprocessing that attnviz cannot follow.
    """
    with torch.device("cpu"):
        model = filled(entry, path) if path is not None else random_model(lambda: build(entry), entry.card.input_size)
    recipe = recipe_of(entry, model)
    classes = labels(model)
    card = replace(entry.card, classes=classes, mean=recipe.mean, std=recipe.std, availability="cached")
    if path is None:
        card = random_card(card)
    placed(model.float(), card.id, device)
    return Backbone(model, preprocessing(recipe, card), classes or None, card=card, search=True)


def build(entry: Entry) -> nn.Module:
    """The network as its library builds it, with new weights."""
    if entry.library == "timm":
        import timm

        return timm.create_model(entry.name)
    if entry.library == "torchvision":
        from torchvision import models

        return models.get_model(entry.name, weights=None)
    from pytorchcv.model_provider import get_model

    return get_model(entry.name)


def filled(entry: Entry, path: Path) -> nn.Module:
    """The network with the weights of a file, which holds tensors alone: a pickle of anything else is refused."""
    try:
        if entry.library == "timm":
            import timm

            return timm.create_model(entry.name, pretrained=True, pretrained_cfg_overlay={"file": str(path)})
        model = build(entry)
        state = torch.load(path, map_location="cpu", weights_only=True)
        known = model.state_dict()
        model.load_state_dict({name: value for name, value in state.items() if name in known})  # as pytorchcv does
    except ModelError:
        raise
    except Exception as error:  # whatever damaged or foreign data leads the libraries to
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")[:120]
        raise ModelError(
            f"the weights of {entry.card.id} that are at hand are damaged or belong to another network ({reason}): "
            f"delete {path.name} and fetch it again"
        ) from None
    return model


def recipe_of(entry: Entry, model: nn.Module) -> Recipe:
    """The preprocessing that the library prescribes. Raises ModelError for one that is no resize and central crop."""
    if entry.library == "timm":
        return timm_recipe(entry.card.id, model)
    if entry.library == "torchvision":
        from torchvision import models

        found = models.get_model_weights(entry.name)[entry.weights].transforms()
        (size,), (side,) = found.crop_size, found.resize_size
        resample = Image.Resampling[found.interpolation.name]
        return Recipe(size, side, True, resample, tuple(found.mean), tuple(found.std))
    # pytorchcv's own evaluation: bilinear, the crop 0.875 of the shorter side.
    size, card = entry.card.input_size, entry.card
    return Recipe(size, math.ceil(size / 0.875), True, Image.Resampling.BILINEAR, card.mean, card.std)


def timm_recipe(name: str, model: nn.Module) -> Recipe:
    """What timm prescribes for a network of its own. Raises ModelError for what is no resize and central crop."""
    from timm.data.config import resolve_data_config

    found = resolve_data_config({}, model=model)
    channels, height, width = found["input_size"]
    mode, side = found["crop_mode"], math.floor(height / found["crop_pct"])
    resample = Image.Resampling.__members__.get(found["interpolation"].upper())
    if channels != 3 or height != width or mode not in ("center", "squash") or side < height or resample is None:
        raise ModelError(
            f"{name} wants pictures prepared in a way that attnviz does not follow "
            f"({channels} x {height} x {width}, {mode}, {found['interpolation']}, {found['crop_pct']})"
        )
    return Recipe(height, side, mode == "center", resample, tuple(found["mean"]), tuple(found["std"]))


def preprocessing(recipe: Recipe, card: ModelCard) -> Callable[[Any], tuple[Tensor, Picture]]:
    """A picture as the network's input (1, 3, size, size), and what the network sees of it."""

    def preprocess(image: Any) -> tuple[Tensor, Picture]:
        picture = crop(
            load_picture(image), recipe.size, recipe.side, keep_aspect=recipe.keep_aspect, resample=recipe.resample
        )
        return normalized(picture, card), picture

    return preprocess


def labels(model: nn.Module) -> tuple[str, ...]:
    """``labels_of`` a network's logits."""
    return labels_of(getattr(model, "num_classes", 1000))  # torchvision's do not say; theirs have 1000


def labels_of(count: int) -> tuple[str, ...]:
    """ImageNet's names for so many logits, as timm's metadata has them; () where their number is no ImageNet's.

    Two of the 1000 are called "crane": a bird (134) and a machine (517).
    """
    from timm.data.imagenet_info import infer_imagenet_subset

    subset = infer_imagenet_subset({"num_classes": count})
    return _descriptions(subset) if subset else ()


@cache
def _descriptions(subset: str) -> tuple[str, ...]:
    from timm.data.imagenet_info import ImageNetInfo

    return tuple(ImageNetInfo(subset).label_descriptions())


def macs(model: nn.Module, size: int | tuple[int, int]) -> int:
    """Multiply-accumulates of one picture of that (H, W), or side: convolutions and every matrix product."""
    height, width = (size, size) if isinstance(size, int) else size
    like = next(model.parameters(), torch.zeros(()))
    with Count() as count:
        model(torch.zeros(1, 3, height, width, device=like.device, dtype=like.dtype))
    return count.total_macs


@lru_cache(64)
def described(model_id: str) -> Entry | None:
    """An entry for any network of timm's, by ``timm:NAME``; None for a name that timm does not know.

    Where timm publishes no weights of it, the entry has no origins.
    """
    library, _, name = model_id.partition(":")
    if library != "timm":
        return None
    import timm

    if not timm.is_model(name):
        return None
    try:
        with torch.device("meta"):
            model = timm.create_model(name).eval()
    except RuntimeError:  # a tag that there is not
        return None
    config: Any = model.pretrained_cfg
    size: int = config["input_size"][1]
    card = unlisted_card(
        model_id,
        model,
        size,
        source="timm",
        dataset=DATASET if config["num_classes"] == 1000 else f"{config['num_classes']} classes",
        licence=config.get("license") or "not stated",
    )
    return Entry(card, _timm_origins(config))


def unlisted_card(
    card_id: str, model: nn.Module, size: int | tuple[int, int], *, source: str, dataset: str, licence: str
) -> ModelCard:
    """A card of what can be counted in a network that nobody lists; ``size``: of its input, (H, W) or both in one."""
    return ModelCard(
        id=card_id,
        mechanism=None,
        source=source,
        params=sum(weight.numel() for weight in model.parameters()),
        macs=macs(model, size),
        size_bytes=sum(value.numel() * value.element_size() for value in model.state_dict().values()),
        input_size=size if isinstance(size, int) else max(size),
        top1=math.nan,
        top1_interval=(math.nan, math.nan),
        top1_source="not listed by attnviz",
        dataset=dataset,
        recipe_group=card_id,
        licence=licence,
        availability="out of reach",  # until somebody has looked
    )


def _timm_origins(config: dict[str, Any]) -> tuple[Origin, ...]:
    file = config.get("hf_hub_filename") or "model.safetensors"
    hub, url = config.get("hf_hub_id"), config.get("url")
    found: tuple[Origin, ...] = (HubFile(hub, SAFE.get(file, file)),) if hub else ()
    return (*found, torch_file(url)) if url else found

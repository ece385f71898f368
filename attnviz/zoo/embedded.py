"""The family's weights and cards, which come with the project and need no connection."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from attnviz.backbones import build
from attnviz.capture import Backbone, Means
from attnviz.cards import ModelCard
from attnviz.errors import ModelError
from attnviz.images import Picture, load_picture, squash
from attnviz.stock.embedded import assets
from attnviz.zoo.files import fill


@torch.inference_mode(False)
def load_embedded(card: ModelCard, device: str, folder: Path | None = None) -> Backbone:
    """A network of the family with its weights (stored as float16, used as float32) and its means."""
    folder = folder or assets() / "weights"
    with torch.device("cpu"):
        model = build(card.id, len(card.classes)).float()  # whatever this process's defaults are
    if not _weights(folder, card.id).exists():
        raise ModelError(f"the weights of {card.id} are missing: install attnviz again, or clone the whole repository")
    state = load_file(_weights(folder, card.id))
    fill(model, state, card.id)
    placed(model, card.id, device)
    return Backbone(model, preprocessing(card), card.classes, load_means(folder, card.id), card)


def placed(model: torch.nn.Module, model_id: str, device: str) -> None:
    """Put a network on its device. Raises ModelError for one that is not there, or is full."""
    try:
        model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"{model_id} cannot go to device {device!r}: {str(error).splitlines()[0]}") from None


def preprocessing(card: ModelCard) -> Any:
    """The family's preprocessing: the whole picture squashed to a square, then normalized."""

    def preprocess(image: Any) -> tuple[Tensor, Picture]:
        picture = squash(load_picture(image), card.input_size)
        return normalized(picture, card), picture

    return preprocess


def normalized(picture: Picture, card: ModelCard) -> Tensor:
    """What the network sees, as its input (1, 3, H, W)."""
    pixels = torch.from_numpy(np.array(picture.seen)).permute(2, 0, 1).float() / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (card.mean, card.std))
    return ((pixels - mean) / std)[None]


def save_weights(folder: Path, model_id: str, state: dict[str, Tensor]) -> Path:
    """Write a state as float16 safetensors; BatchNorm's counters, which inference does not use, stay out."""
    kept = {name: v.half().contiguous().cpu() for name, v in state.items() if v.is_floating_point()}
    path = _weights(folder, model_id)
    save_file(kept, path, {"format": "pt"})
    return path


def save_means(folder: Path, model_id: str, means: Means) -> Path:
    """Write means as float16 safetensors, with their input size."""
    path = folder / f"{model_id}.means.safetensors"
    height, width = means.input_size
    values = {key: value.half().contiguous() for key, value in means.values.items()}
    save_file(values, path, {"format": "pt", "height": str(height), "width": str(width)})
    return path


def load_means(folder: Path, model_id: str) -> Means | None:
    """A network's means, or None where it has none (no attention, or not measured)."""
    path = folder / f"{model_id}.means.safetensors"
    if not path.exists():
        return None
    with safe_open(path, "pt") as file:
        about = file.metadata()
        values = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    return Means(values, (int(about["height"]), int(about["width"])))


def _weights(folder: Path, model_id: str) -> Path:
    return folder / f"{model_id}.safetensors"

"""The training data: photos squashed to 224 x 224, decoded once, augmented a batch at a time."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from attnviz.errors import ModelError

SIDE = 224
CLASSES = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Split:
    """Decoded photos, (N, 224, 224, 3) uint8, mapped from a file; their class indices; their names."""

    images: np.ndarray
    labels: Tensor
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


def load_split(folder: Path, split: str, cache: Path) -> Split:
    """The photos of ``folder/split/<wnid>/*``, decoded once into ``cache``.

    Raises ModelError where the folder does not hold the ten classes.
    """
    files = sorted(path for wnid in CLASSES for path in (folder / split / wnid).glob("*.JPEG"))
    if not files:
        raise ModelError(f"no photos in {folder / split}: it needs one folder a class, named {', '.join(CLASSES)}")
    wnids = list(CLASSES)
    labels = torch.tensor([wnids.index(path.parent.name) for path in files])
    store = cache / f"{split}-{len(files)}.npy"
    if not store.exists():
        cache.mkdir(parents=True, exist_ok=True)
        # Its own name: two runs that start together decode side by side, and the last one's file stays.
        partial = store.with_suffix(f".{os.getpid()}.partial")
        images = np.lib.format.open_memmap(partial, "w+", np.uint8, (len(files), SIDE, SIDE, 3))
        for i, path in enumerate(tqdm(files, desc=f"decoding {split}", unit="photo")):
            images[i] = decode(path)
        images.flush()
        partial.replace(store)
    return Split(np.load(store, mmap_mode="r"), labels, tuple(path.name for path in files))


def decode(path: Path) -> np.ndarray:
    """A photo as RGB, squashed to 224 x 224 where it is not already."""
    with Image.open(path) as image:
        rgb = image.convert("RGB")
        return np.asarray(rgb if rgb.size == (SIDE, SIDE) else rgb.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def download(folder: Path) -> Path:
    """Imagenette through torchvision, as the folder of this layout that training takes."""
    from torchvision.datasets import Imagenette

    folder.mkdir(parents=True, exist_ok=True)
    try:
        for split in ("train", "val"):
            Imagenette(str(folder), split=split, size="320px", download=not (folder / "imagenette2-320").exists())
    except OSError as error:
        raise ModelError(
            f"Imagenette could not be fetched ({error}); connect, or give a copy of it with --data"
        ) from None
    return folder / "imagenette2-320"


def normalize(images: Tensor) -> Tensor:
    """(B, 3, H, W) in 0..1 -> zero mean and unit deviation, channel by channel (ImageNet's figures)."""
    mean, std = (torch.tensor(v, device=images.device)[:, None, None] for v in (MEAN, STD))
    return (images - mean) / std


def resized(images: np.ndarray, size: int, device: torch.device) -> Tensor:
    """uint8 (B, 224, 224, 3) -> normalized (B, 3, size, size), antialiased."""
    batch = torch.from_numpy(np.array(images)).to(device).permute(0, 3, 1, 2).float() / 255
    if size != SIDE:
        batch = torch.nn.functional.interpolate(batch, (size, size), mode="bilinear", antialias=True)
    return normalize(batch).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Augmentation:
    """Random resized crop, flip and colour jitter, drawn for a whole batch in one affine sampling."""

    area: tuple[float, float] = (0.35, 1.0)
    aspect: tuple[float, float] = (2 / 3, 3 / 2)
    jitter: float = 0.3

    def __call__(self, images: Tensor, size: int, rng: torch.Generator) -> Tensor:
        """uint8 (B, 224, 224, 3) -> normalized (B, 3, size, size)."""
        n = len(images)
        uniform = torch.rand(8, n, generator=rng)
        area = self.area[0] + uniform[0] * (self.area[1] - self.area[0])
        log_aspect = math.log(self.aspect[0]) + uniform[1] * (math.log(self.aspect[1]) - math.log(self.aspect[0]))
        ratio = log_aspect.exp().sqrt()
        width, height = (area.sqrt() * ratio).clamp(max=1), (area.sqrt() / ratio).clamp(max=1)
        theta = torch.zeros(n, 2, 3)
        theta[:, 0, 0] = width * torch.where(uniform[2] < 0.5, -1.0, 1.0)
        theta[:, 1, 1] = height
        theta[:, 0, 2] = (2 * uniform[3] - 1) * (1 - width)
        theta[:, 1, 2] = (2 * uniform[4] - 1) * (1 - height)
        batch = images.permute(0, 3, 1, 2).float() / 255
        grid = torch.nn.functional.affine_grid(theta.to(batch.device), [n, 3, size, size], align_corners=False)
        batch = torch.nn.functional.grid_sample(batch, grid, padding_mode="reflection", align_corners=False)
        return normalize(self._coloured(batch, uniform[5:8]))

    def _coloured(self, batch: Tensor, uniform: Tensor) -> Tensor:
        brightness, contrast, saturation = (1 + self.jitter * (2 * uniform - 1)).to(batch.device)[
            :, :, None, None, None
        ]
        batch = batch * brightness
        mean = batch.mean((1, 2, 3), keepdim=True)
        batch = mean + contrast * (batch - mean)
        grey = batch.mean(1, keepdim=True)
        return (grey + saturation * (batch - grey)).clamp(0, 1)


def training_batches(
    split: Split, size: int, batch: int, augment: Augmentation, seed: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch in an order and with augmentations that the seed alone decides; full batches only."""
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(split), generator=rng)
    for start in range(0, len(split) - batch + 1, batch):
        index = order[start : start + batch].sort().values
        images = torch.from_numpy(split.images[index.numpy()]).to(device)
        inputs = augment(images, size, rng).contiguous(memory_format=torch.channels_last)
        yield inputs, split.labels[index].to(device)

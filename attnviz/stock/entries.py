"""ImageNet networks of other libraries: what is known of each, and where its weights are published.

``imagenet.json`` holds them as data, so that listing imports none of the libraries; a test compares every row with
what the libraries say themselves.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from attnviz.cards import ModelCard, wilson
from attnviz.stock.origins import HubFile, Origin, PytorchcvFile, TorchFile

PHOTOS = 50_000  # in ImageNet's validation set, on which every top-1 here was measured
DATASET = "ImageNet-1k"
HASH_IN_NAME = re.compile(r"-([a-f0-9]{8,})\.")


@dataclass(frozen=True)
class Entry:
    """A network whose weights are published.

    Attributes:
        card: what is known about it.
        origins: where its weights are: the first is where they are fetched from, any may have been already.
        weights: which of the library's weights, where it has several by name (torchvision), else "".
    """

    card: ModelCard
    origins: tuple[Origin, ...]
    weights: str = ""

    @property
    def library(self) -> str:
        """timm, torchvision or pytorchcv."""
        return self.card.id.partition(":")[0]

    @property
    def name(self) -> str:
        """What its library calls it."""
        return self.card.id.partition(":")[2]


@cache
def entries() -> dict[str, Entry]:
    """All that are listed, by id."""
    rows = json.loads((files("attnviz.stock") / "imagenet.json").read_text(encoding="utf-8"))
    return {row["id"]: _entry(row) for row in rows}


def _entry(row: dict[str, Any]) -> Entry:
    origins, weights = _origins(row), row.pop("weights", "")
    for key in ("hub", "url", "sha1"):
        row.pop(key, None)
    row.setdefault("recipe_group", row["id"])  # alone in it: another recipe is another group
    card = ModelCard(
        source=row["id"].partition(":")[0],
        dataset=DATASET,
        top1_interval=wilson(round(row["top1"] * PHOTOS), PHOTOS),
        availability="out of reach",  # until somebody has looked
        **row,
    )
    return Entry(card, origins, weights)


def _origins(row: dict[str, Any]) -> tuple[Origin, ...]:
    found: list[Origin] = [HubFile(row["hub"])] if "hub" in row else []
    if "sha1" in row:
        found.append(PytorchcvFile(row["url"], row["sha1"]))
    elif "url" in row:
        found.append(torch_file(row["url"]))
    return tuple(found)


def torch_file(url: str) -> TorchFile:
    """A file that torch's hub keeps; where its name ends in a hash, that is the beginning of its SHA-256."""
    found = HASH_IN_NAME.search(url.rpartition("/")[2])
    return TorchFile(url, found[1] if found else None)

"""What is known about one network: the card shown beside it."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ModelCard:
    """One network's facts.

    ``params`` and ``macs`` are counts (MACs of one picture at ``input_size``, functional matrix
    products included), ``size_bytes`` that of the weights' file, ``top1`` a share with its 95%
    interval. ``recipe_group`` names what was trained alike: only within it do differences speak of
    the attention alone. ``metrics`` holds what was measured (see ``docs/models.md``).
    """

    id: str
    mechanism: str | None
    source: str
    params: int
    macs: int
    size_bytes: int
    input_size: int
    top1: float
    top1_interval: tuple[float, float]
    dataset: str
    recipe_group: str
    licence: str
    availability: str = "embedded"
    classes: tuple[str, ...] = ()
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    recipe: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "ModelCard":
        """A card from its JSON file."""
        data = json.loads(path.read_text(encoding="utf-8"))
        for name in ("top1_interval", "classes", "mean", "std"):
            data[name] = tuple(data[name])
        return cls(**data)

    def write(self, path: Path) -> None:
        """The card as a JSON file that people can read."""
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

"""What is known about one network: the card shown beside it."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

LIGHT = 2_500_000_000  # MACs of one picture that two CPU cores compute in about a tenth of a second
Interval = tuple[float, float]


def wilson(right: int, count: int) -> Interval:
    """The 95% interval of a share (Wilson 1927)."""
    z = 1.959964
    share, extra = right / count, z * z / count
    middle = (share + extra / 2) / (1 + extra)
    half = z * math.sqrt(share * (1 - share) / count + extra / count / 4) / (1 + extra)
    return middle - half, middle + half


@dataclass(frozen=True)
class ModelCard:
    """One network's facts.

    ``params`` and ``macs`` are counts (MACs of one picture at ``input_size``, functional matrix
    products included), ``size_bytes`` that of the weights (of the file that comes with attnviz; elsewhere of
    the tensors, a file's header being some kB more), ``top1`` a share with its 95% interval, NaN where nobody
    measured it, and ``top1_source`` who did and how. ``recipe_group`` names what was trained alike: only
    within it do differences speak of the attention alone. ``metrics`` holds what was measured (see
    ``docs/models.md``).
    """

    id: str
    mechanism: str | None
    source: str
    params: int
    macs: int
    size_bytes: int
    input_size: int
    top1: float
    top1_interval: Interval
    dataset: str
    recipe_group: str
    licence: str
    availability: str = "embedded"
    classes: tuple[str, ...] = ()
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    recipe: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    top1_source: str = "measured by attnviz"

    @property
    def light(self) -> bool:
        """Whether two CPU cores are enough for it."""
        return self.macs <= LIGHT

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

"""Which networks there are, which are drawn, and how each is built. What is counted is kept in ``runs/survey``."""

import inspect
import json
import random
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import torch
from torch import nn

RUNS = Path(__file__).parents[2] / "runs" / "survey"
SEED, COUNT = 2027, 40  # of the draw
LARGEST = 60_000_000  # parameters of a network that is drawn
CLASSES = frozenset({10, 100, 200, 1000})  # of pytorchcv's classifiers: CIFAR's, SVHN's, CUB's and ImageNet's
# Timm's classes of attention.
LISTED = frozenset({
    "SEModule", "SqueezeExcite", "EffectiveSEModule", "EcaModule", "CecaModule", "CbamModule", "LightCbamModule",
    "SelectiveKernel", "SplitAttn", "NonLocalAttn", "BatNonLocalAttn", "GlobalContext", "CoordAttn",
    "EfficientLocalAttn", "SimpleCoordAttn", "StripAttn", "BottleneckAttn", "HaloAttn", "LambdaLayer",
})  # fmt: skip
# What a file of timm's says that can build one: the classes, what finds them by name, and other files' builders.
MENTIONS = re.compile(
    r"create_attn|get_attn|_efficientnet|from \.(byobnet|byoanet|resnet|efficientnet|senet|regnet|nfnet|maxxvit)\b|"
    + "|".join(sorted(LISTED))
)


@dataclass(frozen=True)
class Network:
    """One network of a library's own list.

    ``listed`` are its modules' classes that are in ``LISTED`` (timm's alone); ``classifier`` says whether it gives
    logits; ``error`` says why it could not be built.
    """

    name: str
    library: str
    params: int
    listed: tuple[str, ...]
    classifier: bool
    error: str = ""

    @property
    def id(self) -> str:
        return f"{self.library}:{self.name}"


class Counted:
    """What was counted of each network, without memory for its weights; kept, so that it is counted once."""

    def __init__(self, file: Path = RUNS / "networks.jsonl") -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.file = file
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        self.known = {network.id: network for network in map(_network, lines)}

    def __call__(self, name: str) -> Network:
        """The network of an id, "library:name"."""
        if name not in self.known:
            self.known[name] = found = _counted(*name.split(":", 1))
            with self.file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(asdict(found)) + "\n")
        return self.known[name]


def ids() -> list[str]:
    """Every network of the libraries' own lists, sorted.

    timm: ``timm.list_models()``; torchvision: ``models.list_models(module=models)``, its classifiers; pytorchcv:
    ``model_provider._models``.
    """
    import timm
    from pytorchcv.model_provider import _models
    from torchvision import models

    return sorted(
        [
            *(f"pytorchcv:{name}" for name in _models),
            *(f"timm:{name}" for name in timm.list_models()),
            *(f"torchvision:{name}" for name in models.list_models(module=models)),
        ]
    )


def drawn(counted: Counted) -> Iterator[Network]:
    """Forty classifiers under 60 million parameters: all ids in an order drawn once, those that are neither left out.

    So each such network is as likely as any other, and only those that come up have to be counted.
    """
    everything = ids()
    order = random.Random(SEED).sample(everything, len(everything))
    found = (network for network in map(counted, order) if network.classifier and 0 < network.params < LARGEST)
    return islice(found, COUNT)


def with_attention(counted: Counted) -> Iterator[Network]:
    """Timm's networks with a class of ``LISTED``: of each of timm's files, the first of every set of classes, by name;
    then all others, by name."""
    seen: set[tuple[str, tuple[str, ...]]] = set()
    later = []
    for name in by_file():
        network = counted(f"timm:{name}")
        if network.listed:
            what = family(name), network.listed
            later += [network] if what in seen else []
            if what not in seen:
                seen.add(what)
                yield network
    yield from later


def by_file() -> list[str]:
    """Timm's names, one of each file after the other; of files whose text can lead to a class of ``LISTED``."""
    import timm

    files: dict[str, list[str]] = {}
    for name in sorted(timm.list_models()):
        files.setdefault(family(name), []).append(name)
    files = {file: names for file, names in files.items() if MENTIONS.search(inspect.getsource(sys.modules[file]))}
    columns = zip_longest(*(files[file] for file in sorted(files)))
    return [name for column in columns for name in column if name is not None]


def family(name: str) -> str:
    """The file of timm's that a network comes from."""
    import timm

    return timm.model_entrypoint(name).__module__


def build(library: str, name: str, **options: Any) -> nn.Module:
    """A network as its library builds it, without trained weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if library == "timm":
            import timm

            return timm.create_model(name, pretrained=False, **options)
        if library == "torchvision":
            from torchvision import models

            return models.get_model(name, weights=None, **options)
        from pytorchcv.model_provider import get_model

        return get_model(name, **options)


def _network(line: str) -> Network:
    data = json.loads(line)
    return Network(**(data | {"listed": tuple(data["listed"])}))


def _counted(library: str, name: str) -> Network:
    try:
        with torch.device("meta"):
            model = build(library, name)
    except Exception as error:  # whatever a library raises on building one: it is listed with the reason
        reason = (str(error).splitlines() or [""])[0][:100]
        return Network(name, library, 0, (), False, f"{type(error).__name__}: {reason}")
    params = sum(weight.numel() for weight in model.parameters())
    there = {type(module).__name__ for module in model.modules()} if library == "timm" else set()
    count = getattr(model, "num_classes", 0)
    classifier = library == "torchvision" or (count in CLASSES if library == "pytorchcv" else count > 0)
    return Network(name, library, params, tuple(sorted(there & LISTED)), classifier)

"""Weights of a person's own: a safetensors file, for an architecture that timm has or attnviz builds or trained.

The file is not trusted. It is looked at before it is opened, its header before its tensors, and a network
takes memory only once the file's shapes are known to fit it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from attnviz.backbones import BUILT, VARIANTS, build
from attnviz.errors import ModelError
from attnviz.stock import nearest, shortened

LIMIT = 2**30  # bytes of a file: 268 million parameters of float32
HEADER_LIMIT = 2**22  # bytes of a header; that of a network with ten thousand tensors has a third
MOST_DIMS = 8
PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle")
MAGIC = (b"PK\x03\x04", *(b"\x80" + bytes([protocol]) for protocol in (2, 3, 4, 5)))  # a zip's, and pickles' own
FLOATS = ("F16", "BF16", "F32", "F64")
COUNTS = ("BOOL", "U8", "I8", "I16", "I32", "I64")  # for buffers, never for weights
CONVERT = (
    "python -c \"import sys, torch; from safetensors.torch import save_file; save_file(torch.load(sys.argv[1], 'cpu', "
    'weights_only=True), sys.argv[2])" weights.pth weights.safetensors'
)
WRAPPERS = {  # what leaves a beginning of its own on every name
    "module.": "torch's DataParallel or DistributedDataParallel",
    "model.": "a Lightning module, or another that holds the network as `model`",
    "state_dict.": "a checkpoint that holds more than the weights",
}
WRAPPER = "a module that holds the network"


def read_weights(path: str | Path, limit: int = LIMIT) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name, on the CPU and in the file's types.

    They are mapped, not copied: use them before the file changes.

    Args:
        path: the file.
        limit: the most bytes that it may have.

    Raises:
        ModelError: for a pickle (the line says how to convert it), a file that is over the limit, truncated, corrupt
            or of another format, and values that are NaN, infinite as float32, a negative variance, or of a type that
            no weights have.
    """
    if not isinstance(path, str | Path):
        raise ModelError(f"the weights' file is given as a path, not as {type(path).__name__}")
    _look(Path(path), limit)
    state = {}
    try:
        with safe_open(path, "pt", device="cpu") as file:
            for name in file.keys():  # noqa: SIM118
                about = file.get_slice(name)
                _check_tensor(name, about.get_dtype(), about.get_shape())
                state[name] = file.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise ModelError("the weights' file is truncated or corrupt: its header does not describe its bytes") from error
    if not state:
        raise ModelError("the weights' file holds no tensors")
    for name, value in state.items():
        if not value.float().isfinite().all():
            raise ModelError(f"the weights' file holds NaN or infinite values, first in {shortened(name)}")
        if name.endswith("running_var") and value.min() < 0:
            raise ModelError(f"the weights' file holds a negative variance, first in {shortened(name)}")
    return state


def check_fit(model: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Refuse a state that is not the model's own, name by name and shape by shape; see ``fill``."""
    own = model.state_dict()
    odd = [f"{shortened(key)} is missing" for key in own if key not in state and not _counter(key)]
    for key, value in state.items():
        if key not in own:
            odd += [] if _counter(key) else [f"{shortened(key)} is not in it"]
        elif value.shape != own[key].shape:
            odd.append(f"{shortened(key)} is {shortened(tuple(value.shape))}, not {tuple(own[key].shape)}")
        elif value.is_floating_point() != own[key].is_floating_point():
            odd.append(f"{shortened(key)} is {value.dtype}, not {own[key].dtype}")
    if odd and (prefix := _prefix(own, state)):
        raise ModelError(
            f"the weights given for {name} do not fit its network: all their names begin with {shortened(prefix)}, the "
            f"first is {shortened(next(iter(state)))}, as of {WRAPPERS.get(prefix, WRAPPER)}: "
            "take that off each name and save them again"
        )
    if odd:
        more = f"; and {len(odd) - 3} more" if len(odd) > 3 else ""
        raise ModelError(
            f"the weights given for {name} do not fit its network ({'; '.join(odd[:3])}{more}): "
            "they belong to another version, or to another network"
        )


def _prefix(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    """What stands before all names of a state, where one without it is the model's own; else nothing."""
    parts = next(iter(state), "").split(".")[:-1]
    for count in range(1, len(parts) + 1):
        prefix = ".".join(parts[:count]) + "."
        if all(key.startswith(prefix) for key in state) and any(key.removeprefix(prefix) in own for key in state):
            return prefix
    return ""


def fill(model: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Put a state into a model: all of it, or nothing.

    Only BatchNorm's counters (``num_batches_tracked``), which inference does not use, may be missing or too many.
    Floats of any precision fit one another.

    Args:
        model: changed in place.
        state: tensors by name.
        name: what the model is called in the error's line.

    Raises:
        ModelError: with up to three of the names that are missing, unknown, or of another shape, and how many more.
    """
    check_fit(model, state, name)
    model.load_state_dict(state, strict=False)


@torch.inference_mode(False)
def load_own(architecture: str, path: str | Path, limit: int = LIMIT) -> nn.Module:
    """A network with weights of a person's own, in eval mode, as float32 on the CPU; nothing is downloaded.

    Args:
        architecture: a name of ``timm.list_models()`` (with a tag or without), or of ``attnviz.backbones.BUILT`` or
            ``VARIANTS`` (the family's ids), which go first where both have it.
        path: its weights, a safetensors file; the number of classes is that of its classifier.
        limit: the most bytes that the file may have.

    Raises:
        ModelError: for an architecture that is not known (the line has the three nearest names), a file that
            ``read_weights`` refuses, or weights that do not fit.
    """
    make = _maker(architecture)
    state = read_weights(path, limit)
    with torch.device("meta"):
        classes = _classes(make(None), state)
        check_fit(make(classes), state, architecture)
    with torch.device("cpu"):
        model = make(classes).float()  # whatever this process's defaults are
    fill(model, state, architecture)
    return model.eval()


def _look(path: Path, limit: int) -> None:
    """Refuse what is no safetensors file by its name, its size and its first bytes."""
    try:
        if not path.is_file():
            raise ModelError("the weights' file is missing, or is no regular file")
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(9)  # the header's length in eight bytes, and the header's first
    except (OSError, ValueError):
        raise ModelError("the weights' file cannot be read, or its path is not one") from None
    if not size:
        raise ModelError("the weights' file is empty")
    # A safetensors file may start like a pickle too: it has a header of 640 bytes, say.
    if path.suffix.lower() in PICKLES or (head.startswith(MAGIC) and head[8:] != b"{"):
        raise ModelError(
            "the weights' file is a pickled checkpoint, which can run code of its own when it is opened; "
            f"where you trust it, convert it: {CONVERT}"
        )
    if size > limit:
        raise ModelError(f"the weights' file has {size:,} bytes; the limit is {limit:,}")
    if head[8:] != b"{":
        raise ModelError("the weights' file is no safetensors file: it does not start with a header")
    length, room = int.from_bytes(head[:8], "little"), min(size - 8, HEADER_LIMIT)
    if length > room:
        raise ModelError(
            f"the weights' file is truncated or corrupt: its header claims {length:,} bytes and can have {room:,}"
        )


def _check_tensor(name: str, kind: str, shape: list[int]) -> None:
    """Refuse types and shapes that no network's weights have, some of which torch cannot hold."""
    if kind not in FLOATS + COUNTS:
        raise ModelError(f"the weights' file holds {shortened(name)} as {kind}; save it as F32 or F16")
    if len(shape) > MOST_DIMS or 0 in shape:
        why = "no values" if 0 in shape else f"{len(shape):,} dimensions"
        raise ModelError(f"the weights' file holds {shortened(name)} with {why}")


def _counter(name: str) -> bool:
    return name.endswith("num_batches_tracked")


def _maker(name: str) -> Callable[[int | None], nn.Module]:
    """What builds an architecture for a number of classes (None: its own). Raises ModelError for an unknown name."""
    if not isinstance(name, str):
        raise ModelError(f"an architecture's name is a text like 'resnet50', not {shortened(name)}")
    if name in BUILT:
        return lambda classes: BUILT[name]() if classes is None else BUILT[name](classes=classes)
    if name in VARIANTS:
        return lambda classes: build(name) if classes is None else build(name, classes)

    import timm

    try:
        if name.split(".")[0] in timm.list_models() and timm.get_pretrained_cfg(name):
            return lambda classes: timm.create_model(name, pretrained=False, num_classes=classes)
    except RuntimeError:  # a tag that the architecture does not have
        pass
    near = nearest(name, (*timm_names(), *BUILT, *VARIANTS))
    raise ModelError(f"there is no architecture {shortened(name)}; the nearest names are {near}")


def timm_names() -> list[str]:
    """What timm calls its networks, with a tag and without."""
    import timm

    return [*timm.list_models(), *timm.list_pretrained()]


def _classes(model: nn.Module, state: Mapping[str, Tensor]) -> int | None:
    """How many classes a state is for: the rows of the model's classifier in it (None where it has none)."""
    name = getattr(model, "classifier_name", None) or getattr(model, "pretrained_cfg", {}).get("classifier")
    first = name[0] if isinstance(name, tuple | list) else name  # distilled networks have a second
    weight = state.get(f"{first}.weight")
    return len(weight) if weight is not None and weight.dim() else None

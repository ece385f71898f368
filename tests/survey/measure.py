"""One network: built, drawn, looked at, and compared with what hooks on the modules of an untouched copy see."""

import copy
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from attnviz.findings import grouped
from attnviz.flow import Reading, Sight, look, read
from attnviz.zoo.drawn import draw
from tests.survey.expected import Agreement, agreement, expected, kinds, within
from tests.survey.networks import Network, build

SMALL = 128  # pixels of a side, where the network takes them
GATES = ("sigmoid", "softmax", "tanh", "drop", "selectivekernelattn", "identity", "relu6")  # in names of classes
SIZE_LIMIT = 600_000_000  # numbers of all outputs that are kept of one network


@dataclass
class Row:
    """What the survey says of a network; all counts are of blocks."""

    network: str
    params: int
    size: tuple[int, ...] = ()
    error: str = ""
    kinds: dict[str, int] = field(default_factory=dict)
    mechanisms: dict[str, int] = field(default_factory=dict)
    blocks: int = 0
    verified: int = 0
    why: list[str] = field(default_factory=list)
    largest: float = 0.0
    notes: list[tuple[str, int, str]] = field(default_factory=list)
    expected: dict[str, int] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    noted: list[tuple[str, str, str]] = field(default_factory=list)
    missed: list[tuple[str, str]] = field(default_factory=list)
    surplus: list[tuple[str, str, str]] = field(default_factory=list)
    compared: int = 0
    equal: int = 0
    unhooked: int = 0
    differs: float = 0.0
    worst: str = ""
    plain: float = 0.0
    looking: float = 0.0
    untouched: bool = True


def measure(network: Network) -> dict[str, Any]:
    """Everything about one network, ready for JSON; what fails is in its ``error``."""
    row = Row(network.id, network.params)
    try:
        with warnings.catch_warnings(), torch.inference_mode(False):
            warnings.simplefilter("ignore")
            _measure(network, row)
    except Exception as error:  # whatever a network or looking at it raises is what the survey reports
        row.error = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:160]}"
    return asdict(row)


def _measure(network: Network, row: Row) -> None:
    model, row.size = built(network)
    copied = copy.deepcopy(model)
    x = torch.randn(1, *row.size, generator=torch.Generator().manual_seed(1))
    before = _run(model, x)
    row.plain = min(_seconds(lambda: _run(model, x)) for _ in range(3))
    start = time.process_time()
    sight = look(model, x)
    row.looking = time.process_time() - start
    row.untouched = all(torch.equal(a, b) for a, b in zip(_tensors(before), _tensors(_run(model, x)), strict=True))
    outputs, ran = hooked(copied, x)
    _sum_up(row, sight, agreement(expected(model, ran), sight))
    if sight.blocks:
        _compare(row, read(model, sight, x).attention, outputs)


def built(network: Network) -> tuple[nn.Module, tuple[int, ...]]:
    """With drawn weights, in evaluation mode, and (C, H, W) of its input: small where it takes that."""
    torch.manual_seed(0)
    model = build(network.library, network.name).eval()
    config: Any = getattr(model, "pretrained_cfg", None) or {}
    usual = tuple(config.get("input_size", (3, *getattr(model, "in_size", (224, 224)))))
    size = next(size for size in _sizes(usual) if _takes(model, size) or size == usual)
    kept = copy.deepcopy(model.state_dict())
    draw(model, size)
    if not all(bool(value.isfinite().all()) for value in _tensors(_run(model, torch.randn(1, *size)))):
        model.load_state_dict(kept)  # without norms, drawn weights can explode
    return model.eval(), size


def _sizes(usual: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [(usual[0], SMALL, SMALL), usual] if min(usual[1:]) > SMALL else [usual]


def _takes(model: nn.Module, size: tuple[int, ...]) -> bool:
    try:
        _run(model, torch.zeros(1, *size))
    except Exception:  # whatever the network says about a size that it is not for
        return False
    return True


@torch.no_grad()
def _run(model: nn.Module, x: Tensor) -> Any:
    return model(x.clone())


def _seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return [tensor for part in parts for tensor in _tensors(part)]


Outputs = dict[str, list[tuple[str, Tensor]]]


def hooked(model: nn.Module, x: Tensor) -> tuple[Outputs, set[str]]:
    """What modules that squash give, flat, by path; and which modules ran. Fused attention is computed unfused."""
    outputs: Outputs = defaultdict(list)
    ran: set[str] = set()
    room = SIZE_LIMIT

    def hook(path: str, leaf: bool) -> Callable[..., None]:
        def see(module: nn.Module, args: Any, output: Any) -> None:
            nonlocal room
            ran.add(path)
            kind = type(module).__name__
            if (
                leaf
                and isinstance(output, Tensor)
                and any(word in kind.lower() for word in GATES)
                and output.numel() <= room
            ):
                room -= output.numel()
                outputs[path].append((kind, output.detach().flatten().clone()))

        return see

    for path, module in model.named_modules():
        if hasattr(module, "fused_attn"):
            setattr(module, "fused_attn", False)  # noqa: B010 (a module's attribute, as far as types know)
        whole = type(module).__name__ == "SelectiveKernelAttn"
        module.register_forward_hook(hook(path, whole or not list(module.children())))
    _run(model, x)
    return outputs, ran


def _sum_up(row: Row, sight: Sight, agreed: Agreement) -> None:
    row.kinds = dict(Counter(kinds(sight.blocks)))
    row.mechanisms = dict(Counter(block.mechanism or f"({block.name})" for block in sight.blocks))
    row.blocks, row.verified = len(sight.blocks), sum(block.verified for block in sight.blocks)
    row.why = [f"{block.layer}: {block.why}" for block in sight.blocks if not block.verified]
    row.largest = max((block.error for block in sight.blocks if block.verified), default=0.0)
    row.notes = [(note.what, count, note.layer) for note, count in grouped(sight.noted)]
    row.expected, row.found = dict(agreed.expected), dict(agreed.found)
    row.noted = [(each.kind, each.path, note.what) for each, note in agreed.noted]
    row.missed = [(each.kind, each.path) for each in agreed.missed]
    row.surplus = [(block.layer, block.name, kind) for block, kind in _with_kinds(agreed)]


def _with_kinds(agreed: Agreement) -> list[tuple[Any, str]]:
    return list(zip(agreed.surplus, kinds(agreed.surplus), strict=True))


def _compare(row: Row, readings: tuple[Reading, ...], outputs: Outputs) -> None:
    """Each reading with the nearest output of as many numbers that a module within its block gives."""
    for reading in readings:
        for value in reading.value if isinstance(reading.value, tuple) else (reading.value,):
            flat = value.flatten()
            near = [
                each for path in outputs if within(path, reading.block.partition(" ")[0]) for _, each in outputs[path]
            ]
            gaps = [float((flat - each).abs().max()) for each in near if each.numel() == flat.numel()]
            if not gaps:
                row.unhooked += 1
                continue
            row.compared += 1
            row.equal += min(gaps) == 0
            if min(gaps) > row.differs:
                row.differs, row.worst = min(gaps), f"{reading.block} {reading.part.kind}"

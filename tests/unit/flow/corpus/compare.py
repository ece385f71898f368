"""What a look at a network gave, against the answer."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from attnviz import flow
from attnviz.mechanisms import Role
from tests.unit.flow.corpus import (
    networks_affinity,
    networks_cells,
    networks_channel,
    networks_places,
    networks_plain,
    networks_shares,
    networks_signals,
)
from tests.unit.flow.corpus.answers import Claim, Network, Shown

ALL: dict[str, Network] = {
    **networks_channel.NETWORKS,
    **networks_places.NETWORKS,
    **networks_shares.NETWORKS,
    **networks_affinity.NETWORKS,
    **networks_signals.NETWORKS,
    **networks_plain.NETWORKS,
    **networks_cells.NETWORKS,
}
ATTENTION = [name for name, network in ALL.items() if network.has_attention]
CLAIMED = [name for name, network in ALL.items() if network.claims]
PLAIN = [name for name, network in ALL.items() if not network.has_attention]
ALSO_CALLED = {"CA": "Coordinate Attention"}


def built(network: Network) -> nn.Module:
    """The network, with the same weights each time; norms have statistics of their own."""
    torch.manual_seed(7)
    model = network.build()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_var is not None:
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model.eval()


def inputs(network: Network, size: int = 0, seed: int = 11) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    made = [torch.rand(shape, generator=generator) for shape in network.sizes[size]]
    return [each.bfloat16() for each in made] if network.half else made


def looked(network: Network, size: int = 0) -> Any:
    model = built(network)
    return flow.look(model, *inputs(network, size))


@cache
def look_at(name: str, size: int = 0) -> Any:
    return looked(ALL[name], size)


def check_claims(sight: Any, network: Network, shapes: bool = True) -> None:
    """Every block that there is, and no other."""
    got = sorted(block.layer for block in sight.blocks)
    assert got == sorted(claim.layer for claim in network.claims), told(sight)
    for claim in network.claims:
        check_block(block_at(sight, claim.layer), claim, shapes)


def block_at(sight: Any, layer: str) -> Any:
    (block,) = (block for block in sight.blocks if block.layer == layer)
    return block


def check_block(block: Any, claim: Claim, shapes: bool) -> None:
    assert block.verified, (block.error, block.why)
    if claim.mechanism is not ...:
        assert ALSO_CALLED.get(block.mechanism, block.mechanism) == ALSO_CALLED.get(claim.mechanism, claim.mechanism)
    for shown, part in paired(block, claim):
        if shown.neutral is not ...:
            ways = {shown.neutral, shown.neutral + shown.plus if shown.neutral is not None else None}
            assert any(same_number(part.neutral, way) for way in ways), (part.name, part.neutral)
        assert (part.heads or 1) == shown.heads
        if shapes and shown.grids is not None:
            assert (tuple(part.query_grid), tuple(part.key_grid)) == shown.grids


def paired(block: Any, claim: Claim) -> list[tuple[Shown, Any]]:
    """Each part that must be there with the one that is; logits besides are no harm."""
    left = list(block.parts)
    pairs = []
    for shown in claim.parts:
        fits = [part for part in left if part.kind == shown.kind and shown.role in (..., part.role)]
        assert fits, (shown.kind, shown.role, [(part.name, part.kind, part.role) for part in block.parts])
        pairs.append((shown, fits[0]))
        left.remove(fits[0])
    besides = [(part.name, part.kind, part.role) for part in left if part.role != Role.LOGIT]
    assert not besides
    return pairs


def same_number(got: float | None, wanted: float | None) -> bool:
    if got is None or wanted is None:
        return got is wanted
    return abs(got - wanted) < 1e-4


def check_named(sight: Any, network: Network) -> None:
    """No block but of the kinds that are allowed, and each word said."""
    allowed = {kind for named in network.named for kind in named.allowed}
    for block in sight.blocks:
        assert {part.kind for part in block.parts} <= allowed, told(sight)
    for named in network.named:
        text = told(sight).lower()
        assert any(word in text for word in named.words), (named.words, text)


def told(sight: Any) -> str:
    """All that is said, in blocks and in notes."""
    blocks = [
        f"[{block.layer} {block.mechanism} {block.why} {[(p.name, str(p.kind), str(p.role)) for p in block.parts]}]"
        for block in sight.blocks
    ]
    return " ".join([*blocks, *(f"[{note.layer}: {note.what}, {note.reason}]" for note in sight.noted)])


@dataclass(frozen=True, eq=False)
class Read:
    """One part's value in one run of its block, and the block's features, all without a batch."""

    layer: str
    part: str | None
    call: int
    value: Any
    before: Tensor
    after: Tensor


def read(model: nn.Module, sight: Any, *given: Tensor) -> list[Read]:
    """What reading gives, part by part."""
    readings = flow.read(model, sight, *given)
    made = []
    for each in readings.attention:
        value = tuple(half[0] for half in each.value) if isinstance(each.value, tuple) else each.value[0]
        where = (each.block, each.call)
        features = readings.before[where][0], readings.after[where][0]
        made.append(Read(each.block, each.part.name, each.call, value, *features))
    return made


class Hooks:
    """What modules of an untouched copy take and give, copied before anything can be written over."""

    def __init__(self, model: nn.Module, paths: set[str], given: list[Tensor]) -> None:
        self.model = copy.deepcopy(model)
        self.taken: dict[str, list[Tensor]] = {path: [] for path in paths}
        self.gave: dict[str, list[Tensor]] = {path: [] for path in paths}
        for path in paths:
            module = self.model.get_submodule(path)
            module.register_forward_pre_hook(self._keep_taken(path))
            module.register_forward_hook(self._keep_given(path))
        with torch.no_grad():
            self.output = self.model(*(each.clone() for each in given))

    def _keep_taken(self, path: str) -> Callable[..., None]:
        def keep(module: nn.Module, taken: tuple[Tensor, ...]) -> None:
            self.taken[path].append(taken[0].clone())

        return keep

    def _keep_given(self, path: str) -> Callable[..., None]:
        def keep(module: nn.Module, taken: tuple[Tensor, ...], given: Tensor) -> None:
            if isinstance(given, Tensor):
                self.gave[path].append(given.clone())

        return keep


def values_of(value: Any, shown: Shown) -> list[Tensor]:
    """A reading's value as plain tensors in the shape of its kind: two for strips, a matrix a head for an affinity."""
    if shown.heads > 1 or shown.grids is not None:
        assert value.numel() == shown.heads * prod(shown.shape)
        return [value.reshape(shown.heads, *shown.shape)]
    tensors = list(value) if isinstance(value, tuple) else [value]
    wanted = shown.shape if isinstance(value, tuple) else (shown.shape,)
    if shown.shape is not None:
        assert [tuple(tensor.shape) for tensor in tensors] == [tuple(shape) for shape in wanted]
    return tensors


def close(got: Tensor, wanted: Tensor, limit: float = 1e-5) -> bool:
    """Whether two tensors are the same but for rounding, by their largest value, laid out as the first is."""
    wanted = wanted.detach().reshape(got.shape).to(got.dtype)
    return bool((got - wanted).abs().max() <= limit * max(1e-3, float(wanted.abs().max())))

"""Edits: what an attention value is changed to while the pass runs.

``plan`` checks every edit against the model's blocks before anything runs and gives, for each
submodule whose output changes, the changes in their order.
"""

import zlib
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from attnviz.capture.taps import beside
from attnviz.capture.values import canonical
from attnviz.errors import EditError, OptionError
from attnviz.mechanisms import Block, Kind, Part, Role

HOWS = ("off", "frozen", "uniform", "shuffled", "forced", "set")
At = Mapping[int | tuple[Any, ...], float]


@dataclass(frozen=True)
class Edit:
    """A change made to an attention value during the pass.

    Args:
        layer: the block's dotted path, or "*" for every block.
        how: "off", "frozen", "uniform", "shuffled", "forced" or "set".
        part: the part's name; None acts on what touches the features.
        call: which run of the module (0, 1, ...); None for all.
        seed: of the permutation, for "shuffled".
        channel, value: for "forced", the channel and what it is set to.
        values: for "set", what cells of the value are set to, by index without the batch: ``{48: 0.0}`` a channel's
            gate, ``{(3, 4): 1.0}`` a place, ``{(3, None): 0.0}`` a row, ``{(1, None): 0.5}`` a branch's shares,
            ``{("h", None, 3): 0.0}`` a place of a strip, ``{(query, key): 0.0}`` a link. Kept as pairs.
    """

    layer: str
    how: str
    part: str | None = None
    call: int | None = None
    seed: int = 0
    channel: int | None = None
    value: float | None = None
    values: At | tuple[tuple[Any, float], ...] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.values, Mapping):
            object.__setattr__(self, "values", tuple(self.values.items()))

    @property
    def cells(self) -> tuple[tuple[Any, Any], ...]:
        """``values`` as pairs of an index and a number; empty where they are none."""
        given = self.values if isinstance(self.values, tuple) else ()
        return tuple(pair for pair in given if isinstance(pair, tuple) and len(pair) == 2)


@dataclass(frozen=True)
class Means:
    """Mean attention over a set of pictures, what "frozen" needs: by key, at one input size (h, w)."""

    values: Mapping[str, Tensor]
    input_size: tuple[int, int]


@dataclass(frozen=True)
class Change:
    """What happens to one point's output: ``function(raw)`` in the given call (None: in all).

    ``layer`` is the edit's own, "*" where it stands for every block; ``first`` says that the change
    is made for the first call alone, as means are.
    """

    function: Callable[[Tensor], Tensor]
    call: int | None
    layer: str
    first: bool = False


def mean_key(layer: str, part: str | None, strip: str | None = None) -> str:
    """The key of a mean: layer, layer/part, or layer/h and layer/w for the strips."""
    return "/".join(name for name in (layer, part, strip) if name)


@dataclass(frozen=True)
class Plan:
    """What edits change: by submodule path (for a block in ``twins``: its twin's), and why edits of "*" leave what
    they leave, a line each.
    """

    changes: dict[str, list[Change]]
    left: tuple[str, ...] = ()


def plan(
    edits: Sequence[Edit],
    blocks: Mapping[str, Block],
    means: Means | None,
    size: tuple[int, ...],
    twins: Container[str] = (),
    unverified: Container[str] = (),
) -> Plan:
    """The changes that edits make. An edit of "*" does what can be done.

    Raises EditError, in one line, for an edit that cannot be, and for one of "*" that can be nowhere.
    """
    changes: dict[str, list[Change]] = {}
    left: list[str] = []
    for edit in edits:
        _check(edit)
        failed: list[EditError] = []
        everything = [(layer, part) for layer in _layers(edit, blocks) for part in _parts(edit, layer, blocks[layer])]
        for layer, part in everything:
            try:
                if layer in unverified:
                    raise EditError(f"{layer} was read but not verified: what an edit would do there is not known")
                planned = _functions(edit, layer, blocks[layer], part, means, size)
            except EditError as error:
                if edit.layer != "*":
                    raise
                failed.append(error)
                continue
            for path, function in planned:
                where = beside(layer, path) if layer in twins else f"{layer}.{path}"
                change = Change(function, edit.call, edit.layer, edit.how == "frozen")
                changes.setdefault(where, []).append(change)
        if len(failed) == len(everything):
            raise failed[0]
        left += map(str, failed)
    return Plan(changes, tuple(dict.fromkeys(left)))


def _check(edit: Edit) -> None:
    if not isinstance(edit, Edit):
        raise EditError(f"an edit is an attnviz.Edit, not {edit!r}")
    if edit.how not in HOWS:
        raise EditError(f"no edit {edit.how!r}; there are {', '.join(HOWS)}")
    forced = edit.how == "forced"
    if forced and not (_whole(edit.channel) and _finite(edit.value)):
        raise EditError("a forced edit needs a channel (its index) and a value (a finite number, as float32 has them)")
    if not _whole(edit.seed):
        raise EditError(f"seed is a whole number, not {edit.seed!r}")
    if (edit.how == "set") != (edit.values is not None):
        raise EditError("values belong to a set edit, which needs them: {index: number}")
    if edit.how == "set" and not (edit.cells and all(_finite(value) for _, value in edit.cells)):
        raise EditError("a set edit's values are finite numbers, by index: {48: 0.0}")
    if not forced and (edit.channel is not None or edit.value is not None):
        raise EditError(f"channel and value belong to a forced edit, not to {edit.how!r}")
    if edit.call is not None and not (_whole(edit.call) and edit.call >= 0):
        raise EditError(f"call is {edit.call!r}; calls are counted from 0")


def _finite(value: Any) -> bool:
    real = isinstance(value, Real) and not isinstance(value, bool)
    limit = torch.finfo(torch.float32).max
    return real and bool(-limit <= value <= limit)  # nan is not, and a whole number may be too large to be made a float


def _whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _layers(edit: Edit, blocks: Mapping[str, Block]) -> list[str]:
    if not blocks:
        raise EditError("this model has no attention to edit")
    if edit.layer == "*":
        layers = [name for name, block in blocks.items() if edit.part is None or _has(block, edit.part)]
        if not layers:
            raise EditError(f"no block of this model has a part {edit.part!r}")
        return layers
    if not isinstance(edit.layer, str) or edit.layer not in blocks:
        raise EditError(f"no attention block {edit.layer!r}; there are {', '.join(blocks)}")
    return [edit.layer]


def _has(block: Block, part: str) -> bool:
    return any(p.name == part for p in block.parts)


def _parts(edit: Edit, layer: str, block: Block) -> list[Part]:
    if edit.part is None:
        return [part for part in block.parts if part.touches]
    try:
        return [block.part(edit.part)]
    except OptionError as error:
        raise EditError(f"{layer}: {error}") from None


Function = Callable[[Tensor], Tensor]


def _functions(
    edit: Edit, layer: str, block: Block, part: Part, means: Means | None, size: tuple[int, ...]
) -> list[tuple[str, Function]]:
    """(submodule, change) for one edit of one part."""
    where = f"{layer}, part {part.name!r}" if part.name else layer
    if edit.how == "off":
        alone = edit.part is not None
        value = _neutral(part, alone)
        if value is None:
            whole = alone and all(_neutral(each, False) is not None for each in block.parts if each.touches)
            instead = "switch the block off" if whole else "make it uniform instead"
            raise EditError(f"{where}: its {part.kind} {part.role} has no neutral value of its own; {instead}")
        return [(path, _filled(value)) for path in ([part.off_at] if part.off_at else part.points)]
    if edit.how == "frozen":
        strips = ("h", "w") if part.kind is Kind.COORDINATE else (None,) * len(part.points)
        return [
            (path, _frozen(mean_key(layer, part.name, strip), means, size, part.kind, _branch(part, i)))
            for i, (path, strip) in enumerate(zip(part.points, strips, strict=True))
        ]
    if edit.how == "uniform":
        if part.role is Role.LOGIT:
            raise EditError(f"{where}: uniform is not for logits; edit the gate that they make")
        return [(path, _uniform(part)) for path in part.points]
    if edit.how == "shuffled":
        seed = zlib.crc32(f"{where}:{edit.seed}".encode())
        # Branches keep their sum: all are shuffled alike.
        alike = part.kind is Kind.BRANCH
        return [(path, _shuffled(part.kind, seed + (0 if alike else i))) for i, path in enumerate(part.points)]
    if edit.how == "set":
        return [(path, _set(where, part, i, edit)) for i, path in enumerate(part.points) if _concerns(part, i, edit)]
    if part.kind not in (Kind.CHANNEL, Kind.COORDINATE):
        raise EditError(f"{where}: only channel and coordinate attention have channels to force, not {part.kind}")
    return [(path, _forced(where, part.kind, edit)) for path in part.points]


def _neutral(part: Part, alone: bool) -> float | None:
    """What a part becomes when it is switched off, alone or with its whole block; None where that means nothing."""
    return part.off if alone or part.block_off is None else part.block_off


def _filled(value: float) -> Function:
    return lambda raw: torch.full_like(raw, value)


def _branch(part: Part, number: int) -> slice:
    """Which of a value's branches one of its points gives: all, unless each has a point of its own."""
    return slice(number, number + 1) if part.kind is Kind.BRANCH and len(part.points) > 1 else slice(None)


def _frozen(key: str, means: Means | None, size: tuple[int, ...], kind: Kind, branches: slice) -> Function:
    if means is None:
        raise EditError(
            "this model has no means to freeze at: measure them with attnviz.measure_means, and set backbone.means"
        )
    if tuple(size) != tuple(means.input_size):
        made, given = ("x".join(map(str, s)) for s in (means.input_size, size))
        raise EditError(f"the means were measured at {made} and this picture is {given}: frozen works at one size")
    if key not in means.values:
        raise EditError(f"no mean was measured for {key}")
    mean = means.values[key][branches]

    def frozen(raw: Tensor) -> Tensor:
        target = canonical(kind, raw)
        if mean.shape != target.shape[1:]:
            raise EditError(f"{key}: its mean has shape {tuple(mean.shape)} and its value {tuple(target.shape[1:])}")
        return mean.to(raw).expand(target.shape).reshape(raw.shape)

    return frozen


def _uniform(part: Part) -> Function:
    # Branches share within a channel, so their even split is over the branches; a distribution's
    # is over what it sums over; a gate or a term becomes its own mean.
    def uniform(raw: Tensor) -> Tensor:
        value = canonical(part.kind, raw)
        if part.kind is Kind.BRANCH:
            return torch.full_like(raw, 1 / max(value.shape[1], len(part.points)))
        if part.kind is Kind.AFFINITY:
            return value.mean(-1, keepdim=True).expand_as(value).reshape(raw.shape)
        mean = value.flatten(1).mean(1)
        return mean.reshape(-1, *[1] * (value.dim() - 1)).expand_as(value).reshape(raw.shape)

    return uniform


def _shuffled(kind: Kind, seed: int) -> Function:
    def order(n: int, device: torch.device) -> Tensor:
        return torch.randperm(n, generator=torch.Generator().manual_seed(seed)).to(device)

    def shuffled(raw: Tensor) -> Tensor:
        value = canonical(kind, raw)
        if kind in (Kind.SPATIAL, Kind.CONTEXT, Kind.VOLUME):
            flat = value.flatten(-2)
            return flat[..., order(flat.shape[-1], raw.device)].reshape(raw.shape)
        if kind is Kind.BRANCH and value.shape[-1] == 1:  # one share a branch: the branches change places
            if value.shape[1] == 1:
                raise EditError("each branch has one share, in a tensor of its own: shuffled has nothing to permute")
            return value[:, order(value.shape[1], raw.device)].reshape(raw.shape)
        # The last axis: channels (channel, branch), a strip's positions, an affinity's keys.
        return value[..., order(value.shape[-1], raw.device)].reshape(raw.shape)

    return shuffled


def _forced(where: str, kind: Kind, edit: Edit) -> Function:
    assert edit.channel is not None
    assert edit.value is not None
    channel, value = edit.channel, float(edit.value)

    def forced(raw: Tensor) -> Tensor:
        edited = canonical(kind, raw).clone()
        if not 0 <= channel < edited.shape[1]:
            raise EditError(f"{where}: channel {channel} is outside its {edited.shape[1]} channels")
        edited[:, channel] = value
        return edited.reshape(raw.shape)

    return forced


def _concerns(part: Part, number: int, edit: Edit) -> bool:
    """Whether cells may lie in one of a part's points: not in the other strip, or in another branch."""
    if part.kind is Kind.COORDINATE:
        own: Any = "hw"[number]
    elif part.kind is Kind.BRANCH and len(part.points) > 1:
        own = number
    else:
        return True
    firsts = [index[0] if isinstance(index, tuple) and index else index for index, _ in edit.cells]
    others = ("h", "w") if part.kind is Kind.COORDINATE else range(len(part.points))
    return any(first == own or first not in others for first in firsts)


def _set(where: str, part: Part, number: int, edit: Edit) -> Function:
    """Some cells of a value; ``number`` of the part's points, where it has several."""
    strip = "hw"[number] if part.kind is Kind.COORDINATE else None
    branches = _branch(part, number)

    def cells(raw: Tensor) -> Tensor:
        edited = canonical(part.kind, raw).clone()
        for index, value in edit.cells:
            places = index if isinstance(index, tuple) else (index,)
            if strip is not None:
                if not places or places[0] not in ("h", "w"):
                    raise EditError(f'{where}: {index!r} has to name its strip first, "h" or "w"')
                if places[0] != strip:
                    continue
                places = places[1:]
            if branches != slice(None) and places:
                if places[0] not in (None, branches.start):
                    continue
                places = (0, *places[1:])
            _check_cells(where, index, places, tuple(edited.shape[1:]))
            edited[(slice(None), *(slice(None) if place is None else place for place in places))] = float(value)
        return edited.reshape(raw.shape)

    return cells


def _check_cells(where: str, index: Any, places: tuple[Any, ...], shape: tuple[int, ...]) -> None:
    """Refuse an index that is outside of a value."""
    fits = len(places) <= len(shape) and all(
        place is None or (_whole(place) and 0 <= place < size) for place, size in zip(places, shape, strict=False)
    )
    if not places or not fits:
        raise EditError(f"{where}: {index!r} is no index into its values of shape {shape}")

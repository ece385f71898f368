"""How an attention value lies in a tensor of the network, and the way to the shape of its kind and back."""

from dataclasses import dataclass
from math import prod

from torch import Tensor

from attnviz.flow.atoms import (
    BATCH,
    BRANCH,
    COLUMNS,
    CONSTANT,
    DEPTH,
    NAMES,
    PLACES,
    ROWS,
    Atom,
    Axis,
    Label,
    kinds,
    places,
)
from attnviz.flow.claim import Claim
from attnviz.flow.trace import softmax_axis
from attnviz.mechanisms import Kind

WAYS = (DEPTH, ROWS, COLUMNS)


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of entries of one meaning; ``size`` is 0 for the batch, which is as long as it comes."""

    meaning: str
    size: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A tensor's axes as pieces, and which of these, in which order, make up each axis of the value.

    ``groups`` number the pieces from the first axis on. A piece that is neither in a group nor the batch is constant.
    """

    axes: tuple[tuple[Piece, ...], ...]
    groups: tuple[tuple[int, ...], ...]

    @property
    def pieces(self) -> tuple[Piece, ...]:
        return tuple(piece for axis in self.axes for piece in axis)

    @property
    def shape(self) -> tuple[int, ...]:
        """The value's shape for one picture."""
        pieces = self.pieces
        return tuple(prod(pieces[i].size for i in group) for group in self.groups)

    def _batch(self, tensor: Tensor) -> int:
        for axis, size in zip(self.axes, tensor.shape, strict=True):
            if any(piece.size == 0 for piece in axis):
                return int(size) // prod(piece.size or 1 for piece in axis)
        return 1

    def _split(self, tensor: Tensor) -> Tensor:
        return tensor.reshape([piece.size or self._batch(tensor) for piece in self.pieces])

    def _order(self) -> tuple[list[int], list[int]]:
        """The pieces as the value has them, the batch first; and those that are constant."""
        pieces = self.pieces
        batch = [i for i, piece in enumerate(pieces) if piece.size == 0]
        used = [*batch, *(i for group in self.groups for i in group)]
        return used, [i for i in range(len(pieces)) if i not in used]

    def canonical(self, tensor: Tensor) -> Tensor:
        """The value, (B, ...) in the shape of its kind; of what is constant, the first entry."""
        if tensor.dim() == len(self.axes) - 1:  # one picture without its batch, as a product of two matrices is
            tensor = tensor[None]
        batch = self._batch(tensor)
        used, constant = self._order()
        split = self._split(tensor)
        for place in constant:
            split = split.narrow(place, 0, 1)
        return split.permute(*used, *constant).reshape(batch, *self.shape)

    def spread(self, value: Tensor, like: Tensor) -> Tensor:
        """The way back: a value (B, ...) as the tensor ``like`` has it."""
        if like.dim() == len(self.axes) - 1:
            return self.spread(value, like[None])[0]
        used, constant = self._order()
        pieces, batch = self.pieces, self._batch(like)
        split = value.reshape([*(pieces[i].size or batch for i in used), *(1 for _ in constant)])
        order = [*used, *constant]
        back = split.permute([order.index(i) for i in range(len(order))])
        return back.expand([piece.size or batch for piece in pieces]).reshape(like.shape)

    def narrowed(self, tensor: Tensor) -> Tensor:
        """The tensor with only what the value claims to hold."""
        return self.spread(self.canonical(tensor), tensor)


def lay_out(claim: Claim, label: Label, kind: Kind | None) -> Layout:
    """The layout of a claim's value, in a tensor of that label; for a strip (kind None) channels and its places."""
    atoms = [atom for axis in label for atom in axis]
    axes = tuple(tuple(_piece(atom) for atom in axis) for axis in label)
    if kind is Kind.AFFINITY:
        return Layout(axes, _affinity(claim, label, atoms))
    free = [i for i, atom in enumerate(atoms) if atom.kinds != {CONSTANT} and BATCH not in atom.kinds]
    if kind is Kind.BRANCH:
        first = [i for i in free if _shared(claim, atoms[i])]
        return Layout(axes, (tuple(first), tuple(i for i in free if i not in first)))
    ways = [[i for i in free if atoms[i].kinds & PLACES == {way}] for way in order(claim)]
    tokens = [i for i in free if len(atoms[i].kinds & PLACES) > 1]  # places and what was put beside them
    grid = [tuple(way) for way in (*ways, tokens) if way]
    rest = tuple(i for i in free if not atoms[i].kinds & PLACES)
    if kind in (Kind.SPATIAL, Kind.CONTEXT):
        return Layout(axes, tuple(grid))
    return Layout(axes, (rest, *grid))


def formed(claim: Claim, label: Label, form: str) -> Layout | None:
    """The layout of a paper's value, its axes by letters (``Mechanism.axes_of``); None where the tensor has others."""
    atoms = [atom for axis in label for atom in axis]
    axes = tuple(tuple(_piece(atom) for atom in axis) for axis in label)
    free = [i for i, atom in enumerate(atoms) if atom.kinds != {CONSTANT} and BATCH not in atom.kinds]
    ways = [[i for i in free if atoms[i].kinds & PLACES == {way}] for way in order(claim)]
    grid = (
        [i for way in ways for i in way] if "q" in form or "k" in form else [i for i in free if atoms[i].kinds & PLACES]
    )
    rest = [i for i in free if not atoms[i].kinds & PLACES]
    several = [i for i in rest if BRANCH in atoms[i].kinds or _shared(claim, atoms[i])] if "m" in form else []
    several = several or (rest if "m" in form and "c" not in form else [])
    meant = {
        **{letter: [i for i in rest if i not in several] for letter in "chd"},
        "m": several,
        **dict.fromkeys("qkl", grid),
        **dict(zip("ij", [way for way, kind in zip(ways, order(claim), strict=True) if kind != DEPTH], strict=False)),
        "1": [],
    }
    groups = tuple(tuple(meant[letter]) for letter in form)
    lost = any(not group for letter, group in zip(form, groups, strict=True) if letter in "ijqk" and places(claim.on))
    return Layout(axes, groups) if sorted(i for group in groups for i in group) == free and not lost else None


def order(claim: Claim) -> list[str]:
    """The directions in the order in which the features have them: frequencies may stand before moments."""
    label = claim.on or claim.features.label
    there = [kind for axis in label for atom in axis for kind in WAYS if kind in atom.kinds]
    return list(dict.fromkeys([*there, *WAYS]))


def _piece(atom: Atom) -> Piece:
    meaning = " x ".join(NAMES[kind] for kind in sorted(atom.kinds))
    return Piece(meaning, 0 if BATCH in atom.kinds else atom.size)


def _shared(claim: Claim, atom: Atom) -> bool:
    """Whether an atom tells branches apart."""
    if claim.soft is None:
        return BRANCH in atom.kinds
    axis = claim.soft.out.label[softmax_axis(claim.soft)]
    return any(atom is each for each in axis)


def _affinity(claim: Claim, label: Label, atoms: list[Atom]) -> tuple[tuple[int, ...], ...]:
    """Heads, queries, keys."""
    spans: list[tuple[int, ...]] = []
    start = 0
    for axis in label:
        spans.append(tuple(range(start, start + len(axis))))
        start += len(axis)
    keys = spans[claim.key_axis] if claim.key_axis is not None else ()
    rows = spans[claim.row_axis] if claim.row_axis is not None else ()
    if claim.row_axis is None:  # rows on several axes
        rows = tuple(
            i for i, atom in enumerate(atoms) if atom.kinds & PLACES and i not in keys and BATCH not in atom.kinds
        )
    taken = {*rows, *keys}
    heads = tuple(
        i for i, atom in enumerate(atoms) if i not in taken and BATCH not in atom.kinds and atom.kinds != {CONSTANT}
    )
    return heads, rows, keys


def grid_of(axis: Axis) -> tuple[int, ...] | None:
    """The grid that an axis of places is, in the order in which it runs; None for places that are no whole grid."""
    sizes = [atom.size for atom in axis if atom.kinds & PLACES]
    ways = [kind for atom in axis for kind in atom.kinds]
    alone = all(len(atom.kinds) == 1 and not atom.parts for atom in axis)
    return tuple(sizes) if alone and len(set(ways)) == len(ways) and kinds(axis) <= PLACES else None

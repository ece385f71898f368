"""What an axis means: a tuple of atoms, each a run of entries of one meaning.

The axis of a flattened grid is (rows, columns); the heads of a transformer are a part of the channels; an axis of
one entry is the empty tuple. Atoms are told apart by identity: two tensors that share an atom share that axis.
"""

import itertools
from collections import deque
from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

BATCH, DEPTH, ROWS, COLUMNS, FEATURE = "b", "d", "r", "c", "f"
BRANCH, WINDOW, WEIGHT, CONSTANT, UNKNOWN = "k", "w", "p", "x", "?"
NAMES = {
    BATCH: "batch",
    DEPTH: "depth",
    ROWS: "row",
    COLUMNS: "column",
    FEATURE: "channel",
    BRANCH: "branch",
    WINDOW: "window",
    WEIGHT: "weight",
    CONSTANT: "constant",
    UNKNOWN: "unknown",
}
PLACES = frozenset({DEPTH, ROWS, COLUMNS})
_ids = itertools.count()


class Atom:
    """A run of ``size`` entries. ``parent``: the atom it was split from, which piece of it, and the split.

    ``parts``: the axes that a concatenation laid end to end, with their lengths. ``memo`` holds what was derived
    from it, so that the same step taken twice gives the same atom.
    """

    __slots__ = ("id", "kinds", "memo", "parent", "parts", "size")

    def __init__(
        self,
        kinds: Iterable[str],
        size: int,
        parent: "tuple[Atom, int, tuple[int, int]] | None" = None,
        parts: "tuple[tuple[Axis, int], ...]" = (),
    ) -> None:
        self.kinds, self.size, self.parent, self.parts = frozenset(kinds), size, parent, parts
        self.memo: dict[Any, Any] = {}
        self.id = next(_ids)

    def __repr__(self) -> str:
        return "".join(sorted(self.kinds)) + ("'" if self.parent else "") + str(self.size)

    @property
    def root(self) -> "Atom":
        """The atom that it was split from in the first place."""
        atom = self
        while atom.parent:
            atom = atom.parent[0]
        return atom

    def split(self, high: int, low: int) -> "tuple[Atom, Atom]":
        """Two atoms, ``high`` runs of ``low`` entries."""
        if (high, low) not in self.memo:
            self.memo[high, low] = tuple(Atom(self.kinds, n, (self, i, (high, low))) for i, n in enumerate((high, low)))
        first, second = self.memo[high, low]
        return first, second


Axis = tuple[Atom, ...]
Label = tuple[Axis, ...]


def kinds(axis: Axis) -> frozenset[str]:
    """What an axis's entries differ in; nothing for an axis of one entry or of constants."""
    return frozenset(kind for atom in axis for kind in atom.kinds) - {CONSTANT}


def varies(axis: Axis) -> bool:
    """Whether entries along the axis can differ."""
    return any(atom.kinds != {CONSTANT} for atom in axis)


def places(label: Iterable[Axis]) -> frozenset[str]:
    """The directions in space and time that a label has."""
    return frozenset(kind for axis in label for kind in kinds(axis)) & PLACES


def is_batch(axis: Axis) -> bool:
    return any(BATCH in atom.kinds for atom in axis)


def features(axis: Axis) -> bool:
    return FEATURE in kinds(axis)


def new(kind: Iterable[str], size: int) -> Axis:
    """An axis of a meaning of its own."""
    return (Atom(kind, size),) if size > 1 else ()


def derived(axis: Axis, size: int, how: Any = "fresh") -> Axis:
    """An axis of ``size`` entries that comes of another by ``how``; the same each time."""
    if size == 1:
        return ()
    meaning = kinds(axis)
    if not meaning:
        return new(CONSTANT, size)
    key = (how, size, tuple(atom.id for atom in axis))
    memo = axis[0].memo
    if key not in memo:
        memo[key] = Atom(meaning, size)
    return (memo[key],)


def merged(axis: Sequence[Atom]) -> Axis:
    """An axis whose neighboring halves of one split are that one again."""
    atoms = list(axis)
    place = 0
    while place < len(atoms) - 1:
        one, two = atoms[place].parent, atoms[place + 1].parent
        if one and two and one[0] is two[0] and one[2] == two[2] and (one[1], two[1]) == (0, 1):
            atoms[place : place + 2] = [one[0]]
            place = max(place - 1, 0)
        else:
            place += 1
    return tuple(atoms)


def reshaped(label: Label, shape: Sequence[int]) -> Label | None:
    """The label after a reshape; None where atoms do not fit the new axes."""
    left = deque(atom for axis in label for atom in axis if atom.size > 1)
    out: list[Axis] = []
    for size in shape:
        taken: list[Atom] = []
        have = 1
        while have < size:
            if not left or size % have:
                return None
            atom, need = left[0], size // have
            if need % atom.size == 0:
                taken.append(left.popleft())
                have *= atom.size
            elif atom.size % need == 0:
                first, rest = atom.split(need, atom.size // need)
                taken.append(first)
                left[0] = rest
                have *= need
            else:
                return None
        out.append(merged(taken))
    return tuple(out) if not left else None


def piece(axis: Axis, start: int, end: int, step: int, total: int) -> Axis:
    """The axis of a slice; a slice of a concatenation along its seams is what was concatenated."""
    size = len(range(start, end, step))
    if size == total:
        return axis
    if size <= 1:
        return ()
    if len(axis) == 1 and step == 1:
        offset = 0
        for part, length in axis[0].parts:
            if offset == start and length == size:
                return part
            offset += length
    return derived(axis, size, ("slice", start, end, step))


def roots(axis: Axis) -> set[int]:
    """The ids of the atoms that an axis goes back to, through splits and concatenations."""
    out: set[int] = set()
    for atom in axis:
        out.add(atom.root.id)
        for part, _ in atom.parts:
            out |= roots(part)
    return out


def aligned(label: Label, axes: int) -> Label:
    """A label with empty axes in front, as broadcasting lays it."""
    return ((),) * (axes - len(label)) + label


def size_of(axis: Axis) -> int:
    return prod(atom.size for atom in axis)


def describe(label: Label) -> str:
    """A label in words: "batch, channel, row x column"."""
    words = []
    for axis in label:
        named = [NAMES[kind] for atom in axis for kind in sorted(atom.kinds)]
        words.append(" x ".join(named) or "1")
    return ", ".join(words)

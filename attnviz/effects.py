"""What other attention values would do to a prediction: one value varied, and each gate shut alone."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from attnviz.capture import Edit
from attnviz.capture.outputs import Region, logits_of
from attnviz.capture.whatif import WhatIf
from attnviz.errors import EditError, OptionError
from attnviz.mechanisms import Kind, Role

SHUT = 0.0


def logits(whatif: WhatIf, edits: Sequence[Edit], region: Region | None) -> Tensor:
    """The logits (E, N) with each of several edits of one block."""
    return torch.stack([_row(output, region) for output in whatif.outputs(edits)]).float().cpu()


def _row(output: Any, region: Region | None) -> Tensor:
    row, reason = logits_of(output, region)
    if row is None:
        raise OptionError(str(reason))
    return row


def varied(edit: Edit, values: Sequence[float]) -> list[Edit]:
    """The same edit with other numbers: a forced channel's, or that of all the cells that are set."""
    if edit.how == "forced":
        return [replace(edit, value=value) for value in values]
    if edit.how == "set":
        return [replace(edit, values=tuple((index, value) for index, _ in edit.cells)) for value in values]
    raise EditError(f"a response is to a forced or a set edit, whose number is varied, not to {edit.how!r}")


def shutting(layer: str, part: str | None, call: int, kind: Kind, role: Role, shape: Sequence[int]) -> list[Edit]:
    """An edit for each gate of a value that shuts it alone.

    Args:
        layer: the block's path.
        part: whose value it is.
        call: of which run.
        kind: what it is over.
        role: what it does.
        shape: without a batch: (C,) of channels, (H, W) of places.

    Raises OptionError for values that are no such gates.
    """
    if kind not in (Kind.CHANNEL, Kind.SPATIAL) or role not in (Role.GATE, Role.TERM):
        raise OptionError(f"{layer}: gates of channels or of places can be shut one by one; this is a {kind} {role}")
    cells: list[Any] = list(range(shape[0])) if kind is Kind.CHANNEL else list(product(*map(range, shape)))
    return [Edit(layer, "set", part=part, call=call, values={cell: SHUT}) for cell in cells]

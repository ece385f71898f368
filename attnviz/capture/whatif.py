"""What a network would say if an attention value were another: for many values at once.

What comes before the value is the same for all of them, so the network is run once, and gone on with from there for a
batch of values (``flow.resume``). Where it cannot be gone on with so, each value has a pass of its own: it takes
longer and says the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from attnviz.capture.backbone import Backbone
from attnviz.capture.edits import Change, Edit
from attnviz.capture.flowing import FlowBlock, changes_at
from attnviz.capture.values import canonical
from attnviz.flow.replay import difference
from attnviz.flow.resume import Resume, ResumeError, after_module, after_point
from attnviz.mechanisms import Block

BATCH = 32  # values at a time
CLOSE = 1e-4
FAILS = (ResumeError, RuntimeError, NotImplementedError, ValueError, TypeError, KeyError)


@dataclass(frozen=True, eq=False)
class Source:
    """The one value of a pass that an edit changes: where it stands, what it becomes, and how it is laid out as a value
    of its kind.
    """

    key: tuple[Any, ...]
    function: Callable[[Tensor], Tensor]
    lay: Callable[[Tensor], Tensor]
    sign: int = 1  # -1: the value is one divided by what stands there


class WhatIf:
    """A picture's pass, and what would come of other attention values in it.

    Args:
        backbone: the network.
        x: the picture as the network takes it, (1, C, H, W).
        edits: those of the pass.
        output: what the network gave in it.
    """

    def __init__(self, backbone: Backbone, x: Tensor, edits: Sequence[Edit], output: Any) -> None:
        self._backbone, self._x, self._edits, self._output = backbone, x, tuple(edits), output
        self._resumed: tuple[Any, Resume | None] = None, None  # from the value that was asked for last

    def outputs(self, edits: Sequence[Edit]) -> Iterator[Any]:
        """The network's output for each of several edits of one block, on top of the pass's own, in their order."""
        resume, sources = self._resume(edits)
        for start in range(0, len(edits), BATCH):
            some = edits[start : start + BATCH]
            if resume is None:
                for edit in some:
                    yield self._backbone.run(self._x, [*self._edits, edit], read=False)[0]
                continue
            values = [source.function(resume.base.clone()) for source in sources[start : start + BATCH]]
            yield from resume.outputs(torch.stack(values)).unbind(0)

    def slopes(self, edit: Edit, of: Callable[[Any], Tensor]) -> Tensor | None:
        """Of the value that an edit changes, each entry times the gradient in it of a number that is made from the
        network's output, in the shape of the value's kind with the batch in front; None where no gradient is at hand.
        """
        resume, sources = self._resume([edit])
        if resume is None:
            return None
        return sources[0].sign * sources[0].lay(resume.base * resume.gradient(of))

    def _resume(self, edits: Sequence[Edit]) -> tuple[Resume | None, list[Source]]:
        """How the pass goes on from the one value that all the edits change; None where that is not one."""
        try:
            sources = [self._source(edit) for edit in edits]
        except ResumeError:
            sources = []
        keys = {source.key for source in sources}
        if len(keys) != 1:
            self._resumed = None, None
            return None, []
        [key] = keys
        resumed = self._resumed  # read once: another thread may ask for another value meanwhile
        if key != resumed[0]:
            self._resumed = resumed = key, self._checked(key)
        return resumed[1], sources

    def _checked(self, key: tuple[Any, ...]) -> Resume | None:
        """Going on from a value, where its own value leads to the output that was seen."""
        try:
            graph = self._backbone.graph(self._x, self._edits)
            resume = after_module(graph, *key) if len(key) > 1 else after_point(graph, *key)
            resume.keep(self._backbone.model, self._x, lambda: self._backbone.passing(self._x, self._edits, read=False))
            [same] = resume.outputs(resume.base[None])
        except FAILS:
            return None
        return resume if isinstance(self._output, Tensor) and difference(same, self._output) <= CLOSE else None

    def _source(self, edit: Edit) -> Source:
        blocks, changes = self._backbone.look(self._x), self._backbone.plan([edit], self._x).changes
        if len(changes) != 1 or any(each.layer in ("*", edit.layer) for each in self._edits):
            raise ResumeError("several values change")
        [(path, [change])] = changes.items()
        if isinstance(blocks.get(edit.layer), FlowBlock):
            return self._at_point(blocks, changes, edit)
        if edit.layer in self._backbone.twins:
            raise ResumeError("the block is computed beside the network")
        part = next(each for each in blocks[edit.layer].parts if path.removeprefix(f"{edit.layer}.") in each.points)
        return Source((path, edit.call), change.function, partial(canonical, part.kind))

    def _at_point(self, blocks: Mapping[str, Block], changes: Mapping[str, Sequence[Change]], edit: Edit) -> Source:
        found = {path: block for path, block in blocks.items() if isinstance(block, FlowBlock)}
        if self._edits:
            raise ResumeError("edits below autograd are no operations of the pass")
        at, _ = changes_at(found, changes)
        if len(at) != 1:
            raise ResumeError("several values change")
        [(point, function)] = at.items()
        return Source((point,), function, point.layout.canonical, -1 if point.inverse else 1)

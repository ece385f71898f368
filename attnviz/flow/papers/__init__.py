"""A paper's own steps in a block's flow: which of the recorded values are the ones that the paper names.

A file a family of mechanisms, a function a mechanism. To add one: write a function that takes the block's flow and
gives its landmarks, under the names of the mechanism's own steps, and put it into ``PAPERS``. One that does not find
all of them gives None: then the block's steps are the recorded operations.
"""

from collections.abc import Callable

from attnviz.flow.block import Holder
from attnviz.flow.claim import Found
from attnviz.flow.graph import Value
from attnviz.flow.papers import gates, shares
from attnviz.flow.papers.trail import BlockFlow, Landmarks

PAPERS: dict[str, Callable[[BlockFlow], Landmarks | None]] = {
    "BAM": gates.bam,
    "CA": gates.coordinate,
    "CBAM": gates.cbam,
    "ECA": gates.eca,
    "eSE": gates.ese,
    "GC": shares.gc,
    "Non-Local": shares.non_local,
    "SE": gates.se,
    "SK": shares.sk,
    "scSE": gates.scse,
}


def landmarks(found: Found, holder: Holder, output: Value) -> Landmarks | None:
    """Where the steps of a block's paper stand in its flow, or None where it has no paper, or not all of them."""
    paper = PAPERS.get(holder.mechanism or "")
    return paper(BlockFlow(found, holder, output)) if paper is not None else None


__all__ = ["Landmarks", "landmarks"]

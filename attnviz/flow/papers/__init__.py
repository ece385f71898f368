"""A paper's own steps in a block's flow: which of the recorded values are the ones that the paper names.

A file a family of mechanisms, a function a mechanism. To add one: write a function that takes the block's flow and
gives its landmarks, under the names of the mechanism's own steps, and one in ``relations`` that says what these have
to be; put both into ``PAPERS``. A block whose flow has not all of the steps, or where they are not what the paper says,
has the recorded operations as its steps.
"""

from collections.abc import Callable
from typing import NamedTuple

from attnviz.flow.block import Holder
from attnviz.flow.claim import Found
from attnviz.flow.graph import Value
from attnviz.flow.papers import gates, relations, shares
from attnviz.flow.papers.relations import Relation
from attnviz.flow.papers.trail import BlockFlow, Landmarks


class PaperReader(NamedTuple):
    """Finds a paper's steps in a flow, and says what they have to be."""

    find: Callable[[BlockFlow], Landmarks | None]
    relation: Relation


PAPERS: dict[str, PaperReader] = {
    "BAM": PaperReader(gates.bam, relations.bam),
    "CA": PaperReader(gates.coordinate, relations.coordinate),
    "CBAM": PaperReader(gates.cbam, relations.cbam),
    "ECA": PaperReader(gates.eca, relations.eca),
    "eSE": PaperReader(gates.ese, relations.ese),
    "GC": PaperReader(shares.gc, relations.gc),
    "Non-Local": PaperReader(shares.non_local, relations.non_local),
    "SE": PaperReader(gates.se, relations.se),
    "SK": PaperReader(shares.sk, relations.sk),
    "scSE": PaperReader(gates.scse, relations.scse),
}


def landmarks(found: Found, holder: Holder, output: Value) -> Landmarks | None:
    """Where the steps of a block's paper stand in its flow, or None where it has no paper, or not all of them."""
    paper = PAPERS.get(holder.mechanism or "")
    return paper.find(BlockFlow(found, holder, output)) if paper is not None else None


__all__ = ["PAPERS", "Landmarks", "landmarks"]

"""Finding: all that may be attention in a labeled graph, and what only looks like it."""

from attnviz.flow.affinities import MATRICES, matrix
from attnviz.flow.claim import Found
from attnviz.flow.exclude import exclude
from attnviz.flow.gates import PRODUCTS, product
from attnviz.flow.graph import Graph, Op
from attnviz.flow.terms import dynamic, term


def find(graph: Graph) -> Found:
    """Every claim in a labeled graph; those that ``exclude`` knows better keep what they are."""
    found = Found(graph)
    for op in graph.ops:
        if op.outputs:
            look_at(found, op)
    exclude(found)
    return found


def look_at(found: Found, op: Op) -> None:
    """Claim what one operation shows."""
    if op.name in PRODUCTS:
        product(found, op)
    elif op.name in MATRICES:
        matrix(found, op)
    elif op.name in ("add", "sub"):
        term(found, op)
    elif op.name in ("convolution", "_convolution"):
        dynamic(found, op)
    elif op.name in ("mkldnn_rnn_layer", "lstm", "gru"):
        found.remark(op, "recurrent layer", "A recurrent layer has gates of its own; torch computes it in one piece.")

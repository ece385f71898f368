"""Attention read by what flows.

One real pass is recorded below autograd, the meaning of every axis is followed, attention is read off the graph, and
each block is verified by computing its output again from the attention alone.

    sight = look(model, x)          # what attention there is, without tensors
    readings = read(model, sight, x)    # its values for an input, in the shapes of their kinds

``docs/flow.md`` says how it works and how to add the rule for an operation.
"""

from attnviz.flow.look import look
from attnviz.flow.read import Reading, Readings, read
from attnviz.flow.sight import Block, Note, Part, Point, Sight

__all__ = ["Block", "Note", "Part", "Point", "Reading", "Readings", "Sight", "look", "read"]

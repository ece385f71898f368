"""Attention read by what flows.

One real pass is recorded below autograd, the meaning of every axis is followed, attention is read off the graph, and
each block is verified by computing its output again from the attention alone.

    sight = look(model, x)                      # what attention there is
    readings = read(model, sight, x)            # its values for an input, in the shapes of their kinds
    operations = steps(model, sight.blocks[0], x)    # a block's operations, each with its tensor and formula

A part says more than its kind and role: ``points`` (where it stands in a pass, by call), ``otherwise`` (the way out
where it has no neutral value), ``low``, ``high``, ``deviation``, ``constant``, ``squash`` and ``note``; a block has
``before`` and ``after``, the points of its features. Attention of kinds that have no shape here (windows, rows or
columns alone, channels that read channels, several contexts, groups) is named in ``Sight.noted``.

``docs/flow.md`` says how it works and how to add the rule for an operation.
"""

from attnviz.flow.look import look
from attnviz.flow.read import Reading, Readings, read
from attnviz.flow.record import quiet
from attnviz.flow.sight import Block, Note, Part, Point, Sight
from attnviz.flow.steps import Step, steps

__all__ = ["Block", "Note", "Part", "Point", "Reading", "Readings", "Sight", "Step", "look", "quiet", "read", "steps"]

"""Modules whose attention the flow does not show, read by their class: each as a mechanism, assembled of its own layers.

A file a family of mechanisms, a function a class. To add one: write a function that takes the module and gives
its ``Twin``, and name the class in ``reads``; the test of all readers checks it on a real module.
"""

from attnviz.readers import bilinear, heads
from attnviz.readers.registry import Reader, known, reader_of, reads, twin, twins
from attnviz.readers.twin import Twin, assemble

__all__ = [
    "Reader",
    "Twin",
    "assemble",
    "bilinear",
    "heads",
    "known",
    "reader_of",
    "reads",
    "twin",
    "twins",
]

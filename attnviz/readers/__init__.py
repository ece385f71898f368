"""Other people's attention modules, read: each as one of our mechanisms, assembled of its own layers.

A file a family of mechanisms, a function a class. To add one: write a function that takes the module and gives
its ``Twin``, and name the class in ``reads``; the test of all readers checks it on a real module.
"""

from attnviz.readers import branches, channel, context, gates, heads, strips
from attnviz.readers.registry import Reader, known, reader_of, reads, reads_like, twin, twins
from attnviz.readers.twin import Twin, assemble

__all__ = [
    "Reader",
    "Twin",
    "assemble",
    "branches",
    "channel",
    "context",
    "gates",
    "heads",
    "known",
    "reader_of",
    "reads",
    "reads_like",
    "strips",
    "twin",
    "twins",
]

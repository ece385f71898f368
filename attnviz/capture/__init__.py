"""Watching and editing a forward pass."""

from attnviz.capture.backbone import Backbone, batch_values, instrument, measure_means
from attnviz.capture.edits import Edit, Means
from attnviz.capture.values import AffinityMap, Coordinate

__all__ = ["AffinityMap", "Backbone", "Coordinate", "Edit", "Means", "batch_values", "instrument", "measure_means"]

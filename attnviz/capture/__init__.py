"""Watching and editing a forward pass."""

from attnviz.capture.backbone import Backbone, instrument
from attnviz.capture.edits import Edit, Means
from attnviz.capture.means import batch_values, measure_means
from attnviz.capture.values import AffinityMap, Coordinate

__all__ = ["AffinityMap", "Backbone", "Coordinate", "Edit", "Means", "batch_values", "instrument", "measure_means"]

"""Rules of axes, by operation: importing this package fills the table."""

from attnviz.flow.rules import joins, pointwise, products, reduce, signals, views
from attnviz.flow.rules.table import RULES, axes

__all__ = ["RULES", "axes", "joins", "pointwise", "products", "reduce", "signals", "views"]

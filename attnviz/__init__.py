"""See what a CNN's attention does to your picture, and whether it matters.

Nothing heavy is imported until it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attnviz.attribution import Attribution, attribute
    from attnviz.capture import Backbone, Edit, Means, instrument, measure_means
    from attnviz.capture.gradcam import Cam
    from attnviz.cards import ModelCard
    from attnviz.errors import AttnvizError
    from attnviz.explanation import AttentionRecord, Explanation, explain
    from attnviz.images import Picture
    from attnviz.stock import catalogue
    from attnviz.zoo import load

__version__ = "0.1.0"

_HOMES = {
    "Attribution": "attnviz.attribution",
    "attribute": "attnviz.attribution",
    "ModelCard": "attnviz.cards",
    "Backbone": "attnviz.capture",
    "Edit": "attnviz.capture",
    "Means": "attnviz.capture",
    "instrument": "attnviz.capture",
    "measure_means": "attnviz.capture",
    "AttnvizError": "attnviz.errors",
    "AttentionRecord": "attnviz.explanation",
    "Cam": "attnviz.capture.gradcam",
    "Explanation": "attnviz.explanation",
    "explain": "attnviz.explanation",
    "Picture": "attnviz.images",
    "catalogue": "attnviz.stock",
    "load": "attnviz.zoo",
}

__all__ = [
    "AttentionRecord",
    "AttnvizError",
    "Attribution",
    "Backbone",
    "Cam",
    "Edit",
    "Explanation",
    "Means",
    "ModelCard",
    "Picture",
    "attribute",
    "catalogue",
    "explain",
    "instrument",
    "load",
    "measure_means",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'attnviz' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

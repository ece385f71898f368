"""What classes are called: by their labels, told apart where two have the same."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from attnviz import Explanation
from attnviz.ui import texts


def class_names(explanation: Explanation) -> tuple[str, ...]:
    """A name for each logit; none where there are no logits."""
    if explanation.logits is None:
        return ()
    return told_apart(explanation.backbone.classes) or _numbered(len(explanation.logits))


@lru_cache(32)
def told_apart(labels: Sequence[str] | None) -> tuple[str, ...]:
    """Labels, with the class's index behind each that occurs twice."""
    counts = Counter(labels or ())
    return tuple(f"{label} ({i})" if counts[label] > 1 else label for i, label in enumerate(labels or ()))


@lru_cache(32)
def _numbered(count: int) -> tuple[str, ...]:
    return tuple(texts.CLASS.format(index=index) for index in range(count))


def same_class(name: str, labels: Sequence[str] | None) -> int | None:
    """The class that another network calls so; None where it has none, or several.

    ImageNet's labels are lists of synonyms ("church, church building"), of which one in common is enough.
    """
    known = told_apart(labels)
    if name in known:
        return known.index(name)
    words = set(name.split(", "))
    found = [i for i, label in enumerate(labels or ()) if words.intersection(label.split(", "))]
    return found[0] if len(found) == 1 else None


def index_of(name: str, labels: tuple[str, ...] | None) -> int:
    """The class of a name. Raises ValueError for none; a class without labels is checked when it is explained."""
    if labels:
        return told_apart(labels).index(name)
    found = re.fullmatch(re.escape(texts.CLASS).replace(r"\{index\}", r"(\d{1,6})"), name)
    if found is None:
        raise ValueError(name)
    return int(found[1])

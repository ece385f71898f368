"""The drawn examples: every network that is shipped recognizes them."""

import pytest

import attnviz
from attnviz.scenes import SCENES
from attnviz.training.examples import SURE
from attnviz.ui.examples import Example, examples

DRAWN = [example for example in examples() if example.origin == "drawn"]


def test_there_are_some_of_several_classes() -> None:
    assert len(DRAWN) >= 6
    assert len({SCENES[example.path.stem.replace("-", " ")].label for example in DRAWN}) >= 5


@pytest.mark.parametrize("example", DRAWN, ids=[example.path.stem for example in DRAWN])
def test_every_network_recognizes_it(example: Example) -> None:
    label = SCENES[example.path.stem.replace("-", " ")].label
    for card in attnviz.catalogue("embedded"):
        _, found, probability = attnviz.explain(attnviz.load(card.id), example.path).top(1)[0]
        assert (card.id, found) == (card.id, label)
        assert probability > SURE

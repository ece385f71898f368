"""Tests of networks whose weights are still being trained wait for them; see ``shipped``."""

import pytest

import attnviz


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "shipped(*ids): the test reads the trained weights of these networks")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, and count as deselected, what needs weights that are not in the catalogue yet."""
    there = {card.id for card in attnviz.catalogue()}

    def ready(item: pytest.Item) -> bool:
        marked = [model_id for marker in item.iter_markers("shipped") for model_id in marker.args]
        return set(marked) <= there

    waiting = [item for item in items if not ready(item)]
    if waiting:
        config.hook.pytest_deselected(items=waiting)
        items[:] = [item for item in items if ready(item)]

"""Servers on loopback, an empty home, and short waits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from attnviz.stock import files, reach
from tests.unit.stock.servers import Site, point_at, serving


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    """A hub and release server that this process talks to, and an empty home."""
    monkeypatch.setattr(files, "PAUSE", 0.01)
    monkeypatch.setattr(files, "WAIT", 0.5)
    monkeypatch.setattr(reach, "SERVERS", reach.Servers())
    with serving() as served:
        point_at(monkeypatch, served.url, tmp_path)
        yield served

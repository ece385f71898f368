"""What the tests of weights' files share: files made by hand, and the shape of a refusal."""

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from attnviz.errors import ModelError

ONE = {"weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
VALUES = struct.pack("<2f", 1, 2)


@contextmanager
def refused(pattern: str) -> Iterator[None]:
    """A ModelError of one line that a page can show."""
    with pytest.raises(ModelError, match=pattern) as caught:
        yield
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def hand_made(path: Path, header: Any = ONE, data: bytes = VALUES, length: int | None = None) -> Path:
    """A file byte by byte: the header's length (or another), the header, the data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


def about(dtype: str = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"a\nb": {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}}

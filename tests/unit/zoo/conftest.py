from pathlib import Path

import pytest


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test puts its weights."""
    return tmp_path / "own.safetensors"

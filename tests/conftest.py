"""For all tests: no server is asked for anything, and nothing was fetched before; those about that say otherwise."""

import os
import tempfile

if "PYTEST_XDIST_WORKER" in os.environ:  # a process for each core: more threads would wait for one another
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"  # before huggingface_hub is imported, which reads it once
os.environ["HF_HOME"] = os.environ["TORCH_HOME"] = tempfile.mkdtemp(prefix="attnviz-tests-")

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file's tests run in one process; all browser tests in one, which share an app and a Chromium."""
    for item in items:
        file = item.path.as_posix()
        item.add_marker(pytest.mark.xdist_group("browser" if "/tests/browser/" in file else file))

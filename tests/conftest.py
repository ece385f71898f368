"""For all tests: no server is asked for anything, and nothing was fetched before; those about that say otherwise."""

import os
import tempfile
from typing import Any

if "PYTEST_XDIST_WORKER" in os.environ:  # a process for each core: more threads would wait for one another
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"  # before huggingface_hub is imported, which reads it once
os.environ["HF_HOME"] = os.environ["TORCH_HOME"] = tempfile.mkdtemp(prefix="attnviz-tests-")


def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """A file's tests run in one process; all browser tests in one, which share an app and a Chromium."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "browser" if nodeid.startswith("tests/browser/") else nodeid.partition("::")[0]

    return Scheduling(config, log)

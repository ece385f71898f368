"""For all tests: no server is asked for anything, and nothing was fetched before; those about that say otherwise."""

import os
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"  # before huggingface_hub is imported, which reads it once
os.environ["HF_HOME"] = os.environ["TORCH_HOME"] = tempfile.mkdtemp(prefix="attnviz-tests-")

"""For all tests: no server is asked for anything; those that are about servers say otherwise."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before huggingface_hub is imported, which reads it once

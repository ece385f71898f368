"""One analyst for all tests of what pages are told, and its payloads read back."""

import base64

import numpy as np
import pytest
import torch

from attnviz.ui.analysis import Analyst
from attnviz.ui.examples import examples


@pytest.fixture(scope="session")
def analyst() -> Analyst:
    torch.set_num_threads(1)
    return Analyst(examples())


def unpack(packed: dict) -> np.ndarray:
    """A packed array, as the page's script reads it."""
    kind = "<f4" if packed["bits"] == 32 else np.uint8
    return np.frombuffer(base64.b64decode(packed["data"]), kind).reshape(packed["shape"])

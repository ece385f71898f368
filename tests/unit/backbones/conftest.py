from collections.abc import Iterator

import pytest
import torch

from tests.seeds import seed_for_run


@pytest.fixture(autouse=True)
def no_grad() -> Iterator[None]:
    torch.manual_seed(seed_for_run(0))
    with torch.no_grad():
        yield

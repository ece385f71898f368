"""What tests of pictures share."""

import pytest
from PIL import Image, ImageFile


@pytest.fixture
def undecodable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding fails the test."""

    def load(self: Image.Image) -> None:
        pytest.fail("the pixels were decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)

"""A picture that components alone are shown with."""

import base64
from io import BytesIO
from typing import Any

from PIL import Image


def gray(level: int, width: int = 80, height: int = 60) -> str:
    file = BytesIO()
    Image.new("RGB", (width, height), (level,) * 3).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def a_picture(**changes: Any) -> dict[str, Any]:
    source = gray(128)
    value = {"src": source, "thumb": source, "width": 80, "height": 60, "box": [0, 0, 1, 1]}
    return value | {"name": "gray", "source": "example:gray"} | changes


EXAMPLES = [{"source": "example:gray", "label": "Gray", "origin": "drawn", "thumb": gray(128, 8, 8)}]

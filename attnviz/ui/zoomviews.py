"""Whether a larger object moves the shares to the larger kernel: Selective Kernels' own question."""

from typing import Any

import numpy as np

from attnviz import explain
from attnviz.ui import texts
from attnviz.ui.analysis import View
from attnviz.ui.payloads import Payload

ZOOMS = (1.0, 1.25, 1.5, 1.75, 2.0)


def zoom(view: View) -> Payload | None:
    """How the shares move as the photo's center is enlarged, stage by stage; None for other blocks.

    As Li et al. 2019 ask it: the mean share of the largest kernel less that of the smallest, over the
    channels of all blocks of a stage.
    """
    record, picture = view.record, view.explanation.picture
    if record is None or picture is None or record.kind != "branch":
        return None
    stages: dict[str, list[float]] = {}
    for factor in ZOOMS:
        found: dict[str, list[float]] = {}
        seen = explain(view.explanation.backbone, enlarged(picture.original, factor))
        for each in (record for record in seen.attention if record.kind == "branch"):
            values = each.tensor
            found.setdefault(each.stage, []).append(float(values[-1].mean() - values[0].mean()))
        for stage, moves in found.items():
            stages.setdefault(stage, []).append(float(np.mean(moves)))
    return {
        "zooms": list(ZOOMS),
        "stages": [{"name": name, "values": values} for name, values in stages.items()],
        "caption": texts.ZOOM_CAPTION.format(source=view.name),
        "words": _words(stages),
    }


def enlarged(image: Any, factor: float) -> Any:
    """The middle of a picture, a ``factor``-th of its width and height."""
    width, height = (max(1, round(length / factor)) for length in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _words(stages: dict[str, list[float]]) -> str:
    up = [name for name, values in stages.items() if values[-1] > values[0]]
    down = [name for name in stages if name not in up]
    return texts.ZOOM_WORDS.format(up=", ".join(up) or texts.ZOOM_NONE, down=", ".join(down) or texts.ZOOM_NONE)

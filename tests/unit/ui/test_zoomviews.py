"""The zoom: what the shares do on the crop that is shown."""

import numpy as np
import pytest
from PIL import Image

import attnviz
from attnviz.ui import zoomviews
from attnviz.ui.analysis import Analyst
from attnviz.ui.state import State
from tests.seeds import seed_for_run


@pytest.mark.parametrize(("size", "factor", "box"), [
    ((100, 60), 2.0, (25, 15, 75, 45)), ((100, 60), 1.0, (0, 0, 100, 60)), ((101, 50), 1.25, (10, 5, 91, 45)),
    ((1, 1), 2.0, (0, 0, 1, 1)),
])  # fmt: skip
def test_the_middle(size: tuple[int, int], factor: float, box: tuple[int, ...]) -> None:
    image = Image.fromarray(np.random.default_rng(seed_for_run(0)).integers(0, 256, (size[1], size[0], 3), np.uint8))
    assert np.array_equal(zoomviews.enlarged(image, factor), image.crop(box))


def test_the_shares_at_each_zoom(analyst: Analyst) -> None:
    view = analyst.view(State(analyst.first.source, "resnet18t-sk"))
    value = zoomviews.zoom(view)
    original = view.explanation.picture.original
    for i, factor in enumerate(value["zooms"]):
        width, height = (round(length / factor) for length in original.size)
        left, top = (original.width - width) // 2, (original.height - height) // 2
        seen = attnviz.explain(attnviz.load("resnet18t-sk"), original.crop((left, top, left + width, top + height)))
        for stage in value["stages"]:
            moves = [r.values[1].mean() - r.values[0].mean() for r in seen.attention if r.stage == stage["name"]]
            assert stage["values"][i] == pytest.approx(float(np.mean(moves)), abs=1e-6)
    gains = [stage["name"] for stage in value["stages"] if stage["values"][-1] > stage["values"][0]]
    assert f"gains in {', '.join(gains) or 'no stage'} and" in value["words"]


def test_other_blocks_have_no_branches(analyst: Analyst) -> None:
    assert zoomviews.zoom(analyst.view(analyst.first)) is None

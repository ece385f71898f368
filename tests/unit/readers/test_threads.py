"""One backbone, several threads: what one reads and edits is unseen by the others, twins and found blocks included."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

import attnviz
from tests.unit.readers.blogs import First, Second
from tests.unit.readers.modules import features, lively
from tests.unit.readers.test_modules import network

NETWORKS = {
    "a reader's": lambda: network("timm CBAM"),
    "inline, by a reader": lambda: network("timm Non-Local"),
    "found": lambda: lively(First()),
    "found in one forward": lambda: lively(Second()),
}


def output(model: nn.Module | Tensor | dict[str, Tensor]) -> Tensor:
    return model["logits"] if isinstance(model, dict) else model  # type: ignore[return-value]


@pytest.mark.parametrize("name", NETWORKS)
def test_edits_stay_in_their_thread(name: str) -> None:
    backbone = attnviz.instrument(NETWORKS[name]())
    pictures = [2 * features(3, 16, seed) for seed in range(4)]
    edits: list[tuple[attnviz.Edit, ...]] = [(), (attnviz.Edit("*", "shuffled"),), (attnviz.Edit("*", "uniform"),), ()]

    def run(job: int) -> tuple[Tensor, Tensor]:
        found = attnviz.explain(backbone, pictures[job % 4], 1, edits=edits[job % 4])
        values = found.attention[0].values
        return output(found.output), values if isinstance(values, Tensor) else values[0] if isinstance(
            values, tuple
        ) else values.row(3)

    expected = [run(job) for job in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for job, (logits, values) in enumerate(pool.map(run, range(48))):
            assert torch.equal(logits, expected[job % 4][0])
            assert torch.equal(values, expected[job % 4][1])


@pytest.mark.parametrize("name", NETWORKS)
def test_many_threads_ask_first(name: str) -> None:
    """The search and the findings are made once, whoever comes first; the others wait for them."""
    x = 2 * features(3, 16)
    expected = attnviz.explain(attnviz.instrument(NETWORKS[name]()), x)
    backbone = attnviz.instrument(NETWORKS[name]())
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: attnviz.explain(backbone, x, edits=()), range(8)):
            assert torch.equal(output(found.output), output(expected.output))
            assert [r.layer for r in found.attention] == [r.layer for r in expected.attention]

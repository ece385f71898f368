"""The affinity that is kept as factors: rows, coordinates, the matrix, and what is refused."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import attnviz
from attnviz import AttnvizError
from attnviz.capture import AffinityMap
from attnviz.mechanisms import NonLocal
from attnviz.mechanisms.non_local import Affinity, Pairwise
from tests.seeds import seed_for_run
from tests.unit.capture.networks import Tiny, picture, randomize, seeded
from tests.unit.capture.oracles import close_to, observe

QUERIES, KEYS = (5, 7), (2, 3)


def affinity(pairwise: Pairwise = "embedded_gaussian", scale: float = 1.0, depth: int = 4) -> AffinityMap:
    generator = torch.Generator().manual_seed(seed_for_run(3))
    theta, phi = (torch.randn(n, depth, generator=generator) for n in (35, 6))
    return AffinityMap(theta, phi, QUERIES, KEYS, Affinity(pairwise, scale))


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_rows_by_index_and_by_coordinates(scale: float) -> None:
    found = affinity(scale=scale)
    logits = (found.theta.double() @ found.phi.double().T * scale).numpy()
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    close_to(found.matrix(), torch.from_numpy(expected).float(), 1e-6)
    for i, j in np.ndindex(QUERIES):
        row = found.row((i, j))
        assert row.shape == KEYS
        assert torch.equal(row, found.row(i * 7 + j))
        assert found.flat((i, j)) == i * 7 + j
        close_to(row.flatten(), torch.from_numpy(expected[i * 7 + j]).float(), 1e-6)
        assert float(row.sum()) == pytest.approx(1, abs=1e-6)
    assert found.pairwise == "embedded_gaussian"
    assert found.scale == scale


def test_forms_without_a_softmax() -> None:
    dot = affinity("dot_product")
    close_to(dot.matrix(), dot.theta @ dot.phi.T / 6, 1e-6)
    joined = affinity("concatenation", depth=1)
    expected = np.maximum(joined.theta.numpy() + joined.phi.numpy().T, 0) / 6
    close_to(joined.matrix(), torch.from_numpy(expected), 1e-6)
    q = int(expected.max(1).argmax())  # a query whose row is no zero under the ReLU
    close_to(joined.row(divmod(q, 7)).flatten(), torch.from_numpy(expected[q]), 1e-6)


@pytest.mark.parametrize("q", [np.int64(9), (np.int64(1), np.int64(2)), [1, 2]], ids=repr)
def test_what_numpy_counts_with_is_taken(q: Any) -> None:
    assert torch.equal(affinity().row(q), affinity().row((1, 2)))


BAD = [-1, 35, (5, 0), (0, 7), (-1, 0), (1,), (1, 2, 3), (), 1.5, (0.5, 1), "3", None, True]


@pytest.mark.parametrize("q", BAD, ids=repr)
def test_queries_off_the_grid(q: Any) -> None:
    with pytest.raises(AttnvizError) as caught:
        affinity().row(q)
    assert "5x7" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("head", [1, -1])
def test_there_is_one_head(head: int) -> None:
    assert torch.equal(affinity().row(0, head=0), affinity().row(0))
    with pytest.raises(AttnvizError, match=str(head)):
        affinity().row(0, head=head)


def test_a_matrix_that_would_not_fit_is_refused_and_its_rows_are_not() -> None:
    n = 150 * 150
    generator = torch.Generator().manual_seed(seed_for_run(0))
    theta, phi = (torch.randn(n, 2, generator=generator) for _ in range(2))
    found = AffinityMap(theta, phi, (150, 150), (150, 150), Affinity("embedded_gaussian"))
    with pytest.raises(AttnvizError, match=r"22500 by 22500.*\.row"):
        found.matrix()
    row = found.row((149, 149))
    close_to(row.flatten(), torch.softmax(phi.double() @ theta[-1].double(), 0).float())


def taken(module: Tiny, x: Tensor) -> tuple[Tensor, Tensor]:
    """theta and phi (positions, d) by plain hooks, keys pooled by hand."""
    hooks = observe(module, x, "attention.theta", "attention.phi")
    theta, phi = (hooks[f"attention.{name}"][0][1][0] for name in ("theta", "phi"))
    height, width = (n // 2 * 2 for n in phi.shape[1:])
    pooled = phi[:, :height, :width].unflatten(1, (-1, 2)).unflatten(3, (-1, 2)).amax((2, 4))
    return theta.flatten(1).T, pooled.flatten(1).T


def test_sub_sampled_keys() -> None:
    """11x13 queries read 5x6 keys: the last row and column of positions are no keys."""
    model = seeded(lambda: randomize(Tiny(NonLocal(8, subsample=True)), 0))
    assert isinstance(model, Tiny)
    x = picture(0, (11, 13))
    theta, phi = taken(model, x)
    found = attnviz.explain(attnviz.instrument(model), x).attention[0].values
    assert isinstance(found, AffinityMap)
    assert (found.query_grid, found.key_grid) == ((11, 13), (5, 6))
    close_to(found.matrix(), torch.softmax(theta @ phi.T, 1))
    assert found.row((10, 12)).shape == (5, 6)
    assert float(found.row((10, 12)).sum()) == pytest.approx(1, abs=1e-5)

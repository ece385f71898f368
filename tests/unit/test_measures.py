"""Each measure against its definition, pair by pair in NumPy."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import attnviz
from attnviz.errors import OptionError
from attnviz.measures import dispersion, entropy, query_dependence
from tests.seeds import seed_for_run
from tests.unit.capture.networks import picture, tapped

LAYERS = ("stage2.1.attention", "stage3.0.attention", "stage3.1.attention")


def pairwise(vectors: NDArray[np.float64]) -> float:
    """The mean over all ordered pairs of (1 - cos) / 2."""
    distances = [(1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)) / 2 for a in vectors for b in vectors]
    return float(np.mean(distances))


@pytest.mark.parametrize("shape", [(1, 4), (7, 3), (30, 50)])
def test_dispersion_is_the_mean_over_pairs(shape: tuple[int, int]) -> None:
    vectors = np.random.default_rng(seed_for_run(0)).normal(0.3, 1, shape)
    assert dispersion(torch.from_numpy(vectors)) == pytest.approx(pairwise(vectors), abs=1e-12)


def test_dispersion_at_its_ends() -> None:
    assert dispersion(torch.ones(5, 3)) == pytest.approx(0, abs=1e-12)
    assert dispersion(torch.tensor([[1.0, 0.0], [-2.0, 0.0]])) == pytest.approx(0.5)
    assert dispersion(torch.eye(4)) == pytest.approx(0.5 * 12 / 16)


def test_entropy() -> None:
    shares = np.random.default_rng(seed_for_run(1)).dirichlet(np.ones(6), (2, 3))
    expected = -(shares * np.log(shares)).sum(-1) / np.log(6)
    np.testing.assert_allclose(entropy(torch.from_numpy(shares)).numpy(), expected, rtol=1e-12)
    ends = torch.tensor([[0.25, 0.25, 0.25, 0.25], [0, 1, 0, 0]])
    assert entropy(ends).tolist() == pytest.approx([1, 0])
    assert entropy(torch.ones(2, 1)).tolist() == [1, 1]


def test_entropy_of_what_falls_within_the_picture() -> None:
    """A row that sums to less than 1 has the entropy of its shares of that sum; where nothing is read, none."""
    shares = np.random.default_rng(seed_for_run(2)).dirichlet(np.ones(9))
    expected = -(shares * np.log(shares)).sum() / np.log(9)
    assert float(entropy(torch.from_numpy(0.3 * shares))) == pytest.approx(expected, rel=1e-12)
    assert float(entropy(torch.zeros(9))) == 0


@pytest.mark.parametrize("layer", LAYERS)
def test_query_dependence(layer: str) -> None:
    explanation = attnviz.explain(tapped("resnet18t-nl"), picture())
    found = query_dependence(explanation, layer)
    x, z = (features.double().flatten(1).numpy().T for features in explanation.features(layer))
    (record,) = [record for record in explanation.attention if record.layer == layer]
    assert found.input == pytest.approx(pairwise(x), abs=1e-6)
    assert found.attention == pytest.approx(pairwise(record.values.matrix().double().numpy()), abs=1e-6)  # type: ignore[union-attr]
    lost = 1e-6 * np.abs(z).max() / np.abs(z - x).mean()  # what float32 rounds of z, in what is left without x
    assert found.output == pytest.approx(pairwise(z - x), rel=lost)


def test_uniform_attention_does_not_depend_on_the_query() -> None:
    edits = attnviz.Edit("*", "uniform")
    found = query_dependence(attnviz.explain(tapped("resnet18t-nl"), picture(), edits=edits), LAYERS[0])
    assert found.input > 0.01
    assert found.attention == pytest.approx(0, abs=1e-6)
    assert found.output == pytest.approx(0, abs=1e-6)


def test_other_blocks_have_no_queries() -> None:
    with pytest.raises(OptionError, match="no queries") as caught:
        query_dependence(attnviz.explain(tapped("resnet18t-gc"), picture()), "stage3.1.attention")
    assert "\n" not in str(caught.value)

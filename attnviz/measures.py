"""Attention in a number: how spread a distribution is, and how much a Non-Local block asks the query."""

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional
from torch.special import entr

from attnviz.errors import OptionError
from attnviz.explanation import Explanation


def entropy(distribution: Tensor) -> Tensor:
    """Entropy over the last axis against that of the uniform distribution, (..., N) -> (...).

    -sum_j p_j log p_j / log N: 1 for the uniform one, 0 for all on one (and 1 where N is 1). What sums to less than 1,
    for the rest falls outside the picture (``HaloAttention``), is divided by its sum; where that is 0, so is this.
    """
    size = distribution.shape[-1]
    if size == 1:
        return distribution[..., 0] * 0 + 1
    shares = functional.normalize(distribution.double(), p=1, dim=-1)
    return entr(shares).sum(-1) / math.log(size)


def dispersion(vectors: Tensor) -> float:
    """Mean cosine distance (1 - cos) / 2 over all pairs of N vectors (N, D), each with itself included.

    Cao et al. 2019 (GCNet), section 3.2. The cosines of all pairs sum to the squared length of the
    sum of the unit vectors, so no matrix of pairs is needed. 0: all point one way.
    """
    mean = functional.normalize(vectors.double(), dim=1).mean(0)
    return float((1 - mean.square().sum()) / 2)


@dataclass(frozen=True)
class QueryDependence:
    """How much a Non-Local block's positions differ: ``dispersion`` of three things (Cao et al. 2019, table 1).

    Attributes:
        input: of the features x_i that come in.
        attention: of the affinity's rows, one a query. Near 0, every query reads the same places.
        output: of W_z y_i, what the block adds. Near 0, one vector for all would have done.
    """

    input: float
    attention: float
    output: float


def query_dependence(explanation: Explanation, layer: str, call: int = 0) -> QueryDependence:
    """The query dependence of a Non-Local block for this picture. Raises OptionError for another block."""
    inside = explanation.inside(layer, call)
    steps = {step.name: step.value for step in inside.steps}
    if not {"affinity", "project"} <= steps.keys():
        raise OptionError(f"{layer} has no queries that this can compare: it has not the steps of a Non-Local block")
    return QueryDependence(
        dispersion(inside.input.flatten(1).T), dispersion(steps["affinity"]), dispersion(steps["project"].flatten(1).T)
    )

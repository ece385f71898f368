"""Non-Local: every position reads all others, by how well they match."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from attnviz.errors import OptionError, ShapeError
from attnviz.mechanisms.base import Kind, Mechanism, Part, Placement, Role, Step, choose, positive, switch

Pairwise = Literal["embedded_gaussian", "gaussian", "dot_product", "concatenation"]
SOFTMAX_FORMS = ("embedded_gaussian", "gaussian")

_CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_POOLS = {1: nn.MaxPool1d(2), 2: nn.MaxPool2d(2), 3: nn.MaxPool3d((1, 2, 2))}
_MATCHES = {
    "embedded_gaussian": r"e^{\theta(x_i)^{\top}\phi(x_j)}",
    "gaussian": r"e^{x_i^{\top}x_j}",
    "dot_product": r"\theta(x_i)^{\top}\phi(x_j)",
    "concatenation": r"\mathrm{ReLU}(\mathbf{w}_f^{\top}[\theta(x_i), \phi(x_j)])",
}
_FORMULAS = {
    "embedded_gaussian": r"\operatorname{softmax}_j(\theta_i^{\top}\phi_j)",
    "gaussian": r"\operatorname{softmax}_j(x_i^{\top}x_j)",
    "dot_product": r"\frac{1}{N}\,\theta_i^{\top}\phi_j",
    "concatenation": r"\frac{1}{N}\,\mathrm{ReLU}(\mathbf{w}_f^{\top}[\theta_i, \phi_j])",
}
_EMBEDDED = (r"\theta(x_i)", r"\phi(x_j)")
_FACTORS = {
    "embedded_gaussian": _EMBEDDED,
    "gaussian": ("x_i", "x_j"),
    "dot_product": _EMBEDDED,
    "concatenation": (r"\mathbf{w}_\theta^{\top}\theta(x_i)", r"\mathbf{w}_\phi^{\top}\phi(x_j)"),
}


class Affinity(nn.Module):
    """The pairwise function and its normalization: how much query i reads of key j.

    theta (B, Q, d) and phi (B, K, d) in, the matrix (B, Q, K) out. A concatenation's factors are
    the two halves of its projection (d = 1), since w.[theta, phi] = w1.theta + w2.phi. A "matrix" is
    there already, as ``factors`` hands it over, and passes.
    """

    def __init__(self, pairwise: Pairwise | Literal["matrix"], scale: float = 1.0) -> None:
        super().__init__()
        self.pairwise, self.scale = pairwise, scale

    def forward(self, theta: Tensor, phi: Tensor) -> Tensor:
        if self.pairwise == "matrix":
            return theta
        if self.pairwise == "concatenation":
            return torch.relu(theta + phi.transpose(1, 2)) / phi.shape[1]
        match = theta @ phi.transpose(1, 2)
        if self.pairwise == "dot_product":
            return match / phi.shape[1]
        return torch.softmax(match * self.scale, dim=-1)


def factors(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """What a "matrix" pairing takes for a whole matrix (B, Q, K): itself, and nothing for each key, (B, K, 1)."""
    return matrix, matrix.new_zeros(len(matrix), matrix.shape[2], 1)


class NonLocal(Mechanism):
    """Non-Local block (Wang et al. 2018, eq. 1-6).

    Args:
        channels: C of the feature map (B, C, *grid).
        dims: the grid's dimensions: 1 (sequence), 2 (picture) or 3 (video: T, H, W).
        inner: the embeddings' channels (None: C // 2, at least 1).
        pairwise: "embedded_gaussian", "gaussian", "dot_product" or "concatenation".
        subsample: max-pool phi and g by 2 (space alone in 3D): a quarter of the keys.
        norm: BatchNorm after the output projection, starting at zero (section 4.1); without it
            the projection starts at zero instead, so that a new block is the identity.
        scale: divide the logits by sqrt(d), as in later work (softmax forms only).
    """

    label = "Non-Local"
    formula = r"z_i = W_z\,y_i + x_i,\quad y_i = \frac{1}{\mathcal{C}(x)}\sum_j f(x_i, x_j)\,g(x_j)"
    citation = "Wang, Girshick, Gupta, He: Non-local Neural Networks, CVPR 2018"
    paper = "1711.07971"
    axes: ClassVar = {"theta": "qd", "phi": "kd", "affinity": "qk", "g": "kd", "aggregate": "qd"}
    placement = Placement.BLOCK

    def __init__(
        self,
        channels: int,
        *,
        dims: Literal[1, 2, 3] = 2,
        inner: int | None = None,
        pairwise: Pairwise = "embedded_gaussian",
        subsample: bool = False,
        norm: bool = True,
        scale: bool = False,
    ) -> None:
        super().__init__(channels)
        choose("NonLocal", "dims", dims, (1, 2, 3))
        choose("NonLocal", "pairwise", pairwise, tuple(_FORMULAS))
        switch("NonLocal", subsample=subsample, norm=norm, scale=scale)
        inner = max(channels // 2, 1) if inner is None else inner
        positive("NonLocal", inner=inner)
        if scale and pairwise not in SOFTMAX_FORMS:
            raise OptionError(f"NonLocal: scale divides a softmax's logits; {pairwise} has no softmax")
        self.grid_dims, self.pairwise, self.subsample = dims, pairwise, subsample
        match = _MATCHES[pairwise][:-1] + r" / \sqrt{d}}" if scale else _MATCHES[pairwise]
        self.formula = rf"{self.formula},\quad f(x_i, x_j) = {match}"
        conv = _CONVS[dims]
        self.pool = _POOLS[dims] if subsample else nn.Identity()
        self.g = conv(channels, inner, 1)
        if pairwise != "gaussian":
            self.theta = conv(channels, inner, 1)
            self.phi = conv(channels, inner, 1)
        if pairwise == "concatenation":
            self.w_theta = nn.Linear(inner, 1, bias=False)
            self.w_phi = nn.Linear(inner, 1, bias=False)
        depth = channels if pairwise == "gaussian" else inner
        self._factor = r"d^{-1/2}"
        self.affinity = Affinity(pairwise, depth**-0.5 if scale else 1.0)
        self.project = nn.Sequential(conv(inner, channels, 1), *([_NORMS[dims](channels)] if norm else []))
        nn.init.zeros_(self.project[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.project[-1].bias)  # type: ignore[arg-type]
        role = Role.DISTRIBUTION if pairwise in SOFTMAX_FORMS else Role.TERM
        self.parts = (Part(None, Kind.AFFINITY, role, ("affinity",), off=0.0, off_at="project"),)

    def scale_by(self, factor: float) -> "NonLocal":
        """The same block, its logits multiplied by a number that is not 1 / sqrt(d), as in some code; softmax forms."""
        self.affinity.scale, self._factor = factor, f"{factor:.3g}"
        match = _MATCHES[self.pairwise]
        self.formula = self.formula.replace(match, rf"{match[:-1]} \cdot {factor:.3g}}}")
        return self

    def compute(self, x: Tensor) -> Iterator[Step]:
        theta, phi = self._factors(x)
        query, key = _FACTORS[self.pairwise]
        yield Step("theta", query, theta)
        yield Step("phi", rf"\mathrm{{pool}}({key})" if self.subsample else key, phi)
        a = self.affinity(theta, phi)
        match = _FORMULAS[self.pairwise]
        if self.affinity.scale != 1:
            match = match.replace("_j(", rf"_j({self._factor}\,", 1)
        yield Step("affinity", rf"a_{{ij}} = {match}", a)
        values = self._values(x)
        yield Step("g", r"g(x_j) = \mathrm{pool}(W_g\,x_j)" if self.subsample else r"g(x_j) = W_g\,x_j", values)
        y = a @ values
        yield Step("aggregate", r"y_i = \sum_j a_{ij}\,g(x_j)", y)
        residual = self._project(y, x)
        yield Step("project", r"W_z\,y_i", residual)
        yield Step("residual", r"z_i = W_z\,y_i + x_i", residual + x)

    def recompose(self, x: Tensor, attention: Mapping[str | None, Any]) -> Tensor:
        return self._project(attention[None] @ self._values(x), x) + x

    def equations(self) -> dict[str, str]:
        return {
            "affinity": r"\max_j a_{(<i>,<j>),j} = <affinity>",
            "project": r"(W_z\,y)_{<c>}(<i>,<j>) = <project>",
            "residual": r"z_{<c>}(<i>,<j>) = <project> + <x> = <residual>",
        }

    def key_grid(self, grid: tuple[int, ...]) -> tuple[int, ...]:
        """The keys' grid for a query grid: coarser where the keys are sub-sampled."""
        if not self.subsample:
            return grid
        return (*grid[:-2], *(n // 2 for n in grid[-2:])) if self.grid_dims == 3 else tuple(n // 2 for n in grid)

    def _factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.subsample and 0 in self.key_grid(tuple(x.shape[2:])):
            size = "x".join(map(str, x.shape[2:]))
            raise ShapeError(f"NonLocal: a map of {size} leaves no keys when it is sub-sampled by 2")
        gaussian = self.pairwise == "gaussian"
        theta = _positions(x if gaussian else self.theta(x))
        phi = _positions(self.pool(x if gaussian else self.phi(x)))
        if self.pairwise == "concatenation":
            return self.w_theta(theta), self.w_phi(phi)
        return theta, phi

    def _values(self, x: Tensor) -> Tensor:
        return _positions(self.pool(self.g(x)))

    def _project(self, y: Tensor, x: Tensor) -> Tensor:
        return self.project(y.transpose(1, 2).reshape(len(x), y.shape[2], *x.shape[2:]))


def _positions(x: Tensor) -> Tensor:
    """(B, C, *grid) -> (B, positions, C)."""
    return x.flatten(2).transpose(1, 2)

"""The nine mechanisms in NumPy, each written from its paper's formula, in float64 and without torch.

Every function takes a state (parameter names to arrays), an input of shape (B, C, *grid) and the
block's options, and returns the named values of the formula in its order; the last is the output.
The options' defaults are the papers' own. The widths that an option decides are asserted here.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
State = Mapping[str, Array]
Values = dict[str, Array]


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def relu(a: Array) -> Array:
    return np.maximum(a, 0)


def hard_swish(a: Array) -> Array:
    return a * np.clip(a + 3, 0, 6) / 6


def softmax(a: Array, axis: int) -> Array:
    e = np.exp(a)
    total: Array = e.sum(axis, keepdims=True)
    return e / total


def along_channels(vector: Array, like: Array) -> Array:
    """(C,) or (B, C), shaped to meet a map (B, C, *grid)."""
    batch = vector.shape[:-1] or (1,)
    shaped: Array = vector.reshape(*batch, vector.shape[-1], *(1,) * (like.ndim - 2))
    return shaped


def pointwise(state: State, name: str, a: Array) -> Array:
    """A 1x1 convolution, or a fully connected layer: the same matrix at every position of a grid."""
    weight = state[f"{name}.weight"]
    out = np.einsum("oi,bi...->bo...", weight.reshape(weight.shape[:2]), a)
    bias = state.get(f"{name}.bias")
    return out if bias is None else out + along_channels(bias, out)


def conv2d(state: State, name: str, a: Array, *, stride: int = 1, dilation: int = 1, groups: int = 1) -> Array:
    """A square convolution, one tap at a time, padded by zeros to keep the size at stride 1."""
    weight = state[f"{name}.weight"]
    outputs, per_group, size, _ = weight.shape
    reach = dilation * (size - 1)
    padded = np.pad(a, ((0, 0), (0, 0), (reach // 2,) * 2, (reach // 2,) * 2))
    height, width = (a.shape[2] - 1) // stride + 1, (a.shape[3] - 1) // stride + 1
    out = np.zeros((a.shape[0], outputs, height, width))
    for o in range(outputs):
        first = o // (outputs // groups) * per_group
        for i, row, column in np.ndindex(per_group, size, size):
            top, left = row * dilation, column * dilation
            taken = padded[:, first + i, top::stride, left::stride][:, :height, :width]
            out[:, o] += weight[o, i, row, column] * taken
    bias = state.get(f"{name}.bias")
    return out if bias is None else out + along_channels(bias, out)


def batch_norm(state: State, name: str, a: Array) -> Array:
    """Batch normalization by the running statistics."""
    mean, variance, weight, bias = (
        along_channels(state[f"{name}.{key}"], a) for key in ("running_mean", "running_var", "weight", "bias")
    )
    return (a - mean) / np.sqrt(variance + 1e-5) * weight + bias


def layer_norm(state: State, name: str, a: Array) -> Array:
    """Layer normalization of each row of (B, C)."""
    centered: Array = a - a.mean(1, keepdims=True)
    spread: Array = np.sqrt((centered**2).mean(1, keepdims=True) + 1e-5)
    return centered / spread * state[f"{name}.weight"] + state[f"{name}.bias"]


def average(x: Array) -> Array:
    """(B, C, H, W) -> (B, C): z_c = 1/HW sum_ij x_c(i, j)."""
    total: Array = x.sum((2, 3))
    return total / (x.shape[2] * x.shape[3])


def maximum(x: Array) -> Array:
    peak: Array = x.max((2, 3))
    return peak


def halve(a: Array, axes: Sequence[int]) -> Array:
    """The maxima of windows of 2 along the axes; what does not fill a window is left out."""
    for axis in axes:
        pairs = np.moveaxis(a, axis, 0)[: a.shape[axis] // 2 * 2]
        a = np.moveaxis(np.maximum(pairs[0::2], pairs[1::2]), 0, axis)
    return a


def nearest_odd(t: float) -> int:
    """The odd number nearest to t, the larger of two that are as near."""
    return 2 * math.floor(t / 2) + 1


def check_width(state: State, name: str, shape: tuple[int, ...]) -> None:
    found = state[f"{name}.weight"].shape
    assert found[: len(shape)] == shape, f"{name} has weights of shape {found}, the formula needs {shape}"


def se(
    state: State, x: Array, *, reduction: int = 16, min_hidden: int = 0, squeeze: str = "avg", bias: bool = True
) -> Values:
    """Hu et al. 2018: s = sigma(W2 delta(W1 z)); x_c s_c."""
    channels = x.shape[1]
    check_width(state, "fc1", (max(channels // reduction, min_hidden), channels))
    assert ("fc1.bias" in state) == ("fc2.bias" in state) == bias
    v = {"squeeze": {"avg": average, "max": maximum}[squeeze](x)}
    v["fc1"] = pointwise(state, "fc1", v["squeeze"])
    v["relu"] = relu(v["fc1"])
    v["fc2"] = pointwise(state, "fc2", v["relu"])
    v["gate"] = sigmoid(v["fc2"])
    v["scale"] = x * along_channels(v["gate"], x)
    return v


def eca(
    state: State, x: Array, *, gamma: float = 2, b: float = 1, kernel: int | None = None, min_kernel: int = 1
) -> Values:
    """Wang et al. 2020: omega = sigma(C1D_k(z)), k the odd number nearest to |log2 C / gamma + b / gamma|."""
    channels = x.shape[1]
    k = kernel or max(nearest_odd(abs(math.log2(channels) / gamma + b / gamma)), min_kernel)
    check_width(state, "conv", (1, 1, k))
    w, z = state["conv.weight"][0, 0], average(x)
    logits = np.zeros_like(z)
    for c in range(channels):
        for j in range(k):
            neighbor = c + j - (k - 1) // 2
            if 0 <= neighbor < channels:
                logits[:, c] += w[j] * z[:, neighbor]
    gate = sigmoid(logits)
    return {"squeeze": z, "conv1d": logits, "gate": gate, "scale": x * along_channels(gate, x)}


def cbam(
    state: State,
    x: Array,
    *,
    reduction: int = 16,
    min_hidden: int = 0,
    pools: str = "both",
    kernel_size: int = 7,
    norm: bool = False,
    bias: bool = True,
    halves: str = "both",
) -> Values:
    """Woo et al. 2018: Mc = sigma(MLP(avg) + MLP(max)), F' = Mc F; Ms = sigma(f([avg; max])), F'' = Ms F'."""
    v: Values = {}
    channels = x.shape[1]
    if halves in {"both", "channel"}:
        check_width(state, "fc1", (max(channels // reduction, min_hidden), channels))
        assert ("fc1.bias" in state) == ("fc2.bias" in state) == bias
        pooled: dict[str, Callable[[Array], Array]] = {"avg": average, "max": maximum}
        used = [name for name in pooled if pools in {"both", name}]
        for name in used:
            v[f"squeeze {name}"] = pooled[name](x)
            v[f"hidden {name}"] = relu(pointwise(state, "fc1", v[f"squeeze {name}"]))
            v[f"mlp {name}"] = pointwise(state, "fc2", v[f"hidden {name}"])
        v["channel gate"] = sigmoid(np.sum([v[f"mlp {name}"] for name in used], axis=0))
        v["channel scale"] = x = x * along_channels(v["channel gate"], x)
    if halves in {"both", "spatial"}:
        check_width(state, "conv", (1, 2, kernel_size, kernel_size))
        v["spatial pool"] = np.stack([x.sum(1) / channels, x.max(1)], axis=1)
        logits = conv2d(state, "conv", v["spatial pool"])
        v["conv"] = batch_norm(state, "bn", logits) if norm else logits
        v["spatial gate"] = sigmoid(v["conv"])
        v["spatial scale"] = x * v["spatial gate"]
    return v


def bam(
    state: State,
    x: Array,
    *,
    reduction: int = 16,
    min_hidden: int = 0,
    dilation: int = 4,
    combine: str = "sum",
    norm: str = "paper",
) -> Values:
    """Park et al. 2018: M = sigma(Mc + Ms), F + F M."""
    channels = x.shape[1]
    hidden = max(channels // reduction, min_hidden)
    last = {"paper": "channel.2", "code": "channel.3"}[norm]
    convs = {"paper": (0, 1, 2, 3), "code": (0, 3, 6, 9)}[norm]
    check_width(state, "channel.0", (hidden, channels))
    check_width(state, f"spatial.{convs[1]}", (hidden, hidden, 3, 3))

    def after(layer: str, a: Array) -> Array:
        return relu(batch_norm(state, layer, a)) if norm == "code" else a

    v = {"squeeze": average(x)}
    h = relu(after("channel.1", pointwise(state, "channel.0", v["squeeze"])))
    c = pointwise(state, last, h)
    v["channel logits"] = batch_norm(state, "channel.3", c) if norm == "paper" else c
    s = after("spatial.1", pointwise(state, f"spatial.{convs[0]}", x))
    for i in convs[1:3]:
        s = after(f"spatial.{i + 1}", conv2d(state, f"spatial.{i}", s, dilation=dilation))
    s = pointwise(state, f"spatial.{convs[3]}", s)
    v["spatial logits"] = batch_norm(state, "spatial.4", s) if norm == "paper" else s
    factors = along_channels(v["channel logits"], x), v["spatial logits"]
    v["combine"] = {"sum": np.add, "product": np.multiply}[combine](*factors)
    v["gate"] = sigmoid(v["combine"])
    v["scale"] = x + x * v["gate"]
    return v


def sk(
    state: State,
    x: Array,
    *,
    branches: int = 2,
    groups: int = 32,
    reduction: int = 16,
    min_hidden: int = 32,
    stride: int = 1,
    kernels: str = "dilated",
    norm: bool = True,
) -> Values:
    """Li et al. 2019: U = sum U_m; z = delta(B(W s)); a_m = softmax over m of A_m z; V = sum a_m U_m."""
    channels = x.shape[1]
    check_width(state, "reduce", (max(channels // reduction, min_hidden), channels))
    v: Values = {}
    for m in range(branches):
        window = 3 + 2 * m
        size, dilation = (3, (window - 1) // 2) if kernels == "dilated" else (window, 1)
        check_width(state, f"branches.{m}.0", (channels, channels // groups, size, size))
        a = conv2d(state, f"branches.{m}.0", x, stride=stride, dilation=dilation, groups=groups)
        v[f"branch {m + 1}"] = relu(batch_norm(state, f"branches.{m}.1", a))
    u = np.stack(list(v.values()), axis=1)
    v["fuse"] = u.sum(1)
    v["squeeze"] = average(v["fuse"])
    z = pointwise(state, "reduce", v["squeeze"])
    v["reduce"] = relu(batch_norm(state, "z_norm.0", z)) if norm else z
    matrices = state["select.weight"].reshape(branches, channels, -1)
    v["select"] = np.einsum("mcd,bd->bmc", matrices, v["reduce"])
    v["share"] = softmax(v["select"], axis=1)
    v["sum"] = np.einsum("bmc,bmchw->bchw", v["share"], u)
    return v


def scse(
    state: State, x: Array, *, reduction: int = 2, min_hidden: int = 0, fusion: str = "sum", halves: str = "both"
) -> Values:
    """Roy et al. 2018: U_cSE = sigma(W1 delta(W2 z)) U; U_sSE = sigma(Wsq * U) U; their sum, or their maximum."""
    channels = x.shape[1]
    v: Values = {}
    if halves in {"both", "channel"}:
        check_width(state, "fc1", (max(channels // reduction, min_hidden), channels))
        v["squeeze"] = average(x)
        v["hidden"] = relu(pointwise(state, "fc1", v["squeeze"]))
        v["channel logits"] = pointwise(state, "fc2", v["hidden"])
        v["cse gate"] = sigmoid(v["channel logits"])
        v["cse"] = x * along_channels(v["cse gate"], x)
    if halves in {"both", "spatial"}:
        v["spatial logits"] = pointwise(state, "conv", x)
        v["sse gate"] = sigmoid(v["spatial logits"])
        v["sse"] = x * v["sse gate"]
    if halves == "both":
        v["fuse"] = {"sum": np.add, "max": np.maximum}[fusion](v["cse"], v["sse"])
    return v


def affinity(theta: Array, phi: Array, state: State, pairwise: str, scale: bool) -> Array:
    """f(x_i, x_j) / C(x) for every query i and key j, from the embeddings (B, d, positions)."""
    keys = phi.shape[2]
    if pairwise == "concatenation":
        w = np.concatenate([state["w_theta.weight"], state["w_phi.weight"]], axis=1)[0]
        out = np.zeros((theta.shape[0], theta.shape[2], keys))
        for i, j in np.ndindex(theta.shape[2], keys):
            out[:, i, j] = relu(np.concatenate([theta[:, :, i], phi[:, :, j]], axis=1) @ w) / keys
        return out
    match: Array = np.einsum("bdi,bdj->bij", theta, phi)
    if pairwise == "dot_product":
        return match / keys
    return softmax(match / math.sqrt(theta.shape[1]) if scale else match, axis=2)


def non_local(
    state: State,
    x: Array,
    *,
    dims: int = 2,
    inner: int | None = None,
    pairwise: str = "embedded_gaussian",
    subsample: bool = False,
    norm: bool = True,
    scale: bool = False,
) -> Values:
    """Wang et al. 2018: z_i = Wz y_i + x_i, y_i = sum_j f(x_i, x_j) g(x_j) / C(x); phi and g pooled by 2."""
    check_width(state, "g", (inner or max(x.shape[1] // 2, 1), x.shape[1]))
    axes = [] if not subsample else list(range(2, x.ndim))[-min(dims, 2) :]

    def flat(a: Array) -> Array:
        return a.reshape(*a.shape[:2], -1)

    embedded = pairwise != "gaussian"
    theta = flat(pointwise(state, "theta", x) if embedded else x)
    phi = flat(halve(pointwise(state, "phi", x) if embedded else x, axes))
    a = affinity(theta, phi, state, pairwise, scale)
    if pairwise == "concatenation":  # the factors shown are the halves of the projection
        factors = pointwise(state, "w_theta", theta), pointwise(state, "w_phi", phi)
    else:
        factors = theta, phi
    g = flat(halve(pointwise(state, "g", x), axes))
    y = np.einsum("bij,bdj->bid", a, g)
    projected = pointwise(state, "project.0", y.transpose(0, 2, 1).reshape(x.shape[0], -1, *x.shape[2:]))
    projected = batch_norm(state, "project.1", projected) if norm else projected
    values = {"theta": factors[0].transpose(0, 2, 1), "phi": factors[1].transpose(0, 2, 1), "affinity": a}
    values |= {"g": g.transpose(0, 2, 1), "aggregate": y, "project": projected, "residual": projected + x}
    return values


def gc(
    state: State,
    x: Array,
    *,
    pooling: str = "att",
    fusions: Sequence[str] = ("channel_add",),
    ratio: float = 1 / 16,
    min_hidden: int = 0,
) -> Values:
    """Cao et al. 2019: c = sum_j alpha_j x_j; x_i + W2 ReLU(LN(W1 c)), or x_i sigma(the same)."""
    channels = x.shape[1]
    v: Values = {}
    if pooling == "att":
        v["key"] = pointwise(state, "key", x)
        weights = np.exp(v["key"])
        v["context map"] = weights / weights.sum((2, 3), keepdims=True)
        v["context"] = np.einsum("bhw,bchw->bc", v["context map"][:, 0], x)
    else:
        v["context"] = average(x)

    def transform(name: str) -> Array:
        check_width(state, f"{name}.0", (max(math.floor(channels * ratio), min_hidden), channels))
        h = relu(layer_norm(state, f"{name}.1", pointwise(state, f"{name}.0", v["context"])))
        return pointwise(state, f"{name}.3", h)

    if "channel_mul" in fusions:
        v["mul transform"] = transform("mul")
        v["mul gate"] = sigmoid(v["mul transform"])
        v["scale"] = x = x * along_channels(v["mul gate"], x)
    if "channel_add" in fusions:
        v["add transform"] = transform("add")
        v["add"] = x + along_channels(v["add transform"], x)
    return v


def coordinate(state: State, x: Array, *, reduction: int = 32, min_hidden: int = 8) -> Values:
    """Hou et al. 2021: f = delta(F1([z_h, z_w])); g_h = sigma(Fh(f_h)), g_w = sigma(Fw(f_w)); x g_h g_w."""
    channels, height, width = x.shape[1:]
    check_width(state, "conv", (max(channels // reduction, min_hidden), channels))
    z_h, z_w = x.sum(3) / width, x.sum(2) / height
    z = np.concatenate([z_h, z_w], axis=2)
    f = hard_swish(batch_norm(state, "bn", pointwise(state, "conv", z)))
    g_h = sigmoid(pointwise(state, "conv_h", f[:, :, :height]))
    g_w = sigmoid(pointwise(state, "conv_w", f[:, :, height:]))
    values = {"pool h": z_h, "pool w": z_w, "concatenate": z, "transform": f}
    values = {name: a[..., None] for name, a in values.items()}
    values |= {"gate h": g_h[:, :, :, None], "gate w": g_w[:, :, None, :]}
    values["scale"] = np.einsum("bchw,bch,bcw->bchw", x, g_h, g_w)
    return values


ORACLES: dict[str, Callable[..., Values]] = {
    "SE": se,
    "ECA": eca,
    "CBAM": cbam,
    "BAM": bam,
    "SK": sk,
    "SCSE": scse,
    "NonLocal": non_local,
    "GC": gc,
    "CoordinateAttention": coordinate,
}

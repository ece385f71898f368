"""Axes through what works entry by entry, and through what normalizes along axes and keeps them."""

from collections.abc import Sequence

from attnviz.flow.atoms import UNKNOWN, WEIGHT, Axis, Label, kinds
from attnviz.flow.graph import Op
from attnviz.flow.rules.table import Labels, axes, source

UNARY = frozenset({
    "abs", "acos", "asin", "atan", "ceil", "celu", "clamp", "clamp_max", "clamp_min", "cos", "cosh", "elu", "erf",
    "exp", "exp2", "expm1", "floor", "frac", "gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh",
    "leaky_relu", "log", "log1p", "log2", "log_sigmoid_forward", "logical_not", "logit", "mish", "nan_to_num", "neg",
    "pow", "reciprocal", "relu", "relu6", "round", "rrelu_with_noise", "rsqrt", "selu", "sgn", "sigmoid", "sign",
    "silu", "sin", "sinh", "softplus", "softshrink", "sqrt", "square", "tan", "tanh", "threshold", "trunc",
    "isnan", "isinf", "bitwise_not", "log10", "polar", "angle", "real", "imag", "native_dropout", "dropout",
})  # fmt: skip
BINARY = frozenset({
    "_prelu_kernel", "add", "addcdiv", "addcmul", "atan2", "bitwise_and", "bitwise_or", "copysign", "div", "eq",
    "floor_divide", "fmax", "fmin", "fmod", "ge", "gt", "heaviside", "le", "lerp", "logical_and", "logical_or",
    "logical_xor", "lt", "masked_fill", "maximum", "minimum", "mul", "ne", "prelu", "remainder", "rsub", "sub",
    "true_divide", "where", "xlogy", "hypot", "logaddexp", "complex",
})  # fmt: skip
SOFTMAX = frozenset({"_softmax", "_safe_softmax", "softmax"})
ALONG = SOFTMAX | {
    "_log_softmax", "cummax", "cumprod", "cumsum", "fill", "log_softmax", "logcumsumexp", "sort", "tril", "triu",
    "zero", "index_put", "scatter", "index_fill", "masked_scatter", "bernoulli", "uniform", "normal",
}  # fmt: skip
BATCH_NORMS = frozenset({
    "_batch_norm_no_update", "_batch_norm_with_update", "_native_batch_norm_legit",
    "_native_batch_norm_legit_functional", "_native_batch_norm_legit_no_training", "cudnn_batch_norm",
    "miopen_batch_norm", "native_batch_norm",
})  # fmt: skip
NORMS = BATCH_NORMS | {"native_layer_norm", "native_group_norm", "_fused_rms_norm", "rms_norm"}


@axes(*UNARY, *ALONG, *NORMS)
def same(op: Op) -> Labels:
    """The first output is laid out as the input; what a normalization gives besides is left alone."""
    x = source(op)
    others = [x.label if value.shape == x.shape else None for value in op.outputs[1:]]
    return [x.label if x.depends else broadcast(op, op.out.shape), *others]


@axes(*BINARY)
def pointwise(op: Op) -> Labels:
    return [broadcast(op, op.out.shape)]


@axes("max", "min")
def larger(op: Op) -> Labels:
    """Of two tensors; of one, ``reduce`` says."""
    from attnviz.flow.rules.reduce import reduce

    return pointwise(op) if len(op.inputs) == 2 else reduce(op)


def broadcast(op: Op, shape: Sequence[int]) -> Label:
    """The axes of what inputs give together: each from the input that knows most about it."""
    label: list[Axis] = []
    for back in range(1, len(shape) + 1):
        best: Axis = ()
        rank = -1
        for value in op.inputs:
            if len(value.shape) < back or value.shape[-back] != shape[-back]:
                continue
            axis = value.label[-back]
            if (now := _knowing(axis, depends=value.depends)) > rank:
                best, rank = axis, now
        label.append(best)
    return tuple(reversed(label))


def _knowing(axis: Axis, *, depends: bool) -> int:
    meaning = kinds(axis)
    if depends and meaning - {UNKNOWN, WEIGHT}:
        return 4
    if depends and meaning:
        return 3
    if meaning:
        return 2
    return 1 if axis else 0

"""Axes through what takes entries together: reductions, pooling, resampling."""

from attnviz.flow.atoms import FEATURE, Label, derived
from attnviz.flow.graph import Op
from attnviz.flow.rules.table import Labels, axes, dims, source

NORMS_OF = frozenset({"norm", "linalg_vector_norm"})
REDUCE = NORMS_OF | {
    "all", "amax", "amin", "aminmax", "any", "argmax", "argmin", "logsumexp", "mean", "median", "nanmean", "nansum",
    "prod", "std", "std_mean", "sum", "var", "var_mean", "mode", "kthvalue",
}  # fmt: skip
POOLS = frozenset({
    "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d",
    "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "avg_pool1d",
    "avg_pool2d", "avg_pool3d", "max_pool1d", "max_pool2d", "max_pool2d_with_indices", "max_pool3d",
    "max_pool3d_with_indices", "mkldnn_max_pool2d", "fractional_max_pool2d", "quantized_max_pool2d",
})  # fmt: skip
RESAMPLE = frozenset({
    "_upsample_bicubic2d_aa", "_upsample_bilinear2d_aa", "_upsample_nearest_exact1d", "_upsample_nearest_exact2d",
    "_upsample_nearest_exact3d", "grid_sampler_2d", "grid_sampler_3d", "upsample_bicubic2d", "upsample_bilinear2d",
    "upsample_linear1d", "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_trilinear3d",
})  # fmt: skip
SHUFFLES = frozenset({"pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle"})


@axes(*REDUCE)
def reduce(op: Op) -> Labels:
    """The axes that are taken together are gone, or stay with one entry."""
    x = source(op)
    rank = len(x.shape)
    place = 2 if op.name in NORMS_OF or op.name == "kthvalue" else 1
    gone = set(dims(op.argument(place, "dim"), rank))
    if len(op.out.shape) == rank:
        label: Label = tuple(() if i in gone else axis for i, axis in enumerate(x.label))
    else:
        label = tuple(axis for i, axis in enumerate(x.label) if i not in gone)
    return [label] * len(op.outputs)


@axes(*POOLS, *RESAMPLE)
def coarser(op: Op) -> Labels:
    """The grid has other cells in the same directions."""
    x = source(op)
    return [
        tuple(
            axis if had == size else derived(axis, size, "grid")
            for axis, had, size in zip(x.label, x.shape, value.shape, strict=True)
        )
        for value in op.outputs
    ]


@axes(*SHUFFLES)
def shuffled(op: Op) -> Labels:
    """Channels become places or the other way round: still channels and places, but others."""
    x, shape = source(op), op.out.shape
    label = [derived(axis, size, op.name) for axis, size in zip(x.label, shape, strict=True)]
    label[0] = x.label[0]
    if x.depends and not label[1] and shape[1] > 1:
        label[1] = derived(x.label[2], shape[1], FEATURE)
    return [tuple(label)]

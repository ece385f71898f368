"""A gate's computation in words: ``gavg fc relu fc sigmoid`` is a squeeze and an excitation."""

from collections.abc import Callable

from attnviz.flow.atoms import BRANCH, FEATURE, Label, features, kinds, places, varies
from attnviz.flow.claim import Claim
from attnviz.flow.graph import Op
from attnviz.flow.rules.pointwise import BATCH_NORMS, NORMS, SOFTMAX, UNARY
from attnviz.flow.rules.reduce import POOLS, REDUCE, RESAMPLE

LAYERS = ("conv", "dw", "pw", "fc", "gfc", "sconv", "sdw")  # how the words of what has weights begin
SHORT = {
    "mean": "avg", "amax": "max", "var": "std", "var_mean": "std", "std_mean": "std", "norm": "l2",
    "linalg_vector_norm": "l2", "max": "max", "sum": "sum",
}  # fmt: skip


def tokens(claim: Claim) -> list[str]:
    """The words of the operations that compute a claim's value, in order."""
    return [word for op in claim.chain if op.outputs and op.live for word in [token(op)] if word]


def _said(word: str) -> Callable[[Op], str]:
    return lambda _: word


def token(op: Op) -> str:
    """An operation's word; "" for what says nothing (views, numbers added)."""
    for names, word in WORDS:
        if op.name in names:
            return word(op)
    return op.name if op.name in UNARY else ""


def _there(label: Label) -> frozenset[str]:
    return places([axis for axis in label if varies(axis)])


def _reduced(op: Op) -> str:
    before, after = op.live[0].label, op.out.label
    word = SHORT.get(op.name, op.name)
    lost, left = _there(before) - _there(after), _there(after)
    windows = [atom for axis in before for atom in axis if atom.parent and atom.parent[2][0] == -2]
    if windows and not any(windows[0] is atom for axis in after for atom in axis) and FEATURE in windows[0].kinds:
        return "convC"
    if lost:
        return f"g{word}" if not left else "p" + "".join(sorted(lost)) + word
    if any(features(axis) for axis in before) and not any(features(axis) for axis in after):
        return f"c{word}"
    return f"k{word}" if any(BRANCH in kinds(axis) for axis in before) else word


def _pooled(op: Op) -> str:
    before, after = _there(op.live[0].label), _there(op.out.label)
    word = "max" if "max" in op.name else "avg"
    lost = before - after
    if lost:
        return f"g{word}" if not after else "p" + "".join(sorted(lost)) + word
    return f"{word}pool"


def _convolved(op: Op) -> str:
    kernel, label = op.inputs[1].shape, op.live[0].label
    there = _there(label)
    over_channels = any(FEATURE in kinds(axis) for axis in label[2:])
    if over_channels:
        return "convC" if not there and len(kernel) == 3 else "convCW"
    groups = op.argument(8, "groups", 1)
    if not there:
        return "fc" if groups == 1 else "gfc"
    if max(kernel[2:]) == 1:
        return "pw1" if kernel[0] == 1 else "pw"
    strided = "s" if max(op.argument(3, "stride")) > 1 else ""
    wide = "d" if max(op.argument(5, "dilation")) > 1 else ""
    return strided + ("dw" if groups > 1 and groups == kernel[0] else "conv") + wide


def _linear(op: Op) -> str:
    if len(op.live) > 1:
        return "bmm"
    there = bool(_there(op.live[0].label)) and bool(_there(op.out.label))
    return ("pw1" if 1 in op.out.shape[-2:] else "pw") if there else "fc"


def _mean_or_sum(op: Op) -> str:
    return op.name if len(op.live) == 2 else ""


WORDS: tuple[tuple[frozenset[str], Callable[[Op], str]], ...] = (
    (frozenset(REDUCE) | {"max", "min"}, _reduced),
    (POOLS, _pooled),
    (frozenset({"convolution"}), _convolved),
    (frozenset({"addmm", "mm"}), _linear),
    (frozenset({"bmm", "baddbmm"}), _linear),
    (SOFTMAX, _said("softmax")),
    (BATCH_NORMS, _said("bn")),
    (NORMS - BATCH_NORMS, _said("norm")),
    (RESAMPLE, _said("up")),
    (frozenset({"cat", "stack"}), _said("cat")),
    (frozenset({"add", "mul", "div"}), _mean_or_sum),
)

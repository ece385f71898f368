"""Captum's methods, for whoever wants more than Grad-CAM: evidence on the input's own pixels.

Captum sets hooks and asks for gradients, so it works on a private copy of the network that shares
its weights (``Backbone.private``); explanations go on beside it undisturbed.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from captum.attr import GuidedGradCam, IntegratedGradients, Occlusion, Saliency
from torch import Tensor, nn

from attnviz.capture.outputs import mean_score, scores
from attnviz.errors import OptionError
from attnviz.explanation import Explanation

STEPS = 32  # of the integral of Integrated Gradients
AT_ONCE = 8  # pictures in a forward pass
PATCHES = 8  # occluding squares across the shorter side, each overlapping the next by half

# Captum tells of hooks that it sets and removes; they are the copy's.
warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU activations")


@dataclass(frozen=True, eq=False)
class Attribution:
    """Evidence for a class on the network's input.

    Attributes:
        values: (C, H, W), a number for each value of the input, signed (saliency: at least 0).
        map: (H, W), its sum over channels (saliency: the maximum, as its paper has it; occlusion, which
            covers all channels at once: their common value).
        method: one of METHODS; target: the class index, or (a, b) for logit a minus logit b.
    """

    values: Tensor
    map: Tensor
    method: str
    target: int | tuple[int, int]


class Score(nn.Module):
    """What is attributed: a class's logit, or one's minus another's, (B, C, H, W) -> (B,). Counts the pictures."""

    def __init__(self, model: nn.Module, explanation: Explanation, seen: Callable[[int], None]) -> None:
        super().__init__()
        self.model, self.seen = model, seen
        self.target, self.region = explanation.target, explanation.region
        self.layer = explanation.cam.layer if explanation.cam else ""

    def forward(self, x: Tensor) -> Tensor:
        output = self.model(x)
        self.seen(len(x))
        logits = scores(output) if self.region is None else mean_score(output, self.region)
        assert logits is not None
        if isinstance(self.target, tuple):
            return logits[:, self.target[0]] - logits[:, self.target[1]]
        return logits[:, self.target]


def _saliency(score: Score, x: Tensor) -> Tensor:
    return Saliency(score).attribute(x.requires_grad_(), abs=True)


def _integrated_gradients(score: Score, x: Tensor) -> Tensor:
    return IntegratedGradients(score).attribute(
        x, baselines=0.0, n_steps=STEPS, method="gausslegendre", internal_batch_size=AT_ONCE
    )


def _occlusion(score: Score, x: Tensor) -> Tensor:
    side, stride = _patch(x)
    channels = x.shape[1]
    return Occlusion(score).attribute(
        x, (channels, side, side), (channels, stride, stride), baselines=0.0, perturbations_per_eval=AT_ONCE
    )


def _guided_grad_cam(score: Score, x: Tensor) -> Tensor:
    return GuidedGradCam(score, score.model.get_submodule(score.layer)).attribute(
        x.requires_grad_(), interpolate_mode="bilinear"
    )


@dataclass(frozen=True)
class Method:
    """A method: its source, how it runs, how many pictures it scores, and its map."""

    citation: str
    run: Callable[[Score, Tensor], Tensor]
    pictures: Callable[[Tensor], int]
    flat: Callable[[Tensor], Tensor]


def _patch(x: Tensor) -> tuple[int, int]:
    """The occluding square's side and stride, in pixels of the input."""
    side = max(1, min(x.shape[2:]) // PATCHES)
    return side, max(1, side // 2)


def _positions(x: Tensor) -> int:
    side, stride = _patch(x)
    rows, columns = (-(-(length - side) // stride) + 1 for length in x.shape[2:])
    return 1 + rows * columns


METHODS: dict[str, Method] = {
    "guided_grad_cam": Method(
        "Selvaraju et al. 2017, section 3.2: guided backpropagation (Springenberg et al. 2015) times Grad-CAM",
        _guided_grad_cam,
        lambda _: 2,
        lambda values: values.sum(0),
    ),
    "integrated_gradients": Method(
        "Sundararajan, Taly, Yan 2017, eq. 1",
        _integrated_gradients,
        lambda _: STEPS,
        lambda values: values.sum(0),
    ),
    "occlusion": Method(
        "Zeiler, Fergus 2014, section 4.2",
        _occlusion,
        _positions,
        lambda values: values.mean(0),
    ),
    "saliency": Method(
        "Simonyan, Vedaldi, Zisserman 2014, section 3.1",
        _saliency,
        lambda _: 1,
        lambda values: values.amax(0),
    ),
}


@torch.inference_mode(False)
@torch.enable_grad()
def attribute(explanation: Explanation, method: str, progress: Callable[[float], None] | None = None) -> Attribution:
    """Attribute an explanation's class to the values of its picture.

    Args:
        explanation: whose picture, class and Grad-CAM layer are meant; of the network without edits.
        method: one of METHODS.
        progress: is told the share that is done, 0 to 1; what it raises ends the work.

    Raises:
        OptionError: in one line, for what cannot be.
    """
    chosen = _checked(explanation, method)
    assert explanation.target is not None
    x, done = explanation.input.detach().clone(), 0
    total = chosen.pictures(x)

    def seen(pictures: int) -> None:
        nonlocal done
        done += pictures
        if progress is not None:
            progress(min(1.0, done / total))

    with explanation.backbone.private() as model:
        values = chosen.run(Score(model, explanation, seen).eval(), x)[0].detach().float().cpu()
    return Attribution(values, chosen.flat(values), method, explanation.target)


def _checked(explanation: Explanation, method: str) -> Method:
    if method not in METHODS:
        raise OptionError(f"no method {method!r}; there are {', '.join(METHODS)}")
    if explanation.target is None:
        raise OptionError("the model's output is not one row of logits, so there is no class to attribute")
    if explanation.edits:
        raise OptionError("attributions are of the network as it is; explain the picture without edits first")
    if method == "guided_grad_cam":
        if explanation.cam is None:
            raise OptionError(f"Guided Grad-CAM needs Grad-CAM: {explanation.cam_reason}")
        if not any(isinstance(module, nn.ReLU) for module in explanation.backbone.model.modules()):
            raise OptionError("guided backpropagation needs ReLU modules, and this model has none")
    return METHODS[method]

"""What the networks' tests share."""

from torch import Tensor, nn
from torch.nn import init


def randomize(model: nn.Module, scales: tuple[float, float] = (0.4, 0.9)) -> nn.Module:
    """Random weights and running statistics; in eval mode.

    Args:
        scales: least and greatest weight of a BatchNorm: small where residuals add up, or values explode,
            and larger where few do, or they vanish.
    """
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            init.uniform_(layer.weight, *scales)
            init.uniform_(layer.bias, -0.3, 0.3)
            init.uniform_(layer.running_mean, -0.3, 0.3)
            init.uniform_(layer.running_var, 0.5, 2.0)
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                init.uniform_(layer.bias, -0.5, 0.5)
    return model.eval()


def parameters(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def distance(found: Tensor, expected: Tensor) -> float:
    """The greatest difference, relative to the expected peak, which must differ between pictures."""
    assert found.shape == expected.shape
    peak = float(expected.abs().max())
    assert float((expected[0] - expected[1]).abs().max()) > 0.02 * peak > 0
    return float((found - expected).abs().max()) / peak

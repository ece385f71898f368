"""A look runs one picture as two: what is another for one picture alone is left out, and said."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import attnviz
from tests.unit.capture.oracles import close_to
from tests.unit.capture.test_flowing import C, Net, channel, picture, pooled, scaled
from tests.unit.readers.modules import lively


def test_one_picture_is_read_as_two_are() -> None:
    """By the batch's size a product of matrices is computed otherwise, and code may do something else."""

    def crossed(net: Net, x: Tensor, _: Tensor) -> Tensor:
        tokens = x.flatten(2).mT
        q, k, v = (tokens @ layer.weight.flatten(1).mT for layer in (net.q, net.k, net.last_q))
        return x + torch.bmm(torch.bmm(q, k.mT).softmax(-1), v).mT.reshape(x.shape)

    model = lively(Net(lambda net, x: x, crossed))
    model.last_q = nn.Conv2d(C, C, 1)
    model = model.double()
    x, backbone = picture(), attnviz.instrument(model)
    [record] = attnviz.explain(backbone, x).attention
    with torch.no_grad():
        tokens = model.stem(x).tanh().flatten(2).mT
        q, k = (tokens @ layer.weight.flatten(1).mT for layer in (model.q, model.k))
    close_to(record.values.matrix(), (q @ k.mT).softmax(-1)[0].float())


def test_what_is_another_for_one_picture_is_left_out_and_said() -> None:
    def squeezed(net: Net, x: Tensor) -> Tensor:
        z = F.adaptive_avg_pool2d(x, 1).squeeze()  # of one picture the batch goes, too
        return net.fc1(z.view(len(x), -1)).sigmoid() if z.dim() > 1 else (net.fc2(z)[:C] + 1).tanh()[None]

    x, backbone = picture(), attnviz.instrument(lively(Net(squeezed, scaled)).double())
    found = attnviz.explain(backbone, x)
    assert found.attention == ()
    assert [line.partition(". ")[0] for line in found.findings.skipped] == ["(network): left out"]


def test_a_module_in_a_plain_list_is_left_out_and_said() -> None:
    class Held(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = [lively(Net(channel, scaled)).double()]

        def forward(self, x: Tensor) -> Tensor:
            return self.inner[0](x)

    found = attnviz.explain(attnviz.instrument(Held()), picture().double())
    assert found.attention == ()
    assert found.findings.skipped[0].startswith("Net: left out. The network calls it and does not hold it")


@pytest.mark.parametrize("alone", [False, True])
def test_steps_that_are_others_for_one_picture_are_the_operations(alone: bool) -> None:
    """The gate is the same, but what leads to it is computed otherwise."""

    def gate(net: Net, x: Tensor) -> Tensor:
        z = net.fc1(pooled(x))
        return net.last(z.relu() if len(x) > 1 or not alone else z.clamp(min=0)).sigmoid()

    model = Net(gate, scaled)
    model.last = nn.Linear(C, C)
    found = attnviz.explain(attnviz.instrument(lively(model).double()), picture())
    assert [record.mechanism for record in found.attention] == ["SE"]
    names = [step.name for step in found.steps("(network)")]
    assert (names == ["squeeze", "fc1", "relu", "fc2", "gate", "scale"]) is not alone
    assert all(step.formula.startswith("y_{") for step in found.steps("(network)")) is alone


def test_values_that_are_no_numbers_are_left_out_and_said() -> None:
    class Masked(nn.Module):
        """Attention in which one query may look at nothing."""

        def __init__(self) -> None:
            super().__init__()
            self.stem, self.end = nn.Conv2d(3, 16, 4, 4), nn.Linear(16, 5)
            self.attend = nn.MultiheadAttention(16, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            tokens = self.stem(x).flatten(2).mT
            mask = torch.zeros(64, 64, dtype=torch.bool).index_fill(0, torch.tensor(3), True)
            read, _ = self.attend(tokens, tokens, tokens, attn_mask=mask)
            return self.end((tokens + read.nan_to_num()).mean(1))

    found = attnviz.instrument(Masked()).findings(torch.randn(1, 3, 32, 32))
    assert found.blocks == ()
    assert [line.partition(": ")[2] for line in found.skipped] == [
        "left out. Some of its values are NaN or infinite: an overflow, or a row in which everything is masked."
    ]

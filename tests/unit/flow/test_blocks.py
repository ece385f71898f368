"""Which module is the block."""

import pytest
import torch
from torch import Tensor, nn

import attnviz
from attnviz import flow
from tests.unit.readers.modules import lively


class Asked(nn.Module):
    """Attention whose queries come ready-made, and whose keys and values are one layer's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.both, self.project = nn.Linear(width, 2 * width), nn.Linear(width, width)

    def forward(self, x: Tensor, queries: Tensor) -> Tensor:
        keys, values = self.both(x).chunk(2, -1)
        return self.project((queries @ keys.mT).softmax(-1) @ values)


class Weighed(nn.Module):
    """Attention of what comes in alone, as a function."""

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        return (queries @ keys.mT).softmax(-1) @ values


class Layer(nn.Module):
    """Projections around such a function."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q, self.k, self.v, self.weighed = (
            nn.Linear(width, 8),
            nn.Linear(width, 8),
            nn.Linear(width, width),
            Weighed(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.weighed(self.q(x), self.k(x), self.v(x))


class Stage(nn.Module):
    """Makes the queries of its blocks, and what follows them."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem, self.ask = nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.asked, self.layer, self.end = Asked(width), Layer(width), nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x).relu()
        tokens, queries = y.flatten(2).mT, self.ask(y).flatten(2).mT
        tokens = tokens + self.asked(tokens, queries)
        return self.end((tokens + self.layer(tokens)).mean(1))


def test_an_affinity_is_of_the_module_that_has_its_layers() -> None:
    found = flow.look(lively(Stage()), torch.randn(1, 3, 10, 9))
    assert [(block.layer, block.name, block.verified) for block in found.blocks] == [
        ("asked", "Asked", True),
        ("layer", "Layer", True),
    ]


def test_what_others_ask_is_no_self_attention() -> None:
    class Decoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.near, self.far = nn.Conv2d(3, 16, 4, 4), nn.Conv2d(3, 16, 8, 8)
            self.decoder, self.end = nn.TransformerDecoderLayer(16, 2, 32, batch_first=True), nn.Linear(16, 5)

        def forward(self, x: Tensor) -> Tensor:
            near, far = (layer(x).flatten(2).mT for layer in (self.near, self.far))
            return self.end(self.decoder(far, near).mean(1))

    found = flow.look(lively(Decoder()), torch.randn(1, 3, 32, 40))
    assert [
        (block.layer, block.mechanism, block.parts[0].query_grid, block.parts[0].key_grid) for block in found.blocks
    ] == [
        ("decoder.self_attn", "self-attention", (4, 5), (4, 5)),
        ("decoder.multihead_attn", "cross-attention", (4, 5), (8, 10)),
    ]


class Crossed(nn.Module):
    """torch's own attention between two maps, called in several ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.near, self.far, self.how = nn.Conv2d(3, 16, 4, 4), nn.Conv2d(3, 16, 4, 4), how
        self.attend = nn.MultiheadAttention(16, 2, batch_first=how != "sequence first")
        self.end = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        near, far = (layer(x).relu().flatten(2).mT for layer in (self.near, self.far))
        if self.how == "in order":
            near, far = near.contiguous(), far.contiguous()
        if self.how == "by name":
            read = self.attend(query=near, key=far, value=far)[0]
        elif self.how == "sequence first":
            turned = far.transpose(0, 1)
            read = self.attend(near.transpose(0, 1), turned, turned)[0].transpose(0, 1)
        elif self.how == "of itself, shifted twice":
            read = self.attend(near + 0.1, near + 0.1, near)[0]
        else:
            read = self.attend(near, far, far)[0]
        return self.end((near + read).mean(1))


@pytest.mark.parametrize("how", ["in order", "transposed", "by name", "sequence first", "of itself, shifted twice"])
def test_attention_between_two_maps(how: str) -> None:
    """By the batch's size torch runs other operations for one and the same layer."""
    model, x = lively(Crossed(how)), torch.randn(1, 3, 32, 40)
    explanation = attnviz.explain(attnviz.instrument(model), x)
    [block] = explanation.findings.blocks
    expected = "self-attention" if how.startswith("of itself") else "cross-attention"
    assert (block.layer, block.mechanism, block.verified) == ("attend", expected, True)
    with torch.no_grad():
        near, far = (layer(x).relu().flatten(2).mT for layer in (model.near, model.far))
        pair = (near + 0.1, near + 0.1) if how.startswith("of itself") else (near, far)
        if how == "sequence first":
            pair = pair[0].transpose(0, 1), pair[1].transpose(0, 1)
        wanted = model.attend(*pair, pair[1], average_attn_weights=False)[1][0]
    for record, head in zip(explanation.attention, wanted, strict=True):
        torch.testing.assert_close(record.values.matrix(), head)

"""Attention within windows, against loops over queries and keys; and the sizes that self-attention is built for."""

from collections.abc import Callable
from math import exp

import pytest
import timm
import torch
from timm.layers.bottleneck_attn import BottleneckAttn
from timm.layers.halo_attn import HaloAttn
from timm.layers.lambda_layer import LambdaLayer
from torch import Tensor, nn

import attnviz
from attnviz.capture import Backbone
from attnviz.checkup import check
from attnviz.errors import ShapeError
from tests.unit.capture.oracles import close_to
from tests.unit.readers.modules import MODULES, features, lively
from tests.unit.readers.test_modules import captured, network, picture

HALO = pytest.mark.parametrize("name", [name for name in MODULES if "halo" in name])


@torch.no_grad()
def looped(module: HaloAttn, x: Tensor) -> tuple[Tensor, Tensor]:
    """Each head's weights (heads, queries, H, W) and what of them falls outside (heads, queries).

    A query's logits over its window, place by place (Vaswani et al. 2021, eq. 2 and fig. 2): the features are 0
    outside, and so are the keys there. Distances are counted as timm does: a strided query's are its block's own.
    """
    heads, depth, stride = module.num_heads, module.dim_head_qk, module.block_stride
    q, kv = module.q(x)[0].double(), module.kv(x)[0].double()
    q, k = q.unflatten(0, (heads, depth)), kv.unflatten(0, (heads, -1))[:, :depth]
    height, width = x.shape[2:]
    rows, columns = height // stride, width // stride
    weights, outside = torch.zeros(heads, rows * columns, height, width).double(), torch.zeros(heads, rows * columns)
    side, window = module.block_size // stride, module.block_size + 2 * module.halo_size
    by_row, by_column = module.pos_embed.height_rel.double(), module.pos_embed.width_rel.double()
    for query in range(rows * columns):
        i, j = divmod(query, columns)
        top, left = (at // side * module.block_size - module.halo_size for at in (i, j))
        for head in range(heads):
            asked, logits = q[head, :, i, j], {}
            above, beside = (by_row @ asked).tolist(), (by_column @ asked).tolist()
            match = torch.einsum("d,dij->ij", asked, k[head]).tolist()
            for u in range(window):
                for v in range(window):
                    place = top + u, left + v
                    inside = 0 <= place[0] < height and 0 <= place[1] < width
                    content = match[place[0]][place[1]] if inside else 0.0
                    far = above[u - i % side + window - 1] + beside[v - j % side + window - 1]
                    far *= module.scale if module.scale_pos_embed else 1
                    logits[(*place, inside)] = content * module.scale + far
            highest = max(logits.values())
            shares = {place: exp(logit - highest) for place, logit in logits.items()}
            total = sum(shares.values())
            for (row, column, inside), value in shares.items():
                if inside:
                    weights[head, query, row, column] = value / total
                else:
                    outside[head, query] += value / total
    return weights, outside


@HALO
def test_a_row_lies_on_the_picture_and_misses_what_falls_outside(name: str) -> None:
    model = network(name)
    [x] = captured(model, "stem", picture())
    expected, outside = looped(model.block, x.relu())
    records = attnviz.explain(attnviz.instrument(model), picture()).attention
    assert [record.part for record in records] == [f"head {i}" for i in range(len(expected))]
    side = 16 // model.block.block_stride
    for record, weights, missing in zip(records, expected, outside, strict=True):
        assert (record.values.query_grid, record.values.key_grid) == ((side, side), (16, 16))
        matrix = record.values.matrix()
        close_to(matrix, weights.flatten(1).float())
        close_to(matrix.sum(1), 1 - missing)
        close_to(record.values.row((1, 2)), weights[side + 2].float())
    assert 0.05 < float(outside.max()) <= 1  # of a row near the edge nothing may be left


@HALO
def test_even_rows_keep_their_sums_and_read_the_whole_picture(name: str) -> None:
    """The network with the mean of all values, times each row's sum, in the place of what a query reads."""
    backbone, model = attnviz.instrument(network(name)), network(name)
    plain = attnviz.explain(backbone, picture())
    even = attnviz.explain(backbone, picture(), edits=attnviz.Edit("block", "uniform"))
    [x] = captured(model, "stem", picture())
    block = model.block
    with torch.no_grad():
        values = block.kv(x.relu())[0].unflatten(0, (block.num_heads, -1))[:, block.dim_head_qk :].mean((2, 3))
        sums = torch.stack([record.values.matrix().sum(1) for record in plain.attention])
        y = (sums[:, None] * values[..., None]).reshape(1, -1, *plain.attention[0].values.query_grid)
        model.block = nn.Module()
        model.block.forward = lambda _: block.pool(y)
        close_to(even.output, model(picture()))


class Bare(nn.Module):
    """A module on a picture as it is."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block, self.fc = block, nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.block(x).mean((2, 3)))


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: BottleneckAttn(8, feat_size=(8, 12), num_heads=2), "built for features of 8x12, not 12x12"),
        (lambda: LambdaLayer(8, feat_size=(8, 12), r=None), "built for features of 8x12, not 12x12"),
        (lambda: HaloAttn(8, num_heads=2, block_size=8, halo_size=1), "blocks of 8x8, which do not tile 12x12"),
    ],
)
def test_features_of_another_size_are_refused_in_one_line(make: Callable[[], nn.Module], line: str) -> None:
    fits = features(8, 24)[:, :, :8, :12] if "built" in line else features(8, 16)

    def refused(backbone: Backbone) -> None:
        with pytest.raises(ShapeError, match=line) as error:
            attnviz.explain(backbone, features(8, 12))
        assert "\n" not in str(error.value)

    backbone = attnviz.instrument(lively(Bare(make())))
    refused(backbone)  # while it is looked at for the first time
    assert str(backbone.findings(fits)) == "1 block read and verified, 0 read but not verified, 0 skipped"
    refused(backbone)  # and when it is known


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("halonet26t", {"Halo attention": 3}),
        ("haloregnetz_b", {"SE": 17, "Halo attention": 5}),
        ("lambda_resnet26rpt_256", {"Lambda": 3}),
    ],
)
def test_timm_s_networks(name: str, kinds: dict[str, int]) -> None:
    model = timm.create_model(name)
    row = check(name, model, model.pretrained_cfg["input_size"])
    assert row.kinds == kinds
    assert not row.findings.unverified
    assert not row.findings.skipped
    assert row.error < 1e-5
    assert row.degenerate == 0

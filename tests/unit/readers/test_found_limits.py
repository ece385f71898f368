"""What is like attention and is read otherwise, or in another order: right, or not read and named."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import attnviz
from attnviz import Backbone, Edit
from attnviz.errors import ModelError
from attnviz.explanation import Explanation
from tests.seeds import seed_for_run
from tests.unit.readers.modules import lively

WIDTH = 12


class Around(nn.Module):
    """A stem, what a test writes out, and a classifier; layers for it to use."""

    def __init__(self, middle: Callable[["Around", Tensor], Tensor]) -> None:
        super().__init__()
        self.stem, self.q, self.k = nn.Conv2d(3, WIDTH, 1), nn.Conv2d(WIDTH, WIDTH, 1), nn.Conv2d(WIDTH, WIDTH, 1)
        self.mask, self.gate, self.fc = nn.Conv2d(WIDTH, 1, 1), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 5)
        self.middle, self.whole = middle, nn.MultiheadAttention(WIDTH, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.middle(self, self.stem(x)).mean((2, 3)))


def instrumented(middle: Callable[[Around, Tensor], Tensor]) -> Backbone:
    return attnviz.instrument(lively(Around(middle)))


def picture(height: int = 16, width: int = 16) -> Tensor:
    return torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(seed_for_run(height)))


def explained(backbone: Backbone, x: Tensor, *edits: Edit) -> Explanation:
    return attnviz.explain(backbone, x, edits=edits)


def masked(net: Around, x: Tensor) -> Tensor:
    return x * torch.sigmoid(net.mask(x))


def test_every_size_is_looked_at_by_itself() -> None:
    backbone, plain = instrumented(masked), lively(Around(masked))
    for size in ((16, 24), (24, 16), (20, 20), (16, 24)):
        x = picture(*size)
        found = explained(backbone, x)
        with torch.no_grad():
            gate = torch.sigmoid(plain.mask(plain.stem(x)))[0, 0]
        torch.testing.assert_close(found.attention[0].values, gate)
        off = explained(backbone, x, Edit("(network)", "off"))
        with torch.no_grad():
            torch.testing.assert_close(off.logits, plain.fc(plain.stem(x).mean((2, 3)))[0])
        assert "1 block read and verified" in str(backbone.findings(x))


def test_a_picture_of_one_pixel_first_hides_nothing() -> None:
    backbone = instrumented(masked)
    explained(backbone, picture(1, 1))
    assert "1 block read and verified" in str(backbone.findings(picture()))


def test_a_batch_is_read_by_what_one_picture_showed() -> None:
    def middle(net: Around, x: Tensor) -> Tensor:
        both = torch.stack([net.q(x), net.k(x)], 1)
        shares = F.softmax(net.gate(both.sum(1).mean((2, 3)))[:, None] * both.mean((3, 4)), 1)
        return (both * shares[..., None, None]).sum(1)

    backbone = instrumented(middle)
    pictures = [torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(seed_for_run(n))) for n in (4, 3, 1)]
    backbone.means = attnviz.measure_means(backbone, pictures)
    single = [explained(backbone, x[None]).attention[0].tensor for batch in pictures for x in batch]
    frozen = explained(backbone, pictures[0][:1], Edit("(network)", "frozen")).attention[0].tensor
    torch.testing.assert_close(frozen, torch.stack(single).mean(0))


def test_a_forward_that_takes_another_way_is_told() -> None:
    def middle(net: Around, x: Tensor) -> Tensor:
        gate = net.gate(x.mean((2, 3)))[:, :, None, None]
        return x * (torch.sigmoid(gate) if float(x.detach().abs().mean()) < 50 else torch.sigmoid(net.mask(x)))

    backbone = instrumented(middle)
    explained(backbone, picture())
    with pytest.raises(ModelError, match="does not compute for this picture what it computed"):
        explained(backbone, 1000 * picture())


@pytest.mark.parametrize("way", ["statement", "keyword", "module"])
def test_an_edit_of_a_gate_that_is_made_in_place(way: str) -> None:
    def middle(net: Around, x: Tensor) -> Tensor:
        g = net.gate(x.mean((2, 3)))
        if way == "statement":
            g.sigmoid_()
        elif way == "keyword":
            F.hardsigmoid(g, inplace=True)
        else:
            nn.Hardsigmoid(inplace=True)(g)
        return x * g[:, :, None, None]

    x, plain = picture(), lively(Around(middle))
    off = explained(instrumented(middle), x, Edit("(network)", "off"))
    with torch.no_grad():
        torch.testing.assert_close(off.logits, plain.fc(plain.stem(x).mean((2, 3)))[0])


def positions(net: Around, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return net.q(x).flatten(2), net.k(x).flatten(2), x.flatten(2)


@pytest.mark.parametrize("equation", ["bij,bjc->bic", "bjc,bij->bic", "bij,bcj->bci", "bcj,bij->bci"])
def test_affinities_in_einsum(equation: str) -> None:
    second = not equation.startswith("bij")

    def middle(net: Around, x: Tensor) -> Tensor:
        q, k, v = positions(net, x)
        a = F.softmax(q.transpose(1, 2) @ k, -1)
        v = v if "cj" in equation else v.transpose(1, 2)
        y = torch.einsum(equation, v, a) if second else torch.einsum(equation, a, v)
        return (y if "->bci" in equation else y.transpose(1, 2)).reshape(x.shape)

    x, plain = picture(), lively(Around(middle))
    backbone = instrumented(middle)
    assert str(backbone.findings(x)) == "1 block read and verified, 0 read but not verified, 0 skipped"
    with torch.no_grad():
        q, k, _ = positions(plain, plain.stem(x))
        a = F.softmax(q.transpose(1, 2) @ k, -1)[0]
    torch.testing.assert_close(explained(backbone, x).attention[0].values.matrix(), a)


def test_a_channel_gate_in_einsum() -> None:
    def middle(net: Around, x: Tensor) -> Tensor:
        return torch.einsum("bc,bchw->bchw", torch.sigmoid(net.gate(x.mean((2, 3)))), x)

    x, plain = picture(), lively(Around(middle))
    found = explained(instrumented(middle), x).attention[0]
    assert found.kind == "channel"
    with torch.no_grad():
        torch.testing.assert_close(found.tensor, torch.sigmoid(plain.gate(plain.stem(x).mean((2, 3))))[0])


@pytest.mark.parametrize("mask", [None, "boolean", "added"])
def test_scaled_dot_product_attention_by_keyword(mask: str | None) -> None:
    seen = torch.rand(256, 256, generator=torch.Generator().manual_seed(seed_for_run(0))) > 0.3
    bias = {None: None, "boolean": seen, "added": seen.float()}[mask]

    def middle(net: Around, x: Tensor) -> Tensor:
        q, k, v = (each.transpose(1, 2) for each in positions(net, x))
        y = F.scaled_dot_product_attention(query=q, key=k, value=v, attn_mask=bias)
        return y.transpose(1, 2).reshape(x.shape)

    x, plain = picture(), lively(Around(middle))
    backbone = instrumented(middle)
    assert "1 block read and verified" in str(backbone.findings(x))
    with torch.no_grad():
        q, k, _ = positions(plain, plain.stem(x))
        logits = q.transpose(1, 2) @ k / WIDTH**0.5
        logits = logits.masked_fill(~seen, -torch.inf) if mask == "boolean" else logits + (0 if bias is None else bias)
    torch.testing.assert_close(explained(backbone, x).attention[0].values.matrix(), logits.softmax(-1)[0])


def causal(net: Around, x: Tensor) -> Tensor:
    q, k, v = (each.transpose(1, 2) for each in positions(net, x))
    return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(x.shape)


def torch_s_own(net: Around, x: Tensor) -> Tensor:
    tokens = x.flatten(2).transpose(1, 2)
    return net.whole(tokens, tokens, tokens, need_weights=False)[0].transpose(1, 2).reshape(x.shape)


def over_channels(net: Around, x: Tensor) -> Tensor:
    """DANet's channel attention: with 16 channels it has the shape of an affinity between 4 x 4 places."""
    wide = torch.cat([x, x[:, :4]], 1).flatten(2)
    return (F.softmax(wide @ wide.transpose(1, 2), -1) @ wide)[:, :WIDTH].reshape(x.shape)


def along_the_other_axis(net: Around, x: Tensor) -> Tensor:
    q, k, v = positions(net, x)
    return (v @ F.softmax(q.transpose(1, 2) @ k, -1)).reshape(x.shape)


def turned(net: Around, x: Tensor) -> Tensor:
    """One branch of triplet attention: a gate for each channel and column."""
    columns = x.permute(0, 2, 1, 3)
    return (columns * torch.sigmoid(columns.mean(1, keepdim=True) + columns.amax(1, keepdim=True))).permute(0, 2, 1, 3)


def shifted(net: Around, x: Tensor) -> Tensor:
    return x * (torch.sigmoid(net.gate(x.mean((2, 3)))) - 0.5)[:, :, None, None]


@pytest.mark.parametrize("middle", [over_channels, turned])
def test_what_is_not_read_is_named(middle: Any) -> None:
    x = picture(32, 32) if middle is turned else picture()
    findings = instrumented(middle).findings(x)
    assert findings.blocks == ()
    assert len(findings.skipped) == 1
    assert findings.skipped[0].startswith("(network): ")


@pytest.mark.parametrize(
    ("middle", "layer", "mechanism", "kinds"),
    [
        (causal, "(network)", "Non-Local", ("affinity",)),
        (torch_s_own, "whole", "self-attention", ("affinity", "affinity")),
        (along_the_other_axis, "(network)", "Non-Local", ("affinity",)),
        (shifted, "(network)", "eSE", ("channel",)),
    ],
)
def test_what_is_written_otherwise_is_read(middle: Any, layer: str, mechanism: str, kinds: tuple[str, ...]) -> None:
    [found] = instrumented(middle).findings(picture()).blocks
    assert (found.layer, found.mechanism, found.kinds, found.verified) == (layer, mechanism, kinds, True)


def test_a_shifted_gate_is_off_where_nothing_is_scaled() -> None:
    x, plain = picture(), lively(Around(shifted))
    off = explained(instrumented(shifted), x, Edit("(network)", "off"))
    assert torch.allclose(off.attention[0].tensor, torch.tensor(1.5))
    with torch.no_grad():
        torch.testing.assert_close(off.logits, plain.fc(plain.stem(x).mean((2, 3)))[0])


def test_a_causal_affinity_looks_back() -> None:
    x, plain = picture(), lively(Around(causal))
    found = explained(instrumented(causal), x).attention[0].values.matrix()
    with torch.no_grad():
        q, k, _ = positions(plain, plain.stem(x))
        logits = (q.transpose(1, 2) @ k / WIDTH**0.5)[0]
    torch.testing.assert_close(found, logits.masked_fill(torch.ones(256, 256).tril() == 0, -torch.inf).softmax(-1))


def test_a_lone_strip_takes_no_other_gate_away() -> None:
    def middle(net: Around, x: Tensor) -> Tensor:
        rows = torch.sigmoid(net.q(x).mean(3, keepdim=True))
        return x * rows * torch.sigmoid(net.gate(x.mean((2, 3))))[:, :, None, None]

    findings = instrumented(middle).findings(picture())
    assert [finding.kinds for finding in findings.blocks] == [("channel",)]
    assert [line.partition(". ")[0] for line in findings.skipped] == ["(network): one strip"]


def test_a_gate_on_pooled_features_is_named() -> None:
    def middle(net: Around, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(x, 1)
        return x * torch.sigmoid(net.q(x))

    findings = instrumented(middle).findings(picture())
    assert findings.blocks == ()
    assert [line.partition(". ")[0] for line in findings.skipped] == ["(network): gate on a vector"]


def test_a_softmax_over_axis_one_is_none_in_place() -> None:
    """``1 == True``: the logits that it was given are still there after an edit."""

    def middle(net: Around, x: Tensor) -> Tensor:
        logits = torch.stack([net.q(x).mean((2, 3)), net.k(x).mean((2, 3))], 1)
        shares = torch.softmax(logits, 1)
        y = (torch.stack([x, 2 * x], 1) * shares[..., None, None]).sum(1)
        return y + logits.sum(1)[..., None, None]

    x, plain = picture(), lively(Around(middle))
    found = explained(instrumented(middle), x, Edit("(network)", "uniform"))
    with torch.no_grad():
        features = plain.stem(x)
        logits = plain.q(features).mean((2, 3)) + plain.k(features).mean((2, 3))
        expected = plain.fc((1.5 * features + logits[..., None, None]).mean((2, 3)))[0]
    torch.testing.assert_close(found.logits, expected)

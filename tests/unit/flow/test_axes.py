"""The rules of axes, each against what does not know them: coordinates that are moved about, and other sizes."""

from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnviz.flow.atoms import BATCH, COLUMNS, FEATURE, ROWS, UNKNOWN, derived, describe, kinds
from attnviz.flow.graph import Graph, Op, Value
from attnviz.flow.label import label
from attnviz.flow.record import record
from attnviz.flow.rules import RULES, axes
from attnviz.flow.rules.table import Labels, dims, source

Step = Callable[[Tensor], Tensor]
B, C, H, W = 2, 6, 4, 10  # no two alike, and each axis can be split


class Only(nn.Module):
    """A stem that says what the input's axes are, and then one function."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step
        self.stem = nn.Conv2d(C, C, 1, groups=C, bias=False)
        nn.init.ones_(self.stem.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.step(self.stem(x))


def labeled(step: Step, x: Tensor) -> tuple[Graph, Value, Tensor]:
    graph, output = record(Only(step), (x,))
    label(graph)
    return graph, graph.outputs[0], output


# Moving entries about: along an axis only the coordinates that its label names may change

MOVED: dict[str, Step] = {
    "view, flat grid": lambda x: x.view(B, C, H * W),
    "view, heads": lambda x: x.view(B, 2, C // 2, H, W),
    "view, split and merged again": lambda x: x.view(B, 2, C // 2, H * W).reshape(B, C, H, W),
    "permute": lambda x: x.permute(0, 2, 3, 1),
    "transpose": lambda x: x.transpose(1, 3),
    "flatten, tokens": lambda x: x.flatten(2).transpose(1, 2),
    "windows": lambda x: x.view(B, C, 2, H // 2, 2, W // 2).permute(0, 2, 4, 3, 5, 1).reshape(-1, H * W // 4, C),
    "unsqueeze and squeeze": lambda x: x.unsqueeze(1).unsqueeze(-1).squeeze(1),
    "slice": lambda x: x[:, 1:4, ::2, 3:],
    "narrow": lambda x: x.narrow(2, 1, 2),
    "select": lambda x: x[:, 2],
    "unbind": lambda x: x.unbind(2)[1],
    "split": lambda x: x.split([2, 4], 1)[1],
    "chunk": lambda x: x.chunk(2, 3)[1],
    "cat of chunks": lambda x: torch.cat(x.chunk(2, 1), 1),
    "chunk of a cat": lambda x: torch.cat([x, x], 1)[:, C:],
    "stack": lambda x: torch.stack([x, x], 1)[:, 0],
    "stack of what was unbound": lambda x: torch.stack(x.unbind(3), 2),
    "flip": lambda x: x.flip(2),
    "roll": lambda x: x.roll(1, 3),
    "clone": lambda x: x.clone(memory_format=torch.contiguous_format),
    "unfold": lambda x: x.unfold(3, 4, 2),
    "index": lambda x: x[:, torch.tensor([3, 1, 0])],
    "index_select": lambda x: x.index_select(2, torch.tensor([3, 0])),
    "movedim": lambda x: x.movedim(1, -1),
    "swapaxes": lambda x: x.swapaxes(2, 3),
    "unflatten": lambda x: x.unflatten(3, (2, 5)),
    "buffer": lambda x: torch.zeros(B, C, H, W).copy_(x),
    "in place through a view": lambda x: _through_view(x),
    "repeat_interleave": lambda x: x[:, :, :, :1].repeat_interleave(3, 3),
    "expand": lambda x: x[:, :1].expand(-1, 5, -1, -1),
    "repeat": lambda x: x[:, :1].repeat(1, 3, 1, 1),
    "t": lambda x: x[0, 0].t(),
}


def _through_view(x: Tensor) -> Tensor:
    out = torch.zeros(B, H, W, C)
    out.permute(0, 3, 1, 2)[...] = x
    return out


def coordinates() -> Iterator[tuple[str, Tensor]]:
    """For each axis of the input, a tensor that holds each entry's place along it."""
    for axis, (meaning, size) in enumerate(zip("bfrc", (B, C, H, W), strict=True)):
        shape = [1, 1, 1, 1]
        shape[axis] = size
        yield meaning, torch.arange(size, dtype=torch.float).view(shape).expand(B, C, H, W).contiguous()


@pytest.mark.parametrize("name", MOVED)
def test_only_what_an_axis_is_called_changes_along_it(name: str) -> None:
    given = list(coordinates())
    moves = {meaning: record(Only(MOVED[name]), (x,), double=False)[1] for meaning, x in given}
    graph, value, _ = labeled(MOVED[name], given[0][1])
    assert not graph.unruled
    for axis, atoms in enumerate(value.label):
        changing = {
            meaning
            for meaning, tensor in moves.items()
            if not torch.equal(tensor, tensor.narrow(axis, 0, 1).expand_as(tensor))
        }
        named = kinds(atoms) - {"k"}
        assert changing <= named, (name, axis, describe(value.label))
        assert not named or changing & named or value.shape[axis] == 1


# Computing: at another size an axis is longer where it is called so, and nowhere else

COMPUTED: dict[str, Step] = {
    "relu": torch.relu,
    "gelu": F.gelu,
    "softmax": lambda x: x.softmax(1),
    "batch norm": nn.BatchNorm2d(C).eval(),
    "group norm": nn.GroupNorm(2, C),
    "layer norm": lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (C,)),
    "sum": lambda x: x.sum(2),
    "mean, kept": lambda x: x.mean((2, 3), keepdim=True),
    "max": lambda x: x.max(1, keepdim=True).values,
    "amax": lambda x: x.amax(3),
    "std": lambda x: x.std(2),
    "norm": lambda x: x.norm(dim=1),
    "var_mean": lambda x: torch.var_mean(x, 1)[0],
    "cumsum": lambda x: x.cumsum(2),
    "max pool": lambda x: F.max_pool2d(x, 2),
    "mean pool": lambda x: F.avg_pool2d(x, 2),
    "pool to one": lambda x: F.adaptive_avg_pool2d(x, 1),
    "pool to a column": lambda x: F.adaptive_avg_pool2d(x, (None, 1)),
    "pool to strips": lambda x: F.adaptive_max_pool2d(x, (1, None)),
    "convolution": nn.Conv2d(C, 9, 3, padding=1),
    "strided convolution": nn.Conv2d(C, 9, 3, 2, 1),
    "depthwise convolution": nn.Conv2d(C, C, 3, padding=1, groups=C),
    "transposed convolution": nn.ConvTranspose2d(C, 9, 2, 2),
    "convolution over a row": lambda x: F.conv1d(x.mean(3), torch.ones(5, C, 1)),
    "linear": lambda x: F.linear(x.permute(0, 2, 3, 1), torch.ones(5, C)),
    "linear with bias": lambda x: F.linear(x.mean((2, 3)), torch.ones(5, C), torch.ones(5)),
    "matrix product": lambda x: x.flatten(2).transpose(1, 2) @ x.flatten(2),
    "product with weights": lambda x: torch.ones(B, 5, C) @ x.flatten(2),
    "einsum": lambda x: torch.einsum("bchw,dc->bdhw", x, torch.ones(7, C)),
    "resize": lambda x: F.interpolate(x, scale_factor=2),
    "bilinear": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
    "pad": lambda x: F.pad(x, (1, 2, 0, 1)),
    "reflected": lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"),
    "add": lambda x: x + x.mean((2, 3), keepdim=True),
    "where": lambda x: torch.where(x > 0, x, -x),
    "lerp": lambda x: torch.lerp(x, -x, x.sigmoid()),
    "pixel shuffle": lambda x: F.pixel_shuffle(torch.cat([x, x], 1)[:, :8], 2),
    "topk": lambda x: x.topk(3, 1).values,
    "fft": lambda x: torch.fft.rfft2(x).abs(),
    "prelu": nn.PReLU(C),
    "gathered": lambda x: x.gather(1, torch.zeros(B, 2, *x.shape[2:], dtype=torch.long)),
    "euclidean distance": lambda x: (lambda rows: torch.cdist(rows, rows))(x.flatten(2).mT),
    "distance": lambda x: (lambda rows: torch.cdist(rows, rows, p=1.0))(x.flatten(2).mT),
}


@pytest.mark.parametrize("name", COMPUTED)
def test_axes_grow_as_they_are_called(name: str) -> None:
    graph, value, output = labeled(COMPUTED[name], torch.rand(B, C, H, W))
    assert not graph.unruled
    assert not any(UNKNOWN in kinds(axis) for axis in value.label), describe(value.label)
    for meaning, x in ((ROWS, torch.rand(B, C, 2 * H, W)), (COLUMNS, torch.rand(B, C, H, 2 * W))):
        _, again, bigger = labeled(COMPUTED[name], x)
        assert [kinds(axis) for axis in again.label] == [kinds(axis) for axis in value.label]
        for axis, atoms in enumerate(value.label):
            assert (bigger.shape[axis] != output.shape[axis]) == (meaning in kinds(atoms)), (name, axis)


def middle(x: Tensor) -> Tensor:
    """The diagonal of a square map, one entry of each row and column."""
    return x[..., :H].diagonal(dim1=2, dim2=3)


def test_a_rule_that_is_missing_is_counted() -> None:
    graph, _, _ = labeled(middle, torch.rand(B, C, H, W))
    assert dict(graph.unruled) == {"diagonal": 1}


def test_a_rule_can_be_added() -> None:
    """As docs/flow.md has it, word by word."""
    before = dict(RULES)
    try:

        @axes("diagonal")
        def diagonal(op: Op) -> Labels:
            """Two axes give way to one, at the end, along which both change."""
            x = source(op)
            gone = dims([op.argument(2, "dim1", 0), op.argument(3, "dim2", 1)], len(x.shape))
            kept = tuple(axis for i, axis in enumerate(x.label) if i not in gone)
            return [(*kept, derived(x.label[gone[0]] + x.label[gone[1]], op.out.shape[-1], "diagonal"))]

        graph, value, _ = labeled(middle, torch.rand(B, C, H, W))
        assert not graph.unruled
        assert kinds(value.label[2]) == {ROWS, COLUMNS}
    finally:
        RULES.clear()
        RULES.update(before)


RANKS = {
    "features": ((2, 8), lambda x: F.linear(x, torch.ones(3, 8)), "batch, channel"),
    "sequence": ((2, 5, 8), lambda x: F.linear(x, torch.ones(3, 8)), "batch, row, channel"),
    "signal": ((2, 3, 20), lambda x: F.conv1d(x, torch.ones(4, 3, 3)), "batch, channel, row"),
    "wave": ((2, 20), lambda x: F.conv1d(x[:, None], torch.ones(4, 1, 3)), "batch, channel, row"),
    "channels last": ((2, 4, 6, 3), lambda x: F.conv2d(x.permute(0, 3, 1, 2), torch.ones(5, 3, 1, 1)), None),
    "clip": ((2, 3, 4, 5, 6), lambda x: F.conv3d(x, torch.ones(4, 3, 1, 1, 1)), "batch, channel, depth, row, column"),
    "bands by time": (
        (2, 9, 20),
        lambda x: F.conv2d(x[:, None], torch.ones(4, 1, 3, 3)),
        "batch, channel, row, column",
    ),
}


@pytest.mark.parametrize("name", RANKS)
def test_inputs_of_every_rank(name: str) -> None:
    shape, step, told = RANKS[name]

    class Network(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return step(x)

    graph, _ = record(Network(), (torch.rand(shape),))
    label(graph)
    assert describe(graph.outputs[0].label) == (told or "batch, channel, row, column")


def test_frames_of_a_wave_are_places() -> None:
    class Spectrum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            frames = x.as_strided((len(x), 9, 16), (x.shape[1], 8, 1))
            return torch.fft.rfft(frames).abs()

    graph, _ = record(Spectrum(), (torch.rand(2, 80),))
    label(graph)
    frames, bands = (kinds(axis) for axis in graph.outputs[0].label[1:])
    assert frames == {ROWS}
    assert bands == {COLUMNS}


def test_pictures_laid_side_by_side_as_groups_stay_pictures() -> None:
    """A convolution with weights for each picture, as one with as many groups as there are pictures."""

    def each_its_own(x: torch.Tensor) -> torch.Tensor:
        weights = x.mean((2, 3))[:, None, :, None, None].expand(-1, 6, -1, 1, 1).flatten(0, 1)
        return F.conv2d(x.flatten(0, 1)[None], weights, groups=len(x)).view(len(x), 6, *x.shape[2:])

    _, value, _ = labeled(each_its_own, torch.rand(B, C, H, W))
    assert [kinds(axis) for axis in value.label] == [{BATCH}, {FEATURE}, {ROWS}, {COLUMNS}]

"""Training: the schedule, what decays, starts and resumes, on a few made-up photos."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from attnviz.backbones import VARIANTS, build
from attnviz.errors import ModelError
from attnviz.mechanisms import SK, Mechanism, NonLocal
from attnviz.training import loop
from attnviz.training.data import Augmentation, Split, training_batches
from attnviz.training.recipe import Recipe, initialize, optimizers

CPU = torch.device("cpu")
SMALL = Recipe(phases=((1, 32), (2, 48)), batch=8, warmup_epochs=1)


@pytest.fixture(scope="module")
def split() -> Split:
    rng = np.random.default_rng(1)
    images = np.repeat(rng.integers(0, 256, (24, 14, 14, 3), dtype=np.uint8), 16, 1).repeat(16, 2)
    return Split(images, torch.arange(24) % 10, tuple(map(str, range(24))))


def test_schedule() -> None:
    recipe = Recipe(phases=((10, 32),), warmup_epochs=2)
    assert loop.schedule(recipe, 1) == 0.5
    assert loop.schedule(recipe, 2) == 1
    assert loop.schedule(recipe, 6) == pytest.approx(0.5)
    assert loop.schedule(recipe, 10) == pytest.approx(0)
    assert [SMALL.pixels(epoch) for epoch in range(3)] == [32, 48, 48]


@pytest.mark.parametrize("model_id", VARIANTS)
def test_every_parameter_is_trained_once_and_attention_never_decays(model_id: str) -> None:
    model = build(model_id)
    steppers = optimizers(model, SMALL)
    groups = [group for stepper in steppers for group in stepper.param_groups]
    trained = [id(p) for group in groups for p in group["params"]]
    assert sorted(trained) == sorted(id(p) for p in model.parameters())
    attention = {
        id(p)
        for m in model.modules()
        if isinstance(m, Mechanism)
        for name, p in m.named_parameters()
        if not (isinstance(m, SK) and name.startswith("branches."))
    }
    decayed = {id(p) for group in groups if group["weight_decay"] for p in group["params"]}
    assert not attention & decayed
    assert id(model.fc.weight) in decayed


@pytest.mark.parametrize("model_id", VARIANTS)
def test_gates_start_alive(model_id: str) -> None:
    model = build(model_id)
    initialize(model, 0)
    for module in model.modules():
        if isinstance(module, Mechanism) and not isinstance(module, NonLocal):
            for layer in (m for m in module.modules() if isinstance(m, nn.Linear)):
                he = math.sqrt(2 / layer.in_features)
                assert float(layer.weight.detach().std()) == pytest.approx(he, rel=0.35)
    assert all(float(m.weight.detach().min()) == 1 for n, m in model.named_modules() if n.endswith("bn2"))


@pytest.mark.parametrize("model_id", [i for i in VARIANTS if i != "resnet18t-plain"])
def test_what_the_ten_share_starts_the_same(model_id: str) -> None:
    plain, other = build("resnet18t-plain"), build(model_id)
    initialize(plain, 7)
    initialize(other, 7)
    theirs = other.state_dict()
    for name, value in plain.state_dict().items():
        if not (model_id.endswith("-sk") and ".conv2." in name):
            assert torch.equal(value, theirs[name]), name


def test_a_resumed_run_is_the_run(split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = loop.train("resnet18t-se", SMALL, 5, (split, split), tmp_path / "whole", CPU)

    class StoppedError(Exception):
        pass

    write = loop._write

    def stop_after_two(path: Path, state: dict[str, object]) -> None:
        write(path, state)
        if state["epoch"] == 2:
            raise StoppedError

    monkeypatch.setattr(loop, "_write", stop_after_two)
    with pytest.raises(StoppedError):
        loop.train("resnet18t-se", SMALL, 5, (split, split), tmp_path / "parts", CPU)
    monkeypatch.setattr(loop, "_write", write)
    resumed = loop.train("resnet18t-se", SMALL, 5, (split, split), tmp_path / "parts", CPU)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    lines = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]


def test_another_recipe_is_refused(split: Split, tmp_path: Path) -> None:
    recipe = Recipe(phases=((1, 32),), batch=8, warmup_epochs=1)
    loop.train("resnet18t-plain", recipe, 1, (split, split), tmp_path, CPU)
    with pytest.raises(ModelError, match="another recipe or seed"):
        loop.train("resnet18t-plain", recipe, 2, (split, split), tmp_path, CPU)


def test_augmentation_keeps_what_it_should(split: Split) -> None:
    """With the whole area, its own aspect and no jitter, what is left is the picture, flipped or not."""
    plain = Augmentation(area=(1, 1), aspect=(1, 1), jitter=0)
    images = torch.from_numpy(split.images[:8])
    out = plain(images, 224, torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    expected = (images.permute(0, 3, 1, 2).float() / 255 - mean) / std
    flipped = 0
    for got, want in zip(out, expected, strict=True):
        straight, mirrored = (got - want).abs().max(), (got - want.flip(2)).abs().max()
        assert min(straight, mirrored) < 1e-3
        flipped += int(mirrored < straight)
    assert 0 < flipped < 8


def test_batches_depend_on_the_seed_alone(split: Split) -> None:
    def epoch(seed: int) -> list[torch.Tensor]:
        return [x for x, _ in training_batches(split, 32, 8, Augmentation(), seed, CPU)]

    assert all(torch.equal(a, b) for a, b in zip(epoch(1), epoch(1), strict=True))
    assert not torch.equal(epoch(1)[0], epoch(2)[0])
    assert len(epoch(1)) == 3

"""Training one network: resumes from its last epoch, logs a line an epoch."""

import copy
import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from attnviz.backbones import build
from attnviz.errors import ModelError
from attnviz.training.data import Split, resized, training_batches
from attnviz.training.recipe import Recipe, initialize, optimizers


def train(
    model_id: str, recipe: Recipe, seed: int, data: tuple[Split, Split], run: Path, device: torch.device
) -> nn.Module:
    """Train a network of the family from where it stands; returns the averaged weights in eval mode.

    ``run`` holds ``state.pt`` (rewritten whole after every epoch) and ``log.jsonl``. Every random
    draw comes from the seed and the epoch's number, so a resumed run is the run.
    """
    training, validation = data
    model = build(model_id)
    initialize(model, seed)
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(model).eval().requires_grad_(False)
    steppers = optimizers(model, recipe)
    run.mkdir(parents=True, exist_ok=True)
    first = _resume(run / "state.pt", model, averaged, steppers, recipe, seed)
    for epoch in range(first, recipe.epochs):
        started = time.perf_counter()
        loss = _epoch(
            model, averaged, steppers, recipe, epoch, seed, training, device, f"{model_id} {epoch + 1}/{recipe.epochs}"
        )
        line: dict[str, Any] = {"epoch": epoch + 1, "pixels": recipe.pixels(epoch), "loss": loss}
        line["rate"] = schedule(recipe, epoch + 1)
        line["seconds"] = time.perf_counter() - started
        if (epoch + 1) % 4 == 0 or epoch + 1 == recipe.epochs:
            line["top1"] = top1(averaged, validation, 128 if epoch + 1 < recipe.epochs else 208, device)
        state = {
            "model": model.state_dict(),
            "averaged": averaged.state_dict(),
            "optimizers": [s.state_dict() for s in steppers],
        }
        _write(run / "state.pt", {**state, "epoch": epoch + 1, "recipe": recipe.as_dict(), "seed": seed})
        with (run / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
    return averaged


def schedule(recipe: Recipe, progress: float) -> float:
    """What the rates are multiplied by after ``progress`` epochs: linear warm-up, then a cosine to zero."""
    if progress <= recipe.warmup_epochs:
        return progress / recipe.warmup_epochs
    rest = (progress - recipe.warmup_epochs) / (recipe.epochs - recipe.warmup_epochs)
    return 0.5 * (1 + math.cos(math.pi * rest))


@torch.no_grad()
def top1(model: nn.Module, split: Split, size: int, device: torch.device, batch: int = 128) -> float:
    """Share of photos whose highest logit is their class's, in float32."""
    right = 0
    for start in range(0, len(split), batch):
        logits: Tensor = model(resized(split.images[start : start + batch], size, device))
        right += int((logits.argmax(1).cpu() == split.labels[start : start + batch]).sum())
    return right / len(split)


def _epoch(
    model: nn.Module,
    averaged: nn.Module,
    steppers: list[torch.optim.Optimizer],
    recipe: Recipe,
    epoch: int,
    seed: int,
    split: Split,
    device: torch.device,
    label: str,
) -> float:
    model.train()
    steps = len(split) // recipe.batch
    batches = training_batches(
        split, recipe.pixels(epoch), recipe.batch, recipe.augmentation, seed * 100_003 + epoch, device
    )
    losses = []
    for step, (images, labels) in enumerate(tqdm(batches, desc=label, total=steps, unit="batch", mininterval=5)):
        rate = schedule(recipe, epoch + (step + 1) / steps)
        for group in (group for stepper in steppers for group in stepper.param_groups):
            group["lr"] = group["initial_lr"] * rate
        with torch.autocast(device.type, dtype=torch.bfloat16):
            loss = nn.functional.cross_entropy(model(images), labels, label_smoothing=recipe.label_smoothing)
        model.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for stepper in steppers:
            stepper.step()
        seen = epoch * steps + step
        _average(averaged, model, min(recipe.ema, (1 + seen) / (10 + seen)))
        losses.append(loss.detach())
    return float(torch.stack(losses).mean())


@torch.no_grad()
def _average(averaged: nn.Module, model: nn.Module, decay: float) -> None:
    ours, theirs = averaged.state_dict(), model.state_dict()
    floats = [name for name, value in ours.items() if value.is_floating_point()]
    torch._foreach_lerp_([ours[n] for n in floats], [theirs[n] for n in floats], 1 - decay)
    for name in ours.keys() - set(floats):
        ours[name].copy_(theirs[name])


def _resume(
    path: Path, model: nn.Module, averaged: nn.Module, steppers: list[torch.optim.Optimizer], recipe: Recipe, seed: int
) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    if (state["seed"], state["recipe"]) != (seed, recipe.as_dict()):
        raise ModelError(f"{path} was made by another recipe or seed; move it away to start anew")
    model.load_state_dict(state["model"])
    averaged.load_state_dict(state["averaged"])
    for stepper, saved in zip(steppers, state["optimizers"], strict=True):
        stepper.load_state_dict(saved)
    return int(state["epoch"])


def _write(path: Path, state: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)

"""Weights and cards of trained networks: written, and measured again."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from attnviz.backbones import VARIANTS, build
from attnviz.cards import ModelCard
from attnviz.training import evaluation
from attnviz.training.data import CLASSES, MEAN, STD, load_split
from attnviz.training.loop import top1
from attnviz.training.recipe import Recipe
from attnviz.zoo.embedded import load_embedded, save_means, save_weights
from attnviz.zoo.libraries import macs

INPUT_SIZE = 208
SIZES = (160, 176, 192, 208, 224)


def finish(
    model_id: str, model: nn.Module, recipe: Recipe, seed: int, data: Path, cache: Path, folder: Path
) -> ModelCard:
    """Write a trained network's weights, means and card; everything is measured on the written weights."""
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(folder, model_id, model.state_dict())
    return rewrite(blank(model_id, recipe, seed, folder), data, cache, folder)


def blank(model_id: str, recipe: Recipe, seed: int, folder: Path) -> ModelCard:
    """The card of written weights before anything is measured."""
    mechanism = VARIANTS[model_id].mechanism
    return ModelCard(
        id=model_id,
        mechanism=mechanism.label if mechanism else None,
        source="trained by attnviz",
        params=sum(p.numel() for p in build(model_id).parameters()),
        macs=0,
        size_bytes=(folder / f"{model_id}.safetensors").stat().st_size,
        input_size=INPUT_SIZE,
        top1=0.0,
        top1_interval=(0.0, 0.0),
        dataset="Imagenette (ten ImageNet classes), photos squashed to 224 x 224",
        recipe_group=f"resnet18t, {recipe.epochs} epochs, seed {seed}",
        licence="Apache-2.0",
        classes=tuple(CLASSES.values()),
        mean=MEAN,
        std=STD,
        recipe={**recipe.as_dict(), "epochs": recipe.epochs, "seed": seed, "options": VARIANTS[model_id].options},
    )


def rewrite(card: ModelCard, data: Path, cache: Path, folder: Path) -> ModelCard:
    """Measure a network's means and card from its written weights, and write both."""
    (folder / f"{card.id}.means.safetensors").unlink(missing_ok=True)
    backbone = load_embedded(card, "cpu", folder)
    means = evaluation.means(backbone, load_split(data, "train", cache), card.input_size)
    if means:
        save_means(folder, card.id, means)
    card = measured(card, data, cache, folder)
    card.write(folder / f"{card.id}.json")
    return card


def measured(card: ModelCard, data: Path, cache: Path, folder: Path | None = None) -> ModelCard:
    """The card with everything that is measured measured anew."""
    backbone = load_embedded(card, "cpu", folder)
    metrics = evaluation.measure(backbone, data, cache, card.input_size)
    top = metrics["top1"]
    interval = tuple(top["interval"])
    cost = macs(backbone.model, card.input_size)
    return replace(card, macs=cost, top1=top["share"], top1_interval=interval, metrics={**card.metrics, **metrics})


def by_size(card: ModelCard, data: Path, cache: Path) -> dict[int, float]:
    """Top-1 on val/ at several input sizes."""
    model, split = load_embedded(card, "cpu").model, load_split(data, "val", cache)
    return {size: top1(model, split, size, torch.device("cpu")) for size in SIZES}

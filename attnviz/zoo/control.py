"""Random weights, asked for by name: what attention shows where nothing was learned."""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from attnviz.backbones import build
from attnviz.capture import Backbone
from attnviz.cards import ModelCard
from attnviz.stock import RANDOM
from attnviz.zoo.drawn import draw
from attnviz.zoo.embedded import placed, preprocessing

NAME = "random weights"


@torch.inference_mode(False)
def load_random(card: ModelCard, device: str) -> Backbone:
    """A network of the family with random weights."""
    with torch.device("cpu"):
        model = random_model(lambda: build(card.id, len(card.classes)).float(), card.input_size)
    card = random_card(card)
    placed(model, card.id, device)
    return Backbone(model, preprocessing(card), card.classes, card=card)


def random_model(make: Callable[[], nn.Module], size: int | tuple[int, int]) -> nn.Module:
    """A network with drawn weights (``drawn.draw``), the same each time; ``size``: of pictures, (H, W) or both in one.

    The process's own random numbers go on as if it was not.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return draw(make(), (3, size, size) if isinstance(size, int) else (3, *size))


def random_card(card: ModelCard) -> ModelCard:
    """A card that says that the weights are random, and nothing that only holds for trained ones."""
    return replace(
        card,
        id=f"{RANDOM}{card.id}",
        availability=NAME,
        recipe_group=NAME,
        top1=math.nan,
        top1_interval=(math.nan, math.nan),
        top1_source=NAME,
        metrics={},
        recipe={},
    )

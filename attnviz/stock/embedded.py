"""What comes with the package: the family's cards, its weights, the docs."""

from pathlib import Path

from attnviz.cards import ModelCard
from attnviz.errors import ModelError

FAMILY = tuple(f"resnet18t-{name}" for name in ("plain", "se", "eca", "cbam", "bam", "sk", "scse", "nl", "gc", "ca"))


def assets() -> Path:
    """The folder of weights, cards and examples."""
    return shipped("assets")


def shipped(name: str) -> Path:
    """A folder that comes with the package: inside it where it is installed, beside it in a clone."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise ModelError(f"attnviz's {name} are missing: install the package again, or clone the whole repository")


def embedded_cards(folder: Path | None = None) -> list[ModelCard]:
    """The family's cards, in its order; a card is written last, so where it is there all is."""
    folder = folder or assets() / "weights"
    paths = [folder / f"{model_id}.json" for model_id in FAMILY]
    return [ModelCard.read(path) for path in paths if path.exists()]


def embedded_card(model_id: str) -> ModelCard:
    """The card of one of the family. Raises ModelError where it did not come along."""
    card = next((card for card in embedded_cards() if card.id == model_id), None)
    if card is None:
        raise ModelError(f"the card of {model_id} is missing: install attnviz again, or clone the whole repository")
    return card

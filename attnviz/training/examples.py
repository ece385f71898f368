"""The app's drawn examples: scenes that every network of the catalogue recognizes, chosen by measurement."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from attnviz.explanation import explain
from attnviz.scenes import SCENES, draw
from attnviz.zoo import catalogue, load

SIZE = (640, 480)
SEEDS = 3
SURE = 0.6  # every network gives the right class more than this


@dataclass(frozen=True)
class Candidate:
    """A drawn scene as a JPEG, and each network's probability for its class."""

    name: str
    seed: int
    jpeg: bytes
    probabilities: dict[str, float]

    @property
    def worst(self) -> float:
        """The lowest of the probabilities."""
        return min(self.probabilities.values())


def candidates(name: str) -> list[Candidate]:
    """A scene drawn from several seeds, measured as it will be read: from its JPEG."""
    found = []
    for seed in range(SEEDS):
        scene = draw(name, size=SIZE, seed=seed)
        file = BytesIO()
        scene.image.save(file, "JPEG", quality=88, comment=f"{name}, seed {seed}; drawn by attnviz.scenes")
        probabilities = {}
        for card in catalogue("embedded"):
            explanation = explain(load(card.id), file.getvalue())
            assert explanation.probabilities is not None
            probabilities[card.id] = float(explanation.probabilities[card.classes.index(scene.label)])
        found.append(Candidate(name, seed, file.getvalue(), probabilities))
    return found


def choose(folder: Path) -> list[tuple[Candidate, bool]]:
    """Of every scene the candidate whose worst network is surest, and whether it was good enough to be written."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = []
    for name in SCENES:
        best = max(candidates(name), key=lambda candidate: candidate.worst)
        path = folder / f"{name.replace(' ', '-')}.jpg"
        path.unlink(missing_ok=True)
        if best.worst > SURE:
            path.write_bytes(best.jpeg)
        chosen.append((best, best.worst > SURE))
    return chosen

"""From a state to what is shown: the picture's explanation, from the shelf or from a pass."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from gradio.utils import get_upload_folder
from PIL import Image

from attnviz import Attribution, Explanation, ModelCard, Picture, attribute, catalogue, explain, load
from attnviz.errors import ModelError, OptionError, PictureError
from attnviz.explanation import AttentionRecord, Inside
from attnviz.images import load_picture
from attnviz.ui import texts
from attnviz.ui.examples import Example
from attnviz.ui.shelf import Shelf
from attnviz.ui.state import State

SHOWN = 1024  # pixels on the longer side of the picture that the page shows
KEPT, SECONDS = 32, 3600.0
AT_ONCE = 4  # pages' requests at work: one that takes seconds holds nobody up
FIRST = "resnet18t-scse"  # a map and bars at once
PREFERRED = ("volume", "spatial", "context", "coordinate", "affinity", "branch", "channel")


@dataclass(frozen=True)
class View:
    """A state that was settled, its explanation, and the record that is chosen (None without attention).

    ``through(model)`` is the same picture's explanation by another network.
    """

    state: State
    name: str
    path: Path
    explanation: Explanation
    record: AttentionRecord | None
    through: Callable[[str], Explanation] = field(repr=False)

    @property
    def card(self) -> ModelCard:
        card = self.explanation.backbone.card
        assert card is not None
        return card

    @property
    def target(self) -> int:
        """The class that is explained, whether or not against another."""
        target = self.explanation.target
        assert target is not None
        return target if isinstance(target, int) else target[0]

    @property
    def place(self) -> tuple[int, int]:
        """The chosen (row, column) of the chosen block's grid."""
        assert self.state.query is not None
        return self.state.query

    @cached_property
    def inside(self) -> Inside:
        """The chosen block's input, output and steps: one more pass, for whatever is drawn of it."""
        assert self.record is not None
        return self.explanation.inside(self.record.layer, self.record.call)

    @property
    def block(self) -> tuple[AttentionRecord, ...]:
        """The chosen block's records, one a part."""
        chosen = self.record
        if chosen is None:
            return ()
        return tuple(r for r in self.explanation.attention if (r.layer, r.call) == (chosen.layer, chosen.call))


class Analyst:
    """Explains pictures for pages and keeps the last explanations for an hour."""

    def __init__(self, examples: list[Example]) -> None:
        self.cards = {card.id: card for card in catalogue("embedded")}
        if not self.cards:
            raise ModelError(texts.NO_MODELS)
        self.examples = {example.id: example for example in examples}
        self._shelf: Shelf[Explanation] = Shelf(KEPT, SECONDS)
        self._attributions: Shelf[Attribution] = Shelf(KEPT, SECONDS)

    @property
    def first(self) -> State:
        """What a page shows before anyone has chosen."""
        with_attention = [card.id for card in self.cards.values() if card.mechanism]
        model = FIRST if FIRST in self.cards else (with_attention or list(self.cards))[0]
        return State(source=f"example:{next(iter(self.examples))}", model=model)

    def view(self, state: State) -> View:
        """Settle a state. Raises AttnvizError, in one line, for what is not there."""
        if state.model not in self.cards:
            raise OptionError(texts.BAD_REQUEST.format(what="model"))
        count = len(self.cards[state.model].classes)
        if any(index is not None and index >= count for index in (state.target, state.against)):
            raise OptionError(texts.BAD_REQUEST.format(what="class"))
        path, name = self._picture(state.source)
        explanation = self._explanation(state, state.target, path)
        if state.against == explanation.target:
            state = replace(state, against=None)  # a class against itself is no question
        if state.against is not None:
            assert isinstance(explanation.target, int)
            explanation = self._explanation(state, (explanation.target, state.against), path)
        record = _choose(explanation.attention, state.layer, state.part)
        if record is not None:
            query = _place(explanation, record, state.query)
            count = explanation.backbone.blocks[record.layer].channels
            if state.channel is not None and state.channel >= count:
                raise OptionError(texts.BAD_REQUEST.format(what="channel"))
            state = replace(state, layer=record.layer, part=record.part, query=query)

        def through(model: str) -> Explanation:
            return self._explanation(replace(state, model=model), None, path)

        return View(state, name, path, explanation, record, through)

    def _picture(self, source: str) -> tuple[Path, str]:
        kind, _, rest = source.partition(":")
        if kind == "example" and rest in self.examples:
            return self.examples[rest].path, self.examples[rest].label
        try:
            path = Path(rest)
            path.exists()
            inside = path.resolve().is_relative_to(Path(get_upload_folder()).resolve())
        except (OSError, ValueError):  # no path at all: too long, or with signs that none has
            inside = False
        if kind != "upload" or not inside:
            raise OptionError(texts.BAD_REQUEST.format(what="picture"))
        # Gradio keeps a name as an address has it; signs that turn or hide the text around them are left out.
        return path, "".join(letter for letter in unquote(path.name) if letter.isprintable())

    def attribution(self, view: View, progress: Callable[[float], None]) -> Attribution:
        """What one of captum's methods gives for a view's class; it may take seconds, and tells how far it is."""
        state = view.state
        key = (state.source, state.model, view.explanation.target, state.method)
        kept = self._attributions.get(key)
        if kept is None:
            kept = attribute(view.explanation, state.method, progress)
            self._attributions.put(key, kept)
        return kept

    def _explanation(self, state: State, target: int | tuple[int, int] | None, path: Path) -> Explanation:
        key = (state.source, state.model, target)
        if (kept := self._shelf.get(key)) is not None:
            return kept
        backbone = load(state.model)
        sibling = self._shelf.find(lambda other: isinstance(other, tuple) and other[:2] == key[:2])
        if sibling is not None:
            other, kept = sibling
            explanation = replace(explain(backbone, kept.input, target), picture=kept.picture)
            self._shelf.put(key, explanation, as_old_as=other)  # it holds the same picture
        else:
            if state.source.startswith("upload:") and not path.exists():
                raise PictureError(texts.GONE)
            explanation = _lighter(explain(backbone, path, target))
            self._shelf.put(key, explanation)
        return explanation


def shown(path: Path, size: int) -> Image.Image:
    """A picture reduced to ``size`` pixels on its longer side."""
    image = load_picture(path)
    image.thumbnail((size, size), Image.Resampling.BICUBIC)
    return image


def _lighter(explanation: Explanation) -> Explanation:
    """The explanation with its picture reduced to what a page shows: the whole one may take 150 MB."""
    picture = explanation.picture
    assert picture is not None
    small = picture.original.copy()
    small.thumbnail((SHOWN, SHOWN), Image.Resampling.BICUBIC)
    x, y = small.width / picture.original.width, small.height / picture.original.height
    left, top, right, bottom = picture.box
    box = (left * x, top * y, right * x, bottom * y)
    return replace(explanation, picture=Picture(small, picture.seen, box))


def _place(explanation: Explanation, record: AttentionRecord, asked: tuple[int, int] | None) -> tuple[int, int]:
    """The chosen place on a block's grid, or where Grad-CAM is strongest."""
    rows, columns = record.after.shape
    if asked is not None:
        if asked[0] >= rows or asked[1] >= columns:
            raise OptionError(texts.BAD_REQUEST.format(what="query"))
        return asked
    if explanation.cam is None:
        return rows // 2, columns // 2
    height, width = explanation.cam.signed.shape
    row, column = divmod(int(explanation.cam.signed.argmax()), width)
    return int((row + 0.5) * rows / height), int((column + 0.5) * columns / width)


def _choose(records: tuple[AttentionRecord, ...], layer: str | None, part: str | None) -> AttentionRecord | None:
    """The record of a layer and part; where another model has no such layer, one about as deep as the page's first."""
    if not records:
        return None
    layers = list(dict.fromkeys(record.layer for record in records))
    if layer not in layers:
        near = [name for name in layers if layer and name.split(".")[0] == layer.split(".")[0]]
        layer = near[-1] if near else layers[max(0, -(-3 * len(layers) // 4) - 1)]
        part = None
    block = [record for record in records if record.layer == layer]
    named = [record for record in block if part is not None and record.part == part]
    return (named or sorted(block, key=lambda record: PREFERRED.index(record.kind)))[0]

"""From a state to what is shown: the picture's explanation, from the shelf or from a pass."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from gradio.utils import get_upload_folder
from PIL import Image

from attnviz import Attribution, Backbone, Explanation, ModelCard, Picture, attribute, catalogue, explain, load, zoo
from attnviz.capture import AffinityMap
from attnviz.equations import rescaled
from attnviz.errors import ModelError, OptionError, PictureError
from attnviz.explanation import AttentionRecord, Inside
from attnviz.images import load_picture
from attnviz.stock import Availability, availability, entries
from attnviz.ui import texts
from attnviz.ui.examples import Example
from attnviz.ui.names import class_names
from attnviz.ui.shelf import Shelf
from attnviz.ui.state import State

SHOWN = 1024  # pixels on the longer side of the picture that the page shows
KEPT, SECONDS = 32, 3600.0
AT_ONCE = 4  # pages' requests at work: one that takes seconds holds nobody up
FIRST = "resnet18t-scse"  # a map and bars at once
# Of ImageNet's, where their weights are at hand; else the lightest that is.
FIRST_IMAGENET = tuple(f"timm:{name}resnext26ts.ch_in1k" for name in ("se", "eca_", "gc"))
LONGEST = 200  # letters of a model's id
PREFIXES = ("timm:", zoo.RANDOM, zoo.OWN)  # of ids that are models without being listed
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
    def names(self) -> tuple[str, ...]:
        """What the classes are called; none without logits."""
        return class_names(self.explanation)

    @property
    def target(self) -> int | None:
        """The class that is explained, whether or not against another; None without logits."""
        target = self.explanation.target
        return target[0] if isinstance(target, tuple) else target

    @property
    def place(self) -> tuple[int, int]:
        """The chosen (row, column) of the chosen record's grid."""
        assert self.state.query is not None
        return self.state.query

    def place_on(self, rows: int, columns: int) -> tuple[int, int]:
        """The chosen place on another grid over the same picture."""
        assert self.record is not None
        return rescaled(self.place, asked_grid(self.record), (rows, columns))

    @cached_property
    def inside(self) -> Inside | None:
        """The chosen block's input, output and steps: one more pass, for whatever is drawn of it.

        None without attention, and for a block whose features lie on no grid of rows and columns.
        """
        if self.record is None:
            return None
        inside = self.explanation.inside(self.record.layer, self.record.call)
        return inside if inside.input.dim() == inside.output.dim() == 3 else None

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
        self.family = {card.id: card for card in catalogue("embedded")}
        if not self.family:
            raise ModelError(texts.NO_MODELS)
        self.cards: dict[str, ModelCard] = self.family | {name: entry.card for name, entry in entries().items()}
        self.examples = {example.id: example for example in examples}
        self._shelf: Shelf[Explanation] = Shelf(KEPT, SECONDS)
        self._attributions: Shelf[Attribution] = Shelf(KEPT, SECONDS)

    @cached_property
    def first(self) -> State:
        """What a page shows before anyone has chosen."""
        model = self._first_imagenet() or FIRST
        if model not in self.cards:
            model = next((card.id for card in self.family.values() if card.mechanism), next(iter(self.family)))
        return State(source=f"example:{next(iter(self.examples))}", model=model)

    def _first_imagenet(self) -> str | None:
        """A small ImageNet network whose weights are at hand."""
        states = availability(entries().values(), ask=False)
        light = [card for card in self.cards.values() if card.light and states.get(card.id) is Availability.CACHED]
        preferred = [name for name in FIRST_IMAGENET if states.get(name) is Availability.CACHED]
        light.sort(key=lambda card: (card.mechanism is None, card.macs))
        return next(iter([*preferred, *(card.id for card in light)]), None)

    def ready(self, model: str) -> bool:
        """Whether a model can be shown without fetching anything. Raises AttnvizError for one that there is not."""
        if model not in self.cards and (len(model) > LONGEST or not model.startswith(PREFIXES)):
            raise OptionError(texts.BAD_REQUEST.format(what="model"))
        return model in self.family or zoo.ready(model)

    def backbone(self, model: str) -> Backbone:
        """A model that is at hand. Raises AttnvizError for another: nothing is fetched where nobody sees it."""
        if not self.ready(model):
            raise ModelError(texts.NOT_AT_HAND.format(model=model))
        backbone = load(model)
        # What has left memory is let go here too.
        held = zoo.held()
        for shelf in (self._shelf, self._attributions):
            shelf.drop(lambda key: isinstance(key, tuple) and key[1] not in held)
        return backbone

    def view(self, state: State) -> View:
        """Settle a state. Raises AttnvizError, in one line, for what is not there."""
        backbone = self.backbone(state.model)
        if state.cam_layer not in backbone.layers:
            state = replace(state, cam_layer=None)  # another network's; the page says where Grad-CAM stands
        classes = backbone.classes
        if classes and any(index is not None and index >= len(classes) for index in (state.target, state.against)):
            raise OptionError(texts.BAD_REQUEST.format(what="class"))
        path, name = self._picture(state.source)
        explanation = self._explanation(state, state.target, path)
        if explanation.target is None or state.against == explanation.target:
            state = replace(state, against=None)  # a class against itself is no question
        if state.against is not None:
            explanation = self._explanation(state, (_one(explanation.target), state.against), path)
        record = _choose(explanation.attention, state.layer, state.part)
        if record is not None:
            query = _place(explanation, record, state.query)
            count = explanation.backbone.blocks[record.layer].channels
            if state.channel is not None and state.channel >= count:
                raise OptionError(texts.BAD_REQUEST.format(what="channel"))
            state = replace(state, layer=record.layer, part=record.part, query=query)

        def through(model: str) -> Explanation:
            return self._explanation(State(state.source, model), None, path)

        return View(state, name, path, explanation, record, through)

    def _picture(self, source: str) -> tuple[Path, str]:
        kind, _, rest = source.partition(":")
        if kind == "example" and rest in self.examples:
            return self.examples[rest].path, self.examples[rest].label
        if kind != "upload":
            raise OptionError(texts.BAD_REQUEST.format(what="picture"))
        path = in_uploads(rest)
        # Gradio keeps a name as an address has it; signs that turn or hide the text around them are left out.
        return path, "".join(letter for letter in unquote(path.name) if letter.isprintable())

    def attribution(self, view: View, progress: Callable[[float], None]) -> Attribution:
        """What one of captum's methods gives for a view's class; it may take seconds, and tells how far it is."""
        state = view.state
        key = (state.source, state.model, view.explanation.target, state.method, state.cam_layer, state.region)
        kept = self._attributions.get(key)
        if kept is None:
            kept = attribute(view.explanation, state.method, progress)
            self._attributions.put(key, kept)
        return kept

    def _explanation(self, state: State, target: int | tuple[int, int] | None, path: Path) -> Explanation:
        key = (state.source, state.model, target, state.cam_layer, state.region)
        if (kept := self._shelf.get(key)) is not None:
            return kept
        backbone = self.backbone(state.model)
        sibling = self._shelf.find(lambda other: isinstance(other, tuple) and other[:2] == key[:2])
        if sibling is not None:
            other, kept = sibling
            found = explain(backbone, kept.input, target, state.cam_layer, region=state.region)
            explanation = replace(found, picture=kept.picture)
            self._shelf.put(key, explanation, as_old_as=other)  # it holds the same picture
        else:
            if state.source.startswith("upload:") and not path.exists():
                raise PictureError(texts.GONE)
            explanation = _lighter(explain(backbone, path, target, state.cam_layer, region=state.region))
            self._shelf.put(key, explanation)
        return explanation


def in_uploads(text: str) -> Path:
    """A path inside the folder of uploads. Raises OptionError for any other."""
    try:
        path = Path(text)
        path.exists()
        inside = path.resolve().is_relative_to(Path(get_upload_folder()).resolve())
    except (OSError, ValueError):  # no path at all: too long, or with signs that none has
        inside = False
    if not inside:
        raise OptionError(texts.BAD_REQUEST.format(what="upload"))
    return path


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
    rows, columns = asked_grid(record)
    if asked is not None:
        if asked[0] >= rows or asked[1] >= columns:
            raise OptionError(texts.BAD_REQUEST.format(what="query"))
        return asked
    if explanation.cam is None:
        return rows // 2, columns // 2
    height, width = explanation.cam.signed.shape
    return rescaled(divmod(int(explanation.cam.signed.argmax()), width), (height, width), (rows, columns))


def _one(target: int | tuple[int, int] | None) -> int:
    assert isinstance(target, int)
    return target


def asked_grid(record: AttentionRecord) -> tuple[int, int]:
    """The grid that places of a record are chosen on: an affinity's queries', else that of what leaves the block."""
    grid = record.values.query_grid if isinstance(record.values, AffinityMap) else record.after.shape
    rows, columns = (1, *grid)[-2:]
    return rows, columns


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

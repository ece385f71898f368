"""A network made ready to be explained: frozen, in eval mode, its taps installed once."""

import copy
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from attnviz.capture import papers
from attnviz.capture.edits import Edit, Means, Plan, plan
from attnviz.capture.findings import Findings, examine
from attnviz.capture.flowing import ROOT, FlowBlock, Search, changes_at, search
from attnviz.capture.head import Head, find
from attnviz.capture.outputs import scores
from attnviz.capture.passes import Cut, Pass, running
from attnviz.capture.taps import Taps
from attnviz.cards import ModelCard
from attnviz.errors import ModelError, OptionError
from attnviz.flow.graph import Graph
from attnviz.flow.record import record
from attnviz.images import Picture, load_picture
from attnviz.mechanisms import Block, Mechanism, Step
from attnviz.readers import Reader, twins

Preprocess = Callable[[Any], Tensor | tuple[Tensor, Picture]]


class Backbone:
    """A network whose attention can be watched and edited; safe to share between threads.

    Made by ``attnviz.load`` or ``attnviz.instrument``.

    Attributes:
        model: the network itself (eval, frozen, tapped).
        blocks: its attention blocks by dotted path, in the order they were built in, as far as they were looked for
            (``look``); those with a reader as their twins.
        twins: how other people's blocks are read, by dotted path.
        layers: the paths that Grad-CAM may stand on (all but what lies inside the blocks).
        units: the paths of its repeated units, with attention or without, in the order they were built in.
        card: what is known about it, or None.
        classes: the labels of its logits, or None.
        means: what "frozen" edits use, or None.
    """

    def __init__(
        self,
        model: nn.Module,
        preprocess: Preprocess | None = None,
        classes: Sequence[str] | None = None,
        means: Means | None = None,
        card: ModelCard | None = None,
        *,
        search: bool = False,
        blocks: Mapping[str, str | Reader] | None = None,
    ) -> None:
        self.model = model
        self._names, readers = _told(model, blocks or {})
        own = {path: module for path, module in model.named_modules() if isinstance(module, Mechanism) and path}
        self.twins = twins(model, tuple(f"{path}." for path in own), readers)
        beside = {path: twin.mechanism for path, twin in self.twins.items()}
        self._known: dict[str, Block] = _in_order(model, {**own, **beside})
        self.blocks = self._known
        points = frozenset(
            [f"{path}.{point}" for path, block in own.items() for point in block.points]
            + [f"{path}.{point}" for path, twin in self.twins.items() for point in twin.points.values()]
        )
        inside = tuple(f"{path}." for path in self.blocks)
        self.layers = frozenset(path for path, _ in model.named_modules() if path and not path.startswith(inside))
        self.units = _units(model)
        self.classes = tuple(classes) if classes is not None else None
        if any(tensor.is_inference() for tensor in (*model.parameters(), *model.buffers())):
            raise ModelError("this model was made in inference mode, where gradients cannot pass; make it outside")
        self.means, self.card = means, card
        self._preprocess = preprocess
        self._modes = {module: module.training for module in model.modules()}
        self._flags = {parameter: parameter.requires_grad for parameter in model.parameters()}
        self._heads: dict[tuple[int, ...], Head] = {}
        self._findings: dict[tuple[int, ...], Findings] = {}
        self._searching, self._searches = search, dict[tuple[int, ...], Search]()  # by a picture's shape
        self._graphs: dict[tuple[int, ...], Graph] = {}
        self._lock, self._copying = threading.Lock(), threading.Lock()
        self._copy: nn.Module | None = None
        self.taps = Taps(model, tuple(self.blocks), points, beside)
        model.eval().requires_grad_(False)

    def __reduce__(self) -> Any:
        raise ModelError("a backbone cannot be copied or pickled, for its hooks and locks: load or instrument another")

    def __repr__(self) -> str:
        name = self.card.id if self.card else type(self.model).__name__
        if self._searching and not self._searches:
            return f"Backbone({name}, attention not looked for yet)"
        return f"Backbone({name}, {len(self.blocks)} attention blocks)"

    def close(self) -> None:
        """Remove the taps and put back every module's mode and every parameter's flag; once."""
        if not self.taps.installed:
            return
        self.taps.close()
        for module, training in self._modes.items():
            module.training = training
        for parameter, flag in self._flags.items():
            parameter.requires_grad_(flag)

    def preprocess(self, image: Any) -> tuple[Tensor, Picture | None]:
        """A picture (path, bytes, PIL image or array) as the network's input (1, C, H, W).

        A tensor passes as it is. Raises PictureError or ModelError in one line.
        """
        if isinstance(image, Tensor):
            return image, None
        if self._preprocess is None:
            raise ModelError("this backbone has no preprocess, so it takes a tensor (1, C, H, W) alone")
        result = self._preprocess(image)
        return result if isinstance(result, tuple) else (result, None)

    def place(self, x: Tensor) -> Tensor:
        """A copy of x on the model's device and in its dtype: a network may work on its input in place."""
        like = next(self.model.parameters(), x)
        with torch.inference_mode(False):
            return x.detach().to(device=like.device, dtype=like.dtype, copy=True)

    def head(self, x: Tensor) -> Head:
        """What the network ends in, found on a forward pass of noise (once for each input shape)."""
        self.look(x)
        key = tuple(x.shape)
        with self._lock:
            if key not in self._heads:
                self._heads[key] = self._find_head(_noise(x))
            return self._heads[key]

    def findings(self, x: Tensor) -> Findings:
        """What was found in the network, and what of it is verified, on a pass of noise (once for each input shape).

        Args:
            x: an input; only its shape counts.
        """
        self.look(x)
        key = tuple(x.shape)
        with self._lock:
            if key not in self._findings:
                watcher = self._pass(x, keep=frozenset(self._known))
                if self._known:  # all others were verified when they were found
                    with torch.inference_mode(False), torch.no_grad(), running(watcher):
                        self.model(self.place(_noise(x)))
                self._findings[key] = Findings(examine(watcher.blocks, watcher), self._search(x).skipped)
            return self._findings[key]

    def look(self, x: Tensor) -> Mapping[str, Block]:
        """The attention blocks for pictures of a size, by path.

        Our own modules and those with a reader are known by their class; all others are found by looking at passes of
        noise, once for each size, for what a network computes may hang on it.

        Args:
            x: an input; only its shape counts.
        """
        self._check_mode()
        with self._lock:
            if self._searching and tuple(x.shape[1:]) not in self._searches:
                found = self._seek(self.place(_noise(x[:1])))
                known = _in_order(self.model, {**self._known, **found.blocks})
                self._searches[tuple(x.shape[1:])] = replace(found, blocks=known)
                self.blocks = _in_order(self.model, {**self.blocks, **found.blocks})
        return self._search(x).blocks

    def _seek(self, x: Tensor) -> Search:
        try:
            return search(self.model, x, self._known, self._names)
        except Exception:
            # A block that is known says in a line of which size its features have to be; torch says less.
            checking = Pass(self.model, self.taps, self._known, self.twins, read=False)
            with torch.inference_mode(False), torch.no_grad(), running(checking):
                self.model(x.clone())
            raise

    def _search(self, x: Tensor) -> Search:
        """All that is known of the network where it is given pictures of that shape."""
        return self._searches.get(tuple(x.shape[1:]), Search(self._known, ()))

    def plan(self, edits: Sequence[Edit], x: Tensor) -> Plan:
        """What edits change in a pass of x. Raises EditError, in one line, for an edit that cannot be."""
        blocks = self.look(x)
        if not edits:
            return Plan({})
        unverified = self.findings(x).unverified if self.twins or self._searching else frozenset[str]()
        theirs = [path for path, block in blocks.items() if path in self.twins or isinstance(block, FlowBlock)]
        return plan(edits, blocks, self.means, tuple(x.shape[2:]), theirs, unverified)

    def _pass(self, x: Tensor, **options: Any) -> Pass:
        return Pass(self.model, self.taps, self._search(x).blocks, self.twins, **options)

    def run(
        self,
        x: Tensor,
        edits: Sequence[Edit] = (),
        *,
        read: bool = True,
        cut: Cut | None = None,
        watch: Iterable[str] = (),
        keep: Iterable[str] = (),
    ) -> tuple[Any, Pass]:
        """One pass of x (B, C, H, W): the model's output and what was seen. See ``Pass``."""
        options: Any = {"cut": cut, "watch": frozenset(watch), "keep": frozenset(keep), "read": read}
        watching = self.passing(x, edits, **options)
        with torch.inference_mode(False), torch.set_grad_enabled(cut is not None), watching as watcher:
            output = self.model(self.place(x))
        watcher.finish()
        watcher.check_edits()
        return output, watcher

    def passing(self, x: Tensor, edits: Sequence[Edit] = (), **options: Any) -> AbstractContextManager[Pass]:
        """What a pass of x through the model runs in, for it to be watched, with the edits; ``options`` of ``Pass``."""
        return running(self._pass(x, changes=self.plan(edits, x).changes, **options))

    def graph(self, x: Tensor, edits: Sequence[Edit] = ()) -> Graph:
        """The operations of a pass of one picture; without edits they are recorded once for each input shape."""
        x, key = self.place(x), tuple(x.shape)
        if edits:
            return record(self.model, [x], double=False, around=lambda: self.passing(x, edits, read=False))[0]
        with self._lock:
            if key not in self._graphs:
                self._graphs[key] = record(self.model, [self.place(_noise(x))], double=False)[0]
            return self._graphs[key]

    @contextmanager
    def private(self) -> Iterator[nn.Module]:
        """A copy of the network without taps that shares its weights, for work that sets hooks of its own.

        Nothing in it works in place. One user at a time; where one fails, the copy is thrown away with
        whatever hooks were left on it.
        """
        with self._copying, torch.inference_mode(False):
            self._check_mode()
            model = self._copy or copy.deepcopy(self.model, {id(weight): weight for weight in self.model.parameters()})
            self._copy = None
            for module in model.modules():
                if getattr(module, "inplace", False):
                    module.inplace = False  # type: ignore[assignment]
            yield model
            self._copy = model

    def steps(self, layer: str, x: Tensor, block_input: Tensor, edits: Sequence[Edit], call: int) -> tuple[Step, ...]:
        """A block's steps in a pass of x, with the edits that stand in that call.

        Args:
            layer: the block's path.
            x: the network's input.
            block_input: what the block was given in that pass, (1, C, *grid).
            edits: those of the pass.
            call: which run of the block.
        """
        changes, block = self.plan(edits, x).changes, self._search(x).blocks[layer]
        if isinstance(block, FlowBlock):
            found = {path: each for path, each in self._search(x).blocks.items() if isinstance(each, FlowBlock)}
            edits_at = changes_at(found, changes)[0]
            return papers.steps(self.model, block.seen, block.outline, self.place(x), call, edits_at)
        assert isinstance(block, Mechanism)
        watcher = Pass(self.model, self.taps, {layer: block}, self.twins, changes=changes, read=False, first_call=call)
        with torch.no_grad(), running(watcher):
            return block.steps(block_input)

    def class_index(self, target: int | str, count: int) -> int:
        """The index of a class given by index or label. Raises OptionError in one line."""
        if isinstance(target, bool) or not isinstance(target, Integral | str):
            raise OptionError(f"a target is a class index, a label, or a pair of them, not {target!r}")
        if not isinstance(target, str):
            if not 0 <= target < count:
                raise OptionError(f"class {target} is out of range: this model has {count} classes, 0 to {count - 1}")
            return int(target)
        if self.classes is None:
            raise OptionError(f"this model's classes have no labels; give an index instead of {target!r}")
        found = [i for i, label in enumerate(self.classes) if label == target]
        if len(found) != 1:
            some = ", ".join(self.classes[:10])
            which = f"names classes {found}; give an index" if found else f"is no class of this model ({some}, ...)"
            raise OptionError(f"{target!r} {which}")
        return found[0]

    def _check_mode(self) -> None:
        if not self.taps.installed:
            raise ModelError("this backbone is closed; instrument its model again")
        if any(module.training for module in self._modes):
            raise ModelError("the model is in training mode, at least in part; call .eval() on it before explaining")

    def _find_head(self, x: Tensor) -> Head:
        watcher = self._pass(x, read=False, probe=True)
        linears = [path for path, module in self.model.named_modules() if isinstance(module, nn.Linear) and path]
        watcher.watch = frozenset(linears)

        def again(layer: str) -> tuple[Tensor, Tensor] | None:
            cut = Cut(layer)
            try:
                with torch.enable_grad(), running(self._pass(x, read=False, cut=cut)):
                    found = scores(self.model(self.place(x)))
            except OptionError:  # another of its runs gives no map, so that nothing can stand on it
                return None
            return (found, cut.leaf) if found is not None and found.requires_grad and cut.leaf is not None else None

        with torch.inference_mode(False), torch.no_grad():
            with running(watcher):
                output = self.model(self.place(x))
            return find(self.model, watcher, output, tuple(self.blocks), (x.shape[2], x.shape[3]), again)


def _told(model: nn.Module, blocks: Mapping[str, str | Reader]) -> tuple[dict[str, str], dict[str, Reader]]:
    """What a person said of a network's blocks: names, and readers."""
    paths = {path for path, _ in model.named_modules()}
    for path, what in blocks.items():
        if path.partition(" ")[0] not in paths | {ROOT}:
            raise OptionError(f"blocks: this model has no module {path!r}")
        if not isinstance(what, str) and (not callable(what) or isinstance(what, type)):
            raise OptionError(f"blocks: {path} is a name or a reader (a function from the module), not {what!r}")
    names = {path: what for path, what in blocks.items() if isinstance(what, str)}
    return names, {path: what for path, what in blocks.items() if not isinstance(what, str)}


def _in_order(model: nn.Module, blocks: Mapping[str, Block]) -> dict[str, Block]:
    """Blocks in the order in which the model holds them; what its own forward calls comes last."""
    order = {path: place for place, (path, _) in enumerate(model.named_modules())} | {"": math.inf}
    layers = {path: block.seen.layer if isinstance(block, FlowBlock) else path for path, block in blocks.items()}
    return dict(sorted(blocks.items(), key=lambda item: order.get(layers[item[0]], math.inf)))


def _noise(x: Tensor) -> Tensor:
    """Noise of x's shape: a fact about a network must not hang on whose picture came first."""
    return torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).to(x)


def _units(model: nn.Module) -> tuple[str, ...]:
    """The units that a network repeats: in its sequences, the outermost modules that are made of layers."""
    units: list[str] = []
    for path, module in model.named_modules():
        parent = model.get_submodule(path.rpartition(".")[0])
        composite = not isinstance(module, nn.Sequential) and any(True for _ in module.children())
        if (
            path
            and isinstance(parent, nn.Sequential)
            and composite
            and not path.startswith(tuple(f"{u}." for u in units))
        ):
            units.append(path)
    return tuple(units)


def instrument(
    model: nn.Module,
    preprocess: Preprocess | None = None,
    classes: Sequence[str] | None = None,
    means: Means | None = None,
    blocks: Mapping[str, str | Reader] | None = None,
) -> Backbone:
    """Make any network ready to be explained, in place; ``Backbone.close()`` undoes it.

    Args:
        model: the network; it is put in eval mode and its parameters are frozen.
        preprocess: picture (a PIL image in RGB) -> tensor (1, C, H, W), or (tensor, Picture); without it tensors alone.
        classes: labels of the logits, in order.
        means: what "frozen" edits need, from ``measure_means``.
        blocks: what you know of its attention, by path: a name ("SE") for what is found there, or a reader, a
            function from the module to its ``attnviz.readers.Twin``.
    """
    if not isinstance(model, nn.Module):
        raise ModelError(f"a network is a torch.nn.Module, not {type(model).__name__}")
    if isinstance(model, torch.jit.ScriptModule):
        raise ModelError("a traced or scripted model cannot be watched: its modules run no hooks; give the original")
    for path, module in model.named_modules():
        kind = "traced or scripted" if isinstance(module, torch.jit.ScriptModule) else "compiled"
        if path and (kind != "compiled" or (hasattr(module, "_orig_mod") and path != "_orig_mod")):
            raise ModelError(
                f"{path} is {kind}, so what happens in it cannot be watched; give the original module there"
            )
    prepared = (lambda image: preprocess(load_picture(image))) if preprocess is not None else None
    # A compiled model's hooks never fire; the module that it wraps is the same network.
    return Backbone(getattr(model, "_orig_mod", model), prepared, classes, means, search=True, blocks=blocks)

"""From a picture to its explanation: one pass, everything it showed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._pytree import tree_map

from attnviz import effects
from attnviz.capture import AffinityMap, Backbone, Coordinate, Edit
from attnviz.capture.findings import Findings
from attnviz.capture.gradcam import Cam, signed_map, stand, watched
from attnviz.capture.means import check_pictures
from attnviz.capture.outputs import Region, logits_of
from attnviz.capture.passes import Pass
from attnviz.capture.values import Reading, Value, first
from attnviz.capture.whatif import WhatIf
from attnviz.errors import EditError, OptionError, PictureError, ShapeError
from attnviz.images import Picture
from attnviz.mechanisms import Kind, Role, Step
from attnviz.mechanisms.base import positive

Target = int | str | tuple[int | str, int | str] | None


@dataclass(frozen=True, eq=False)
class AttentionRecord:
    """What one part of one attention block did to this picture.

    Attributes:
        layer: the block's dotted path; part: its part, or None; call: 0, 1, ... when it runs again.
        stage: the top-level module it lies in; mechanism: its name ("SE", "CBAM", ...).
        kind, role: what the values are (see ``Kind`` and ``Role``).
        values: float32 on the CPU, without a batch axis, in the kind's shape.
        before, after: (h, w), mean over channels of |x| into and out of the block.
    """

    layer: str
    part: str | None
    call: int
    stage: str
    mechanism: str
    kind: Kind
    role: Role
    values: Value
    before: Tensor
    after: Tensor

    @property
    def tensor(self) -> Tensor:
        """The values, where they are one tensor. Raises OptionError for strips and affinities."""
        if not isinstance(self.values, Tensor):
            raise OptionError(f"{self.layer} has {self.kind} attention, which is no single tensor")
        return self.values


@dataclass(frozen=True, eq=False)
class Inside:
    """One run of a block: its input and output, (C, *grid) each, and its steps; float32, CPU, without a batch axis."""

    input: Tensor
    output: Tensor
    steps: tuple[Step, ...]


@dataclass(frozen=True, eq=False)
class Explanation:
    """One picture's pass through a backbone. Made by ``explain``.

    Attributes:
        output: whatever the model returned.
        logits: (N,), or None where the output is no row of logits.
        target: what Grad-CAM explains, as an index or a pair of them (None without logits).
        region: the part of a map of scores whose mean the logits are, as ``explain`` was given it, or None.
        picture: the picture as it came and as the network saw it, or None for a tensor.
        attention: the records, in the order the network computes them.
        cam: Grad-CAM, or None, and then ``cam_reason`` says why.
    """

    backbone: Backbone = field(repr=False)
    output: Any = field(repr=False)
    logits: Tensor | None
    target: int | tuple[int, int] | None
    picture: Picture | None = field(repr=False)
    attention: tuple[AttentionRecord, ...] = field(repr=False)
    cam: Cam | None = field(repr=False)
    cam_reason: str | None
    edits: tuple[Edit, ...]
    region: Region | None
    input: Tensor = field(repr=False)

    @cached_property
    def findings(self) -> Findings:
        """What was found in the network, what of it is verified, and what was seen and is not claimed."""
        return self.backbone.findings(self.input)

    @cached_property
    def left(self) -> tuple[str, ...]:
        """What the edits of "*" left as it is, and why, a line each."""
        return self.backbone.plan(self.edits, self.input).left

    @cached_property
    @torch.inference_mode(False)
    def probabilities(self) -> Tensor | None:
        """softmax(logits), (N,)."""
        return None if self.logits is None else self.logits.softmax(0)

    def top(self, k: int = 5) -> list[tuple[int, str, float]]:
        """The k most probable classes (all, where there are fewer): (index, label, probability), highest first."""
        positive("top", k=k)
        if self.probabilities is None:
            raise OptionError("this model gives no logits, so it has no most probable classes")
        values, indices = self.probabilities.topk(min(k, len(self.probabilities)))
        labels = self.backbone.classes
        return [(i, labels[i] if labels else str(i), p) for i, p in zip(indices.tolist(), values.tolist(), strict=True)]

    @torch.inference_mode(False)
    def features(self, layer: str, call: int = 0) -> tuple[Tensor, Tensor]:
        """What a block acts on and what comes of it, (C, H, W) each, computed once more with the edits.

        These are its module's input and output, but where that module does more: then what the attention is applied to
        and what that gives. Raises OptionError for a block that there is not.
        """
        given, output = self._around(layer, call)
        return given[0].float().cpu(), output[0].float().cpu()

    @torch.inference_mode(False)
    def steps(self, layer: str, call: int = 0) -> tuple[Step, ...]:
        """A block's formula with this picture's numbers, without a batch axis, edits included."""
        return self._steps(layer, call, self._around(layer, call)[0])

    @torch.inference_mode(False)
    def inside(self, layer: str, call: int = 0) -> Inside:
        """``features`` and ``steps`` of a block together, from one recomputed pass."""
        given, output = self._around(layer, call)
        return Inside(given[0].float().cpu(), output[0].float().cpu(), self._steps(layer, call, given))

    @cached_property
    def _whatif(self) -> WhatIf:
        return WhatIf(self.backbone, self.input, self.edits, self.output)

    @torch.inference_mode(False)
    def response(self, edit: Edit, values: Sequence[float]) -> Tensor:
        """The logits (V, N) for each of several values in the place of an edit's own number.

        Args:
            edit: of one block, "forced" (its value is varied) or "set" (the numbers of all its cells are); it comes on
                top of this explanation's edits.
            values: V numbers.
        """
        return effects.logits(self._whatif, effects.varied(edit, values), self.region)

    @torch.inference_mode(False)
    def effects(self, layer: str, part: str | None = None, call: int = 0) -> Tensor:
        """What shutting each gate alone does: the logits (G, N) with it at 0, less those of this pass.

        Args:
            layer: the block's path; its gates are of C channels, or of H x W places, row by row.
            part: whose gates, where the block has several parts.
            call: of which run.
        """
        found = effects.logits(self._whatif, self._shutting(layer, part, call), self.region)
        return found - self.logits  # type: ignore[operator]  # without logits, the line above has said so

    @torch.inference_mode(False)
    def estimates(self, layer: str, part: str | None = None, call: int = 0) -> Tensor:
        """What shutting each gate alone would do to the target's logit if it were a line in the gate (G,): less the
        gate times the gradient in it. One backward pass; see ``effects`` for what is so.
        """
        slopes = self._whatif.slopes(self._shutting(layer, part, call)[0], self._score)
        if slopes is None:
            raise OptionError(f"{layer}: no gradient can be had of this value alone")
        return -slopes[0].flatten().float().cpu()

    def _score(self, output: Any) -> Tensor:
        """The target's logit, or the difference of a pair's."""
        row, _ = logits_of(output, self.region)
        assert row is not None
        assert self.target is not None
        return row[self.target] if isinstance(self.target, int) else row[self.target[0]] - row[self.target[1]]

    def _shutting(self, layer: str, part: str | None, call: int) -> list[Edit]:
        found = [r for r in self.attention if (r.layer, r.call) == (layer, call) and part in (None, r.part)]
        if not found:
            raise OptionError(f"no attention was read at {layer!r}" + (f", part {part!r}" if part else ""))
        if len(found) > 1:
            raise OptionError(f"{layer} has several parts: name one of {', '.join(str(r.part) for r in found)}")
        [record] = found
        shape = record.values.shape if isinstance(record.values, Tensor) else ()
        return effects.shutting(layer, record.part, call, record.kind, record.role, shape)

    def figure(self, record: AttentionRecord | None = None, style: Any = None) -> Any:
        """A matplotlib Figure: the picture, one record (the last by default) and Grad-CAM.

        ``style`` is a ``render.figures.Style``.
        """
        from attnviz.render.figures import overview

        if record is None and self.attention:
            record = self.attention[-1]
        return overview(self, record, style)

    def save(self, folder: str | Path) -> Path:
        """Write ``arrays.npz``, ``explanation.json`` and ``figure.png`` into a folder; returns it."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.write_arrays(folder / "arrays.npz")
        about = {
            "model": self.backbone.card.id if self.backbone.card else type(self.backbone.model).__name__,
            "target": self.target,
            "cam": {"layer": self.cam.layer} if self.cam else {"reason": self.cam_reason},
            "top": self.top(5) if self.logits is not None else None,
            "edits": [vars(edit) for edit in self.edits],
            "left as it is": list(self.left),
            "attention": [
                {name: getattr(r, name) for name in ("layer", "part", "call", "stage", "mechanism", "kind", "role")}
                for r in self.attention
            ],
        }
        (folder / "explanation.json").write_text(
            json.dumps(about, indent=1, default=lambda number: number.item()) + "\n", encoding="utf-8"
        )
        self.figure().savefig(folder / "figure.png", dpi=150)
        return folder

    def arrays(self) -> dict[str, np.ndarray]:
        """Every number as NumPy arrays, by names like ``stage3.1.attention/spatial``."""
        arrays: dict[str, np.ndarray] = {}
        for record in self.attention:
            name = "/".join(filter(None, (record.layer, record.part, str(record.call) if record.call else None)))
            value = record.values
            if isinstance(value, AffinityMap):
                arrays |= {f"{name}/theta": value.theta.numpy(), f"{name}/phi": value.phi.numpy()}
                arrays |= {f"{name}/pairwise": np.array(value.pairwise), f"{name}/scale": np.array(value.scale)}
            elif isinstance(value, Coordinate):
                arrays |= {f"{name}/h": value.h.numpy(), f"{name}/w": value.w.numpy()}
            else:
                arrays[name] = value.numpy()
        if self.logits is not None:
            arrays["logits"] = self.logits.numpy()
        if self.cam is not None:
            arrays["cam"] = self.cam.signed.numpy()
        return arrays

    def write_arrays(self, file: str | Path | BinaryIO, **more: NDArray[Any]) -> None:
        """``arrays``, and ``more`` by their names, as a compressed NPZ."""
        np.savez_compressed(file, **self.arrays(), **more)  # type: ignore[arg-type]

    def _steps(self, layer: str, call: int, block_input: Tensor) -> tuple[Step, ...]:
        steps = self.backbone.steps(layer, self.input, block_input, self.edits, call)
        return tuple(step._replace(value=step.value[0].float().cpu()) for step in steps)

    def _around(self, layer: str, call: int) -> tuple[Tensor, Tensor]:
        if not isinstance(layer, str) or layer not in self.backbone.blocks:
            known = ", ".join(self.backbone.blocks) or "none"
            raise OptionError(f"no attention block {layer!r}; this model has {known}")
        flows = self.backbone.run(self.input, self.edits, keep=[layer])[1].flows
        if (layer, call) not in flows:
            raise OptionError(f"{layer} has no call {call}; it ran {sum(path == layer for path, _ in flows)} times")
        flow = flows[layer, call]
        assert flow.input is not None
        assert flow.output is not None
        return flow.input, flow.output


@torch.inference_mode(False)
def explain(
    backbone: Backbone,
    image: Any,
    target: Target = None,
    cam_layer: str | None = None,
    cam_call: int = -1,
    edits: Edit | Sequence[Edit] = (),
    region: Region | None = None,
) -> Explanation:
    """Run a picture through a backbone once and keep what every attention block did.

    Args:
        backbone: from ``load`` or ``instrument``.
        image: path, bytes, PIL image, array, or a preprocessed tensor (1, C, H, W).
        target: class index, label, None for the prediction, or (a, b) for logit a minus logit b.
        cam_layer: whose output Grad-CAM stands on; None for the last feature map of more than one position and channel
            (of a model that scores every place: the last of its smallest ones).
        cam_call: which run of that layer, counted from 0; -1 for the last.
        edits: changes made to attention values during the pass; one or several.
        region: for a model that scores every place, (top, left, bottom, right) on its output: what is explained is
            the mean score there.

    Raises:
        AttnvizError: in one line, for a picture, target, layer or edit that cannot be.
    """
    x, picture = backbone.preprocess(image)
    x = backbone.place(x)
    check_pictures(x, one=True)
    if backbone.card is not None and x.shape[1] != len(backbone.card.mean):
        raise ShapeError(f"{backbone.card.id} takes pictures of {len(backbone.card.mean)} channels, not {x.shape[1]}")
    edits = _edits(edits)
    layer, linear = stand(backbone, x, cam_layer, cam_call)
    output, watcher, without = watched(backbone, x, edits, layer, linear, cam_call)
    logits, reason = logits_of(output, region)
    index: int | tuple[int, int] | None = None
    cam: Cam | None = None
    if logits is not None:
        if not logits.isfinite().all():
            raise PictureError("this picture, or an edit, overflows the network: its logits are no finite numbers")
        index = _target(backbone, logits, target)
        signed = without or signed_map(backbone, watcher, layer, linear, logits, index)
        cam, reason = (Cam(signed, str(layer), index), None) if isinstance(signed, Tensor) else (None, signed)
    return Explanation(
        backbone=backbone,
        output=tree_map(lambda value: value.detach() if isinstance(value, Tensor) else value, output),
        logits=None if logits is None else logits.detach().float().cpu(),
        target=index,
        picture=picture,
        attention=tuple(_record(backbone, watcher, reading) for reading in watcher.readings),
        cam=cam,
        cam_reason=reason,
        edits=edits,
        region=region,
        input=x,
    )


def _edits(edits: Any) -> tuple[Edit, ...]:
    """One edit or several as a tuple."""
    if isinstance(edits, Edit):
        return (edits,)
    if not isinstance(edits, Sequence) or not all(isinstance(edit, Edit) for edit in edits):
        raise EditError(f"edits is an Edit or a list of them, not {edits!r}")
    return tuple(edits)


def _record(backbone: Backbone, watcher: Pass, reading: Reading) -> AttentionRecord:
    flow = watcher.flows[reading.layer, reading.call]
    assert flow.after is not None
    before, after = first(flow.before), first(flow.after)
    assert isinstance(before, Tensor)
    assert isinstance(after, Tensor)
    return AttentionRecord(
        layer=reading.layer,
        part=reading.part.name,
        call=reading.call,
        stage=reading.layer.split(".")[0],
        mechanism=backbone.blocks[reading.layer].label,
        kind=reading.part.kind,
        role=reading.part.role,
        values=first(reading.value),
        before=before,
        after=after,
    )


def _target(backbone: Backbone, logits: Tensor, target: Target) -> int | tuple[int, int]:
    if backbone.classes is not None and len(backbone.classes) != len(logits):
        raise OptionError(f"the model has {len(logits)} classes, and {len(backbone.classes)} labels were given")
    if target is None:
        return int(logits.argmax())
    if not isinstance(target, tuple):
        return backbone.class_index(target, len(logits))
    if len(target) != 2:
        raise OptionError(f"a pair of classes has two, not {len(target)}")
    a, b = (backbone.class_index(t, len(logits)) for t in target)
    if a == b:
        raise OptionError(f"a class against itself is no evidence: both are {a}")
    return a, b

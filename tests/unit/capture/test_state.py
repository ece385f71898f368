"""What must be the same after as before, whatever happens in between."""

import contextlib
import copy
import gc
import random
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import attnviz
from attnviz import AttnvizError, Backbone, Edit, zoo
from attnviz.capture.taps import current
from attnviz.errors import EditError, ModelError, ShapeError
from attnviz.mechanisms import SE, CoordinateAttention, NonLocal
from attnviz.zoo.memory import Memory
from tests.seeds import seed_for_run
from tests.unit.capture.networks import Tiny, family, picture, seeded, tapped

SMALL = (24, 31)


class Fuse(nn.Module):
    """The identity, until it is told what to raise."""

    def __init__(self) -> None:
        super().__init__()
        self.blow: BaseException | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.blow is not None:
            raise self.blow
        return x


class Fused(Tiny):
    """Fuses before the attention, inside it, and behind it."""

    def __init__(self) -> None:
        super().__init__(SE(8, reduction=2))
        self.first, self.inner, self.last = Fuse(), Fuse(), Fuse()
        self.attention.relu = nn.Sequential(nn.ReLU(), self.inner)
        self.bn = nn.Sequential(self.bn, self.first)  # type: ignore[assignment]
        self.pool = nn.Sequential(self.last, self.pool)  # type: ignore[assignment]


def mixed(model: nn.Module) -> nn.Module:
    """Some modules in training mode, some parameters frozen, some gradients there, a hook of the user's."""
    generator = torch.Generator().manual_seed(seed_for_run(0))
    for i, module in enumerate(model.modules()):
        module.training = i % 3 == 0
    for i, parameter in enumerate(model.parameters()):
        parameter.requires_grad_(i % 2 == 0)
        if i % 4 == 0:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
    model.get_submodule("conv").register_forward_hook(lambda _m, _a, _o: None)
    model.get_submodule("fc").register_forward_pre_hook(lambda _m, _a: None)
    return model


HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def state(model: nn.Module) -> dict[str, Any]:
    """All that an explanation must leave alone, tensors as copies."""
    parameters, buffers = dict(model.named_parameters()), dict(model.named_buffers())
    return {
        "hooks": [(path, kind, list(getattr(m, kind).items())) for path, m in model.named_modules() for kind in HOOKS],
        "modes": [(path, module.training) for path, module in model.named_modules()],
        "flags": [(path, parameter.requires_grad) for path, parameter in parameters.items()],
        "grads": [(path, None if p.grad is None else (id(p.grad), p.grad.tolist())) for path, p in parameters.items()],
        "values": [(path, value.tolist(), value._version) for path, value in (*parameters.items(), *buffers.items())],
        "rng": (torch.get_rng_state().tolist(), repr(np.random.get_state()), random.getstate()),  # noqa: NPY002
        "modes of torch": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "pass": current.get(),
    }


def without_flags(found: dict[str, Any]) -> dict[str, Any]:
    """Putting a flag or a mode back counts as no change of a value."""
    return found | {"values": [(path, value) for path, value, _ in found["values"]]}


def last_picture(backbone: Backbone) -> Iterator[Tensor | None]:
    """A generator as a page has them: what it explains comes bit by bit."""
    for seed in range(5):
        yield None
        yield attnviz.explain(backbone, picture(seed, SMALL), 1).logits


def cancel(backbone: Backbone, after: int) -> None:
    generator = last_picture(backbone)
    for _ in range(after):
        next(generator)
    generator.close()  # type: ignore[attr-defined]


def throw(backbone: Backbone) -> None:
    generator = last_picture(backbone)
    next(generator)
    next(generator)
    with pytest.raises(KeyboardInterrupt):
        generator.throw(KeyboardInterrupt())  # type: ignore[attr-defined]


def blow(name: str, error: BaseException) -> Callable[[Backbone], None]:
    def run(backbone: Backbone) -> None:
        fuse = backbone.model.get_submodule(name)
        assert isinstance(fuse, Fuse)
        fuse.blow = error
        try:
            for layer in (None, "conv", "bn"):
                with pytest.raises(type(error), match="pop"):
                    attnviz.explain(backbone, picture(0, SMALL), cam_layer=layer)
        finally:
            fuse.blow = None

    return run


def refused(error: type[Exception], **options: Any) -> Callable[[Backbone], None]:
    def run(backbone: Backbone) -> None:
        with pytest.raises(error):
            attnviz.explain(backbone, **({"image": picture(0, SMALL)} | options))

    return run


def everything(backbone: Backbone) -> None:
    for options in ({}, {"cam_layer": "conv"}, {"edits": [Edit("attention", "shuffled")]}, {"target": (1, 2)}):
        found = attnviz.explain(backbone, picture(1, SMALL), **options)
        found.features("attention")
        found.steps("attention")
        found.top(3)


DEEDS: dict[str, Callable[[Backbone], None]] = {
    "success": everything,
    "means": lambda backbone: str(attnviz.measure_means(backbone, [picture(0, SMALL)])),  # type: ignore[dict-item]
    "bad class": refused(AttnvizError, target=99),
    "bad class, cut": refused(AttnvizError, target=99, cam_layer="conv"),
    "bad layer": refused(AttnvizError, cam_layer="nowhere"),
    "a layer without a map": refused(AttnvizError, cam_layer="fc"),
    "bad edit": refused(EditError, edits=[Edit("attention", "frozen")]),
    "in a hook": refused(EditError, edits=[Edit("attention", "forced", channel=8, value=0.5)]),
    "in a hook, cut": refused(EditError, edits=[Edit("attention", "forced", channel=8, value=1)], cam_layer="conv"),
    "after the pass": refused(EditError, edits=[Edit("attention", "off", call=7)], cam_layer="conv"),
    "a batch": refused(ShapeError, image=torch.zeros(2, 3, *SMALL)),
    "other channels": refused(RuntimeError, image=torch.zeros(1, 4, *SMALL)),
    "other channels, cut": refused(RuntimeError, image=torch.zeros(1, 4, *SMALL), cam_layer="conv"),
    "before the attention": blow("first", ValueError("pop")),
    "in the attention": blow("inner", ValueError("pop")),
    "behind the attention": blow("last", ValueError("pop")),
    "interrupted": blow("inner", KeyboardInterrupt("pop")),
    "cancelled before": lambda backbone: cancel(backbone, 1),
    "cancelled between": lambda backbone: cancel(backbone, 4),
    "thrown into": throw,
}


@pytest.mark.parametrize("warm", [False, True], ids=["first use", "later"])
@pytest.mark.parametrize("name", DEEDS)
def test_nothing_is_left_behind(name: str, warm: bool) -> None:
    model = mixed(seeded(Fused))
    original = state(model)
    reference = copy.deepcopy(model).eval()
    expected = attnviz.explain(attnviz.instrument(reference), picture(2, SMALL), 1)
    backbone = attnviz.instrument(model)
    if warm:
        attnviz.explain(backbone, picture(0, SMALL))
    before = state(model)
    DEEDS[name](backbone)
    assert state(model) == before
    found = attnviz.explain(backbone, picture(2, SMALL), 1)
    assert torch.equal(found.output, expected.output)
    assert found.cam is not None
    assert expected.cam is not None
    assert torch.equal(found.cam.signed, expected.cam.signed)
    backbone.close()
    assert without_flags(state(model)) == without_flags(original)


def test_instrumented_is_in_eval_mode_and_frozen() -> None:
    model = mixed(seeded(Fused))
    backbone = attnviz.instrument(model)
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert backbone.model is model


def test_the_user_sees_the_plain_network_meanwhile() -> None:
    """Outside a pass of its own thread a tapped network is as it was: gradients, outputs, hooks' answers."""
    model = seeded(Fused)
    plain = copy.deepcopy(model)
    backbone = attnviz.instrument(model)
    attnviz.explain(backbone, picture(0, SMALL), cam_layer="conv", edits=[Edit("attention", "off")])
    gradients = []
    for each in (model, plain):
        each.requires_grad_(True)
        each(picture(0, SMALL))[0, 1].backward()
        gradients.append([parameter.grad for parameter in each.parameters()])
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(*gradients, strict=True))  # type: ignore[arg-type]


def test_training_mode_is_refused_before_anything_runs() -> None:
    """A forward pass in training mode would move the running means."""
    model = seeded(Tiny)
    backbone = attnviz.instrument(model)
    for part in (model, model.get_submodule("bn")):
        part.train()
        before = state(model)
        for call in (attnviz.explain, backbone.head, backbone.run):
            with pytest.raises(ModelError, match="training"):
                call(backbone, picture()) if call is attnviz.explain else call(picture())  # type: ignore[operator,arg-type]
        assert state(model) == before
        part.eval()
    attnviz.explain(backbone, picture())


def test_close_is_once_and_for_all() -> None:
    model = mixed(seeded(Fused))
    backbone = attnviz.instrument(model)
    found = attnviz.explain(backbone, picture(0, SMALL))
    backbone.close()
    model.eval().requires_grad_(True)
    backbone.close()
    assert not any(module.training for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())
    for call in (
        lambda: attnviz.explain(backbone, picture(0, SMALL)),
        lambda: attnviz.measure_means(backbone, [picture(0, SMALL)]),
        lambda: found.features("attention"),
        lambda: found.steps("attention"),
    ):
        with pytest.raises(ModelError, match="closed"):
            call()


def test_again_after_close() -> None:
    model = family("resnet18t-cbam")
    expected = attnviz.explain(tapped("resnet18t-cbam"), picture(), 1)
    for _ in range(10):
        backbone = attnviz.instrument(model)
        assert torch.equal(attnviz.explain(backbone, picture(), 1).output, expected.output)
        backbone.close()
    assert hooks(model) == 0


def hooks(model: nn.Module) -> int:
    return sum(len(getattr(module, kind)) for module in model.modules() for kind in HOOKS)


class TestRefusals:
    """What cannot be instrumented is left as it was."""

    def refuse(self, model: Any, said: str, **options: Any) -> None:
        before = state(model) if isinstance(model, nn.Module) else None
        with pytest.raises(ModelError, match=said) as caught:
            attnviz.instrument(model, **options)
        assert "\n" not in str(caught.value)
        assert before is None or state(model) == before

    def test_twice(self) -> None:
        model = mixed(seeded(Fused))
        backbone = attnviz.instrument(model)
        self.refuse(model, "close")
        outer = nn.Sequential(nn.Conv2d(3, 3, 1), model)
        self.refuse(outer, "close")
        self.refuse(model.get_submodule("attention"), "close")
        backbone.close()
        attnviz.instrument(outer).close()

    @pytest.mark.filterwarnings("ignore::FutureWarning")
    def test_traced_or_scripted(self) -> None:
        model = seeded(Tiny)
        self.refuse(torch.jit.trace(model, picture(0, SMALL)), "traced or scripted")
        self.refuse(torch.jit.script(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU())), "traced or scripted")

    @pytest.mark.parametrize("model", [None, "resnet18", len, Tiny], ids=repr)
    def test_no_network(self, model: Any) -> None:
        self.refuse(model, "Module")

    def test_made_in_inference_mode(self) -> None:
        with torch.inference_mode():
            model = Tiny()
        with pytest.raises(ModelError, match="inference mode"):
            attnviz.instrument(model)
        assert hooks(model) == 0
        assert model.training

    def test_bad_labels_leave_no_hook(self) -> None:
        model = mixed(seeded(Fused))
        before = state(model)
        with pytest.raises(TypeError):
            attnviz.instrument(model, classes=5)  # type: ignore[arg-type]
        assert state(model) == before

    def test_labels_of_another_count(self) -> None:
        backbone = attnviz.instrument(seeded(Tiny), classes=["a", "b"])
        with pytest.raises(AttnvizError, match=r"5.*2"):
            attnviz.explain(backbone, picture())


def test_a_copy_of_a_watched_network_is_a_network() -> None:
    backbone = tapped("resnet18t-se")
    model = copy.deepcopy(backbone.model)
    assert torch.equal(model(picture()), backbone.model(picture()))
    again = attnviz.instrument(model)
    found = attnviz.explain(again, picture(), 1, edits=[Edit("*", "off")])
    assert torch.equal(found.output, attnviz.explain(backbone, picture(), 1, edits=[Edit("*", "off")]).output)
    assert len(found.attention) == 8


def tensors_alive() -> int:
    gc.collect()
    return sum(issubclass(type(each), Tensor) for each in gc.get_objects())


def test_two_hundred_calls_leak_nothing() -> None:
    backbones = [
        attnviz.instrument(seeded(lambda block=block: Tiny(block)))
        for block in (SE(8, reduction=2), NonLocal(8), CoordinateAttention(8))
    ]
    calls: list[dict[str, Any]] = [
        {},
        {"cam_layer": "conv", "target": (1, 2)},
        {"edits": [Edit("attention", "shuffled")]},
        {"target": 99},
        {"edits": [Edit("attention", "forced", channel=99, value=1.0)], "cam_layer": "conv"},
    ]

    def use(i: int) -> None:
        backbone = backbones[i % 3]
        with contextlib.suppress(AttnvizError):
            found = attnviz.explain(backbone, picture(0, (9, 11)), **calls[i % 5])
            found.steps("attention")

    for i in range(15):
        use(i)
    tensors, before = tensors_alive(), [hooks(backbone.model) for backbone in backbones]
    for i in range(200):
        use(i)
    assert tensors_alive() <= tensors
    assert [hooks(backbone.model) for backbone in backbones] == before
    assert all(p.grad is None and not p.requires_grad for b in backbones for p in b.model.parameters())


@pytest.mark.parametrize("closed", [False, True])
def test_a_network_is_let_go(closed: bool) -> None:
    backbone = attnviz.instrument(seeded(Fused))
    found = attnviz.explain(backbone, picture(0, SMALL), cam_layer="conv")
    blow("inner", ValueError("pop"))(backbone)
    records, cam = found.attention, found.cam
    kept = [weakref.ref(each) for each in (backbone, backbone.model, backbone.taps, found.input)]
    if closed:
        backbone.close()
    del backbone, found
    gc.collect()
    assert [each() for each in kept] == [None] * 4
    assert records[0].values.isfinite().all()
    assert cam is not None


def test_a_loaded_network_is_let_go_with_its_place_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "_loaded", Memory())
    model_id = attnviz.catalogue("embedded")[0].id
    attnviz.explain(attnviz.load(model_id), picture(0, (48, 48)))
    kept = weakref.ref(attnviz.load(model_id).model)
    gc.collect()
    assert kept() is not None
    zoo._loaded.clear()
    gc.collect()
    assert kept() is None

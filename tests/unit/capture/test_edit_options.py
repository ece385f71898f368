"""The table's edits in every form of the mechanisms that the family does not have."""

from typing import Any

import pytest
import torch
from torch import Tensor

import attnviz
from attnviz import Backbone, Edit, Explanation
from attnviz.capture import AffinityMap
from attnviz.errors import EditError
from attnviz.mechanisms import BAM, CBAM, GC, SCSE, SK, Mechanism, NonLocal
from tests.seeds import seed_for_run
from tests.unit.capture.networks import Tiny, picture, randomize, seeded, untapped
from tests.unit.capture.oracles import Change, bypassed, changed, close_to, distance, hooked, observe

SMALL = (13, 16)
BOTH = ("channel_mul", "channel_add")
FORMS: dict[str, tuple[type[Mechanism], dict[str, Any]]] = {
    "CBAM channel": (CBAM, {"reduction": 2, "halves": "channel"}),
    "CBAM spatial": (CBAM, {"halves": "spatial"}),
    "CBAM norm": (CBAM, {"reduction": 2, "norm": True}),
    "BAM product": (BAM, {"reduction": 2, "combine": "product"}),
    "scSE max": (SCSE, {"fusion": "max"}),
    "scSE channel": (SCSE, {"halves": "channel"}),
    "scSE spatial": (SCSE, {"halves": "spatial"}),
    "scSE max spatial": (SCSE, {"halves": "spatial", "fusion": "max"}),
    "GC mul": (GC, {"ratio": 0.5, "fusions": BOTH[:1]}),
    "GC both": (GC, {"ratio": 0.5, "fusions": BOTH}),
    "GC avg": (GC, {"ratio": 0.5, "pooling": "avg"}),
    **{f"NL {form}": (NonLocal, {"pairwise": form}) for form in ("gaussian", "dot_product", "concatenation")},
    "NL sub-sampled": (NonLocal, {"subsample": True}),
    "NL no norm": (NonLocal, {"norm": False}),
}


def network(name: str) -> Backbone:
    mechanism, options = FORMS[name]
    model = seeded(lambda: randomize(Tiny(mechanism(8, **options)), 2))
    for parameter in model.get_submodule("attention").parameters():
        if not parameter.any():
            with torch.no_grad():
                parameter.normal_(generator=torch.Generator().manual_seed(seed_for_run(1)))
    return attnviz.instrument(model)


def explained(backbone: Backbone, *edits: Edit) -> Explanation:
    found = attnviz.explain(backbone, picture(0, SMALL), 1, edits=edits)
    assert found.logits is not None
    assert found.logits.isfinite().all()
    return found


def logits(backbone: Backbone, *edits: Edit) -> Tensor:
    found = explained(backbone, *edits).logits
    assert found is not None
    return found


@pytest.mark.parametrize("name", FORMS)
def test_off_is_the_identity(name: str) -> None:
    backbone = network(name)
    found = logits(backbone, Edit("attention", "off"))
    close_to(found, bypassed(untapped(backbone), picture(0, SMALL), "attention"))
    assert distance(found, logits(backbone)) > 1e-5


@pytest.mark.parametrize("branches", [3, 4])
def test_an_even_split_over_more_branches(branches: int) -> None:
    backbone = attnviz.instrument(seeded(lambda: randomize(Tiny(SK(8, groups=2, branches=branches)), 2)))
    changes: dict[str, Change] = {"attention.share": lambda raw: torch.full_like(raw, 1 / branches)}
    for how in ("off", "uniform"):
        close_to(logits(backbone, Edit("attention", how)), changed(untapped(backbone), picture(0, SMALL), changes))


@pytest.mark.parametrize("fusion", ["sum", "max"])
@pytest.mark.parametrize(("part", "other"), [("cse", "sse"), ("sse", "cse")])
def test_scse_drops_a_branch(fusion: str, part: str, other: str) -> None:
    """What is left is the other branch, negative values too."""
    backbone = attnviz.instrument(seeded(lambda: randomize(Tiny(SCSE(8, fusion=fusion)), 2)))  # type: ignore[arg-type]
    model = untapped(backbone)
    for each in (backbone.model, model):
        each.get_submodule("relu").register_forward_hook(lambda _m, _a, output: output - 1)
    gate = observe(model, picture(0, SMALL), f"attention.{other}")[f"attention.{other}"][0][1]
    gate = gate[:, :, None, None] if gate.dim() == 2 else gate
    with torch.no_grad(), hooked(model, {"attention": lambda _m, args, _o: args[0] * gate}):
        expected = model(picture(0, SMALL))[0]
    close_to(logits(backbone, Edit("attention", "off", part)), expected)
    for layer in ("conv", "attention"):
        cam = attnviz.explain(backbone, picture(0, SMALL), 1, layer, edits=[Edit("attention", "off", part)]).cam
        assert cam is not None
        assert cam.signed.isfinite().all()
        assert cam.signed.any()


def test_scse_without_both_branches_gives_nothing() -> None:
    for fusion in ("sum", "max"):
        backbone = attnviz.instrument(seeded(lambda f=fusion: randomize(Tiny(SCSE(8, fusion=f)), 2)))
        found = explained(backbone, Edit("attention", "off", "cse"), Edit("attention", "off", "sse"))
        assert torch.equal(found.features("attention")[1], torch.zeros(8, *SMALL))


def test_a_part_without_a_neutral_value_whose_block_has_one() -> None:
    """GC's context weighs positions, and nothing is neutral for that; the block is off without what it adds."""
    backbone = network("GC both")
    with pytest.raises(EditError, match=r"no neutral value of its own; switch the block off$") as caught:
        logits(backbone, Edit("attention", "off", "context"))
    assert "\n" not in str(caught.value)
    close_to(logits(backbone, Edit("attention", "off")), bypassed(untapped(backbone), picture(0, SMALL), "attention"))


def test_gc_parts_alone() -> None:
    backbone = network("GC both")
    for part, point, value in (("mul", "gate", 1.0), ("add", "add", 0.0)):
        changes: dict[str, Change] = {f"attention.{point}": lambda raw, v=value: torch.full_like(raw, v)}
        close_to(
            logits(backbone, Edit("attention", "off", part)), changed(untapped(backbone), picture(0, SMALL), changes)
        )


@pytest.mark.parametrize(("combine", "neutral"), [("sum", 0.0), ("product", 1.0)])
@pytest.mark.parametrize("part", ["channel", "spatial"])
def test_bam_logits_off(combine: str, neutral: float, part: str) -> None:
    """A branch that is off leaves the other's logits as they are: 0 in a sum, 1 in a product."""
    model = seeded(lambda: randomize(Tiny(BAM(8, reduction=2, combine=combine)), 2))  # type: ignore[arg-type]
    backbone = attnviz.instrument(model)
    changes: dict[str, Change] = {f"attention.{part}": lambda raw: torch.full_like(raw, neutral)}
    close_to(logits(backbone, Edit("attention", "off", part)), changed(untapped(backbone), picture(0, SMALL), changes))


@pytest.mark.parametrize("name", [name for name in FORMS if name.startswith("NL")])
def test_non_local_forms(name: str) -> None:
    backbone = network(name)
    raw = explained(backbone).attention[0].values
    assert isinstance(raw, AffinityMap)
    keys = raw.matrix().shape[1]
    softmax = name.split()[1] in {"gaussian", "sub-sampled", "no"}
    assert explained(backbone).attention[0].role == ("distribution" if softmax else "term")
    for how in ("uniform", "shuffled"):
        values = explained(backbone, Edit("attention", how)).attention[0].values
        assert isinstance(values, AffinityMap)
        matrix = values.matrix()
        if how == "uniform":
            close_to(
                matrix, torch.full_like(matrix, 1 / keys) if softmax else raw.matrix().mean(1, True).expand_as(matrix)
            )
        else:
            assert torch.equal(matrix.sort(1).values, raw.matrix().sort(1).values)
        assert torch.equal(values.row((3, 4)).flatten(), matrix[3 * SMALL[1] + 4])
        given = logits(backbone, Edit("attention", how))
        close_to(
            given, changed(untapped(backbone), picture(0, SMALL), {"attention.affinity": lambda _, m=matrix: m[None]})
        )


@pytest.mark.parametrize("form", ["NL dot_product", "NL sub-sampled", "GC avg", "GC both", "BAM product", "scSE max"])
def test_frozen_at_its_own_mean_changes_nothing(form: str) -> None:
    """Means of one picture alone put that picture back."""
    backbone = network(form)
    small = picture(0, SMALL)
    means = attnviz.measure_means(backbone, [small])
    again = attnviz.instrument(untapped(backbone), means=means)
    plain = attnviz.explain(again, small)
    frozen = attnviz.explain(again, small, edits=[Edit("attention", "frozen")])
    other = attnviz.explain(again, picture(1, SMALL), edits=[Edit("attention", "frozen")])
    assert plain.logits is not None
    assert frozen.logits is not None
    close_to(frozen.logits, plain.logits)
    unfrozen = attnviz.explain(again, picture(1, SMALL))
    assert distance(other.output, unfrozen.output) > 1e-5


def test_forced_in_the_forms_with_channels() -> None:
    backbone = network("GC both")
    for part, point in (("mul", "gate"), ("add", "add")):

        def forced(raw: Tensor) -> Tensor:
            return torch.cat([raw[:, :5], torch.full_like(raw[:, 5:6], 0.2), raw[:, 6:]], 1)

        expected = changed(untapped(backbone), picture(0, SMALL), {f"attention.{point}": forced})
        close_to(logits(backbone, Edit("attention", "forced", part, channel=5, value=0.2)), expected)
    with pytest.raises(EditError, match="context"):
        logits(backbone, Edit("attention", "forced", "context", channel=5, value=0.2))

"""Networks of timm, torchvision and pytorchcv, served on loopback: their weights, their preprocessing, their labels."""

import hashlib
import io
import math
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from huggingface_hub import constants
from PIL import Image
from pytorchcv.model_provider import get_model
from safetensors.torch import save
from timm.data import ImageNetInfo, create_transform, resolve_data_config
from torch import nn
from torchvision import models, transforms

import attnviz
from attnviz import zoo
from attnviz.errors import CanceledError, ModelError
from attnviz.stock import Entry, entries
from attnviz.stock import entries as listed
from attnviz.stock.entries import torch_file
from attnviz.stock.origins import PytorchcvFile
from attnviz.zoo.libraries import build, load_entry, preprocessing, recipe_of
from attnviz.zoo.memory import Memory
from tests.seeds import seed_for_run
from tests.unit.capture.oracles import close_to
from tests.unit.images.pictures import photo
from tests.unit.stock.servers import Site

PHOTO = photo()
PHOTOS = [PHOTO, PHOTO.crop((0, 40, 300, 500)), PHOTO.resize((1200, 400))]
SMALL = "timm:mobilenetv3_small_100.lamb_in1k"


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "_loaded", Memory())


def seeded(model: nn.Module) -> nn.Module:
    """Weights that are neither the same everywhere nor what building gives."""
    generator = torch.Generator().manual_seed(seed_for_run(1))
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) * 0.5 + 0.05)
    return model.eval()


def published(site: Site, model_id: str = SMALL) -> nn.Module:
    """A network of timm's whose weights the hub has."""
    name = model_id.removeprefix("timm:")
    model = seeded(timm.create_model(name))
    site.publish(f"timm/{name}", "model.safetensors", save(model.state_dict(), {"format": "pt"}))
    return model


def same(one: nn.Module, other: nn.Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


class TestPreprocessing:
    """The tensor of a photo, against the library's own transforms: the same pixels, in float32."""

    def check(self, entry: Entry, model: nn.Module, expected: Any, std: tuple[float, ...]) -> None:
        recipe = recipe_of(entry, model)
        for original in PHOTOS:
            found, picture = preprocessing(recipe, entry.card)(original)
            wanted = expected(original)[None]
            assert found.shape == wanted.shape == (1, 3, entry.card.input_size, entry.card.input_size)
            assert (found - wanted).abs().max() <= 1e-5 / min(std)
            assert picture.seen.size == found.shape[-1:-3:-1]
            assert np.array_equal(np.asarray(picture.original), np.asarray(original))

    @pytest.mark.parametrize("entry", [e for e in listed().values() if e.library == "timm"], ids=lambda e: e.card.id)
    def test_timm(self, entry: Entry) -> None:
        model = timm.create_model(entry.name)
        config = resolve_data_config({}, model=model)
        self.check(entry, model, create_transform(**config, is_training=False), config["std"])

    @pytest.mark.parametrize(
        "name", ["convnext_base.fb_in22k_ft_in1k_384", "vit_tiny_patch16_224.augreg_in21k_ft_in1k"]
    )
    def test_others_of_timm(self, name: str) -> None:
        """One that squashes, one with another mean."""
        entry = zoo.find(f"timm:{name}")
        assert entry is not None
        with torch.device("meta"):
            model = timm.create_model(name)
        config = resolve_data_config({}, model=model)
        card = replace(entry.card, mean=config["mean"], std=config["std"])
        self.check(replace(entry, card=card), model, create_transform(**config, is_training=False), config["std"])

    @pytest.mark.parametrize("name", ["mobilenet_v3_small", "efficientnet_b0", "regnet_y_400mf"])
    def test_torchvision(self, name: str) -> None:
        entry = listed()[f"torchvision:{name}"]
        preset = models.get_model_weights(name)[entry.weights].transforms()
        self.check(entry, models.get_model(name), preset, preset.std)

    @pytest.mark.parametrize("name", ["cbam_resnet50", "bam_resnet50"])
    def test_pytorchcv(self, name: str) -> None:
        """Its evaluation of ImageNet-1K: the shorter side to 256, the central 224, bilinear."""
        entry = listed()[f"pytorchcv:{name}"]
        steps = [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(entry.card.mean, entry.card.std),
        ]
        self.check(entry, nn.Identity(), transforms.Compose(steps), entry.card.std)

    def test_what_attnviz_cannot_follow_is_refused(self) -> None:
        model = timm.create_model("resnet10t", pretrained_cfg_overlay={"crop_mode": "border"})
        with pytest.raises(ModelError, match="prepared in a way that attnviz does not follow"):
            recipe_of(listed()[SMALL], model)


class TestLoading:
    def test_a_network_of_the_hub(self, site: Site) -> None:
        model, told = published(site), []
        backbone = attnviz.load(SMALL, progress=lambda done, total: told.append((done, total)))
        assert same(backbone.model, model)
        card = backbone.card
        assert card == replace(entries()[SMALL].card, availability="cached", classes=backbone.classes)
        assert told[-1][0] == told[-1][1] > card.size_bytes
        explanation = attnviz.explain(backbone, PHOTO)
        config = resolve_data_config({}, model=model)
        with torch.no_grad():
            expected = model(create_transform(**config, is_training=False)(PHOTO)[None])
        close_to(explanation.logits, expected[0])
        assert attnviz.load(SMALL) is backbone

    def test_from_a_fresh_process_by_environment_alone(self, site: Site, tmp_path: Path) -> None:
        model = published(site)
        home = {"HF_HOME": str(tmp_path / "new"), "HF_ENDPOINT": site.url, "HF_HUB_OFFLINE": "0"}
        code = (
            f"import attnviz; print(float(sum(p.double().sum() for p in attnviz.load({SMALL!r}).model.parameters())))"
        )
        run = [sys.executable, "-c", code]
        options: dict[str, Any] = {"capture_output": True, "text": True, "check": True}
        first = subprocess.run(run, env=os.environ | home, **options)
        assert float(first.stdout) == float(sum(weight.detach().double().sum() for weight in model.parameters()))
        again = subprocess.run(run, env=os.environ | home | {"HF_HUB_OFFLINE": "1"}, **options)
        assert again.stdout == first.stdout

    def test_what_timm_has_fetched_counts_and_the_other_way_round(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = published(site)
        attnviz.load(SMALL)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert same(timm.create_model(SMALL[5:], pretrained=True).eval(), model)

    def test_torchvision(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        model = seeded(models.get_model("mobilenet_v3_small"))
        file = io.BytesIO()
        torch.save(model.state_dict(), file)
        path = f"/models/it-{hashlib.sha256(file.getvalue()).hexdigest()[:8]}.pth"
        site.files[path] = file.getvalue()
        rename(monkeypatch, "torchvision:mobilenet_v3_small", torch_file(f"https://download.pytorch.org{path}"))
        assert same(attnviz.load("torchvision:mobilenet_v3_small").model, model)

    def test_pytorchcv(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        model = seeded(get_model("bam_resnet50"))
        file, packed = io.BytesIO(), io.BytesIO()
        torch.save({**model.state_dict(), "more": torch.zeros(1)}, file)
        sha1 = hashlib.sha1(file.getvalue()).hexdigest()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(f"bam-{sha1[:8]}.pth", file.getvalue())
        site.files[f"/it/bam-{sha1[:8]}.pth.zip"] = packed.getvalue()
        rename(monkeypatch, "pytorchcv:bam_resnet50", PytorchcvFile(f"https://h/it/bam-{sha1[:8]}.pth.zip", sha1))
        assert same(attnviz.load("pytorchcv:bam_resnet50").model, model)

    def test_another_of_timm_s(self, site: Site) -> None:
        model_id = "timm:lcnet_050.ra2_in1k"
        model = published(site, model_id)
        backbone = attnviz.load(model_id)
        assert same(backbone.model, model)
        assert backbone.card.params == sum(weight.numel() for weight in model.parameters())
        assert math.isnan(backbone.card.top1)
        assert backbone.card.recipe_group == model_id

    def test_out_of_reach_is_one_line_with_what_to_do(self, site: Site) -> None:
        with pytest.raises(
            ModelError, match=f"^{SMALL} is out of reach: .* answers 404. Connect, .*`attnviz fetch {SMALL}"
        ):
            attnviz.load(SMALL)

    def test_a_load_can_be_stopped(self, site: Site) -> None:
        published(site)
        site.mood.trickle = 1000

        def stop(*_: Any) -> None:
            raise CanceledError("enough")

        with pytest.raises(CanceledError, match="enough"):
            attnviz.load(SMALL, progress=stop)

    @pytest.mark.parametrize(
        "model_id", ["timm:resnet18.nobody_in1k", "timm:not_a_network", "torchvision:resnet18", "x:y"]
    )
    def test_ids_that_there_are_not(self, model_id: str) -> None:
        with pytest.raises(ModelError, match=f"^no model '{model_id}' in the catalogue; the nearest are "):
            attnviz.load(model_id)


def rename(monkeypatch: pytest.MonkeyPatch, model_id: str, origin: Any) -> None:
    """Give a listed network other weights."""
    changed = {**listed(), model_id: replace(listed()[model_id], origins=(origin,))}
    monkeypatch.setattr(zoo, "entries", lambda: changed)


class TestBadFiles:
    """A file under the right name that holds something else."""

    @pytest.fixture
    def place(self, site: Site, tmp_path: Path) -> Path:
        path = tmp_path / "torch/hub/checkpoints/mobilenet_v3_small-047dcff4.pth"
        path.parent.mkdir(parents=True)
        return path

    def refused(self, model_id: str = "torchvision:mobilenet_v3_small") -> str:
        with pytest.raises(ModelError, match="at hand are damaged or belong to another network") as caught:
            attnviz.load(model_id)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def test_no_weights_at_all(self, place: Path, tmp_path: Path) -> None:
        place.write_bytes(b"<html>Please log in</html>")
        assert str(tmp_path) not in self.refused()

    def test_half_a_file(self, place: Path) -> None:
        torch.save(models.get_model("mobilenet_v3_small").state_dict(), place)
        place.write_bytes(place.read_bytes()[:1_000_000])
        self.refused()

    def test_another_network(self, place: Path) -> None:
        torch.save(models.get_model("mobilenet_v3_large").state_dict(), place)
        self.refused()

    def test_a_pickle_that_would_run_code(self, place: Path, tmp_path: Path) -> None:
        class Harm:
            def __reduce__(self) -> Any:
                return Path.touch, (tmp_path / "harm",)

        torch.save({"weights": Harm()}, place)
        self.refused()
        assert not (tmp_path / "harm").exists()

    def test_safetensors_that_are_cut(self, site: Site, tmp_path: Path) -> None:
        site.publish(f"timm/{SMALL[5:]}", "model.safetensors", save({"a": torch.zeros(1000)})[:500])
        self.refused(SMALL)


class TestLabels:
    def test_they_are_timm_s(self) -> None:
        backbone = attnviz.load(f"random:{SMALL}")
        assert backbone.classes == tuple(ImageNetInfo().label_descriptions())
        assert len(backbone.classes) == 1000
        assert backbone.classes[0].startswith("tench")
        assert [i for i, label in enumerate(backbone.classes) if label == "crane"] == [134, 517]

    def test_networks_without_imagenet_s_classes_have_none(self) -> None:
        entry = zoo.find("timm:vit_base_patch16_clip_224.openai")
        assert entry is not None
        assert load_entry(replace(entry), None, "cpu").classes is None


class TestRandom:
    @pytest.mark.parametrize("model_id", [SMALL, "torchvision:regnet_y_400mf", "resnet18t-se"])
    def test_by_name_alone_and_the_card_says_so(self, model_id: str) -> None:
        before = torch.random.get_rng_state()
        backbone = attnviz.load(f"random:{model_id}")
        assert torch.equal(torch.random.get_rng_state(), before)
        card = backbone.card
        assert (card.id, card.availability, card.recipe_group) == (
            f"random:{model_id}",
            "random weights",
            "random weights",
        )
        assert math.isnan(card.top1)
        assert not card.metrics
        assert attnviz.explain(backbone, PHOTO).top(1)

    def test_always_the_same(self) -> None:
        first = attnviz.load(f"random:{SMALL}").model
        zoo._loaded.clear()
        torch.randn(5)
        again = load_entry(listed()[SMALL], None, "cpu").model
        assert first is not again
        assert same(first, again)

    def test_a_network_that_nobody_trained(self) -> None:
        names = set(timm.list_models()) - {name.partition(".")[0] for name in timm.list_pretrained()}
        name = min(name for name in names if name.startswith("resnet"))
        with pytest.raises(ModelError, match=f"no weights of timm:{name} are published; random:timm:{name} has random"):
            attnviz.load(f"timm:{name}")
        assert build(zoo.find(f"timm:{name}")) is not None


def test_a_device_that_is_not_there_is_said_before_anything_is_fetched(site: Site) -> None:
    published(site)
    with pytest.raises(ModelError, match=f"{SMALL} cannot go to device 'nowhere': "):
        attnviz.load(SMALL, "nowhere")
    assert site.log == []


def test_a_process_s_defaults_do_not_change_the_network(site: Site) -> None:
    model = published(site)
    try:
        torch.set_default_dtype(torch.float64)
        with torch.device("meta"), torch.inference_mode():
            backbone = attnviz.load(SMALL)
    finally:
        torch.set_default_dtype(torch.float32)
    assert same(backbone.model, model)
    assert {weight.dtype for weight in backbone.model.parameters()} == {torch.float32}


def test_the_crop_is_marked_on_the_original(site: Site) -> None:
    wide = Image.new("RGB", (800, 400))
    picture = attnviz.explain(attnviz.load(f"random:{SMALL}"), wide).picture
    assert picture.original.size == (800, 400)
    assert picture.seen.size == (224, 224)
    assert picture.box == (225, 25, 575, 375)  # 0.875 of the shorter side, in the middle


@pytest.mark.parametrize(
    ("model_id", "near"),
    [
        ("resnet18t-sse", "resnet18t-se"),
        ("random:resnet18t-sse", "resnet18t-se"),
        ("timm:seresnext26t", "timm:seresnext26ts"),
        ("timm:seresnext26ts.ch_in1", "timm:seresnext26ts.ch_in1k"),
        ("seresnext26ts.ch_in1k", "timm:seresnext26ts.ch_in1k"),
        ("mobilenetv2_ca", "random:mobilenetv2_ca"),
        ("torchvision:mobilenet_v3_smal", "torchvision:mobilenet_v3_small"),
        ("n" * 10**6, ""),
        ("timm:a\nb", ""),
    ],
)
def test_an_id_that_there_is_not_names_the_nearest(model_id: str, near: str) -> None:
    with pytest.raises(ModelError) as caught:
        attnviz.load(model_id)
    line = str(caught.value)
    assert line.isprintable()
    assert len(line) < 400
    names = line.partition("the nearest are ")[2].partition(";")[0].split(", ")
    assert len(set(names)) == 3
    assert near in names or not near
    assert all(zoo.ready(name) in (True, False) for name in names)  # of each there is a network

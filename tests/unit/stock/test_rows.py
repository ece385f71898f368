"""The list is data: here every row is held against what its library says, and is measured."""

import re

import pytest
import timm
import torch
from pytorchcv.model_provider import get_model
from pytorchcv.models.common.model_store import get_model_metainfo
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

from attnviz.backbones import VARIANTS
from attnviz.cards import wilson
from attnviz.stock import FAMILY, Entry, entries
from attnviz.stock.origins import HubFile, PytorchcvFile, TorchFile

ROWS = list(entries().values())


def rows(library: str) -> list[Entry]:
    return [entry for entry in ROWS if entry.library == library]


def named(entry: Entry) -> str:
    return entry.card.id


def built(entry: Entry) -> nn.Module:
    make = {"timm": timm.create_model, "torchvision": models.get_model, "pytorchcv": get_model}[entry.library]
    return make(entry.name).eval().to("meta")


@pytest.mark.parametrize("entry", ROWS, ids=named)
def test_parameters_macs_and_bytes_are_those_of_the_network(entry: Entry) -> None:
    card, model = entry.card, built(entry)
    assert card.params == sum(weight.numel() for weight in model.parameters())
    assert card.size_bytes == sum(value.numel() * value.element_size() for value in model.state_dict().values())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        logits = model(torch.empty(1, 3, card.input_size, card.input_size, device="meta"))
    assert card.macs == counter.get_total_flops() // 2
    assert logits.shape == (1, 1000)


@pytest.mark.parametrize("entry", rows("timm"), ids=named)
def test_timm_says_the_same(entry: Entry) -> None:
    config = timm.get_pretrained_cfg(entry.name)
    assert config is not None
    hub = [origin for origin in entry.origins if isinstance(origin, HubFile)]
    release = [origin for origin in entry.origins if isinstance(origin, TorchFile)]
    assert [origin.repo for origin in hub] == ([config.hf_hub_id] if config.hf_hub_id else [])
    assert [origin.url for origin in release] == ([config.url] if config.url else [])
    assert all(origin.sha256 and f"-{origin.sha256}.pth" in origin.url for origin in release)
    assert (3, entry.card.input_size, entry.card.input_size) == config.input_size
    assert entry.card.licence.lower() == config.license
    assert (entry.card.mean, entry.card.std) == (config.mean, config.std)
    at = int(re.search(r"at (\d+) x \1 pixels", entry.card.top1_source)[1])
    assert at in (config.input_size[1], (config.test_input_size or config.input_size)[1])


@pytest.mark.parametrize("entry", rows("torchvision"), ids=named)
def test_torchvision_says_the_same(entry: Entry) -> None:
    weights = models.get_model_weights(entry.name)[entry.weights]
    (origin,) = entry.origins
    assert isinstance(origin, TorchFile)
    assert origin.url == weights.url
    assert origin.sha256 == re.search(r"-([0-9a-f]{8})\.pth$", weights.url)[1]
    assert 100 * entry.card.top1 == pytest.approx(weights.meta["_metrics"]["ImageNet-1K"]["acc@1"])
    assert entry.card.top1_source == f"torchvision's {weights}"
    assert entry.card.params == weights.meta["num_params"]
    assert entry.card.size_bytes == pytest.approx(weights.meta["_file_size"] * 2**20, rel=0.02)
    assert entry.card.macs == pytest.approx(weights.meta["_ops"] * 1e9, rel=0.02)
    transforms = weights.transforms()
    assert [entry.card.input_size] == transforms.crop_size
    assert (list(entry.card.mean), list(entry.card.std)) == (transforms.mean, transforms.std)


@pytest.mark.parametrize("entry", rows("pytorchcv"), ids=named)
def test_pytorchcv_says_the_same(entry: Entry) -> None:
    params, error, sha1, release = get_model_metainfo(entry.name)
    (origin,) = entry.origins
    assert isinstance(origin, PytorchcvFile)
    assert origin.sha1 == sha1
    assert origin.url.endswith(f"/releases/download/{release}/{entry.name}-{error}-{sha1[:8]}.pth.zip")
    assert entry.card.params == params


def test_intervals_are_those_of_50_000_photos() -> None:
    for entry in ROWS:
        assert entry.card.top1_interval == wilson(round(50_000 * entry.card.top1), 50_000)
        low, high = entry.card.top1_interval
        assert low < entry.card.top1 < high < low + 0.01


def test_one_recipe_is_one_group_and_no_other_is_in_it() -> None:
    groups: dict[str, list[str]] = {}
    for entry in ROWS:
        groups.setdefault(entry.card.recipe_group, []).append(entry.name)
    shared = [sorted(names) for names in groups.values() if len(names) > 1]
    assert shared == [[f"{name}resnet33ts.ra2_in1k" for name in ("eca_", "gc", "", "se")]]


def test_each_mechanism_that_has_public_weights_is_there() -> None:
    found = {entry.card.mechanism for entry in ROWS}
    assert found == {None, "SE", "ECA", "GC", "BAT", "SK", "split attention", "eSE", "self-attention", "CBAM", "BAM"}
    light = {entry.card.mechanism for entry in ROWS if entry.card.light}
    assert {"SE", "ECA", "GC", "SK"} <= light


def test_the_family_is_listed_in_its_own_order() -> None:
    assert list(VARIANTS) == list(FAMILY)

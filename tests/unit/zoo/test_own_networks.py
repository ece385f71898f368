"""Networks of one's own, ready to be explained: from a file of weights, from code, and those that attnviz builds."""

import math
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.data import create_transform, resolve_data_config
from torchvision.transforms import functional

import attnviz
from attnviz import zoo
from attnviz.backbones import build
from attnviz.stock import FAMILY
from attnviz.zoo import own
from attnviz.zoo.embedded import save_weights
from attnviz.zoo.memory import Memory
from tests.unit.capture.oracles import close_to
from tests.unit.images.pictures import photo
from tests.unit.readers.modules import lively
from tests.unit.zoo.helpers import refused

PHOTO = photo()
CODE = """
from dataclasses import dataclass
import torch
from torch import nn
import beside

@dataclass
class Options:
    classes: int = 4

model = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, Options().classes))
classes = beside.NAMES
"""

SMALL = """
import torch
from torch import nn
model = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
"""
LATER = """
from torch import nn

class Tired(nn.Sequential):
    tired = False

    def forward(self, x):
        if self.tired:
            raise {error}
        return super().forward(x)

model = Tired(nn.Conv2d(3, 8, 4, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
"""


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "_loaded", Memory())


def test_weights_of_ones_own_see_what_timm_would_show_them(file: Path) -> None:
    theirs = lively(timm.create_model("seresnext26ts", num_classes=7))
    save_file(theirs.state_dict(), file)
    backbone = own.from_file("seresnext26ts", file)
    explanation = attnviz.explain(backbone, PHOTO)
    config = resolve_data_config({}, model=theirs)
    with torch.no_grad():
        expected = theirs(create_transform(**config, is_training=False)(PHOTO)[None])[0]
    close_to(explanation.logits, expected)
    assert backbone.classes is None
    card = backbone.card
    assert (card.id, card.params) == ("own:seresnext26ts", sum(p.numel() for p in theirs.parameters()))
    assert math.isnan(card.top1)
    assert str(own.tried(backbone, PHOTO)) == "8 blocks read and verified, 0 read but not verified, 0 skipped"


def test_a_variance_below_zero_is_refused(file: Path) -> None:
    """Its root would be no number."""
    state = timm.create_model("test_resnet").state_dict()
    name = next(name for name in state if name.endswith("running_var"))
    state[name][1] = -1e-3
    save_file(state, file)
    with refused(f"^the weights' file holds a negative variance, first in '{name}'$"):
        own.from_file("test_resnet", file)
    state[name][1] = 0
    save_file(state, file)
    assert own.from_file("test_resnet", file).head(torch.zeros(1, 3, 64, 64)).cam_layer


def test_a_thousand_logits_have_imagenet_s_names(file: Path) -> None:
    save_file(lively(timm.create_model("test_resnet")).state_dict(), file)
    assert own.from_file("test_resnet", file).classes == attnviz.load("random:timm:test_resnet.r160_in1k").classes


@pytest.mark.parametrize("name", FAMILY)
def test_a_network_of_the_family_that_was_trained_again(name: str, tmp_path: Path) -> None:
    """As ``attnviz.training`` writes it; its oracle is the network that comes with attnviz, whose weights it has."""
    theirs = attnviz.load(name)
    path = save_weights(tmp_path, name, theirs.model.state_dict())
    backbone = own.from_file(name, path)
    assert (backbone.classes, backbone.card.id) == (theirs.classes, f"own:{name}")
    found, expected = attnviz.explain(backbone, PHOTO), attnviz.explain(theirs, PHOTO)
    assert torch.equal(found.input, expected.input)
    assert torch.equal(found.logits, expected.logits)
    assert [record.layer for record in found.attention] == [record.layer for record in expected.attention]


def test_a_network_of_the_family_for_other_classes(tmp_path: Path) -> None:
    theirs = build("resnet18t-se", 7)
    backbone = own.from_file("resnet18t-se", save_weights(tmp_path, "resnet18t-se", theirs.state_dict()))
    assert backbone.classes is None
    assert attnviz.explain(backbone, PHOTO).logits.shape == (7,)
    with refused("the weights given for resnet18t-cbam do not fit its network"):
        own.from_file("resnet18t-cbam", tmp_path / "resnet18t-se.safetensors")


def test_an_id_of_ones_own_is_no_other_s() -> None:
    ids = {own.new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(one) >= 4 + 22 for one in ids)


def test_it_is_found_by_its_id_while_there_is_room(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file(timm.create_model("test_resnet").state_dict(), file)
    first = zoo.keep(own.from_file("test_resnet", file))
    assert attnviz.load(first).card.id == "own:test_resnet"
    assert zoo.ready(first)
    assert zoo.held() == {first}
    monkeypatch.setenv("ATTNVIZ_MODELS_BYTES", "1")
    second = zoo.keep(own.from_file("test_resnet", file))
    assert zoo.held() == {second}
    with refused("your network is no longer in memory, .*bring it again"):
        attnviz.load(first)
    with refused("your network is no longer in memory"):
        attnviz.load("own:guessed")


class TestCode:
    def test_a_model(self, tmp_path: Path) -> None:
        (tmp_path / "beside.py").write_text("NAMES = list('abcd')")
        (tmp_path / "mine.py").write_text(CODE)
        before = (list(sys.path), set(sys.modules) - {"beside"})
        backbone = own.from_code(tmp_path / "mine.py")
        assert backbone.classes == tuple("abcd")
        assert (list(sys.path), set(sys.modules) - {"beside"}) == before
        explanation = attnviz.explain(backbone, PHOTO)
        assert explanation.input.shape == (1, 3, 224, 224)
        assert explanation.cam is not None

    def test_a_preprocess_of_its_own(self, tmp_path: Path) -> None:
        lines = [
            "from torch import nn",
            "from torchvision.transforms.functional import pil_to_tensor, resize",
            "model = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))",
            "def preprocess(image): return resize(pil_to_tensor(image)[None], (40, 60)) / 255",
        ]
        (tmp_path / "mine.py").write_text("\n".join(lines))
        explanation = attnviz.explain(own.from_code(tmp_path / "mine.py"), PHOTO)
        assert explanation.input.shape == (1, 3, 40, 60)
        assert explanation.picture.box == (0, 0, *PHOTO.size)
        assert explanation.picture.seen.size == (60, 40)

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("import nothing_of_that_name", "running mine.py failed: ModuleNotFoundError: No module named"),
            ("a b", "running mine.py failed: SyntaxError"),
            ("raise ValueError('first\\nsecond')", "running mine.py failed: ValueError: first$"),
            ("import sys\nsys.exit(3)", "running mine.py failed: SystemExit: 3"),
            ("raise GeneratorExit", "running mine.py failed: GeneratorExit$"),
            ("raise BaseException('gone')", "running mine.py failed: BaseException: gone$"),
            ("def build(): raise GeneratorExit", r"the build\(\) of mine.py failed: GeneratorExit$"),
            ("build = 3", "the file mine.py defines neither `model`"),
            ("model = 3", "the `model` of mine.py has to be a torch.nn.Module, not int"),
            ("def build(): return 3", r"the build\(\) of mine.py has to return a torch.nn.Module, not int"),
            ("def build(): pass", r"the build\(\) of mine.py has to return a torch.nn.Module, not NoneType"),
            (f"{SMALL}\nclasses = 'abcd'", "`classes` has to be a list of labels, .*, not str"),
            (f"{SMALL}\nclasses = {{0: 'a'}}", "`classes` has to be a list of labels, .*, not dict"),
            (f"{SMALL}\nclasses = 4", "`classes` has to be a list of labels, .*, not int"),
            ("import torch\nmodel = torch.jit.script(torch.nn.ReLU())", "traced or scripted"),
            ("from torch import nn\nmodel = nn.Linear(3, 4)", "the network of mine.py failed: RuntimeError"),
        ],
    )
    def test_whatever_fails_is_one_line(self, tmp_path: Path, text: str, line: str) -> None:
        (tmp_path / "mine.py").write_text(text)
        with refused(line):
            own.from_code(tmp_path / "mine.py")

    @pytest.mark.parametrize("where", ["", "def build(): "])
    @pytest.mark.parametrize("name", ["KeyboardInterrupt", "GeneratorExit", "SystemExit", "BaseException"])
    def test_what_no_program_catches_is_one_line_too(self, tmp_path: Path, where: str, name: str) -> None:
        (tmp_path / "mine.py").write_text(f"{where}raise {name}('why')")
        with ThreadPoolExecutor(1) as pool, refused(f"failed: {name}: why$"):
            pool.submit(own.from_code, tmp_path / "mine.py").result()

    def test_control_c_ends_a_program(self, tmp_path: Path) -> None:
        """A signal sent for real, which Python hands to the main thread, while the file runs."""
        (tmp_path / "mine.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)")
        before = list(sys.path)
        # Tests that a shell runs in the background ignore Ctrl-C.
        ignored = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                own.from_code(tmp_path / "mine.py")
        finally:
            signal.signal(signal.SIGINT, ignored)
        assert sys.path == before

    @pytest.mark.parametrize(
        "classes", ["[1, 2, 3, 4]", "(str(i) for i in range(1, 5))", "{1: 0, 2: 0, 3: 0, 4: 0}.keys()"]
    )
    def test_labels_of_any_kind(self, tmp_path: Path, classes: str) -> None:
        (tmp_path / "mine.py").write_text(f"{SMALL}\nclasses = {classes}")
        backbone = own.from_code(tmp_path / "mine.py")
        own.tried(backbone, PHOTO)
        assert backbone.classes == backbone.card.classes == ("1", "2", "3", "4")
        assert attnviz.explain(backbone, PHOTO, "3").target == 2

    def test_a_preprocess_without_batch_axis(self, tmp_path: Path) -> None:
        lines = "def preprocess(image): return functional.resize(functional.pil_to_tensor(image), (40, 60)) / 255"
        (tmp_path / "mine.py").write_text(f"{SMALL}\nfrom torchvision.transforms import functional\n{lines}")
        backbone = own.from_code(tmp_path / "mine.py")
        own.tried(backbone, PHOTO)
        x = functional.resize(functional.pil_to_tensor(PHOTO), (40, 60)) / 255
        assert torch.equal(attnviz.explain(backbone, PHOTO).input, x[None])

    def test_a_network_of_one_size_alone(self, tmp_path: Path) -> None:
        """As many are for small pictures: a linear layer over all positions."""
        (tmp_path / "mine.py").write_text(
            "from torch import nn\nfrom torchvision.transforms import functional as F\n"
            "model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 20 * 32, 3))\n"
            "def preprocess(image): return F.to_tensor(F.resize(image, (20, 32)))"
        )
        backbone = own.from_code(tmp_path / "mine.py")
        own.tried(backbone, PHOTO)
        assert backbone.card.macs == 20 * 32 * 4 * 27 + 4 * 20 * 32 * 3
        assert attnviz.explain(backbone, PHOTO).input.shape == (1, 3, 20, 32)

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("classes = list('abc')", "`classes` has 3 labels, and the network gives 4 logits"),
            ("model[3].bias.data[1] = torch.nan", "the network's logits for a picture are NaN or infinite"),
            ("model[3].weight.data *= torch.inf", "the network's logits for a picture are NaN or infinite"),
            ("model = nn.Sequential(*model[:3], nn.Linear(8, 0))", r"gives no logits: its output is \(1, 0\)"),
            ("model = nn.Sequential(model[0])\nclasses = 'a', 'b'", "has 2 labels, and the network gives 8 logits"),
            ("def preprocess(image): return torch.zeros(2, 3, 8, 8)", r"\(1, 3, H, W\) .*, not \(2, 3, 8, 8\)"),
            ("def preprocess(image): return torch.zeros(8, 8)", r"a tensor \(1, 3, H, W\) of a picture, not \(8, 8\)"),
            ("def preprocess(image): return torch.zeros(1, 8, 8)", r"of a picture, not \(1, 1, 8, 8\)"),
            ("def preprocess(image): return image", "of a picture, not Image"),
            ("def preprocess(image): 1 / 0", "`preprocess` failed: ZeroDivisionError"),
            ("def preprocess(image): raise SystemExit", "`preprocess` failed: SystemExit"),
        ],
    )
    def test_what_no_page_can_show_is_refused_when_it_is_brought(self, tmp_path: Path, text: str, line: str) -> None:
        (tmp_path / "mine.py").write_text(f"{SMALL}\n{text}")
        with refused(line):
            own.tried(own.from_code(tmp_path / "mine.py"), PHOTO)

    @pytest.mark.parametrize("error", ["SystemExit(3)", "GeneratorExit", "ValueError('no\\nmore')", "BaseException"])
    def test_a_forward_that_fails_later_is_one_line(self, tmp_path: Path, error: str) -> None:
        (tmp_path / "mine.py").write_text(LATER.format(error=error))
        backbone = own.from_code(tmp_path / "mine.py")
        own.tried(backbone, PHOTO)
        expected = attnviz.explain(backbone, PHOTO)
        saliency = attnviz.attribute(expected, "saliency")  # in a copy of the network
        assert saliency.values.isfinite().all()
        type(backbone.model).tired = True
        with refused(f"the network of mine.py failed: {error.split('(')[0]}"):
            attnviz.explain(backbone, PHOTO)
        with refused("the network of mine.py failed"):
            attnviz.attribute(expected, "saliency")
        type(backbone.model).tired = False
        assert torch.equal(attnviz.explain(backbone, PHOTO).logits, expected.logits)
        assert type(backbone.model).__name__ == "Tired"

    @pytest.mark.parametrize("path", ["", "nothing.py", "/", "mine.txt", "a\0.py", "x" * 5000 + ".py"])
    def test_what_is_no_file(self, tmp_path: Path, path: str) -> None:
        (tmp_path / "mine.txt").write_text("model = 3")
        with refused("there is no Python file"):
            own.from_code(tmp_path / path)
        with refused("there is no Python file"):
            own.from_code("~nobody-of-that-name/mine.py")


@pytest.mark.parametrize(("name", "blocks"), [("cbam_resnext50_32x4d", 16), ("mobilenetv2_ca", 16)])
def test_networks_that_attnviz_builds(name: str, blocks: int) -> None:
    backbone = attnviz.load(f"random:{name}")
    assert attnviz.load(f"random:{name}") is backbone
    card = backbone.card
    assert (card.id, card.availability, len(backbone.classes)) == (f"random:{name}", "random weights", 1000)
    found = own.tried(backbone, PHOTO)
    assert str(found) == f"{blocks} blocks read and verified, 0 read but not verified, 0 skipped"
    with refused(f"no model '{name}' in the catalogue"):
        attnviz.load(name)


def test_what_needs_no_fetching() -> None:
    assert all(map(zoo.ready, ("resnet18t-se", "random:resnet18t-se", "random:timm:seresnet50.a1_in1k")))
    assert zoo.ready("random:mobilenetv2_ca")
    assert not zoo.ready("timm:seresnet50.a1_in1k")
    for model_id in ("nobody", "random:nobody", "random:own:abc", "mobilenetv2_ca"):
        with refused("no model"):
            zoo.ready(model_id)

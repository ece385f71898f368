"""Weights' files: real ones, and ones that are not what they say."""

import json
import os
import pickle
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from attnviz.errors import ModelError
from attnviz.zoo.files import CONVERT, read_weights
from tests.unit.zoo.helpers import ONE, VALUES, about, hand_made, network, refused

LARGE = 3_000_000_000


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_file_is_what_was_saved(file: Path, dtype: torch.dtype) -> None:
    state = {name: v.to(dtype) if v.is_floating_point() else v for name, v in network().state_dict().items()}
    save_file(state, file)
    found = read_weights(str(file))
    assert found.keys() == state.keys()
    assert all(found[name].dtype is v.dtype and torch.equal(found[name], v) for name, v in state.items())


def test_a_hand_made_file_is_read(file: Path) -> None:
    assert read_weights(hand_made(file))["weight"].tolist() == [1, 2]


@pytest.mark.parametrize("length", [640, 896, 1152, 1408])
def test_a_header_s_length_that_looks_like_a_pickle_is_none(file: Path, length: int) -> None:
    hand_made(file, json.dumps(ONE).encode().ljust(length))
    assert file.read_bytes()[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
    assert read_weights(file)["weight"].tolist() == [1, 2]


PICKLED: dict[str, Callable[[Any, Path], None]] = {
    "zip": lambda state, path: torch.save(state, path),
    "legacy": lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False),
    **{f"protocol {n}": lambda s, path, n=n: path.write_bytes(pickle.dumps(s, n)) for n in (2, 3, 4, 5)},
}


@pytest.mark.parametrize("how", PICKLED)
def test_a_pickle_is_known_by_its_content(file: Path, how: str) -> None:
    PICKLED[how](network().state_dict(), file)
    with refused("is a pickled checkpoint, which can run code of its own when it is opened; .*convert it: python -c"):
        read_weights(file)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".ckpt", ".PTH", ".pkl"])
def test_a_pickle_is_known_by_its_name(tmp_path: Path, suffix: str) -> None:
    with refused("is a pickled checkpoint"):
        read_weights(hand_made(tmp_path / f"own{suffix}"))


def test_the_conversion_that_the_line_gives_converts(tmp_path: Path, file: Path) -> None:
    state = network().state_dict()
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(ModelError) as caught:
        read_weights(tmp_path / "weights.pth")
    command = shlex.split(str(caught.value).partition("convert it: ")[2])
    assert command == shlex.split(CONVERT)
    subprocess.run([sys.executable, *command[1:]], cwd=tmp_path, check=True)
    found = read_weights(tmp_path / command[-1])
    assert all(torch.equal(found.pop(name), value) for name, value in state.items())
    assert not found


def test_a_truncated_file_is_refused_wherever_it_ends(file: Path) -> None:
    save_file({"weight": torch.arange(100.0), "bias": torch.ones(3)}, file)
    whole = file.read_bytes()
    for end in (1, 7, 8, 9, 20, len(whole) - 413, len(whole) - 412, len(whole) - 100, len(whole) - 1):
        file.write_bytes(whole[:end])
        with refused("is truncated or corrupt" if end > 8 else "is no safetensors file"):
            read_weights(file)
    file.write_bytes(b"")
    with refused("^the weights' file is empty$"):
        read_weights(file)


@pytest.mark.parametrize(
    "content",
    [b"hello", b"\x89PNG\r\n\x1a\n" + bytes(99), b"GGUF" + bytes(99), b'{"weight": [1, 2]}' * 9, bytes(50)],
    ids=["text", "png", "gguf", "json", "zeros"],
)
def test_another_format_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with refused("^the weights' file is no safetensors file: it does not start with a header$"):
        read_weights(file)


@pytest.mark.parametrize(
    "header",
    [
        b"{no json",
        b'{"weight": 3}',
        b'{"__metadata__": {"a": 1}}',
        about("F99"),
        about(shape=(3,)),
        about(shape=(-2,)),
        about(shape=(2**63, 4)),
        about(offsets=(8, 0)),
        about(offsets=(0, 16)),
        about(offsets=(4, 12)),
        {**ONE, **about()},
    ],
    ids=str,
)
def test_a_header_that_does_not_describe_its_bytes_is_refused(file: Path, header: Any) -> None:
    with refused("is truncated or corrupt: its header does not describe its bytes"):
        read_weights(hand_made(file, header))


def test_bytes_that_no_tensor_owns_are_refused(file: Path) -> None:
    with refused("is truncated or corrupt"):
        read_weights(hand_made(file, data=VALUES + b"more"))


@pytest.mark.parametrize(
    ("header", "data", "line"),
    [
        (about("F8_E4M3", (8,)), bytes(8), r"holds 'a\\nb' as F8_E4M3; save it as F32 or F16"),
        (about("F8_E5M2", (8,)), bytes(8), r"holds 'a\\nb' as F8_E5M2"),
        (about(shape=(2**63, 0), offsets=(0, 0)), b"", r"holds 'a\\nb' with no values"),
        (about(shape=(*[1] * 100_000, 2)), bytes(8), r"holds 'a\\nb' with 100,001 dimensions"),
        ({}, b"", "holds no tensors"),
    ],
    ids=["e4m3", "e5m2", "empty", "dimensions", "nothing"],
)
def test_what_no_weights_are_is_refused(file: Path, header: Any, data: bytes, line: str) -> None:
    with refused(line):
        read_weights(hand_made(file, header, data))


def test_a_long_name_is_cut(file: Path) -> None:
    with refused(r"holds 'nnnn+\.\.\.n+' as F8_E5M2"):
        read_weights(hand_made(file, {"n" * 10**6: about("F8_E5M2", (8,))["a\nb"]}))


@pytest.mark.parametrize(
    "bad",
    [
        torch.tensor([0, float("nan")]),
        torch.tensor([float("inf"), 0]).half(),
        torch.tensor([0, -float("inf")]).bfloat16(),
        torch.tensor([1e300, 0], dtype=torch.float64),
    ],
    ids=["nan", "inf", "-inf", "beyond float32"],
)
def test_values_that_are_no_numbers_are_refused(file: Path, bad: Tensor) -> None:
    save_file({"a": torch.ones(2), "b.weight": bad, "c": torch.ones(3), "d": torch.full((2,), float("nan"))}, file)
    with refused("^the weights' file holds NaN or infinite values, first in 'b.weight'$"):
        read_weights(file)


def test_a_file_over_the_limit_is_refused(file: Path) -> None:
    size = hand_made(file).stat().st_size
    assert read_weights(file, limit=size)
    with refused(f"^the weights' file has {size} bytes; the limit is {size - 1}$"):
        read_weights(file, limit=size - 1)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "missing", tmp_path / "pipe", "/dev/zero"):
        with refused("is missing, or is no regular file"):
            read_weights(path)
    for path in ("a\0b", "x" * 5000):
        with refused("missing|cannot be read"):
            read_weights(path)
    with refused("^the weights' file is given as a path, not as NoneType$"):
        read_weights(None)


# In a process with 200 MB of room above what its libraries take, where a larger allocation is another error.
IN_LITTLE_ROOM = """
import json, resource, sys, timm
from pathlib import Path
from attnviz.errors import ModelError
from attnviz.zoo.files import load_own

used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 200_000_000,) * 2)
for name, architecture in json.loads(sys.argv[1]).items():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        load_own(architecture, name)
    except ModelError as error:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error)
"""


def test_claims_of_gigabytes_take_no_memory(tmp_path: Path) -> None:
    """Each is refused in one line, with less than 50 MB."""
    huge = about(shape=(LARGE // 4,), offsets=(0, LARGE))
    hand_made(tmp_path / "header", length=LARGE)
    hand_made(tmp_path / "tensor", huge)
    hand_made(tmp_path / "whole", huge, b"")
    os.truncate(tmp_path / "whole", (tmp_path / "whole").stat().st_size + LARGE)  # a hole, which takes no disk
    hand_made(tmp_path / "metadata", {"__metadata__": {"a": "b" * 20_000_000}, **ONE})
    save_file({"fc.weight": torch.zeros(10**6, 1)}, tmp_path / "classes")  # a classifier of a gigabyte, if it were so
    hand_made(tmp_path / "small")
    expected = {
        "header": "its header claims 3,000,000,000 bytes and can have ",
        "tensor": "truncated or corrupt: its header does not describe its bytes",
        "whole": f"the weights' file has 3,000,000,{len(json.dumps(huge)) + 8:03} bytes; the limit is 1,073,741,824",
        "metadata": "its header claims 20,000,0.. bytes and can have 4,194,304$",
        "classes": "the weights given for test_resnet do not fit its network",
        "small": "the weights given for resnetv2_152x4_bit do not fit its network",  # which takes 3.7 GB
    }
    architectures = {str(tmp_path / name): "test_resnet" for name in expected}
    architectures[str(tmp_path / "small")] = "resnetv2_152x4_bit"
    command = [sys.executable, "-c", IN_LITTLE_ROOM, json.dumps(architectures)]
    ended = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    lines = ended.stdout.splitlines()
    assert (len(lines), ended.returncode) == (len(expected), 0), ended.stderr
    for line, pattern in zip(lines, expected.values(), strict=True):
        kilobytes, _, text = line.partition(" ")
        assert re.search(pattern, text)
        assert int(kilobytes) < 50_000

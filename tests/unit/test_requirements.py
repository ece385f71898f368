"""What is installed is said in four places: the ranges, the two locks, and the Space's front matter. They agree."""

import re
import tomllib
from collections.abc import Iterator
from itertools import takewhile

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.versions import ROOT, lower_end, requirements

LOCKS = ("requirements.lock", "requirements-dev.lock")
RANGES = {
    "requirements.lock": ("requirements.txt",),
    "requirements-dev.lock": ("requirements.txt", "requirements-dev.txt"),
}


def pins(lock: str) -> Iterator[tuple[Requirement, list[str]]]:
    """A lock's entries, each with its hashes."""
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            requirement, *hashes = line.split("--hash=")
            yield Requirement(requirement), [each.strip() for each in hashes]


def pinned(lock: str) -> dict[str, Version]:
    """The version of each package in a lock, by its canonical name."""
    found = {}
    for requirement, _ in pins(lock):
        (only,) = requirement.specifier
        assert only.operator == "=="
        name = canonicalize_name(requirement.name)
        assert found.setdefault(name, Version(only.version)) == Version(only.version), f"{name} has two versions"
    return found


def front_matter() -> dict[str, str]:
    """What the README tells a Space, by key."""
    lines = (ROOT / "README.md").read_text().splitlines()
    assert lines[0] == "---"
    pairs = (line.partition(":") for line in takewhile(lambda line: line != "---", lines[1:]))
    return {key: value.strip().strip('"') for key, _, value in pairs}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_has_a_hash(lock: str) -> None:
    for requirement, hashes in pins(lock):
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_what_the_ranges_ask_for(lock: str) -> None:
    found = pinned(lock)
    for name in RANGES[lock]:
        for requirement in requirements(name):
            assert found[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_the_locks_agree() -> None:
    whole, dev = pinned("requirements.lock"), pinned("requirements-dev.lock")
    assert whole == {name: dev[name] for name in whole}
    assert "setuptools" in whole  # which installs the package itself


def test_ranges_have_two_ends() -> None:
    for requirement in requirements():
        assert {each.operator for each in requirement.specifier} == {">=", "<"}, requirement
        assert lower_end(requirement) in requirement.specifier


def test_a_space_gets_what_was_locked() -> None:
    """A Space installs requirements.txt beside the Gradio that its front matter names."""
    told = front_matter()
    assert told["sdk"] == "gradio"
    assert Version(told["sdk_version"]) == pinned("requirements.lock")["gradio"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert Version(told["python_version"]) in SpecifierSet(project["requires-python"])
    assert (ROOT / told["app_file"]).is_file()


def test_pip_install_takes_the_ranges() -> None:
    """A package that fixed its dependencies' versions could not stand beside others."""
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert setuptools["dynamic"]["dependencies"]["file"] == ["requirements.txt"]

"""What is installed is said in four places: the ranges, the two locks, and the Space's front matter. They agree."""

import re
import tomllib
from itertools import takewhile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.versions import RANGES, ROOT, lower_end, pinned, pins, requirements

LOCKS = tuple(RANGES)


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
            assert requirement.marker is None, requirement


def test_the_tests_stand_on_the_app_s_ranges() -> None:
    assert "-r requirements.txt" in (ROOT / "requirements-dev.txt").read_text().splitlines()


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
    assert (ROOT / told["app_file"]).is_file()


def test_one_python_is_the_lowest() -> None:
    """What a Space runs, the locks are written for, the types are checked for, and pip asks for."""
    lowest = front_matter()["python_version"]
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert told["project"]["requires-python"] == f">={lowest}"
    assert told["tool"]["mypy"]["python_version"] == lowest
    assert told["tool"]["ruff"]["target-version"] == f"py{lowest.replace('.', '')}"
    assert re.findall(r"--python-version (\S+)", (ROOT / "Makefile").read_text()) == [lowest]


def test_pip_install_takes_the_ranges() -> None:
    """A package that fixed its dependencies' versions could not stand beside others."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert told["project"]["dynamic"] == ["dependencies"]
    assert told["tool"]["setuptools"]["dynamic"]["dependencies"]["file"] == ["requirements.txt"]
    (builder,) = map(Requirement, told["build-system"]["requires"])
    assert pinned("requirements.lock")[canonicalize_name(builder.name)] in builder.specifier

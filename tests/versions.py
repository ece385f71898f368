"""Whether an environment is what it is meant to be: python -m tests.versions oldest|newest|locked.

At an end of the ranges in requirements.txt, prints each requirement with what is installed. The oldest is each range's
lower end, so that no range promises a version that the suite was not run on. Locked, what is installed is what the
locks say, and they hold what the ranges need and nothing else.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distributions, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
RANGES = {
    "requirements.lock": ("requirements.txt",),
    "requirements-dev.lock": ("requirements.txt", "requirements-dev.txt"),
}
UNLOCKED = {"attnviz", "pip"}  # the package itself, and what installs


def requirements(name: str = "requirements.txt") -> Iterator[Requirement]:
    """The ranges in a file, without those of the files that it names."""
    for line in (ROOT / name).read_text().splitlines():
        if line and not line.startswith(("-", "#")):
            yield Requirement(line)


def lower_end(requirement: Requirement) -> Version:
    """Its range's lowest version."""
    (lowest,) = (Version(each.version) for each in requirement.specifier if each.operator == ">=")
    return lowest


def pins(lock: str) -> Iterator[tuple[Requirement, list[str]]]:
    """A lock's entries, each with its hashes."""
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            requirement, *hashes = line.split("--hash=")
            yield Requirement(requirement), [each.strip() for each in hashes]


def pinned(lock: str) -> dict[str, Version]:
    """The version of each package in a lock, by its canonical name."""
    found: dict[str, Version] = {}
    for requirement, _ in pins(lock):
        (only,) = requirement.specifier
        if only.operator != "==" or canonicalize_name(requirement.name) in found:
            raise ValueError(f"{lock} does not give {requirement.name} one version")
        found[canonicalize_name(requirement.name)] = Version(only.version)
    return found


def needed(asked: Iterable[Requirement]) -> dict[str, list[Requirement]]:
    """What each needed package is asked to be, on any platform, as what is installed here says."""
    found: dict[str, list[Requirement]] = {}
    waiting = list(asked)
    while waiting:
        each = waiting.pop()
        name = canonicalize_name(each.name)
        known = found.setdefault(name, [])
        if any(str(each) == str(other) for other in known):
            continue
        known.append(each)
        try:
            lines = requires(name) or []
        except PackageNotFoundError:  # needed on another platform
            continue
        waiting += [one for one in map(Requirement, lines) if _wants(each, one)]
    return found


def _wants(asking: Requirement, part: Requirement) -> bool:
    if part.marker is None or "extra" not in str(part.marker):
        return True
    return any(part.marker.evaluate({"extra": extra}) for extra in asking.extras)


def differs(locks: Mapping[str, tuple[str, ...]] = RANGES) -> Iterator[str]:
    """What is wrong with the locks, and where this environment is not theirs, a line each."""
    here = {canonicalize_name(each.metadata["Name"]): Version(each.version) for each in distributions()}
    for lock, files in locks.items():
        found, ranges = pinned(lock), [each for file in files for each in requirements(file)]
        need = needed(ranges)
        for name, requirement in ((canonicalize_name(each.name), each) for each, _ in pins(lock)):
            if (requirement.marker is None or requirement.marker.evaluate()) and here.get(name) != found[name]:
                yield f"{lock} has {requirement}, and installed is {here.get(name)}"
            if requirement.marker is not None and any(name == canonicalize_name(each.name) for each in ranges):
                yield f"{lock} has {name} for some platforms only"
            if name not in need:
                yield f"{lock} has {name}, which nothing needs"
        for name, each in ((name, each) for name, every in need.items() for each in every):
            if name not in found and name not in UNLOCKED and _here(each):
                yield f"{lock} lacks {each}"
            elif name in found and found[name] not in each.specifier and _here(each):
                yield f"{lock} has {name} {found[name]}, and {each} is needed"
    yield from (f"{name} is installed and in no lock" for name in here.keys() - pinned(list(locks)[-1]) - UNLOCKED)


def _here(requirement: Requirement) -> bool:
    return requirement.marker is None or any(
        requirement.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)
    )


def ends(end: str) -> Iterator[str]:
    """Print what is installed; where the oldest end is not what its range says, a line each."""
    for requirement in requirements():
        installed = Version(version(requirement.name))
        print(f"{requirement}: {installed}")
        if end == "oldest" and Version(installed.public) != lower_end(requirement):
            yield f"{installed} is not the lower end of {requirement}"


CHECKS: Mapping[str, Callable[[], Iterator[str]]] = {
    "oldest": lambda: ends("oldest"),
    "newest": lambda: ends("newest"),
    "locked": differs,
}


def main(check: str) -> int:
    """Print what is wrong; 1 where anything is."""
    wrong = list(CHECKS[check]())
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

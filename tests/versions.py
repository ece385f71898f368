"""Whether an environment is at an end of the ranges in requirements.txt: python -m tests.versions oldest|newest.

Prints each requirement with what is installed. At the oldest end each has to be its range's lower end, so that no
range promises a version that the suite was not run on.
"""

import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]


def requirements(name: str = "requirements.txt") -> Iterator[Requirement]:
    """The ranges in a file, without those of the files that it names."""
    for line in (ROOT / name).read_text().splitlines():
        if line and not line.startswith(("-", "#")):
            yield Requirement(line)


def lower_end(requirement: Requirement) -> Version:
    """Its range's lowest version."""
    (lowest,) = (Version(each.version) for each in requirement.specifier if each.operator == ">=")
    return lowest


def main(end: str) -> int:
    """Print what is installed; 1 where the oldest end is not what its range says."""
    wrong = 0
    for requirement in requirements():
        installed = Version(version(requirement.name))
        misses = end == "oldest" and Version(installed.public) != lower_end(requirement)
        wrong += misses
        print(f"{requirement}: {installed}{' is not its lower end' if misses else ''}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

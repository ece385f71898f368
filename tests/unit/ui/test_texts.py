"""The texts' files: one namespace for their readers, so no name may be defined twice."""

import ast
from collections import Counter
from pathlib import Path

from attnviz.ui import texts

FILES = [path for path in Path(texts.__file__).parent.glob("*.py") if path.name != "__init__.py"]


def defined(path: Path) -> list[str]:
    """The names that a file's own lines bind, in order, with repetitions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def test_a_name_is_defined_once() -> None:
    counts = Counter(name for path in FILES for name in defined(path))
    assert [name for name, count in counts.items() if count > 1] == []


def test_every_file_is_handed_on() -> None:
    assert {path.stem for path in FILES if not all(hasattr(texts, name) for name in defined(path))} == set()

"""The names that others rely on, and what importing them costs."""

import subprocess
import sys

import pytest

import attnviz


def test_importing_attnviz_imports_nothing_heavy() -> None:
    code = "import attnviz, sys; print([m for m in ('torch', 'gradio', 'numpy', 'PIL', 'timm') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", attnviz.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(attnviz, name).__doc__
    assert name in dir(attnviz)


def test_no_room_hides_a_public_function() -> None:
    code = (
        "import attnviz, pkgutil, importlib\n"
        "for m in pkgutil.walk_packages(attnviz.__path__, 'attnviz.'):\n"
        "    if '__main__' not in m.name: importlib.import_module(m.name)\n"
        "print(callable(attnviz.explain), callable(attnviz.catalogue), callable(attnviz.load))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "True True True"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = attnviz.nothing

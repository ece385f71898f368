"""The reports are no tests, but what they are made of has to be there."""

import importlib

import pytest


@pytest.mark.parametrize("name", ["look", "models", "one_pass", "page", "what_if"])
def test_a_report_finds_what_it_needs(name: str) -> None:
    assert importlib.import_module(f"benchmarks.{name}").__doc__

"""Every text that a panel or a mechanism points to is there, with a formula in each mechanism's."""

import pytest

from attnviz.backbones import VARIANTS
from attnviz.ui import prose
from attnviz.ui.pages import read

MECHANISMS = [variant.mechanism for variant in VARIANTS.values() if variant.mechanism]


def test_the_guide_s_sections_are_found_by_their_names() -> None:
    names = [name for name, _, _ in read.guide()]
    assert names[0] == "photo-and-prediction"
    assert {page for _, _, page in prose.ABOUT.values() if page} <= set(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda m: m.label)
def test_a_mechanism_has_its_page(mechanism: type) -> None:
    found = {label: (title, body) for label, title, body in read.papers()}
    title, body = found[mechanism.label]
    assert mechanism.label in title
    assert mechanism.paper in body
    for part in ("**The idea.**", "**What you see.**", "**What it does not mean.**", "$$"):
        assert part in body

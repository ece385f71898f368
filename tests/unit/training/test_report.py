"""Cards as text: every figure comes from the card, and docs/models.md is what the cards say."""

from pathlib import Path

import attnviz
from attnviz.training.report import HEAD, markdown, row, table

DOCS = Path(__file__).resolve().parents[3] / "docs" / "models.md"


def test_docs_say_what_the_cards_say() -> None:
    assert DOCS.read_text(encoding="utf-8") == markdown(attnviz.catalogue("embedded"))


def test_a_row_holds_the_cards_figures() -> None:
    for card in attnviz.catalogue("embedded"):
        cells = dict(zip(HEAD, row(card), strict=True))
        assert cells["model"] == card.id
        assert cells["top-1"] == f"{card.top1:.2%} ({round(card.top1 * card.metrics['top1']['of'])})"
        assert cells["params"] == f"{card.params / 1e6:.2f}M"
        if card.mechanism:
            assert cells["frozen"].startswith(f"{card.metrics['frozen']['share']:.2%}")
            assert cells["alive"].endswith(f"of {len(card.metrics['alive'])}")


def test_a_table_is_aligned() -> None:
    lines = table(attnviz.catalogue("embedded")).splitlines()
    starts = [line.index(line.split()[1]) for line in lines]
    assert len(set(starts)) == 1
    assert len(lines) == len(attnviz.catalogue("embedded")) + 1

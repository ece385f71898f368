"""``attnviz``: what there is to load, and getting it beforehand. Neither command imports torch."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from attnviz.cards import ModelCard
from attnviz.errors import AttnvizError
from attnviz.stock import catalogue

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

COLUMNS = ("id", "mechanism", "source", "params", "size", "top-1", "availability")


@app.callback()
def attnviz() -> None:
    """See what a CNN's attention does to your picture. (The page: python app.py)."""


@app.command()
def models(
    as_json: Annotated[bool, typer.Option("--json", help="everything that is known of each, for programs")] = False,
) -> None:
    """List every network, and whether it is at hand. Networks marked * need more than two CPU cores' patience."""
    cards = catalogue()
    if as_json:
        typer.echo(json.dumps([asdict(card) | {"light": card.light} for card in cards], indent=1, ensure_ascii=False))
        return
    rows = [COLUMNS, *(_row(card) for card in cards)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(card: ModelCard) -> tuple[str, ...]:
    return (
        card.id + ("" if card.light else " *"),
        card.mechanism or "none",
        card.source,
        f"{card.params / 1e6:.2f} M",
        f"{card.size_bytes / 1e6:.0f} MB",
        f"{card.top1:.2%}" + (" of ten classes" if len(card.classes) == 10 else ""),
        card.availability,
    )


def main() -> None:
    """Run, with attnviz's own errors as one line."""
    try:
        app()
    except AttnvizError as error:
        raise SystemExit(f"attnviz: {error}") from None

"""``attnviz``: what there is to load, and getting it beforehand; for listed networks without importing torch."""

import json
import time
from contextlib import ExitStack
from dataclasses import asdict
from typing import Annotated, Any

import typer

from attnviz.cards import ModelCard
from attnviz.errors import AttnvizError, OutOfReachError
from attnviz.stock import FAMILY, RANDOM, Entry, catalogue, entries, unknown
from attnviz.stock.downloads import Download, download

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

AT_ONCE = 4  # downloads at the same time: more would only share the same line
TICK = 0.1  # seconds between two looks at them
COLUMNS = ("id", "mechanism", "source", "params", "size", "top-1", "availability")


@app.callback()
def attnviz() -> None:
    """See what a CNN's attention does to your picture."""


@app.command()
def models(
    as_json: Annotated[bool, typer.Option("--json", help="everything that is known of each, for programs")] = False,
) -> None:
    """List every network, and whether it is at hand; for two CPU cores those marked * are slow.

    Out of reach is what no server said to have within 0.7 seconds: fetch waits longer.
    """
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


@app.command()
def fetch(
    ids: Annotated[list[str], typer.Argument(help="as `attnviz models` lists them, or timm:NAME")],
) -> None:
    """Fetch weights beforehand, for where there is no connection. Stopped and started again, it goes on."""
    failed = 0
    wanted: list[Entry] = []
    for model_id in dict.fromkeys(ids):
        if model_id in FAMILY:
            typer.echo(f"{model_id} comes with attnviz")
            continue
        try:
            if model_id.startswith(RANDOM):
                _check_random(model_id)
                typer.echo(f"{model_id} has random weights: there is nothing to fetch")
            else:
                wanted.append(_entry(model_id))
        except AttnvizError as error:
            typer.echo(str(error), err=True)
            failed += 1
    try:
        failed += _fetch_all(wanted)
    except KeyboardInterrupt:
        typer.echo("stopped; what came is kept, and the same command goes on from there", err=True)
        raise typer.Exit(130) from None
    raise typer.Exit(1 if failed else 0)


@app.command()
def checkup() -> None:
    """Build every listed network with drawn weights, read its attention and verify it; a table (minutes)."""
    from attnviz import checkup as checks

    for line in checks.table(checks.check_listed()):
        typer.echo(line)


@app.command()
def findings(
    model: Annotated[str, typer.Argument(help="an id, timm:NAME, torchvision:NAME, pytorchcv:NAME, or a Python file")],
    size: Annotated[str | None, typer.Option(help="of the input, in pixels: N or HxW")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="the same, for programs")] = False,
) -> None:
    """Look for attention in a network, on noise: what there is, what it does, and what only looks like it.

    Where no weights are at hand they are random. A Python file defines `model`, a torch.nn.Module, or `build()`, which
    returns one; the file is run.
    """
    from attnviz import findings as found

    try:
        looked = found.findings(model, found.size_of(size))
    except AttnvizError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(found.as_data(looked), indent=1, ensure_ascii=False))
        return
    for line in found.words(looked):
        typer.echo(line)


def _check_random(model_id: str) -> None:
    """Refuse the id of a network that there is not; one that is not listed is looked up where it is built."""
    plain = model_id.removeprefix(RANDOM)
    if plain not in FAMILY and plain not in entries():
        from attnviz.zoo import ready

        ready(model_id)


def _entry(model_id: str) -> Entry:
    """Of a listed network at once; another of timm's is looked up in timm, which takes seconds."""
    entry = entries().get(model_id)
    if entry is None and model_id.startswith("timm:"):
        from attnviz.zoo import find

        entry = find(model_id)
    if entry is None:
        raise unknown(model_id)
    return entry


def _fetch_all(wanted: list[Entry]) -> int:
    """Fetch all, a few at a time, each with its bar; how many failed."""
    waiting, running, failed = list(wanted), dict[str, tuple[Download, Any]](), 0
    with ExitStack() as leaving:
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                entry = waiting.pop(0)
                started = download(entry)
                leaving.callback(started.cancel)
                running[entry.card.id] = started, leaving.enter_context(_bar(entry))
            time.sleep(TICK)
            for model_id, (one, bar) in list(running.items()):
                if one.total is not None:
                    bar.total = one.total
                bar.update(one.done - bar.n)
                if one.finished:
                    del running[model_id]
                    bar.close()
                    failed += _told(model_id, one)
    return failed


def _bar(entry: Entry) -> Any:
    from tqdm import tqdm

    return tqdm(desc=entry.card.id, total=entry.card.size_bytes, unit="B", unit_scale=True, leave=False, disable=None)


def _told(model_id: str, one: Download) -> int:
    """Say what came of a download; 1 where it failed."""
    from tqdm import tqdm

    try:
        path = one.result()
    except AttnvizError as error:
        with tqdm.external_write_mode():
            typer.echo(error.fetching if isinstance(error, OutOfReachError) else str(error), err=True)
        return 1
    with tqdm.external_write_mode():
        typer.echo(f"{model_id} is at hand, {path.stat().st_size / 1e6:.1f} MB")
    return 0


def main() -> None:
    """Run, with attnviz's own errors as one line."""
    try:
        app()
    except AttnvizError as error:
        raise SystemExit(f"attnviz: {error}") from None

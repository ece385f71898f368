"""``python -m attnviz.training``: train the family, evaluate it, write its weights and cards."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from attnviz.backbones import VARIANTS
from attnviz.errors import AttnvizError, ModelError
from attnviz.stock import assets, embedded_cards
from attnviz.training import data as training_data
from attnviz.training.cards import INPUT_SIZE, blank, by_size, finish, measured, rewrite
from attnviz.training.examples import choose
from attnviz.training.loop import train as train_one
from attnviz.training.recipe import Recipe
from attnviz.training.report import draw_curves, markdown, table

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)

Ids = Annotated[list[str] | None, typer.Argument(help="ids, such as resnet18t-se; all ten by default")]
Data = Annotated[Path, typer.Option(help="folder with train/, val/ and, where there are, boxed/ and other/")]
Runs = Annotated[Path, typer.Option(help="where logs, states and decoded photos lie")]


@app.command()
def download(folder: Annotated[Path, typer.Argument(help="where to put it")]) -> None:
    """Fetch Imagenette through torchvision, for whoever has no data."""
    typer.echo(f"--data {training_data.download(folder)}")


@app.command()
def train(
    ids: Ids = None,
    data: Data = Path("data"),
    runs: Runs = Path("runs"),
    seed: int = 1,
    device: str = "cuda" if torch.cuda.is_available() else "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 for all")] = 0,
    weights: Annotated[
        Path | None, typer.Option(help="where weights and cards go; the project's own by default")
    ] = None,
) -> None:
    """Train, from where a run stands; then write weights, means and card."""
    if threads:
        torch.set_num_threads(threads)
    recipe = Recipe()
    splits = [training_data.load_split(data, split, runs / "cache") for split in ("train", "val")]
    for model_id in known(ids):
        model = train_one(model_id, recipe, seed, (splits[0], splits[1]), runs / model_id, torch.device(device))
        card = finish(model_id, model, recipe, seed, data, runs / "cache", weights or assets() / "weights")
        typer.echo(table([card]))


@app.command()
def evaluate(ids: Ids = None, data: Data = Path("data"), runs: Runs = Path("runs")) -> None:
    """Measure the weights again (CPU, float32) and print the cards' table beside what the cards say."""
    wanted = known(ids)
    written = [card for card in embedded_cards() if card.id in wanted]
    typer.echo("what the cards say\n" + table(written))
    typer.echo("measured now\n" + table([measured(card, data, runs / "cache") for card in written]))


@app.command()
def cards(
    ids: Ids = None, data: Data = Path("data"), runs: Runs = Path("runs"), input_size: int = INPUT_SIZE, seed: int = 1
) -> None:
    """Write means and cards anew from the weights, at an input size; for weights without a card, the first."""
    folder = assets() / "weights"
    written = {card.id: card for card in embedded_cards()}
    for model_id in known(ids):
        if (folder / f"{model_id}.safetensors").exists():
            card = written.get(model_id) or blank(model_id, Recipe(), seed, folder)
            typer.echo(table([rewrite(replace(card, input_size=input_size), data, runs / "cache", folder)]))


@app.command()
def sizes(ids: Ids = None, data: Data = Path("data"), runs: Runs = Path("runs")) -> None:
    """Top-1 on val/ at several input sizes, to choose one for all."""
    wanted = known(ids)
    for card in embedded_cards():
        if card.id in wanted:
            found = by_size(card, data, runs / "cache")
            typer.echo(f"{card.id:16}" + "  ".join(f"{size} px {top1:.2%}" for size, top1 in found.items()))


@app.command()
def examples(out: Annotated[Path | None, typer.Option(help="the project's own examples by default")] = None) -> None:
    """Draw the app's examples, and keep those that every network recognizes."""
    for best, kept in choose(out or assets() / "examples"):
        worst = min(best.probabilities, key=lambda model_id: best.probabilities[model_id])
        typer.echo(f"{'kept' if kept else 'left'}  {best.name:20} seed {best.seed}  worst {best.worst:.2f} ({worst})")


@app.command()
def docs(out: Path = Path("docs/models.md")) -> None:
    """Write docs/models.md from the cards."""
    out.write_text(markdown(embedded_cards()), encoding="utf-8")
    typer.echo(str(out))


@app.command()
def curves(ids: Ids = None, runs: Runs = Path("runs"), out: Path = Path("runs/curves.png")) -> None:
    """Draw the logs: loss by epoch, and top-1 where it was measured."""
    draw_curves({model_id: runs / model_id / "log.jsonl" for model_id in known(ids)}, out)
    typer.echo(str(out))


def known(ids: list[str] | None) -> list[str]:
    """The ids asked for, all by default. Raises ModelError for one that is not in the family."""
    for model_id in ids or ():
        if model_id not in VARIANTS:
            raise ModelError(f"no model {model_id!r} in the family; there are {', '.join(VARIANTS)}")
    return ids or list(VARIANTS)


def main() -> None:
    """Run, with attnviz's own errors as one line."""
    try:
        app()
    except AttnvizError as error:
        raise SystemExit(f"attnviz.training: {error}") from None


if __name__ == "__main__":
    main()

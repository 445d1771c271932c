"""`gatewise explore`: a page that shows what every gate of a trained model does."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gatewise.cli.failure import failures_explained


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explore)


def explore(
    model: Annotated[Path, typer.Argument(help="A model file that `gatewise train` wrote.")],
    input: Annotated[
        str,
        typer.Option(
            "--input",
            "-i",
            help="What the model reads: a text, or a file with examples, series or music.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The page to write.", dir_okay=False)
    ] = Path("explore.html"),
    row: Annotated[
        int, typer.Option(min=0, help="Of a file: which example, series or piece, from 0.")
    ] = 0,
) -> None:
    """Write a page that shows what every gate of a model does while it reads an input.

    The page is one HTML file. It opens without a network, loads nothing and sends nothing; the
    model runs inside it, so that words, gates and units can be changed there.
    """
    with failures_explained():
        from gatewise.explorer.export import write
        from gatewise.training.load import load

        trained: Any = load(model)
        path = write(subject_of_file(trained, input, row), output)
        size = path.stat().st_size
        shown = f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"
        typer.echo(f"{path} ({shown}): open it in any browser; it needs no network.")


def subject_of_file(model: Any, given: str, row: int) -> Any:
    """What the page is about: the text itself, or an example or a series of the file it names."""
    from gatewise.explorer.choice import subject_of

    if model.task == "forecast":
        from gatewise.explorer.forecasted import of_forecast

        return of_forecast(model, Path(given), row)
    if model.task == "generator":
        from gatewise.explorer.generated import of_generator

        return of_generator(model, given, row)
    if model.task == "music":
        from gatewise.explorer.composed import of_music

        return of_music(model, given, row)
    is_file = Path(given).is_file()
    if model.task == "classification" and (is_file or model.features.kind == "numbers"):
        from gatewise.explorer.classified import example_of

        return subject_of(model, example_of(model, Path(given), row))
    if is_file:
        raise ValueError(f"{given}: is a file, where this model reads a text; give the text itself")
    return subject_of(model, given)

"""`gatewise explore`: a page that shows what every gate of a trained model does."""

from pathlib import Path
from typing import Annotated

import typer

from gatewise.cli.failure import failures_explained


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explore)


def explore(
    model: Annotated[Path, typer.Argument(help="A model file that `gatewise train` wrote.")],
    input: Annotated[
        str,
        typer.Option("--input", "-i", help="What the model reads: a text for a text model."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The page to write.", dir_okay=False)
    ] = Path("explore.html"),
) -> None:
    """Write a page that shows what every gate of a model does while it reads an input.

    The page is one HTML file. It opens without a network, loads nothing and sends nothing; the
    model runs inside it, so that words, gates and units can be changed there.
    """
    with failures_explained():
        from gatewise.explorer import export
        from gatewise.training.load import load

        path = export(load(model), input, output)
        size = path.stat().st_size
        shown = f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"
        typer.echo(f"{path} ({shown}): open it in any browser; it needs no network.")

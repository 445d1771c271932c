"""`gatewise generate`: write text with a trained language model."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gatewise.cli.failure import failures_explained


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(generate)


def generate(
    model: Annotated[Path, typer.Argument(help="A model file that `gatewise train text` wrote.")],
    prompt: Annotated[
        str, typer.Option(help="What comes before; without it, a new line begins.")
    ] = "",
    length: Annotated[
        int, typer.Option(min=0, help="How many tokens to write: characters, words or pieces.")
    ] = 500,
    temperature: Annotated[
        float,
        typer.Option(min=0, help="Below 1 the likely becomes likelier; 0 takes the likeliest."),
    ] = 0.8,
    top_k: Annotated[
        int | None, typer.Option(min=1, help="Only the k likeliest tokens.", show_default="all")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            help="Only the fewest likeliest tokens whose probability reaches p.", show_default="all"
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Equal seeds write equal texts.", show_default="another each time"
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads; one is fastest for one text.")] = 1,
) -> None:
    """Write text that goes on after a prompt, as it comes.

    The prompt is written first. With characters as tokens, every character of the prompt must be
    in the model's vocabulary; with words, unknown ones count as `<unk>`, which is never written.
    """
    with failures_explained():
        import torch

        from gatewise.training.load import load

        torch.set_num_threads(threads)
        trained = load(model, "language")
        pieces = trained.stream(prompt, length, temperature, top_k, top_p, seed)
        write(prompt)
        try:
            for piece in pieces:
                write(piece)
        except KeyboardInterrupt:
            pass  # the user has read enough
        write("\n")


def write(text: str) -> None:
    """Write to standard output at once, in UTF-8 whatever the terminal's encoding is."""
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:
        sys.stdout.write(text)
    else:
        binary.write(text.encode())
    sys.stdout.flush()

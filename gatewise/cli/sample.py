"""`gatewise sample`: sequences from random inputs, by a trained generator."""

import csv
import io
from pathlib import Path
from typing import Annotated, Any

import typer

from gatewise.cli.failure import failures_explained
from gatewise.data.amount import amount


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(sample)


def sample(
    model: Annotated[
        Path, typer.Argument(help="A model file that `gatewise train sequences` wrote.")
    ],
    count: Annotated[int, typer.Option(min=1, help="How many sequences.")] = 10,
    length: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Steps of numbers; of texts at most so many.",
            show_default="as what it learned from; texts end by themselves",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Where to write: texts as .txt; numbers as .csv, or as .npy if all are of one "
            "length.",
            show_default="the terminal",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Equal seeds draw equal sequences.", show_default="another each time"
        ),
    ] = None,
) -> None:
    """Draw sequences from random inputs.

    Texts come one a line; numbers as a table with the columns sequence, step, and one for each
    channel.
    """
    with failures_explained():
        sample_with(model, count, length, output, seed)


def sample_with(
    path: Path, count: int, length: int | None, output: Path | None, seed: int | None
) -> None:
    """Draw with the options of the command line."""
    import torch

    from gatewise.data.whole_file import write_whole
    from gatewise.training.generator.model import GeneratorModel
    from gatewise.training.load import load

    torch.set_num_threads(1)  # fastest for steps as small as these
    model: GeneratorModel = load(path, "generator")
    if output is not None:
        check_output(output, model.tokenizer is not None)
    drawn = model.generate(count, seed, length)
    if output is None:
        written = as_text(drawn) if model.tokenizer else as_table(drawn, model)
        typer.echo(written, nl=False)
        return
    write_whole(output, as_bytes(drawn, model, output))
    typer.echo(f"{amount(count, 'sequence')}: {output}", err=True)


def check_output(output: Path, text: bool) -> None:
    """Raise a ValueError for a file of a kind that cannot hold the sequences."""
    fitting = (".txt",) if text else (".csv", ".npy")
    if output.suffix.lower() not in fitting:
        kind = "texts" if text else "numbers"
        raise ValueError(f"-o {output}: {kind} are written as {' or '.join(fitting)}")
    if not output.absolute().parent.is_dir():
        raise ValueError(f"-o {output}: no folder {output.absolute().parent}")


def as_bytes(drawn: list[Any], model: Any, output: Path) -> bytes:
    """Return what the file holds."""
    import numpy as np

    if model.tokenizer is not None:
        return as_text(drawn).encode()
    if output.suffix.lower() == ".csv":
        return as_table(drawn, model).encode()
    lengths = {len(each) for each in drawn}
    if len(lengths) > 1:
        raise ValueError(
            f"-o {output}: the sequences have {min(lengths)} to {max(lengths)} steps, which an "
            "array cannot hold; give --length, or write a .csv"
        )
    held = io.BytesIO()
    np.save(held, np.stack(drawn), allow_pickle=False)
    return held.getvalue()


def as_text(drawn: list[str]) -> str:
    """Return a line for each text."""
    return "".join(f"{text}\n" for text in drawn)


def as_table(drawn: list[Any], model: Any) -> str:
    """Return a row for each step, as CSV."""
    held = io.StringIO()
    writer = csv.writer(held, lineterminator="\n")
    writer.writerow(["sequence", "step", *model.config["channel_names"]])
    for number, values in enumerate(drawn, 1):
        for step, row in enumerate(values, 1):
            writer.writerow([number, step, *(f"{value:.7g}" for value in row)])
    return held.getvalue()

"""`gatewise translate`: translate the lines of a text with a trained model."""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from gatewise.cli.failure import failures_explained

AT_ONCE = 1_000  # lines


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(translate)


def translate(
    model: Annotated[
        Path, typer.Argument(help="A model file that `gatewise train translate` wrote.")
    ],
    file: Annotated[
        str, typer.Argument(help="A text, a line for each source, packed or not; - is the input.")
    ] = "-",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The text to write, line by line.", show_default="the terminal"
        ),
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(help="A text with the true translation of each line, to measure against."),
    ] = None,
    beam: Annotated[
        int | None,
        typer.Option(help="Hypotheses kept; 1 is fastest.", show_default="as trained", min=1),
    ] = None,
    length_penalty: Annotated[
        float | None,
        typer.Option(help="0 favours short translations.", show_default="as trained", min=0),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(help="Of texts.", show_default="UTF-8, or else guessed and said"),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Processor threads.", show_default="one for each core", min=1)
    ] = None,
) -> None:
    """Translate a text line by line; an empty line stays one.

    An output that exists is replaced, once the new one is whole.
    """
    with failures_explained():
        if threads:
            import torch

            torch.set_num_threads(threads)
        translate_with(model, file, output, references, encoding, (beam, length_penalty))


def translate_with(
    path: Path,
    file: str,
    output: Path | None,
    references: Path | None,
    encoding: str | None,
    search: tuple[int | None, float | None],
) -> None:
    """Translate with the options of the command line."""
    from gatewise.data.whole_file import write_whole
    from gatewise.training.load import load
    from gatewise.training.translation.model import TranslationModel

    model: TranslationModel = load(path, "translation")
    if output is not None and not output.absolute().parent.is_dir():
        raise ValueError(f"-o {output}: no folder {output.absolute().parent}")
    if output is not None and output.absolute() in (path.absolute(), Path(file).absolute()):
        raise ValueError(f"-o {output}: is a file to read; name another")
    lines = read_input(file, encoding)
    truth = None if references is None else read_references(references, encoding, file)
    found: list[str] = []
    while block := list(islice(lines, AT_ONCE)):
        translated = model.translate(block, *search)
        if output is None:
            typer.echo("".join(f"{text}\n" for text in translated), nl=False)
        if output is not None or truth is not None:
            found += translated
    if output is not None:
        write_whole(output, "".join(f"{text}\n" for text in found).encode())
        typer.echo(f"{len(found):,} lines translated: {output}", err=True)
    if truth is not None:
        say_figures(model, found, truth, references)


def read_input(file: str, encoding: str | None) -> Iterator[str]:
    """Return the lines to translate; a file is checked before the first."""
    if file == "-":
        return (line.rstrip("\r\n") for line in sys.stdin)
    from gatewise.data.source import PlainText, open_data_file
    from gatewise.data.tables.table_file import guessed_encoding

    text = PlainText(open_data_file(file).path, encoding)
    for sentence in guessed_encoding(text):
        typer.secho(sentence, fg=typer.colors.YELLOW, err=True)

    def lines() -> Iterator[str]:
        yield from text.lines()  # which keeps the unpacked copy alive

    return lines()


def read_references(references: Path, encoding: str | None, file: str) -> list[str]:
    """Return the true translations, as many as the file has lines."""
    truth = list(read_input(str(references), encoding))
    if file != "-":
        count = sum(1 for _ in read_input(file, encoding))
        if count != len(truth):
            raise ValueError(
                f"{file} has {count:,} lines, {references} {len(truth):,}: line k of one must be "
                "the translation of line k of the other"
            )
    return truth


def say_figures(model: Any, found: list[str], truth: list[str], references: Path | None) -> None:
    """Say how good translations are."""
    from gatewise.tasks.translation_measures import FIGURES, show_figure

    if len(found) != len(truth):
        raise ValueError(f"{len(found):,} lines were translated, {references} has {len(truth):,}")
    for name, value in model.compare(found, truth).items():
        typer.echo(f"{FIGURES[name]} {show_figure(name, value)}", err=True)

"""`gatewise predict`: labels and probabilities of new examples."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gatewise.cli.failure import failures_explained
from gatewise.data.amount import amount


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(predict)


def predict(
    model: Annotated[
        Path, typer.Argument(help="A model file that `gatewise train classify` wrote.")
    ],
    data: Annotated[Path, typer.Argument(help="Examples, as they were trained on.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Where to write: .csv, .tsv, .jsonl or .parquet.",
            show_default="the terminal, as CSV",
        ),
    ] = None,
    input: Annotated[
        list[str] | None,
        typer.Option(help="The input's column.", show_default="as in training"),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(help="The true labels' column, if any.", show_default="as in training"),
    ] = None,
    label_place: Annotated[
        str | None,
        typer.Option(
            help="Where plain text has the label: first, last or none.", show_default="guessed"
        ),
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of texts.")] = None,
    threads: Annotated[
        int | None, typer.Option(help="Processor threads.", show_default="one for each core", min=1)
    ] = None,
) -> None:
    """Write the label and the probability of each class, or the number, of every example.

    A row of the output has the example's row in the data, the sequence's id where a table has a
    row for each step, or the file in a folder; its true label where the data has one, the
    prediction, and a column `p(class)` for each class. An output that exists is replaced, once the
    new one is whole.
    """
    roles = {"input": tuple(input or ()), "label": label}
    roles |= {"label_place": label_place, "encoding": encoding}
    with failures_explained():
        predict_with(model, data, output, roles, threads)


def predict_with(
    model: Path, data: Path, output: Path | None, roles: dict[str, Any], threads: int | None
) -> None:
    """Predict with the options of the command line."""
    import torch

    from gatewise.training.classification.model import Classifier
    from gatewise.training.load import load
    from gatewise.training.prediction_file import write_predictions

    if threads:
        torch.set_num_threads(threads)
    trained: Classifier = load(model, "classification")
    examples = trained.examples(data, **roles)
    told = write_predictions(trained, examples, output)
    for sentence in examples.said:
        typer.secho(sentence, fg=typer.colors.YELLOW, err=True)
    if output is not None:
        typer.echo(f"{amount(told.examples, 'example')} labelled: {output}", err=True)
    if told.right is not None:
        share = f"{told.right / told.labelled:.2%}"
        typer.echo(f"{told.right:,} of {told.labelled:,} labels are right ({share})", err=True)
    elif told.labelled and told.error is None:
        typer.echo(f"none of the labels in {data} is a class of the model", err=True)
    if told.error is not None:
        typer.echo(f"mean absolute error {told.error:.6g}", err=True)

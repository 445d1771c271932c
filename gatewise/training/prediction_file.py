"""Files of predictions, written block by block, whole or not at all."""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from gatewise.data.labelled.examples import Examples
from gatewise.data.labelled.targets import Targets
from gatewise.data.whole_file import part_of, settle_folder
from gatewise.training.classification.model import Classifier, Predictions

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")


class Told(NamedTuple):
    """What was written.

    Attributes:
        examples: How many there are.
        labelled: Those whose true label stands in the data.
        right: How many of these were right; None where there are none, where the model knows none
            of them as a class, or for numbers.
        error: Mean absolute error of numbers, where the true ones are known.
    """

    examples: int
    labelled: int
    right: int | None
    error: float | None


class Tally:
    """Counts what was right on the way.

    Args:
        classes: What the model tells apart; none for numbers.
        targets: What reads true numbers.
    """

    def __init__(self, classes: Iterable[str], targets: Targets) -> None:
        self.classes, self.targets = set(classes), targets
        self.count = self.labelled = self.known = self.right = 0
        self.errors = 0.0

    def take(self, part: Predictions) -> None:
        """Count some predictions."""
        self.count += len(part.rows)
        for label, truth in zip(part.labels, part.truth, strict=True):
            if truth is not None:
                self.labelled += 1
                if part.probabilities is None:
                    self.errors += abs(
                        float(label) - self.targets.encode(truth, "the label to compare with")
                    )
                else:
                    self.known += truth in self.classes
                    self.right += label == truth

    def told(self) -> Told:
        """Return what was counted."""
        error = self.errors / self.labelled if self.labelled and not self.classes else None
        return Told(self.count, self.labelled, self.right if self.known else None, error)


def write_predictions(model: Classifier, examples: Examples, output: Path | None) -> Told:
    """Write what a model says of examples.

    Args:
        model: The model.
        examples: The examples.
        output: Where to; None is standard output, as CSV.

    Raises:
        ValueError: The output's ending is not known, or the examples cannot be read.
        OSError: It cannot be written; what was there before is still there.
    """
    tally = Tally(model.classes, model.targets)
    frames = table_blocks(model, examples, tally)
    if output is None:
        for number, frame in enumerate(frames):
            sys.stdout.write(frame.write_csv(include_header=number == 0))
        return tally.told()
    if output.suffix not in ENDINGS:
        raise ValueError(f"{output}: predictions are called something{', '.join(ENDINGS)}")
    if output.is_dir() or not output.parent.is_dir():
        raise ValueError(f"{output}: not a file in a folder that exists")
    part = part_of(output)
    try:
        write_frames(frames, part, output.suffix)
        os.replace(part, output)
    finally:
        part.unlink(missing_ok=True)
    settle_folder(output.parent)
    return tally.told()


def write_frames(frames: Iterator[pl.DataFrame], path: Path, ending: str) -> None:
    """Write frames one after the other; Parquet needs them all at once."""
    if ending == ".parquet":
        pl.concat(list(frames)).write_parquet(path)
        return
    with path.open("wb") as file:
        for number, frame in enumerate(frames):
            if ending == ".jsonl":
                file.write(frame.write_ndjson().encode())
            else:
                separator = "\t" if ending == ".tsv" else ","
                text = frame.write_csv(include_header=number == 0, separator=separator)
                file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def table_blocks(model: Classifier, examples: Examples, tally: Tally) -> Iterator[pl.DataFrame]:
    """Yield predictions as frames."""
    for part in model.predictions(examples):
        tally.take(part)
        columns: dict[str, Any] = {examples.unit: part.rows}
        if part.ids is not None:
            name = examples.roles.id or examples.unit
            columns = {"id" if name in ("label", "prediction") else name: part.ids}
        if examples.labelled:
            columns["label"] = part.truth
        columns["prediction"] = part.labels
        if part.probabilities is not None:
            for k, name in enumerate(model.classes):
                columns[f"p({name})"] = part.probabilities[:, k].round(6)
        yield pl.DataFrame(columns)

"""Train a classifier: from files or frames to the model file and its report."""

import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from gatewise.data.labelled.dataset import FILES, Dataset, prepare_dataset
from gatewise.data.labelled.example_files import read_examples
from gatewise.data.labelled.examples import Examples, Roles
from gatewise.data.source import DataError, DataFile
from gatewise.data.tokens.vectors import WordVectors, read_vectors
from gatewise.tasks.measures import Findings, fit_temperature
from gatewise.training.checkpoint import Progress, RunFolder
from gatewise.training.classification.model import Classifier
from gatewise.training.classification.module import ClassificationTraining
from gatewise.training.classification.settings import ClassificationSettings
from gatewise.training.load import load
from gatewise.training.model_file import read_model_file, write_model_file
from gatewise.training.plan import Display, Run
from gatewise.training.run import describe_run, open_folder, train_task, unfinished

CALIBRATION = 50  # examples at least, to find a temperature with


class Result(NamedTuple):
    """What came out.

    Attributes:
        output: The model file; the best model by validation.
        progress: How far the run came, with all validations.
        findings: By `"validation"` (or `"examples learned from"` where none could be spared) and,
            if there was one, `"test"`; calibrated.
        temperature: See `Classifier`.
        run: What was trained on what.
    """

    output: Path
    progress: Progress
    findings: Mapping[str, Findings]
    temperature: float
    run: Run[ClassificationTraining]


def train_classifier(
    data: Any,
    output: str | os.PathLike[str] = "model.safetensors",
    settings: ClassificationSettings | None = None,
    *,
    roles: Roles | None = None,
    validation: Any = None,
    test: Any = None,
    vectors: str | os.PathLike[str] | None = None,
    restart: bool = False,
    checkpoint_seconds: float = 30.0,
    display: Display | None = None,
) -> Result:
    """Train a classifier on examples with labels, or go on with it.

    The model file holds the best model so far from the first validation on. Until the end, a
    folder beside it (`model.run` for `model.safetensors`) holds what a stopped or killed run
    needs to go on: call this again with the same arguments. At the end a report stands beside it,
    `model.md` and `model.html`.

    Args:
        data: A file, a folder, or a frame of polars or pandas; see `read_examples`.
        output: The model file to make.
        settings: See `ClassificationSettings`; None is all its defaults.
        roles: Which column is what; None finds it out.
        validation: Other examples to choose the best model by; None holds some back.
        test: Examples to measure that model on, once.
        vectors: A text file with pretrained vectors, see `read_vectors`.
        restart: Begin anew, whatever is there.
        checkpoint_seconds: A checkpoint at least so often.
        display: Who is told how it goes.

    Returns:
        What came out.

    Raises:
        DataError: The data cannot be used.
        RunError: The run cannot start or go on.
        Stopped: The user stopped it; it can go on.
    """
    settings, display = settings or ClassificationSettings(), display or Display()
    output, roles = Path(output), roles or Roles()
    named = [each for each in (data, validation, test, vectors) if isinstance(each, str | Path)]
    folder = open_folder(output, settings.device, named, restart, FILES)
    display.preparing("reading the data", 0.0)
    training = read_examples(data, roles, "train")
    others = [open_other(each, training) for each in (validation, test)]
    refuse_vectors(vectors, training, settings)

    def build(settings: ClassificationSettings) -> ClassificationTraining:
        size = None if found is None else found.values.shape[1]
        chosen = settings.chosen_for(dataset, size)
        return ClassificationTraining(chosen, dataset, training.roles, found)

    with folder:
        dataset = ready_dataset(training, others, settings, roles, vectors, folder, display)
        found = find_vectors(vectors, dataset)
        if found is not None:
            dataset = replace(dataset, said=(*dataset.said, coverage(found, dataset, vectors)))
        return train_task(
            build,
            finish_model,
            settings,
            folder,
            output,
            display,
            name=training.name,
            said=dataset.said,
            checkpoint_seconds=checkpoint_seconds,
        )


def open_other(data: Any, training: Examples) -> Examples | None:
    """Open validation or test examples with the roles that were found in the training examples."""
    if data is None:
        return None
    roles = training.roles
    if roles.label and Path(roles.label).is_file():  # each array has its own file of labels
        roles = replace(roles, label=None)
    return read_examples(data, roles, "test")


def refuse_vectors(vectors: Any, training: Examples, settings: ClassificationSettings) -> None:
    """Raise `DataError` for vectors that cannot be used."""
    if vectors is None:
        if settings.freeze_vectors:
            raise DataError("--freeze-vectors needs --vectors")
        return
    if training.kind != "text":
        raise DataError(f"--vectors {vectors}: {training.name} holds no words")
    if not Path(vectors).is_file():
        raise DataError(f"--vectors {vectors}: no such file")


def find_vectors(vectors: Any, dataset: Dataset) -> WordVectors | None:
    """Read the vectors of the vocabulary's words."""
    if vectors is None:
        return None
    words = getattr(getattr(dataset.features, "tokenizer", None), "words", None)
    if words is None:
        raise DataError(f"--vectors {vectors}: vectors are for --tokens words")
    return read_vectors(Path(vectors), words)


def coverage(found: WordVectors, dataset: Dataset, vectors: Any) -> str:
    """Say how many words have a pretrained vector."""
    size = dataset.features.tokenizer.size  # type: ignore[attr-defined]
    return f"{len(found.rows):,} of {size:,} words have a vector in {Path(vectors).name}"


def ready_dataset(
    training: Examples,
    others: list[Examples | None],
    settings: ClassificationSettings,
    roles: Roles,
    vectors: Any,
    folder: RunFolder,
    display: Display,
) -> Dataset:
    """Return the examples as numbers: those of the run that is gone on with, or new ones.

    Raises:
        RunError: The unfinished run has other settings or other data.
        DataError: The examples cannot be used.
    """
    validation, test = others
    sources = {
        "data": training.files,
        "validation data": validation.files if validation else (),
        "test data": test.files if test else (),
        "file of vectors": () if vectors is None else (DataFile(Path(vectors)),),
    }
    now = describe_run({**settings.to_dict(), **asdict(roles)}, sources, folder)
    known = unfinished(now, folder)
    if known is not None:
        return Dataset.from_dict(known["dataset"], folder.path)
    try:
        dataset = prepare_dataset(
            training, validation, test, settings.preparation(), folder.path, display.preparing
        )
    except BaseException:
        folder.remove()
        raise
    folder.write_description({**now, "dataset": dataset.to_dict()})
    return dataset


def finish_model(run: Run[ClassificationTraining]) -> Result:
    """Calibrate the best model, measure it, and write it with its report."""
    from gatewise.training.classification.report import write_classification_report

    model: Classifier = load(run.output)
    dataset = run.task.dataset
    outputs, targets = outputs_of(model, dataset, "validation")
    temperature = 1.0
    if model.classes and dataset.spared and len(targets) >= CALIBRATION:
        temperature = fit_temperature(model.outcome, outputs, targets)
    model.temperature = temperature
    measured_on = "validation" if dataset.spared else "examples learned from"
    findings = {measured_on: model.measure(outputs, targets)}
    if "test" in dataset.parts:
        findings["test"] = model.measure(*outputs_of(model, dataset, "test"))
    file = read_model_file(run.output)
    measured = {name: found.figures for name, found in findings.items()}
    write_model_file(
        run.output,
        replace(
            file,
            config={**file.config, "temperature": temperature},
            training={**file.training, "seconds": run.progress.seconds, "measured": measured},
        ),
    )
    result = Result(run.output, run.progress, findings, temperature, run)
    write_classification_report(result)
    return result


def outputs_of(model: Classifier, dataset: Dataset, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the outputs `(N, K)` and targets `(N,)` of a part of the data."""
    part = dataset.open(name)
    return model.run(part.inputs), torch.from_numpy(part.targets)

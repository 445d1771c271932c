"""Train a generator of sequences: from the data to the model file and its report."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from gatewise.data.labelled.example_files import read_examples
from gatewise.data.labelled.examples import Examples, Roles
from gatewise.data.made_up import MADE_UP, make_up
from gatewise.data.sequence_set import SequenceSet, gather_sequences
from gatewise.training.checkpoint import Progress, RunFolder
from gatewise.training.generator.module import GeneratorTraining
from gatewise.training.generator.settings import GeneratorSettings
from gatewise.training.plan import Display, Run
from gatewise.training.run import describe_run, open_folder, train_task, unfinished


def train_generator(
    data: Any,
    output: str | os.PathLike[str] = "model.safetensors",
    settings: GeneratorSettings | None = None,
    *,
    roles: Roles | None = None,
    restart: bool = False,
    checkpoint_seconds: float = 30.0,
    display: Display | None = None,
) -> Progress:
    """Train a generator on sequences, or go on with it.

    The model file holds the best model so far from the first validation on. Until the end, a
    folder beside it (`model.run` for `model.safetensors`) holds what a stopped or killed run
    needs to go on: call this again with the same arguments. At the end a report stands beside it.

    Args:
        data: `"sine"` or `"reber"`, which are made up; or a file, a frame, or a list of texts or of
            numbers `(T, C)`, see `read_examples`.
        output: The model file to make.
        settings: See `GeneratorSettings`; None is all its defaults.
        roles: Which column is what; None finds it out.
        restart: Begin anew, whatever is there.
        checkpoint_seconds: A checkpoint at least so often.
        display: Who is told how it goes.

    Returns:
        How far the run came, with all validations.

    Raises:
        DataError: The data cannot be used.
        RunError: The run cannot start or go on.
        Stopped: The user stopped it; it can go on.
    """
    settings, display, output = settings or GeneratorSettings(), display or Display(), Path(output)
    folder = open_folder(output, settings.device, list(paths_of(data)), restart)
    display.preparing("reading the sequences", 0.0)
    examples = open_sequences(data, settings, roles)

    def build(settings: GeneratorSettings) -> GeneratorTraining:
        return GeneratorTraining(settings, gathered)

    def finish(run: Run[GeneratorTraining]) -> Progress:
        from gatewise.training.generator.report import report_generator

        report_generator(output, gathered, examples.name)
        return run.progress

    with folder:
        gathered = ready_sequences(examples, settings, folder)
        return train_task(
            build,
            finish,
            settings,
            folder,
            output,
            display,
            name=examples.name,
            said=gathered.said,
            checkpoint_seconds=checkpoint_seconds,
        )


def ready_sequences(
    examples: Examples, settings: GeneratorSettings, folder: RunFolder
) -> SequenceSet:
    """Return the sequences, divided, for a run that begins or goes on.

    Raises:
        RunError: The unfinished run has other settings or other data.
        DataError: The data cannot be used.
    """
    described = {**settings.to_dict(), "data": examples.name}
    now = describe_run(described, {"data": examples.files}, folder)
    known = unfinished(now, folder)
    try:
        gathered = gather_sequences(examples, settings.length, settings.seed)
    except BaseException:
        if known is None:
            folder.remove()
        raise
    folder.write_description(now)
    return gathered


def paths_of(data: Any) -> Iterable[str | os.PathLike[str]]:
    """Yield the file that data is read from, if there is one."""
    if isinstance(data, str | os.PathLike) and data not in MADE_UP:
        yield data


def open_sequences(data: Any, settings: GeneratorSettings, roles: Roles | None) -> Examples:
    """Return the data as examples; a line of a text is one sequence, without a label."""
    if isinstance(data, str) and data in MADE_UP:
        return make_up(data, settings.count, settings.seed)
    roles = roles or Roles()
    return read_examples(data, replace(roles, label_place=roles.label_place or "none"))

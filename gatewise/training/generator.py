"""Train a generator of sequences: from the data to the model file and its report."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from gatewise.data.examples import Examples, Roles, read_examples
from gatewise.data.made_up import MADE_UP, make_up
from gatewise.data.sequence_set import SequenceSet, gather_sequences
from gatewise.training.checkpoint import Progress, RunFolder
from gatewise.training.generator_settings import GeneratorSettings
from gatewise.training.generator_training import GeneratorTraining
from gatewise.training.plan import Display, Plan
from gatewise.training.run import (
    describe_run,
    refuse_device,
    refuse_output,
    train_task,
    unfinished,
)


class Run(NamedTuple):
    """What there is to show when a run begins or goes on.

    Attributes:
        name: Of the data.
        data: The sequences.
        settings: How it is trained.
        plan: How long it lasts.
        batches_per_epoch: Of training.
        parameters: How many weights the model has.
        output: The model file.
        progress: How far earlier sessions came.
    """

    name: str
    data: SequenceSet
    settings: GeneratorSettings
    plan: Plan
    batches_per_epoch: int
    parameters: int
    output: Path
    progress: Progress


class GeneratorDisplay(Display):
    """Who is told how a generator's training goes; this one keeps silent."""

    def started(self, run: Run) -> None:
        """Training begins or goes on."""

    def stepped(self, progress: Progress, loss: float, spent: float) -> None:
        """See `Display.stepped`."""

    def validating(self) -> None:
        """See `Display.validating`."""

    def validated(self, progress: Progress) -> None:
        """See `Display.validated`."""


def train_generator(
    data: Any,
    output: str | os.PathLike[str] = "model.safetensors",
    settings: GeneratorSettings | None = None,
    *,
    roles: Roles | None = None,
    restart: bool = False,
    checkpoint_seconds: float = 30.0,
    display: GeneratorDisplay | None = None,
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
    from gatewise.training.generator_report import report_generator

    settings, display = settings or GeneratorSettings(), display or GeneratorDisplay()
    folder, output = RunFolder(Path(output)), Path(output)
    refuse_device(settings.device)
    refuse_output(output, list(paths_of(data)), folder, restart)
    examples = open_sequences(data, settings, roles)
    with folder:
        if restart:
            folder.clear()
        now = describe_run(
            {**settings.to_dict(), "data": examples.name}, {"data": examples.files}, folder
        )
        known = unfinished(now, folder)
        try:
            gathered = gather_sequences(examples, settings.length, settings.seed)
        except BaseException:
            if known is None:
                folder.remove()
            raise
        folder.write_description(now)

        def build(settings: GeneratorSettings) -> tuple[GeneratorTraining, Plan]:
            task = GeneratorTraining(settings, gathered)
            return task, task.plan()

        def finish(task: GeneratorTraining, progress: Progress) -> None:
            report_generator(output, gathered, examples.name)

        def started(task: GeneratorTraining, plan: Plan, progress: Progress) -> None:
            size = sum(weight.numel() for weight in task.model.parameters())
            batches = task.batches_per_epoch
            display.started(
                Run(examples.name, gathered, task.settings, plan, batches, size, output, progress)
            )

        return train_task(
            build,
            started,
            settings,
            folder,
            output,
            display,
            checkpoint_seconds,
            finish=finish,
        )


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

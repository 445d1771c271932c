"""Train a model of music: from the data to the model file and its report."""

import os
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from gatewise.data.music import Music, read_music
from gatewise.training.checkpoint import Progress, RunFolder
from gatewise.training.music_settings import MusicSettings
from gatewise.training.music_training import MusicTraining
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
        music: What is learned from, divided.
        settings: How it is trained.
        plan: How long it lasts.
        batches_per_epoch: Of training.
        parameters: How many weights the model has.
        output: The model file.
        progress: How far earlier sessions came.
    """

    music: Music
    settings: MusicSettings
    plan: Plan
    batches_per_epoch: int
    parameters: int
    output: Path
    progress: Progress


class MusicDisplay(Display):
    """Who is told how training on music goes; this one keeps silent."""

    def started(self, run: Run) -> None:
        """Training begins or goes on."""

    def stepped(self, progress: Progress, loss: float, spent: float) -> None:
        """See `Display.stepped`."""

    def validating(self) -> None:
        """See `Display.validating`."""

    def validated(self, progress: Progress) -> None:
        """See `Display.validated`."""


def train_music(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str] = "model.safetensors",
    settings: MusicSettings | None = None,
    *,
    validation: str | os.PathLike[str] | None = None,
    test: str | os.PathLike[str] | None = None,
    restart: bool = False,
    checkpoint_seconds: float = 30.0,
    display: MusicDisplay | None = None,
) -> Progress:
    """Train a model of music on rolls, or go on with it.

    The model file holds the best model so far from the first validation on. Until the end, a
    folder beside it (`model.run` for `model.safetensors`) holds what a stopped or killed run
    needs to go on: call this again with the same arguments. At the end the test part, if there is
    one, is measured once, and a report stands beside the model, with a new piece as a MIDI file.

    Args:
        data: A file or a folder of MIDI files; see `gatewise.data.music.read_music`.
        output: The model file to make.
        settings: See `MusicSettings`; None is all its defaults.
        validation: Other music to measure on while training, in place of a part of the data.
        test: Other music to measure on once at the end.
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
    from gatewise.training.music_report import report_music

    settings, display = settings or MusicSettings(), display or MusicDisplay()
    folder, output = RunFolder(Path(output)), Path(output)
    refuse_device(settings.device)
    sources = {"data": data, "validation data": validation, "test data": test}
    refuse_output(output, [path for path in sources.values() if path is not None], folder, restart)
    read = {
        name: None if path is None else read_music(path, settings.steps_per_beat)
        for name, path in sources.items()
    }
    music = gather(read, settings)
    with folder:
        if restart:
            folder.clear()
        files = {name: () if each is None else each.files for name, each in read.items()}
        now = describe_run(settings.to_dict(), files, folder)
        unfinished(now, folder)
        folder.write_description(now)

        def build(settings: MusicSettings) -> tuple[MusicTraining, Plan]:
            task = MusicTraining(settings, music)
            return task, task.plan()

        def started(task: MusicTraining, plan: Plan, progress: Progress) -> None:
            size = sum(weight.numel() for weight in task.model.parameters())
            display.started(
                Run(music, task.settings, plan, task.batches_per_epoch, size, output, progress)
            )

        def finish(task: MusicTraining, progress: Progress) -> None:
            report_music(output, music, progress)

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


def gather(read: dict[str, Music | None], settings: MusicSettings) -> Music:
    """Return the music, its parts replaced by those that were given, and divided."""
    music, validation, test = read.values()
    assert music is not None
    if validation is not None:
        music = replace(music, validation=validation.pieces)
    if test is not None:
        music = replace(music, test=test.pieces)
    return music.divided(settings.seed)

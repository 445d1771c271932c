"""Train a model of music: from the data to the model file and its report."""

import os
from dataclasses import replace
from pathlib import Path

from gatewise.data.music.rolls import Music, read_music
from gatewise.training.checkpoint import Progress
from gatewise.training.music.module import MusicTraining
from gatewise.training.music.settings import MusicSettings
from gatewise.training.plan import Display, Run
from gatewise.training.run import describe_run, open_folder, train_task, unfinished


def train_music(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str] = "model.safetensors",
    settings: MusicSettings | None = None,
    *,
    validation: str | os.PathLike[str] | None = None,
    test: str | os.PathLike[str] | None = None,
    restart: bool = False,
    checkpoint_seconds: float = 30.0,
    display: Display | None = None,
) -> Progress:
    """Train a model of music on rolls, or go on with it.

    The model file holds the best model so far from the first validation on. Until the end, a
    folder beside it (`model.run` for `model.safetensors`) holds what a stopped or killed run
    needs to go on: call this again with the same arguments. At the end the test part, if there is
    one, is measured once, and a report stands beside the model, with a new piece as a MIDI file.

    Args:
        data: A file or a folder of MIDI files; see `gatewise.data.music.rolls.read_music`.
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
    settings, display, output = settings or MusicSettings(), display or Display(), Path(output)
    sources = {"data": data, "validation data": validation, "test data": test}
    named = [path for path in sources.values() if path is not None]
    folder = open_folder(output, settings.device, named, restart)
    display.preparing("reading the music", 0.0)
    read = {
        name: None if path is None else read_music(path, settings.steps_per_beat)
        for name, path in sources.items()
    }
    music = gather(read, settings)

    def build(settings: MusicSettings) -> MusicTraining:
        return MusicTraining(settings, music)

    def finish(run: Run[MusicTraining]) -> Progress:
        from gatewise.training.music.report import report_music

        report_music(output, music, run.progress)
        return run.progress

    with folder:
        files = {name: () if each is None else each.files for name, each in read.items()}
        now = describe_run(settings.to_dict(), files, folder)
        unfinished(now, folder)
        folder.write_description(now)
        return train_task(
            build,
            finish,
            settings,
            folder,
            output,
            display,
            name=music.name,
            said=music.said,
            checkpoint_seconds=checkpoint_seconds,
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

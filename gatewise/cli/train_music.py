"""`gatewise train music`: learn from piano rolls and MIDI files what sounds next."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gatewise.cli import training_options as options
from gatewise.cli.training_options import LENGTH, MODEL, STEPS, chosen_settings, option

DATA = "Data"  # panel of the help


def register(train: typer.Typer) -> None:
    """Add the command."""
    train.command()(music)


def music(
    data: Annotated[
        Path,
        typer.Argument(
            help="Piano rolls (.mat, .npz, .npy), a MIDI file, or a folder of MIDI files; arrays "
            "or folders called train, valid and test are such parts."
        ),
    ],
    output: options.Output = options.OUTPUT,
    restart: options.Restart = False,
    validation: Annotated[
        Path | None,
        option(
            DATA,
            "Other music to measure on while training.",
            show_default="the data's own part, or a tenth of the pieces",
        ),
    ] = None,
    test: Annotated[
        Path | None,
        option(
            DATA,
            "Other music to measure on once, at the end.",
            show_default="the data's own part, if there is one",
        ),
    ] = None,
    steps_per_beat: Annotated[
        int, option(DATA, "Of MIDI: steps that a quarter note has.", min=1)
    ] = 4,
    transpose: Annotated[
        int,
        option(DATA, "Pieces learned from move by up to so many semitones, at random.", min=0),
    ] = 2,
    length: Annotated[
        int, option(DATA, "Longer pieces are cut to so many steps to learn from.", min=2)
    ] = 512,
    cell: options.Cell = "lstm",
    hidden: options.Hidden = 200,
    layers: options.Layers = 1,
    chords: Annotated[
        bool,
        option(
            MODEL,
            "Whether each key is told which keys below it are held in the same step.",
            "--chords/--no-chords",
        ),
    ] = True,
    forget_bias: options.ForgetBias = None,
    dropout: Annotated[
        float, option(MODEL, "Share of values dropped between layers and before the output.")
    ] = 0.5,
    input_dropout: Annotated[
        float, option(MODEL, "Share of keys dropped from what is read, for a whole piece.")
    ] = 0.0,
    recurrent_dropout: Annotated[
        float | None,
        option(
            MODEL,
            "Share of the state dropped from recurrent products.",
            show_default="0.2; 0 for cells without any",
        ),
    ] = None,
    weight_drop: Annotated[float, option(MODEL, "Share of recurrent weights dropped.")] = 0.0,
    zoneout: Annotated[
        float, option(MODEL, "Probability that a unit of the state keeps its last value.")
    ] = 0.0,
    epochs: Annotated[
        float | None, option(LENGTH, "Epochs at most.", show_default="100, without --steps")
    ] = None,
    steps: options.Steps = None,
    minutes: options.Minutes = None,
    patience: options.Patience = 50,
    validate_every: Annotated[
        int | None,
        option(
            LENGTH,
            "Steps between validations.",
            show_default="an epoch, or a hundredth of all",
            min=1,
        ),
    ] = None,
    checkpoint_seconds: options.CheckpointSeconds = 30.0,
    optimizer: options.Optimizer = "adamw",
    learning_rate: Annotated[
        float | None,
        option(STEPS, "The highest.", show_default="0.01 for Adam; the optimiser's own else"),
    ] = None,
    batch_size: Annotated[int, option(STEPS, "Pieces learned from at once.", min=1)] = 16,
    clip: options.Clip = 1.0,
    clip_value: options.ClipValue = 0.0,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    device: options.Device = "auto",
) -> None:
    """Train a model of music for several voices: which keys are held next.

    A report and a new piece stand beside the model at the end. Ctrl-C stops; the same command goes
    on from there, after a kill from the last checkpoint.
    """
    train_with(dict(locals()))


def train_with(chosen: dict[str, Any]) -> None:
    """Train with the options of the command line."""
    from gatewise.cli.music_display import LiveMusicDisplay
    from gatewise.cli.training_display import shown
    from gatewise.training.music.settings import MusicSettings
    from gatewise.training.music.training import train_music

    with shown(LiveMusicDisplay(), chosen["output"]) as display:
        progress = train_music(
            chosen["data"],
            chosen["output"],
            chosen_settings(MusicSettings, chosen),
            validation=chosen["validation"],
            test=chosen["test"],
            restart=chosen["restart"],
            checkpoint_seconds=chosen["checkpoint_seconds"],
            display=display,
        )
        display.finished(progress)

"""`gatewise train music`: learn from piano rolls and MIDI files what sounds next."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gatewise.cli.failure import failures_explained
from gatewise.cli.train import LENGTH, MODEL, STEPS, option

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
    output: Annotated[Path, typer.Option("--output", "-o", help="The model file to make.")] = Path(
        "model.safetensors"
    ),
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew, whatever is there.")
    ] = False,
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
    cell: Annotated[
        str, option(MODEL, "A cell of the catalogue, or one of your own: path/to/file.py:name.")
    ] = "lstm",
    hidden: Annotated[int, option(MODEL, "Hidden size.", min=1)] = 200,
    layers: Annotated[int, option(MODEL, "Recurrent layers.", min=1)] = 1,
    chords: Annotated[
        bool,
        option(
            MODEL,
            "Whether each key is told which keys below it are held in the same step.",
            "--chords/--no-chords",
        ),
    ] = True,
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
    steps: Annotated[int | None, option(LENGTH, "Steps at most.", min=1)] = None,
    minutes: Annotated[
        float | None, option(LENGTH, "Minutes at most, all sessions together.")
    ] = None,
    patience: Annotated[
        int, option(LENGTH, "End after so many validations without improvement.", min=1)
    ] = 50,
    validate_every: Annotated[
        int | None,
        option(
            LENGTH,
            "Steps between validations.",
            show_default="an epoch, or a hundredth of all",
            min=1,
        ),
    ] = None,
    checkpoint_seconds: Annotated[
        float, option(LENGTH, "A checkpoint at least so often.", min=0)
    ] = 30.0,
    optimizer: Annotated[str, option(STEPS, "adamw, adam, rmsprop, sgd or ntasgd.")] = "adamw",
    learning_rate: Annotated[
        float | None,
        option(STEPS, "The highest.", show_default="0.01 for Adam; the optimiser's own else"),
    ] = None,
    batch_size: Annotated[int, option(STEPS, "Pieces learned from at once.", min=1)] = 16,
    clip: Annotated[
        float, option(STEPS, "The gradient's norm is cut to this; 0 never cuts.", min=0)
    ] = 1.0,
    clip_value: Annotated[
        float,
        option(STEPS, "Each number of the gradient is cut to ± this before; 0 never cuts.", min=0),
    ] = 0.0,
    seed: Annotated[int, option(STEPS, "What every random number comes from.", min=0)] = 0,
    threads: Annotated[
        int | None, option(STEPS, "Processor threads.", show_default="one for each core", min=1)
    ] = None,
    device: Annotated[str, option(STEPS, "auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Train a model of music for several voices: which keys are held next.

    A report and a new piece stand beside the model at the end. Ctrl-C stops; the same command goes
    on from there, after a kill from the last checkpoint.
    """
    chosen = dict(locals())
    with failures_explained():
        train_with(chosen)


def train_with(chosen: dict[str, Any]) -> None:
    """Train with the options of the command line."""
    import torch

    from gatewise.cli.cell_option import find_cell
    from gatewise.cli.live_display import shown
    from gatewise.cli.music_display import LiveMusicDisplay
    from gatewise.training.music import train_music
    from gatewise.training.music_settings import MusicSettings

    if chosen["threads"]:
        torch.set_num_threads(chosen["threads"])
    settings = {name: chosen[name] for name in MusicSettings.__dataclass_fields__}
    settings["cell"] = find_cell(chosen["cell"])
    with shown(LiveMusicDisplay(), chosen["output"]) as display:
        progress = train_music(
            chosen["data"],
            chosen["output"],
            MusicSettings(**settings),
            validation=chosen["validation"],
            test=chosen["test"],
            restart=chosen["restart"],
            checkpoint_seconds=chosen["checkpoint_seconds"],
            display=display,
        )
        display.finished(progress)

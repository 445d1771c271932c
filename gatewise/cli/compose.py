"""`gatewise compose`: new music, by a trained model."""

import io
from pathlib import Path
from typing import Annotated

import typer

from gatewise.cli.failure import failures_explained
from gatewise.data.amount import amount


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compose)


def compose(
    model: Annotated[Path, typer.Argument(help="A model file that `gatewise train music` wrote.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="What to write: a .mid, or a .npy with the roll."),
    ] = Path("music.mid"),
    begin: Annotated[
        Path | None,
        typer.Option(help="Music to go on after: a MIDI file, or rolls, the first piece of them."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="How many steps to compose.")] = 128,
    temperature: Annotated[
        float, typer.Option(min=0, help="Below 1 the likely becomes likelier; 0 always takes it.")
    ] = 1.0,
    steps_per_beat: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Steps that a quarter note has.",
            show_default="what the model learned from; 4 if that were arrays",
        ),
    ] = None,
    tempo: Annotated[float, typer.Option(min=4, max=1000, help="Quarter notes a minute.")] = 90.0,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Equal seeds compose equal music.", show_default="another each time"
        ),
    ] = None,
) -> None:
    """Compose new music, or go on after some.

    What is written begins with the music that was given.
    """
    with failures_explained():
        check_output(output)
        import numpy as np
        import torch

        from gatewise.data.music.midi import write_midi
        from gatewise.data.music.rolls import read_music
        from gatewise.data.whole_file import write_whole
        from gatewise.training.load import load
        from gatewise.training.music.report import STEPS_PER_BEAT

        torch.set_num_threads(1)  # fastest for steps as small as these
        trained = load(model, "music")
        per_beat = steps_per_beat or trained.config["steps_per_beat"] or STEPS_PER_BEAT
        given = None if begin is None else read_music(begin, per_beat).pieces[0]
        made = trained.compose(steps, temperature, seed, given)
        whole = made if given is None else np.concatenate([given, made])
        if output.suffix.lower() == ".npy":
            held = io.BytesIO()
            np.save(held, whole, allow_pickle=False)
            write_whole(output, held.getvalue())
        else:
            write_whole(output, write_midi(whole, per_beat, tempo))
        typer.echo(f"{output}: {amount(len(whole), 'step')}", err=True)


def check_output(output: Path) -> None:
    """Raise a ValueError for a file that cannot be written."""
    if output.suffix.lower() not in (".mid", ".midi", ".npy"):
        raise ValueError(f"-o {output}: music is written as .mid or .npy")
    if not output.absolute().parent.is_dir():
        raise ValueError(f"-o {output}: no folder {output.absolute().parent}")

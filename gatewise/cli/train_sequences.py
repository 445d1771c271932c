"""`gatewise train sequences`: learn to draw sequences from random inputs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gatewise.cli.failure import failures_explained
from gatewise.cli.train import LENGTH, MODEL, STEPS, option

DATA = "Data"  # panel of the help


def register(train: typer.Typer) -> None:
    """Add the command."""
    train.command()(sequences)


def sequences(
    data: Annotated[
        str,
        typer.Argument(
            help="sine or reber, which are made up; or a file: a text with a sequence on each "
            "line, arrays (.npy, .npz, .mat), a table, .ts."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model file to make.")] = Path(
        "model.safetensors"
    ),
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew, whatever is there.")
    ] = False,
    input: Annotated[
        list[str] | None,
        option(DATA, "Column or array that is the sequence; may be given several times."),
    ] = None,
    id: Annotated[
        str | None,
        option(DATA, "Column that says which rows are one sequence, in a table with a row a step."),
    ] = None,
    time: Annotated[str | None, option(DATA, "Column that orders them.")] = None,
    encoding: Annotated[
        str | None, option(DATA, "Of a text file.", show_default="UTF-8, or else guessed")
    ] = None,
    length: Annotated[
        int | None,
        option(DATA, "Longer sequences are cut into pieces of so many steps.", min=2),
    ] = None,
    count: Annotated[
        int, option(DATA, "How many sequences are made up, for sine and reber.", min=10)
    ] = 2_000,
    cell: Annotated[
        str, option(MODEL, "A cell of the catalogue, or one of your own: path/to/file.py:name.")
    ] = "gru",
    hidden: Annotated[int, option(MODEL, "Hidden size.", min=1)] = 96,
    layers: Annotated[int, option(MODEL, "Recurrent layers.", min=1)] = 1,
    components: Annotated[
        int, option(MODEL, "Gaussians in the distribution of a number.", min=1)
    ] = 5,
    steps: Annotated[int, option(LENGTH, "Steps at most.", min=1)] = 3_000,
    minutes: Annotated[
        float | None, option(LENGTH, "Minutes at most, all sessions together.")
    ] = None,
    patience: Annotated[
        int, option(LENGTH, "End after so many validations without improvement.", min=1)
    ] = 10,
    validate_every: Annotated[int, option(LENGTH, "Steps between validations.", min=1)] = 200,
    checkpoint_seconds: Annotated[
        float, option(LENGTH, "A checkpoint at least so often.", min=0)
    ] = 30.0,
    optimizer: Annotated[str, option(STEPS, "adamw, adam, rmsprop, sgd or ntasgd.")] = "adam",
    learning_rate: Annotated[
        float | None, option(STEPS, "The highest.", show_default="0.005; the optimiser's own else")
    ] = None,
    batch_size: Annotated[int, option(STEPS, "Sequences learned from at once.", min=1)] = 32,
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
    """Train a generator that makes sequences from random inputs: symbols, or numbers.

    It learns by maximum likelihood what comes after what; a random input at each step picks the
    next value. A report beside the model sets its sequences beside real ones. Ctrl-C stops; the
    same command goes on from there, after a kill from the last checkpoint.
    """
    chosen = dict(locals())
    with failures_explained():
        train_with(chosen)


def train_with(chosen: dict[str, Any]) -> None:
    """Train with the options of the command line."""
    import torch

    from gatewise.cli.cell_option import find_cell
    from gatewise.cli.live_display import shown
    from gatewise.cli.sequences_display import LiveGeneratorDisplay
    from gatewise.data.examples import Roles
    from gatewise.training.generator import train_generator
    from gatewise.training.generator_settings import GeneratorSettings

    if chosen["threads"]:
        torch.set_num_threads(chosen["threads"])
    settings = {name: chosen[name] for name in GeneratorSettings.__dataclass_fields__}
    settings["cell"] = find_cell(chosen["cell"])
    roles = Roles(
        input=tuple(chosen["input"] or ()),
        **{name: chosen[name] for name in ("id", "time", "encoding")},
    )
    with shown(LiveGeneratorDisplay(), chosen["output"]) as display:
        progress = train_generator(
            chosen["data"],
            chosen["output"],
            GeneratorSettings(**settings),
            roles=roles,
            restart=chosen["restart"],
            checkpoint_seconds=chosen["checkpoint_seconds"],
            display=display,
        )
        display.finished(progress)

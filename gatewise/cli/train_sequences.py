"""`gatewise train sequences`: learn to draw sequences from random inputs."""

from typing import Annotated, Any

import typer

from gatewise.cli import training_options as options
from gatewise.cli.training_options import LENGTH, MODEL, STEPS, chosen_settings, option

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
    output: options.Output = options.OUTPUT,
    restart: options.Restart = False,
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
    cell: options.Cell = "gru",
    hidden: options.Hidden = 96,
    layers: options.Layers = 1,
    components: Annotated[
        int, option(MODEL, "Gaussians in the distribution of a number.", min=1)
    ] = 5,
    steps: Annotated[int, option(LENGTH, "Steps at most.", min=1)] = 3_000,
    minutes: options.Minutes = None,
    patience: options.Patience = 10,
    validate_every: Annotated[int, option(LENGTH, "Steps between validations.", min=1)] = 200,
    checkpoint_seconds: options.CheckpointSeconds = 30.0,
    optimizer: options.Optimizer = "adam",
    learning_rate: Annotated[
        float | None, option(STEPS, "The highest.", show_default="0.005; the optimiser's own else")
    ] = None,
    batch_size: Annotated[int, option(STEPS, "Sequences learned from at once.", min=1)] = 32,
    clip: options.Clip = 1.0,
    clip_value: options.ClipValue = 0.0,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    device: options.Device = "auto",
) -> None:
    """Train a generator that makes sequences from random inputs: symbols, or numbers.

    It learns by maximum likelihood what comes after what; a random input at each step picks the
    next value. A report beside the model sets its sequences beside real ones. Ctrl-C stops; the
    same command goes on from there, after a kill from the last checkpoint.
    """
    train_with(dict(locals()))


def train_with(chosen: dict[str, Any]) -> None:
    """Train with the options of the command line."""
    from gatewise.cli.sequences_display import LiveGeneratorDisplay
    from gatewise.cli.training_display import shown
    from gatewise.data.labelled.examples import Roles
    from gatewise.training.generator.settings import GeneratorSettings
    from gatewise.training.generator.training import train_generator

    roles = Roles(
        input=tuple(chosen["input"] or ()),
        **{name: chosen[name] for name in ("id", "time", "encoding")},
    )
    with shown(LiveGeneratorDisplay(), chosen["output"]) as display:
        progress = train_generator(
            chosen["data"],
            chosen["output"],
            chosen_settings(GeneratorSettings, chosen),
            roles=roles,
            restart=chosen["restart"],
            checkpoint_seconds=chosen["checkpoint_seconds"],
            display=display,
        )
        display.finished(progress)

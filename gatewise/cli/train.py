"""`gatewise train`: one command for each kind of data; `gatewise train text` is here."""

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

from gatewise.cli import training_options as options
from gatewise.cli.training_group import TrainingGroup
from gatewise.cli.training_options import LENGTH, MODEL, STEPS, chosen_settings, option

TEXT, REGULAR = "Text", "Regularisation"  # panels of the help

KINDS = ("classify", "forecast", "translate", "sequences", "music")
"""Each is a file `train_KIND` beside this one with a function `register(train)`."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    train = TrainingGroup(help="Train a model and write it as one file.", no_args_is_help=True)
    train.command()(text)
    for kind in KINDS:
        importlib.import_module(f"gatewise.cli.train_{kind}").register(train)
    app.add_typer(train, name="train")


def text(
    files: Annotated[list[Path], typer.Argument(help="One text file or several, in order.")],
    output: options.Output = options.OUTPUT,
    restart: options.Restart = False,
    tokens: Annotated[str, option(TEXT, "characters, words or bpe (byte pairs).")] = "characters",
    vocabulary_size: Annotated[
        int | None,
        option(
            TEXT,
            "At most so many tokens.",
            show_default="all characters; 10,000 words; one byte pair for every 500 characters, "
            "from 512 to 8,000",
        ),
    ] = None,
    minimum_count: Annotated[
        int, option(TEXT, "Words that occur less often become `<unk>`.", min=1)
    ] = 2,
    encoding: Annotated[
        str | None, option(TEXT, "Of all files.", show_default="UTF-8, or else guessed and said")
    ] = None,
    validation: Annotated[
        list[Path] | None, option(TEXT, "Another text to measure on; may be given several times.")
    ] = None,
    validation_fraction: Annotated[
        float | None,
        option(
            TEXT,
            "Else this last part of the text.",
            show_default="a tenth, at most 500,000 characters",
        ),
    ] = None,
    cell: options.Cell = "lstm",
    hidden: Annotated[
        int | None,
        option(MODEL, "Hidden size.", show_default="512, or 256 for a short text", min=1),
    ] = None,
    layers: options.Layers = 1,
    embedding: Annotated[
        int | None,
        option(
            MODEL, "Size of a token's vector.", show_default="64 for characters, else 256", min=1
        ),
    ] = None,
    forget_bias: options.ForgetBias = None,
    dropout: Annotated[
        float | None,
        option(
            MODEL,
            "Share of values dropped.",
            show_default="0.3 for characters, else 0.5; 0.1 for a long text",
        ),
    ] = None,
    softmax: Annotated[
        str | None,
        option(
            MODEL,
            "full, or adaptive: rare tokens cost only where they occur.",
            show_default="full; adaptive above 20,000 tokens",
        ),
    ] = None,
    tie: Annotated[
        bool, option(MODEL, "Whether input and output share their embedding.", "--tie/--no-tie")
    ] = False,
    embedding_dropout: Annotated[
        float, option(REGULAR, "Share of tokens whose vectors are dropped, window by window.")
    ] = 0.0,
    input_dropout: Annotated[
        float, option(REGULAR, "Of what each layer reads, one mask for a whole window.")
    ] = 0.0,
    recurrent_dropout: Annotated[
        float, option(REGULAR, "Share of the state dropped from recurrent products.")
    ] = 0.0,
    weight_drop: Annotated[float, option(REGULAR, "Share of recurrent weights dropped.")] = 0.0,
    zoneout: Annotated[
        float, option(REGULAR, "Probability that a unit of the state keeps its last value.")
    ] = 0.0,
    activation_penalty: Annotated[
        float, option(REGULAR, "Times the output's mean square, added to the loss (AR).", min=0)
    ] = 0.0,
    change_penalty: Annotated[
        float, option(REGULAR, "Times that of its change from step to step (TAR).", min=0)
    ] = 0.0,
    minutes: Annotated[
        float | None,
        option(
            LENGTH,
            "Minutes at most, all sessions together.",
            show_default="without --epochs and --steps: 10 minutes, or 50 epochs (at least 1,000 "
            "steps) if those are over earlier",
        ),
    ] = None,
    epochs: options.Epochs = None,
    steps: options.Steps = None,
    patience: options.Patience = 10,
    validate_every: Annotated[
        int | None,
        option(LENGTH, "Steps between validations.", show_default="an epoch, at most 1,000", min=1),
    ] = None,
    checkpoint_seconds: options.CheckpointSeconds = 30.0,
    optimizer: options.Optimizer = "adamw",
    learning_rate: Annotated[
        float | None,
        option(STEPS, "The highest.", show_default="0.002; rmsprop 0.001; sgd 0.5; ntasgd 3"),
    ] = None,
    batch_size: Annotated[
        int | None,
        option(
            STEPS, "Streams read in parallel.", show_default="32, fewer for a short text", min=1
        ),
    ] = None,
    window: Annotated[
        int, option(STEPS, "Steps that gradients reach back; the state reaches on.", min=1)
    ] = 64,
    clip: options.Clip = 1.0,
    clip_value: options.ClipValue = 0.0,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    device: options.Device = "auto",
) -> None:
    """Train a language model on text: characters, words or byte pairs.

    The best model so far is in the model file from the first validation on. Ctrl-C stops; the same
    command goes on from there, after a kill from the last checkpoint.
    """
    train_with(dict(locals()))


def train_with(chosen: dict[str, Any]) -> None:
    """Train with the options of the command line."""
    from gatewise.cli.text_display import LiveTextDisplay
    from gatewise.cli.training_display import shown
    from gatewise.training.text.settings import TextSettings
    from gatewise.training.text.training import train_text

    with shown(LiveTextDisplay(), chosen["output"]) as display:
        progress = train_text(
            chosen["files"],
            chosen["output"],
            chosen_settings(TextSettings, chosen),
            validation=chosen["validation"] or (),
            encoding=chosen["encoding"],
            restart=chosen["restart"],
            checkpoint_seconds=chosen["checkpoint_seconds"],
            display=display,
        )
        display.finished(progress)

"""`gatewise train classify`: labels, or numbers, of texts and sequences."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gatewise.cli import training_options as options
from gatewise.cli.training_options import LENGTH, MODEL, STEPS, chosen_settings, option

DATA, TEXTS = "Data", "Texts"  # panels of the help


def register(train: typer.Typer) -> None:
    """Add the command to the group `train`."""
    train.command()(classify)


def classify(
    data: Annotated[
        Path,
        typer.Argument(
            help="Examples with labels: .csv, .tsv, .parquet, .jsonl, .json, .txt, .ts, .npy, "
            ".npz, .mat, idx images, packed or not; or a folder of texts by label."
        ),
    ],
    output: options.Output = options.OUTPUT,
    restart: options.Restart = False,
    input: Annotated[
        list[str] | None,
        option(
            DATA,
            "The input's column or array; may be given several times.",
            show_default="found by names and contents, and said",
        ),
    ] = None,
    label: Annotated[
        str | None,
        option(
            DATA,
            "The column or array with the labels; a .npy beside a .npy.",
            show_default="found by names and contents, and said",
        ),
    ] = None,
    id: Annotated[
        str | None,
        option(DATA, "In a table with a row for each step: which rows are one sequence."),
    ] = None,
    time: Annotated[str | None, option(DATA, "And the column that orders them.")] = None,
    intervals: Annotated[
        bool | None,
        option(
            DATA,
            "Whether the time since the step before is a channel too.",
            "--intervals/--no-intervals",
            show_default="where the steps come at irregular intervals",
        ),
    ] = None,
    validation: Annotated[
        Path | None, option(DATA, "Other examples to choose the best model by.")
    ] = None,
    validation_fraction: Annotated[
        float | None,
        option(DATA, "Else this share is held back.", show_default="a tenth, at most 5,000"),
    ] = None,
    test: Annotated[
        Path | None, option(DATA, "Examples to measure the best model on, once, at the end.")
    ] = None,
    target: Annotated[
        str, option(DATA, "classes, ordinal (ordered classes) or regression (a number).")
    ] = "classes",
    order: Annotated[
        str | None,
        option(
            DATA,
            "Ordinal classes from the least to the most, with commas.",
            show_default="by size, or else by alphabet",
        ),
    ] = None,
    balance: Annotated[
        bool, option(DATA, "Let all classes count alike, however rare.", "--balance")
    ] = False,
    encoding: Annotated[
        str | None, option(DATA, "Of texts.", show_default="UTF-8, or else guessed and said")
    ] = None,
    header: Annotated[
        bool | None,
        option(
            DATA, "Whether a table's first row names the columns.", show_default="guessed and said"
        ),
    ] = None,
    separator: Annotated[
        str | None, option(DATA, "Between a table's fields.", show_default="guessed")
    ] = None,
    label_place: Annotated[
        str | None,
        option(
            DATA,
            "Where plain text has the label: first or last word of a line, or none.",
            show_default="guessed and said",
        ),
    ] = None,
    tree_labels: Annotated[
        str, option(DATA, "Of bracketed trees: binary, or fine for five classes.")
    ] = "binary",
    phrases: Annotated[
        bool, option(DATA, "Whether to learn from the phrases of trees, too.")
    ] = True,
    scan: Annotated[str, option(DATA, "A step of an image: pixels, or rows.")] = "pixels",
    channels_first: Annotated[
        bool, option(DATA, "Arrays are (N, C, T), not (N, T, C).", "--channels-first")
    ] = False,
    tokens: Annotated[
        str | None,
        option(
            TEXTS,
            "words, characters or bpe.",
            show_default="characters for one or two words, else words",
        ),
    ] = None,
    vocabulary_size: Annotated[
        int | None,
        option(
            TEXTS,
            "At most so many tokens.",
            show_default="30,000 words; all characters; one byte pair for every 500 characters, "
            "from 512 to 8,000",
        ),
    ] = None,
    minimum_count: Annotated[
        int | None,
        option(
            TEXTS,
            "Words that occur less often become `<unk>`.",
            show_default="2 from 1,000 examples on",
            min=1,
        ),
    ] = None,
    keep_case: Annotated[
        bool | None,
        option(
            TEXTS,
            "Whether capital letters differ from small ones.",
            show_default="for characters and bpe",
        ),
    ] = None,
    longest: Annotated[
        int | None,
        option(TEXTS, "Tokens a text is cut to.", show_default="512, or 1,024 characters", min=1),
    ] = None,
    word_dropout: Annotated[
        float | None,
        option(
            TEXTS,
            "Share of tokens that training does not see.",
            show_default="0.1, for characters none",
        ),
    ] = None,
    vectors: Annotated[
        Path | None, option(TEXTS, "Pretrained vectors of words, as GloVe or word2vec text.")
    ] = None,
    freeze_vectors: Annotated[
        bool, option(TEXTS, "Leave them as they are.", "--freeze-vectors")
    ] = False,
    cell: options.Cell = "lstm",
    hidden: options.Hidden = 128,
    layers: options.Layers = 1,
    members: Annotated[
        int,
        option(
            MODEL,
            "Networks that learn side by side and say their mean; so many times the work.",
            min=1,
        ),
    ] = 1,
    embedding: Annotated[
        int | None,
        option(MODEL, "Size of a token's vector.", show_default="128, or 32 for characters", min=1),
    ] = None,
    one_way: Annotated[
        bool | None,
        option(
            MODEL,
            "Read from the beginning alone, or both ways.",
            "--one-way/--both-ways",
            show_default="one way from 200 steps on",
        ),
    ] = None,
    memory: Annotated[
        float | None,
        option(
            MODEL,
            "The longest time scale that forget gates begin with, in steps; 0: the cell's own.",
            show_default="an eighth of the steps of numbers from 200 steps on, else 0",
            min=0,
        ),
    ] = None,
    pooling: Annotated[
        str | None,
        option(
            MODEL,
            "From all steps to one vector: last, mean, max or attention.",
            show_default="attention for numbers below 200 steps, else max",
        ),
    ] = None,
    dropout: Annotated[
        float | None,
        option(
            MODEL,
            "Share of values dropped.",
            show_default="0.5 for words and bpe, else 0.2; 0 for many sequences of numbers",
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        option(
            LENGTH,
            "Minutes at most, all sessions together.",
            show_default="without --epochs and --steps: 10 minutes, or what reads 150,000 examples "
            "(from 4 to 60 epochs, at least 1,000 steps) if that is over earlier",
        ),
    ] = None,
    epochs: options.Epochs = None,
    steps: options.Steps = None,
    patience: Annotated[
        int | None,
        option(
            LENGTH,
            "End after so many validations without improvement.",
            show_default="10, or a third of all that are planned",
            min=1,
        ),
    ] = None,
    monitor: Annotated[
        str | None,
        option(
            LENGTH,
            "What the best model is the best in: accuracy, macro_f1 or loss.",
            show_default="accuracy; with --balance macro_f1; loss for ordinal and regression",
        ),
    ] = None,
    validate_every: Annotated[
        int | None,
        option(
            LENGTH, "Steps between validations.", show_default="an epoch, from 50 to 1,000", min=1
        ),
    ] = None,
    checkpoint_seconds: options.CheckpointSeconds = 30.0,
    optimizer: options.Optimizer = "adamw",
    learning_rate: Annotated[
        float | None,
        option(
            STEPS,
            "The highest.",
            show_default="0.002, for numbers from 200 steps on 0.01; rmsprop 0.001; sgd 0.5; half "
            "of it from 256 units on",
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        option(STEPS, "Examples of a step.", show_default="64; 32 or 16 for few examples", min=1),
    ] = None,
    clip: options.Clip = 1.0,
    clip_value: options.ClipValue = 0.0,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    device: options.Device = "auto",
) -> None:
    """Train a classifier of texts, of sequences of numbers, or of images.

    The best model so far is in the model file from the first validation on; at the end a report
    stands beside it. Ctrl-C stops; the same command goes on from there, after a kill from the last
    checkpoint.
    """
    train_with(dict(locals()))


def train_with(chosen: dict[str, Any]) -> None:
    """Train with the options of the command line."""
    from gatewise.cli.classify_display import LiveClassificationDisplay
    from gatewise.cli.training_display import shown
    from gatewise.data.labelled.examples import Roles
    from gatewise.training.classification.settings import ClassificationSettings
    from gatewise.training.classification.training import train_classifier

    roles = {name: chosen[name] for name in Roles.__dataclass_fields__}
    roles["input"] = tuple(chosen["input"] or ())
    with shown(LiveClassificationDisplay(), chosen["output"]) as display:
        result = train_classifier(
            chosen["data"],
            chosen["output"],
            chosen_settings(ClassificationSettings, chosen),
            roles=Roles(**roles),
            validation=chosen["validation"],
            test=chosen["test"],
            vectors=chosen["vectors"],
            restart=chosen["restart"],
            checkpoint_seconds=chosen["checkpoint_seconds"],
            display=display,
        )
        display.finished(result)

"""`gatewise train translate`: learn to turn texts into others."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gatewise.cli import training_options as options
from gatewise.cli.training_options import LENGTH, MODEL, STEPS, chosen_settings, option

PAIRS, TEXTS, SEARCH = "Pairs", "Texts", "Search and measures"  # panels of the help


def register(train: typer.Typer) -> None:
    """Add the command."""
    train.command()(translate)


def translate(
    pairs: Annotated[
        Path,
        typer.Argument(
            help="A text, a line for each source; or a table with both: .csv, .tsv, .parquet, "
            ".jsonl, packed or not."
        ),
    ],
    targets: Annotated[
        Path | None, typer.Argument(help="The translation of each line.", show_default=False)
    ] = None,
    output: options.Output = options.OUTPUT,
    restart: options.Restart = False,
    source: Annotated[
        str | None,
        option(
            PAIRS,
            "The table's column to translate from, by name or number.",
            show_default="found by its name, else the first",
        ),
    ] = None,
    target: Annotated[
        str | None,
        option(
            PAIRS,
            "The column to translate to.",
            show_default="found by its name, else the second",
        ),
    ] = None,
    header: Annotated[
        bool | None,
        option(
            PAIRS,
            "Whether the table's first row names the columns.",
            "--header/--no-header",
            show_default="guessed and said",
        ),
    ] = None,
    encoding: Annotated[
        str | None, option(PAIRS, "Of all texts.", show_default="UTF-8, or else guessed and said")
    ] = None,
    skip_empty: Annotated[
        bool,
        option(
            PAIRS, "Leave out pairs with an empty side; else they are an error.", "--skip-empty"
        ),
    ] = False,
    validation: Annotated[
        list[Path] | None,
        option(
            PAIRS,
            "Other pairs to choose the best model by; given twice, it names two files.",
        ),
    ] = None,
    validation_fraction: Annotated[
        float | None,
        option(PAIRS, "Else this share is held back.", show_default="a tenth, at most 1,000"),
    ] = None,
    test: Annotated[
        list[Path] | None,
        option(
            PAIRS,
            "Pairs to measure the best model on, once; given twice, it names two files.",
        ),
    ] = None,
    source_tokens: Annotated[
        str | None,
        option(
            TEXTS,
            "characters, words or bpe (byte pairs).",
            show_default="characters for one or two words, else bpe",
        ),
    ] = None,
    target_tokens: Annotated[
        str | None, option(TEXTS, "The same of the other side.", show_default="the same rule")
    ] = None,
    vocabulary_size: Annotated[
        int | None,
        option(
            TEXTS,
            "At most so many tokens in a vocabulary.",
            show_default="all characters and words that occur twice; a byte pair for every 1,000 "
            "characters, from 512 to 8,000",
        ),
    ] = None,
    separate: Annotated[
        bool | None,
        option(
            TEXTS,
            "A vocabulary for each side, or one for both.",
            "--separate/--shared",
            show_default="shared where both are bpe",
        ),
    ] = None,
    lower: Annotated[
        bool,
        option(TEXTS, "Count capital letters as small ones, in what is measured too.", "--lower"),
    ] = False,
    longest: Annotated[
        int, option(TEXTS, "Pairs with more tokens on a side are not learned from.", min=1)
    ] = 100,
    cell: options.Cell = "lstm",
    hidden: Annotated[
        int | None,
        option(MODEL, "Hidden size.", show_default="256, or 128 below 10,000 pairs", min=1),
    ] = None,
    layers: Annotated[
        int, option(MODEL, "Layers of the encoder, and of the decoder above the attention.", min=1)
    ] = 1,
    dropout: Annotated[
        float | None,
        option(
            MODEL,
            "Share of values dropped.",
            show_default="0.3, or 0.2 from 100,000 pairs on; half of it for characters",
        ),
    ] = None,
    beam: Annotated[
        int, option(SEARCH, "Hypotheses kept when the best model is measured and used.", min=1)
    ] = 5,
    length_penalty: Annotated[float, option(SEARCH, "0 favours short translations.", min=0)] = 1.0,
    monitor: Annotated[
        str | None,
        option(
            SEARCH,
            "What the best model is the best in: loss, bleu, chrf, exact, wer or cer.",
            show_default="bleu, or cer where characters are written",
        ),
    ] = None,
    bleu_words: Annotated[
        str, option(SEARCH, "How sacrebleu finds words: 13a, intl, char, zh or none.")
    ] = "13a",
    minutes: Annotated[
        float | None,
        option(
            LENGTH,
            "Minutes at most, all sessions together.",
            show_default="without --epochs and --steps: an hour, or what reads 600,000 pairs (at "
            "least 1,000 steps, at most 100 epochs) if that is over earlier",
        ),
    ] = None,
    epochs: options.Epochs = None,
    steps: options.Steps = None,
    patience: options.Patience = 10,
    validate_every: Annotated[
        int | None,
        option(
            LENGTH, "Steps between validations.", show_default="an epoch, from 200 to 2,000", min=1
        ),
    ] = None,
    checkpoint_seconds: options.CheckpointSeconds = 30.0,
    label_smoothing: Annotated[
        float, option(STEPS, "Share of the truth that is spread over all tokens.")
    ] = 0.1,
    optimizer: options.Optimizer = "adamw",
    learning_rate: Annotated[
        float | None,
        option(STEPS, "The highest.", show_default="0.002; rmsprop 0.001; sgd 0.5; ntasgd 3"),
    ] = None,
    batch_size: Annotated[
        int | None,
        option(
            STEPS,
            "Pairs of a step.",
            show_default="64; 128 from 100,000 pairs on, 32 below 4,000",
            min=1,
        ),
    ] = None,
    clip: options.Clip = 1.0,
    clip_value: options.ClipValue = 0.0,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    device: options.Device = "auto",
) -> None:
    """Train a translator: sentences, names, spelling to sound, any text to another.

    The best model so far is in the model file from the first validation on; at the end a report
    stands beside it. Ctrl-C stops; the same command goes on from there, after a kill from the last
    checkpoint.
    """
    train_with(dict(locals()))


def train_with(chosen: dict[str, Any]) -> None:
    """Train with the options of the command line."""
    from gatewise.cli.training_display import shown
    from gatewise.cli.translate_display import LiveTranslationDisplay
    from gatewise.data.pairs.reader import PairRoles
    from gatewise.training.translation.settings import TranslationSettings
    from gatewise.training.translation.training import train_translator

    roles = {name: chosen[name] for name in PairRoles.__dataclass_fields__}
    with shown(LiveTranslationDisplay(), chosen["output"]) as display:
        result = train_translator(
            chosen["pairs"],
            chosen["targets"],
            chosen["output"],
            chosen_settings(TranslationSettings, chosen),
            roles=PairRoles(**roles),
            validation=chosen["validation"],
            test=chosen["test"],
            restart=chosen["restart"],
            checkpoint_seconds=chosen["checkpoint_seconds"],
            display=display,
        )
        display.finished(result)

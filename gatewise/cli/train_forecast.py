"""`gatewise train forecast`: learn to forecast series."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gatewise.cli import training_options as options
from gatewise.cli.training_options import LENGTH, MODEL, STEPS, chosen_settings, option

SERIES, PARTS = "Series", "Parts"  # panels of the help


def register(train: typer.Typer) -> None:
    """Add the command."""
    train.command()(forecast)


def forecast(
    data: Annotated[
        Path,
        typer.Argument(
            help="A table: CSV, TSV, Parquet or JSON lines, packed or not. A row for each series "
            "and time, or a column for each series."
        ),
    ],
    output: options.Output = options.OUTPUT,
    restart: options.Restart = False,
    horizon: Annotated[
        int | None,
        option(SERIES, "Steps to forecast.", show_default="a season, or 12", min=1),
    ] = None,
    lookback: Annotated[
        int | None,
        option(
            SERIES,
            "Steps that the network reads.",
            show_default="5 seasons or 2 horizons, whichever is longer; at most half the series",
            min=1,
        ),
    ] = None,
    id: Annotated[
        str | None, option(SERIES, "Column that tells series apart.", show_default="guessed")
    ] = None,
    time: Annotated[str | None, option(SERIES, "Column of times.", show_default="guessed")] = None,
    target: Annotated[
        list[str] | None,
        option(SERIES, "Column to forecast; may be given several times.", show_default="guessed"),
    ] = None,
    known: Annotated[
        list[str] | None,
        option(SERIES, "Column that is known of the future too; may be given several times."),
    ] = None,
    static: Annotated[
        list[str] | None,
        option(SERIES, "Column that holds for a whole series; may be given several times."),
    ] = None,
    frequency: Annotated[
        str | None,
        option(SERIES, "Of the grid of times: hour, 15 minutes, month.", show_default="guessed"),
    ] = None,
    season: Annotated[
        int | None,
        option(SERIES, "Steps of a season; 1 for none.", show_default="usual for the times", min=1),
    ] = None,
    time_format: Annotated[
        str | None,
        option(SERIES, "How times are written: '%d/%m/%Y %H:%M'.", show_default="guessed"),
    ] = None,
    time_zone: Annotated[
        str | None,
        option(
            SERIES,
            "Whose clock times are those of: Europe/Berlin. Daylight saving is then minded.",
            show_default="none: as they are, or UTC if they have offsets",
        ),
    ] = None,
    repeated: Annotated[
        str | None,
        option(
            SERIES,
            "What counts of rows with the same time: mean, sum or last.",
            show_default="rows that differ leave their series out",
        ),
    ] = None,
    encoding: Annotated[
        str | None, option(SERIES, "Of a text file.", show_default="UTF-8, or else guessed")
    ] = None,
    training: Annotated[
        int | None,
        option(PARTS, "Steps of each series to learn from.", show_default="what is left", min=1),
    ] = None,
    validation: Annotated[
        float | None,
        option(
            PARTS,
            "Steps, or share, to stop training by.",
            show_default="a tenth, at least one or two horizons",
            min=0,
        ),
    ] = None,
    test: Annotated[
        float | None,
        option(PARTS, "Steps, or share, to test on.", show_default="as --validation", min=0),
    ] = None,
    cell: options.Cell = "gru",
    hidden: Annotated[
        int | None,
        option(MODEL, "Hidden size.", show_default="128, or 64 for little data", min=1),
    ] = None,
    layers: options.Layers = 1,
    segment: Annotated[
        int | None,
        option(
            MODEL, "Steps that are read at once.", show_default="a divisor of the season", min=1
        ),
    ] = None,
    decoding: Annotated[str, option(MODEL, "segments, direct or recursive.")] = "segments",
    scaling: Annotated[str, option(MODEL, "window, series, standard, mean or none.")] = "window",
    anchor: Annotated[
        str | None,
        option(
            MODEL,
            "What forecasts begin from: last, seasonal, adjusted or none.",
            show_default="the best of the first three",
        ),
    ] = None,
    minimum: Annotated[
        str | None,
        option(
            MODEL,
            "What no forecast and no quantile falls below: a number, or none.",
            show_default="0 for what was never below it, and is whole or was 0 at times; else none",
        ),
    ] = None,
    quantile: Annotated[
        list[float] | None,
        option(
            MODEL,
            "Quantile to forecast; may be given several times, in pairs around 0.5.",
            show_default="0.1, 0.5, 0.9",
        ),
    ] = None,
    loss: Annotated[str, option(MODEL, "quantile, mae or mse.")] = "quantile",
    dropout: Annotated[
        float | None, option(MODEL, "Share of values dropped.", show_default="0.3")
    ] = None,
    minutes: Annotated[
        float | None,
        option(
            LENGTH,
            "Minutes at most, all sessions together.",
            show_default="without --epochs and --steps: 5 minutes, or 100 epochs (at least 1,500 "
            "steps) if those are over earlier",
        ),
    ] = None,
    epochs: options.Epochs = None,
    steps: options.Steps = None,
    patience: options.Patience = 10,
    validate_every: Annotated[
        int | None,
        option(LENGTH, "Steps between validations.", show_default="an epoch, 50 to 500", min=1),
    ] = None,
    checkpoint_seconds: options.CheckpointSeconds = 30.0,
    optimizer: options.Optimizer = "adamw",
    learning_rate: Annotated[
        float | None,
        option(STEPS, "The highest.", show_default="0.001; sgd 0.5; ntasgd 3"),
    ] = None,
    batch_size: Annotated[
        int | None,
        option(STEPS, "Windows of a step.", show_default="256, fewer for little data", min=1),
    ] = None,
    clip: options.Clip = 1.0,
    clip_value: options.ClipValue = 0.0,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    device: options.Device = "auto",
) -> None:
    """Train a forecast model on one series or thousands.

    Naive, seasonal naive and Naive2 are measured beside it; where they are better, it says so and
    `gatewise forecast` uses them. A report with a picture is written beside the model file.

    Ctrl-C stops; the same command goes on from there, after a kill from the last checkpoint.
    """
    train_with(dict(locals()))


def train_with(chosen: dict[str, Any]) -> None:
    """Train with the options of the command line."""
    from gatewise.cli.forecast_display import LiveForecastDisplay
    from gatewise.cli.training_display import shown
    from gatewise.training.forecast.minimum import read_minimum
    from gatewise.training.forecast.settings import ForecastSettings
    from gatewise.training.forecast.training import train_forecast

    others: dict[str, Any] = {name: tuple(chosen[name] or ()) for name in ("known", "static")}
    others["targets"] = tuple(chosen["target"] or ())
    others["minimum"] = None if chosen["minimum"] is None else read_minimum(chosen["minimum"])
    if chosen["quantile"]:
        others["quantiles"] = tuple(sorted(chosen["quantile"]))
    with shown(LiveForecastDisplay(), chosen["output"]) as display:
        progress = train_forecast(
            chosen["data"],
            chosen["output"],
            chosen_settings(ForecastSettings, chosen, **others),
            restart=chosen["restart"],
            checkpoint_seconds=chosen["checkpoint_seconds"],
            display=display,
        )
        display.finished(progress)

"""`gatewise forecast` and `gatewise backtest`: use a forecast model, and test it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gatewise.cli.failure import failures_explained
from gatewise.data.amount import amount

CLOCK = "%Y-%m-%dT%H:%M:%S"  # steps are whole seconds
OFFSET = "%:z"  # behind the clock, where times have a zone
INCOMPLETE = 3  # the exit status where series are left out; 1 is an error, 2 a wrong option

MODEL = Annotated[Path, typer.Argument(help="A model file that `gatewise train forecast` wrote.")]
DATA = Annotated[
    Path | None,
    typer.Argument(help="A table of series, met or not.", show_default="that of training"),
]
ID = Annotated[
    str | None,
    typer.Option(help="Column that tells series apart.", show_default="as in training"),
]
TIME = Annotated[str | None, typer.Option(help="Column of times.", show_default="as in training")]
TARGET = Annotated[
    list[str] | None,
    typer.Option(
        help="Column to forecast; may be given several times.", show_default="as in training"
    ),
]
FREQUENCY = Annotated[
    str | None, typer.Option(help="Of the grid of times.", show_default="guessed")
]

TIME_ZONE = Annotated[
    str | None,
    typer.Option(
        help="Whose clock times are those of: Europe/Berlin.", show_default="as in training"
    ),
]

REPEATED = Annotated[
    str | None,
    typer.Option(
        help="What counts of rows with the same time: mean, sum or last.",
        show_default="as in training",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(forecast)
    app.command()(backtest)


def forecast(
    model: MODEL,
    data: DATA = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The table to write.", show_default="the terminal"),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="A PNG picture of history, forecast and interval.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="network, blend (its mean with Naive2), naive, 'seasonal naive' or Naive2.",
            show_default="the best in validation",
        ),
    ] = None,
    minimum: Annotated[
        str | None,
        typer.Option(
            help="What no forecast and no quantile falls below: a number, or none.",
            show_default="as in training",
        ),
    ] = None,
    id: ID = None,
    time: TIME = None,
    target: TARGET = None,
    frequency: FREQUENCY = None,
    time_zone: TIME_ZONE = None,
    repeated: REPEATED = None,
) -> None:
    """Forecast the steps behind the end of each series, with an interval.

    The table has a row for each series and step: CSV, or Parquet where the name ends so. A series
    without a value, or whose covariates are not told for every step, is left out and named; the
    exit status is then 3.
    """
    reading = {"id": id, "time": time, "targets": tuple(target or ()), "frequency": frequency}
    reading |= {"time_zone": time_zone, "repeated": repeated}
    with failures_explained():
        write_forecast(model, data, output, plot, method, minimum, reading)


def write_forecast(
    path: Path,
    data: Path | None,
    output: Path | None,
    plot: Path | None,
    method: str | None,
    minimum: str | None,
    reading: dict[str, Any],
) -> None:
    """Forecast, and write table and picture."""
    from gatewise.data.whole_file import write_whole
    from gatewise.training.forecast.minimum import read_minimum
    from gatewise.training.forecast.report import draw_forecast

    model = load_forecast_model(path)
    if plot is not None and plot.suffix.lower() != ".png":
        raise ValueError(f"{plot}: a picture is called something.png")
    series = model.tell_apart(model.read(data, **reading))
    found = model.forecast(series, method, None if minimum is None else read_minimum(minimum))
    picture = None if plot is None else draw_forecast(model, series, found)
    if output is None:
        typer.echo(as_text(rounded(found)), nl=False)
    else:
        write_whole(output, as_bytes(found, output))
    if plot is not None and picture is not None:
        write_whole(plot, picture)
    for said in series.said:
        typer.echo(said, err=True)
    typer.echo(describe_method(model, method), err=True)
    say_left_out(series.left_out)
    if series.left_out:
        raise typer.Exit(INCOMPLETE)


def say_left_out(reasons: Sequence[str]) -> None:
    """Say which series are missing."""
    from gatewise.data.time_series.series import name_first

    for reason in name_first(reasons):
        typer.secho("Warning: ", fg=typer.colors.YELLOW, bold=True, err=True, nl=False)
        typer.echo(reason, err=True)


def rounded(found: Any) -> Any:
    """Return a table with numbers to eight digits, however large or small they are."""
    import polars.selectors as cs

    return found.with_columns(cs.float().round_sig_figs(8))


def as_text(found: Any) -> str:
    """Return a table as CSV, times of a zone with their offset."""
    zoned = any(getattr(kind, "time_zone", None) for kind in found.schema.values())
    return found.write_csv(datetime_format=CLOCK + OFFSET if zoned else CLOCK)


def as_bytes(found: Any, output: Path) -> bytes:
    """Return a table as the file that its name asks for."""
    import io

    if output.suffix == ".parquet":
        buffer = io.BytesIO()
        found.write_parquet(buffer)
        return buffer.getvalue()
    if output.suffix in (".csv", ""):
        return as_text(found).encode()
    raise ValueError(f"{output}: forecasts are written as .csv or .parquet")


def describe_method(model: Any, method: str | None) -> str:
    """Say how the forecast was made, and why."""
    used = method or model.best
    listed = ", ".join(f"{name} {found.mase:.3f}" for name, found in model.validated.items())
    why = "as asked" if method else "as validation decided"
    return f"forecast by {used}, {why}; MASE in validation: {listed}"


def load_forecast_model(path: Path) -> Any:
    """Load a model, or raise `ValueError` if it forecasts no series."""
    from gatewise.training.load import load

    return load(path, "forecast")


def backtest(
    model: MODEL,
    data: DATA = None,
    test: Annotated[
        float | None,
        typer.Option(
            help="The last steps, or share, of each series to test on.",
            show_default="as in training; else a tenth, at least one or two horizons",
            min=0,
        ),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(
            help="Steps between two forecasts.", show_default="1, or more beyond 20,000", min=1
        ),
    ] = None,
    id: ID = None,
    time: TIME = None,
    target: TARGET = None,
    frequency: FREQUENCY = None,
    time_zone: TIME_ZONE = None,
    repeated: REPEATED = None,
) -> None:
    """Forecast from many past moments and compare with what came true, and with naive forecasts.

    On the file of training only the part that was kept for it is tested, unless --test says more.
    """
    reading = {"id": id, "time": time, "targets": tuple(target or ()), "frequency": frequency}
    reading |= {"time_zone": time_zone, "repeated": repeated}
    with failures_explained():
        show_backtest(load_forecast_model(model), data, test, stride, reading)


def show_backtest(
    model: Any, data: Path | None, test: float | None, stride: int | None, reading: dict[str, Any]
) -> None:
    """Test, and print a table."""
    from gatewise.training.forecast.report import LEGEND, coverage_lines, table_of
    from gatewise.training.report import as_markdown

    tested = model.backtest(data, test, stride, **reading)
    apart = amount(tested.stride, "step")
    found, ahead = amount(tested.origins, "forecast"), amount(model.model.horizon, "step")
    typer.echo(
        f"{found} of {ahead} in {tested.series:,} series, "
        f"{apart} apart; `gatewise forecast` would use {model.best}\n"
    )
    typer.echo(as_markdown(table_of(tested.accuracy)) + "\n")
    for line in [*coverage_lines(tested), LEGEND]:
        typer.echo(line)
    say_left_out(tested.left_out)

"""What became of a forecast model: a picture, tables and plain words, beside the model file."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gatewise.data.amount import amount
from gatewise.data.source import DataError
from gatewise.data.time_series.columns import shorten
from gatewise.data.time_series.series import SeriesSet, name_first
from gatewise.tasks.forecast_metrics import Accuracy
from gatewise.training.forecast.backtest import Backtest
from gatewise.training.forecast.minimum import describe_minimum
from gatewise.training.forecast.model import ForecastModel
from gatewise.training.picture import picture_of
from gatewise.training.report import (
    Block,
    Command,
    Heading,
    Paragraph,
    Picture,
    Table,
    duration,
    write_report,
)

PANELS = 6  # series in a picture
INK, OURS = "#555555", "#0b62a4"
HEAD = ("", "MSE", "MAE", "sMAPE %", "MASE", "OWA")
LEGEND = (
    "MSE and MAE are of values standardised by the mean and standard deviation of the part that "
    "was learned from; MASE is relative to the mean change over one season before each forecast; "
    "OWA is relative to Naive2 (Makridakis et al. 2020). Less is better."
)

Array = NDArray[np.float64]


def report_forecast(path: Path, data: Any = None) -> tuple[Path, Path]:
    """Test a trained model on the part that it never saw, and write a report beside its file.

    Args:
        path: The model file.
        data: What it learned from; None is the file that its model file names.

    Returns:
        Where the Markdown and the HTML stand.
    """
    from gatewise.training.load import load

    model: ForecastModel = load(path)
    series = model.read(data)
    tested = model.backtest_trained(series)
    blocks: list[Block] = [
        Paragraph(verdict(model, tested)),
        Heading("What was learned"),
        *[Paragraph(said[:1].upper() + said[1:] + ".") for said in describe(model, series)],
        Heading("Validation: what training was stopped by, and the method chosen"),
        table_of(model.validated),
    ]
    if tested is not None:
        blocks += [
            Heading(f"Test: {tested.origins:,} moments that nothing was chosen on"),
            table_of(tested.accuracy),
            *[Paragraph(line) for line in coverage_lines(tested)],
        ]
    blocks += [
        Paragraph(LEGEND),
        Heading("Forecast"),
        *show_forecast(model, series, path.stem + "-forecast.png"),
        Command(f"gatewise forecast {path.name} -o forecast.csv --plot forecast.png"),
    ]
    return write_report(path, f"Forecast of {shorten(model.columns.targets)}", blocks)


def show_forecast(model: ForecastModel, series: SeriesSet, name: str) -> list[Block]:
    """Return a picture of the forecast, or why there is none yet."""
    try:
        told = model.tell_apart(series)
    except DataError as error:  # the future's covariates are not known
        return [Paragraph(f"No forecast is drawn: {error}.")]
    return [Picture(name, "History, forecast and interval", draw_forecast(model, told))]


def describe(model: ForecastModel, series: SeriesSet) -> list[str]:
    """Say what was learned from, and how."""
    settings = model.training["settings"]
    network = model.config["network"]
    count = f"{len(series.series):,} series" if len(series.series) > 1 else "one series"
    number = len(series.columns.targets)
    targets = f"{number} targets" if number > 1 else "one target"
    return [
        f"{count}, {targets}, {amount(series.steps, 'step')} together",
        *series.said,
        *name_first(series.left_out),
        f"cell {model.config['cell']['name']}, hidden size {network['hidden']}, look-back "
        f"{amount(network['lookback'], 'step')} in segments of {network['segment']}, horizon "
        f"{network['horizon']}, decoding {network['decoding']}, scaling {network['scaling']}, "
        f"anchor {network['anchor']}, seed {settings['seed']}",
        describe_minimum(model.minimum, model.minimums, series.columns),
        f"{amount(model.training['step'], 'step')} in {duration(model.training['seconds'])}",
    ]


def verdict(model: ForecastModel, tested: Backtest | None) -> str:
    """Say in plain words whether the network is worth using."""
    learned = {"network": "the network", "blend": "the mean of the network and Naive2"}
    if model.best in learned:
        chosen = (
            f"In validation, {learned[model.best]} had the smallest error: "
            "forecasts are made by it."
        )
    else:
        chosen = (
            f"In validation, nothing learned was clearly better than the {model.best} forecast: "
            "forecasts are made by it, unless you ask for --method network."
        )
    if tested is None:
        return f"{chosen} No series is long enough for a test."
    own = tested.accuracy[model.best].mase
    others = {name: each.mase for name, each in tested.accuracy.items() if name != model.best}
    if np.isnan(own):
        return f"{chosen} In the test MASE has no value: no series changes over a season."
    if model.best not in learned:
        return f"{chosen} In the test its MASE is {own:.3f} ({listed(others)})."
    rivals = {name: number for name, number in others.items() if name not in learned}
    better = own < min(rivals.values())
    word = "better than every naive forecast" if better else "no better than a naive forecast"
    return f"{chosen} In the test its MASE is {own:.3f}, {word} ({listed(rivals)})."


def listed(errors: dict[str, float]) -> str:
    """Write methods with their errors."""
    return ", ".join(f"{name} {number:.3f}" for name, number in errors.items())


def table_of(accuracy: dict[str, Accuracy]) -> Table:
    """Return a table of methods and errors."""
    rows = [
        (
            name,
            *(
                show(number, digits)
                for number, digits in (
                    (each.mse, 4),
                    (each.mae, 4),
                    (each.smape, 2),
                    (each.mase, 3),
                    (each.owa, 3),
                )
            ),
        )
        for name, each in accuracy.items()
    ]
    return Table(HEAD, rows)


def show(number: float, digits: int) -> str:
    """Show a number, or a dash."""
    return f"{number:.{digits}f}" if math.isfinite(number) else "–"


def coverage_lines(tested: Backtest) -> list[str]:
    """Say how many values fell into the intervals."""
    return [
        f"The interval from {low:g} to {high:g} should hold {high - low:.0%} of the values, and "
        f"held {share:.1%}."
        for (low, high), share in tested.coverage.items()
        if math.isfinite(share)
    ]


def draw_forecast(
    model: ForecastModel, series: SeriesSet, forecast: pl.DataFrame | None = None
) -> bytes:
    """Draw the end of each history, the forecast, and its widest interval.

    Args:
        model: The model.
        series: What is forecast, as `tell_apart` returned it; the first six series and targets
            are drawn.
        forecast: What `model.forecast` returned; None makes it.

    Returns:
        A PNG picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    forecast = model.forecast(series) if forecast is None else forecast
    targets, horizon = series.columns.targets, model.model.horizon
    pairs = [(s, k) for s in range(len(series.series)) for k in range(len(targets))][:PANELS]
    columns = 1 if len(pairs) == 1 else 2
    rows = math.ceil(len(pairs) / columns)
    figure = Figure(figsize=(5.5 * columns + 2, 2.6 * rows + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    for number, (s, k) in enumerate(pairs):
        axes = figure.add_subplot(rows, columns, number + 1)
        part = forecast.slice(s * horizon, horizon)
        draw_one(axes, model, series, s, k, part)
        if number == 0:
            axes.legend(frameon=False, fontsize=8)
    return picture_of(figure)


def draw_one(
    axes: Any, model: ForecastModel, series: SeriesSet, s: int, k: int, part: pl.DataFrame
) -> None:
    """Draw one series and target."""
    from matplotlib.dates import ConciseDateFormatter

    own, name = series.series[s], series.columns.targets[k]
    steps = min(own.steps, max(4 * model.model.horizon, 3 * model.season))
    numbers = own.start + own.steps + np.arange(-steps, model.model.horizon)
    times = series.frequency.times(numbers)
    past = np.where(own.missing[-steps:, k], np.nan, own.values[-steps:, k])
    axes.plot(times[:steps], past, color=INK, linewidth=1, label="history")
    low, high = model.quantiles[0], model.quantiles[-1]
    ahead = times[steps:]
    if low < high:
        axes.fill_between(
            ahead,
            part[f"{name}_{low:g}"].to_numpy(),
            part[f"{name}_{high:g}"].to_numpy(),
            color=OURS,
            alpha=0.25,
            linewidth=0,
            label=f"{high - low:.0%} interval",
        )
    axes.plot(ahead, part[name].to_numpy(), color=OURS, linewidth=1.5, label="forecast")
    axes.set_title(" ".join(each for each in (own.name, name) if each), fontsize=9, loc="left")
    if times.dtype.kind == "M":
        zone = series.frequency.zone or "UTC"
        axes.xaxis_date(zone)
        locator = axes.xaxis.get_major_locator()
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)

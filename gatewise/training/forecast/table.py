"""Forecasts as a table: a row for each series and step."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gatewise.data.time_series.calendar import Frequency
from gatewise.data.time_series.series import SeriesSet
from gatewise.data.time_series.zones import in_zone


def forecast_frame(
    series: SeriesSet, found: NDArray[np.float64], quantiles: tuple[float, ...]
) -> pl.DataFrame:
    """Return forecasts as a table.

    Args:
        series: What was forecast.
        found: `(R, F, Q)` for all targets of all series in order.
        quantiles: Q of them.
    """
    columns, horizon, targets = series.columns, found.shape[1], series.columns.targets
    table: dict[str, Any] = {}
    if columns.id is not None:
        table[columns.id] = np.repeat([each.name for each in series.series], horizon)
    numbers = np.concatenate(
        [each.start + each.steps + np.arange(horizon) for each in series.series]
    )
    table[columns.time or "step"] = readable(series.frequency, numbers)
    whole = found.reshape(len(series.series), len(targets), horizon, -1)
    for number, name in enumerate(targets):
        own = whole[:, number].reshape(-1, len(quantiles))
        table[name] = own[:, len(quantiles) // 2]
        for place, quantile in enumerate(quantiles):
            if quantile != 0.5:
                table[f"{name}_{quantile:g}"] = own[:, place]
    return pl.DataFrame(table)


def readable(frequency: Frequency, numbers: NDArray[np.int64]) -> pl.Series:
    """Return the times at places of a grid: of its zone, or as dates where all are at midnight."""
    times = frequency.times(numbers)
    if times.dtype.kind != "M":
        return pl.Series(times)
    if frequency.zone:
        return in_zone(times, frequency.zone)
    column = pl.Series(times)
    dates = column.cast(pl.Date)
    return dates if (dates.cast(column.dtype) == column).all() else column

"""Frames of pandas as frames of polars, by what pandas itself offers: neither needs pyarrow."""

import math
from typing import Any

import numpy as np
import polars as pl

from gatewise.data.time_series.zones import is_zone

TIMES = ("DatetimeIndex", "PeriodIndex")


def from_pandas(frame: Any) -> pl.DataFrame:
    """Return a pandas frame as one of polars; what is missing is null.

    Times keep their zone (those of a plain offset become UTC), periods become their beginning. An
    index of times is a column, called `time` where it has no name; any other index is left out, as
    row numbers are.

    Raises:
        ValueError: A column holds what polars has no kind for.
        TypeError: Likewise.
    """
    levels = [frame.index.get_level_values(k) for k in range(frame.index.nlevels)]
    if any(type(level).__name__ in TIMES for level in levels):
        unnamed = (("time" if k == 0 else f"level_{k}") for k in range(len(levels)))
        names = [own or other for own, other in zip(frame.index.names, unnamed, strict=True)]
        if not set(names) & set(frame.columns):
            frame = frame.rename_axis(index=names).reset_index()
    return pl.DataFrame([column_of(str(name), frame[name]) for name in frame.columns])


def column_of(name: str, column: Any) -> pl.Series:
    """Return one column."""
    kind = type(column.dtype).__name__
    if kind == "DatetimeTZDtype":
        moments = pl.Series(name, column.dt.tz_convert(None).to_numpy()).dt.replace_time_zone("UTC")
        zone = str(column.dt.tz)
        return moments.dt.convert_time_zone(zone if is_zone(zone) else "UTC")
    if kind == "PeriodDtype":
        column = column.dt.to_timestamp()
    if isinstance(column.dtype, np.dtype) and column.dtype != object:
        return pl.Series(name, column.to_numpy())
    cells = [None if is_missing(value) else plain(value) for value in column.tolist()]
    if any(isinstance(value, str) for value in cells):
        cells = [None if value is None else str(value) for value in cells]
    return pl.Series(name, cells, strict=False)


def is_missing(value: Any) -> bool:
    """Say whether a cell has no value: None, NaN, NaT or NA."""
    empty = type(value).__name__ in ("NoneType", "NAType", "NaTType")
    return empty or (isinstance(value, float) and math.isnan(value))


def plain(value: Any) -> Any:
    """Return an array in a cell as a list, and anything else as it is."""
    return value.tolist() if isinstance(value, np.ndarray) else value

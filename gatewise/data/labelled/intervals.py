"""Times between the steps of a sequence: whether they differ, and how long they are."""

import numpy as np
import polars as pl

from gatewise.data.source import DataError
from gatewise.data.tables.table import Table
from gatewise.data.time_series.times import read_times

NAME = "time since the step before"  # of the channel
TOLERANCE = 0.01  # of the usual interval: what differs less is a rounded time
MONTHS = 0.12  # likewise of months: 28 to 31 days


def are_irregular(table: Table, id_column: str, time: str) -> bool:
    """Say whether the steps of the first sequences come at different intervals.

    Months and years are regular although their days differ.

    Args:
        table: The rows, those of a sequence together and in order.
        id_column: Which rows are one sequence.
        time: The column of times; what cannot be read as times has no intervals.
    """
    sample = table.head()
    try:
        intervals = np.diff(read_seconds(table, sample, time))
    except DataError:
        return False
    same = (sample[id_column] == sample[id_column].shift(-1))[:-1].fill_null(False).to_numpy()
    intervals = intervals[same & np.isfinite(intervals)]
    usual = float(np.median(intervals)) if len(intervals) else 0.0
    if usual <= 0:
        return bool(len(intervals) and (intervals > 0).any())
    months = usual >= 28 * 86_400 and not table.is_number(time, sample)
    tolerance = MONTHS if months else TOLERANCE
    return bool((np.abs(intervals - usual) > tolerance * usual).any())


def read_seconds(table: Table, block: pl.DataFrame, time: str) -> np.ndarray:
    """Return a column of times in seconds, or in the unit of its numbers, `(N,)` in float64.

    Raises:
        DataError: A cell is no time.
    """
    if table.is_number(time, block):
        return table.number(block, time).to_numpy().astype(np.float64)
    times = read_times(block[time], table.places(block, time)).values
    return times.astype(np.float64) / (1e6 if times.dtype.kind == "M" else 1)

"""When each row of a table of series was, and the grid that these times lie on."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gatewise.data.source import DataError
from gatewise.data.tables.table import Table
from gatewise.data.time_series.calendar import Frequency, find_frequency, parse_frequency
from gatewise.data.time_series.columns import Columns
from gatewise.data.time_series.repeated import Group
from gatewise.data.time_series.times import Times, read_times, zone_of
from gatewise.data.time_series.zones import (
    LONGEST_SHIFT,
    as_clock,
    as_moments,
    check_zone,
    is_sunday,
    refuse_skipped,
)


class TimeReading(NamedTuple):
    """How times are read; None finds out. See `gatewise.data.time_series.series.read_series`."""

    frequency: str | None = None
    usual: Frequency | None = None
    form: str | None = None
    zone: str | None = None


def place_rows(
    table: Table,
    frame: pl.DataFrame,
    columns: Columns,
    groups: Sequence[Group],
    empty: NDArray[np.bool_],
    reading: TimeReading,
    said: list[str],
) -> tuple[NDArray[Any], str, list[Group]]:
    """Return the time of each row, whose zone's moments they are, and each series' rows in time.

    Times of a zone become moments in UTC, so that an hour lasts an hour where daylight saving
    begins or ends. A step that is longer than daylight saving moves the clock, such as a day,
    follows the clock: those times stay what it shows, and belong to no zone.

    Args:
        table: The table.
        frame: Its rows.
        columns: What its columns mean.
        groups: The rows of each series.
        empty: `(N,)`, rows without a value; those at an hour that spring leaves out are left out.
        reading: See there.
        said: What is guessed is added to it.

    Raises:
        DataError: A time cannot be read, or no grid be found.
    """
    read = column_of_times(table, frame, columns, reading.form)
    zone = reading.zone
    if zone is None and columns.time is not None:
        zone = zone_of(frame[columns.time])
    if zone is None or check_zone(zone) == "UTC":
        if zone is None and not read.absolute and read.values.dtype.kind == "M":
            say_skipped_hour(read.values, groups, said)
        return read.values, "", list(groups)
    if read.values.dtype.kind != "M":
        raise DataError(f"--time-zone {zone}: rows are numbered; they have no times of a zone")
    clock = as_clock(read.values, zone) if read.absolute else read.values
    grid = choose_grid(table, clock, groups, reading, [])
    if grid.unit != "second" or grid.count > LONGEST_SHIFT:
        said.append(f"times are what clocks show in {zone}; a step follows the clock")
        return clock, "", list(groups)
    said.append(f"times are those of {zone}, daylight saving included")
    if read.absolute:
        return read.values, zone, list(groups)
    moments = as_moments(clock, zone, [rows for _, rows in groups])
    refuse_skipped(clock, moments, zone, table.places(frame, columns.time or ""), empty)
    shown = ~np.isnat(moments)
    in_time = [(name, rows[shown[rows]]) for name, rows in groups if shown[rows].any()]
    return moments, zone, in_time


def say_skipped_hour(times: NDArray[Any], groups: Sequence[Group], said: list[str]) -> None:
    """Say what to do where an hour is missing early on a Sunday: daylight saving begins so."""
    hour = np.timedelta64(1, "h")
    for _, rows in groups:
        clock = np.unique(times[rows])
        gaps = np.diff(clock)
        if not len(gaps) or np.median(gaps) > hour:
            continue
        before = clock[:-1][gaps == np.median(gaps) + hour]
        early = (before - before.astype("datetime64[D]")) <= 2 * hour
        months = before.astype("datetime64[M]").astype(np.int64) % 12 + 1
        spring = before[is_sunday(before) & early & np.isin(months, (3, 9, 10))]
        if len(spring):
            said.append(
                f"no hour follows {spring[0].astype('datetime64[m]')!s}, as where daylight saving "
                "begins: if times are local, name their zone, such as --time-zone Europe/Berlin"
            )
            return


def column_of_times(table: Table, frame: pl.DataFrame, columns: Columns, form: str | None) -> Times:
    """Return the time of each row; its number within the series where there is no such column."""
    if columns.time is not None:
        return read_times(frame[columns.time], table.places(frame, columns.time), form)
    if columns.id is None:
        return Times(np.arange(len(frame), dtype=np.int64), False)
    counted = frame.select(pl.int_range(pl.len()).over(columns.id)).to_series()
    return Times(counted.to_numpy(), False)


def choose_grid(
    table: Table,
    times: NDArray[Any],
    groups: Sequence[Group],
    reading: TimeReading,
    said: list[str],
) -> Frequency:
    """Return the grid that is given or found."""
    if reading.frequency is not None:
        return parse_frequency(reading.frequency, times[groups[0][1][0]])
    usual = reading.usual
    if usual is not None and all(len(rows) < 2 for _, rows in groups):
        said.append(f"a single time tells no step: {usual} is taken")
        return parse_frequency(str(usual), times[groups[0][1][0]])
    try:
        found, regular = find_frequency([np.unique(times[rows]) for _, rows in groups])
    except DataError as error:
        raise DataError(f"{table.name}: {error}") from error
    if found.unit != "step":
        said.append(f"a step is 1 {found}" if found.name[1] == 1 else f"a step is {found}")
    if not regular:
        said.append(
            "times lie on no regular grid: values are moved to the nearest step, and averaged "
            "where they meet; --frequency names another step"
        )
    return found

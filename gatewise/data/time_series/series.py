"""Series on a regular grid, read from a table: one or thousands, long or wide."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gatewise.data.source import DataError
from gatewise.data.tables.table import SAMPLE, Table, told_cells
from gatewise.data.tables.table_file import read_table
from gatewise.data.time_series.calendar import Frequency
from gatewise.data.time_series.columns import Columns, find_columns
from gatewise.data.time_series.gaps import fill_gaps, last_by_step, put_on_grid
from gatewise.data.time_series.repeated import settle_repeats
from gatewise.data.time_series.row_series import lengthen
from gatewise.data.time_series.seasons import find_season
from gatewise.data.time_series.time_grid import TimeReading, choose_grid, place_rows

Array = NDArray[np.float64]
MOST_STEPS = 100_000_000  # of all series; beyond it a grid is surely a mistake


@dataclass(frozen=True)
class Series:
    """One series on its grid.

    Attributes:
        name: What tells it apart; empty for the only one.
        start: The grid's number of the first step.
        values: `(T, C)` for C targets, gaps filled.
        missing: `(T, C)`, true where a value was filled in.
        known: By name, `(T + F)` values that are known in advance, None where missing; F steps
            reach beyond the last target.
        static: By name, what holds for the whole series.
    """

    name: str
    start: int
    values: Array
    missing: NDArray[np.bool_]
    known: dict[str, list[Any]]
    static: dict[str, Any]

    @property
    def steps(self) -> int:
        """T, steps with a target."""
        return len(self.values)


@dataclass(frozen=True)
class SeriesSet:
    """Series of one frequency.

    Attributes:
        series: At least one.
        columns: What the table's columns mean.
        frequency: The grid.
        season: Steps of a season; 1 for none.
        said: What was guessed and changed, in sentences for the user.
        left_out: Which series are not among them and why, a sentence for each.
    """

    series: list[Series]
    columns: Columns
    frequency: Frequency
    season: int
    said: list[str]
    left_out: list[str]

    @property
    def steps(self) -> int:
        """Steps of all series together."""
        return sum(each.steps for each in self.series)


def name_first(left_out: Sequence[str], most: int = 20) -> list[str]:
    """Return the first sentences about series that are left out, and how many more there are.

    Example:
        >>> name_first(["a", "b", "c"], 2)
        ['a', 'b', 'and 1 more series']
    """
    rest = len(left_out) - most
    return [*left_out[:most], *([f"and {rest:,} more series"] if rest > 0 else [])]


def read_series(
    data: Any,
    *,
    id: str | None = None,
    time: str | None = None,
    targets: Sequence[str] = (),
    known: Sequence[str] = (),
    static: Sequence[str] = (),
    frequency: str | None = None,
    season: int | None = None,
    time_format: str | None = None,
    time_zone: str | None = None,
    repeated: str | None = None,
    encoding: str | None = None,
    usual: Frequency | None = None,
) -> SeriesSet:
    """Read series from a table, long (a row for each series and time) or wide (a column for each).

    Series are held in memory. Rows may come in any order. Gaps in the grid of times are filled by
    lines between neighbours and marked; times that lie on no grid are moved to the nearest step of
    the usual distance, and values that meet there are averaged. Rows after the last target
    tell the covariates of the future.

    Args:
        data: A file or a frame; see `gatewise.data.tables.table_file.read_table`.
        id: The column that tells series apart; None guesses, `""` is none.
        time: The column of times; None guesses, `""` is none.
        targets: The columns to forecast; none guesses.
        known: Columns that are known in advance.
        static: Columns that hold for a whole series.
        frequency: The grid, such as `"hour"` or `"15 minutes"`; None finds it.
        season: Steps of a season; None is the usual one, or found.
        time_format: How times are written, in the letters of `strptime`.
        time_zone: Whose clock times are those of, such as `"Europe/Berlin"`; None is the zone that
            the column's type has, or UTC. See `gatewise.data.time_series.time_grid.place_rows`.
        repeated: What counts of rows with the same time: `"mean"`, `"sum"` or `"last"`; None leaves
            a series with such rows out, unless they agree. See
            `gatewise.data.time_series.repeated.settle_repeats`.
        encoding: Of a text; None finds it out.
        usual: What the step is where no series has two times to find it from.

    Raises:
        DataError: The data cannot be used; the message says where and why.
    """
    table = lengthen(data if isinstance(data, Table) else read_table(data, encoding))
    columns, guessed = find_columns(table, id, time, targets, known, static)
    frame = table.collect()
    if not len(frame):
        raise DataError(f"{table.name}: has no rows")
    written = written_covariates(table, frame, [*columns.known, *columns.static])
    said = [*table.said, *guessed, *table.say_notations([*columns.targets, *written])]
    frame = frame.with_columns(table.number(frame, name) for name in written)
    values = table.numbers(frame, columns.targets).to_numpy().astype(np.float64)
    groups = list(rows_by_series(table, frame, columns))
    reading = TimeReading(frequency, usual, time_format, time_zone)
    empty = np.logical_and.reduce(np.isnan(values), axis=1)
    times, zone, groups = place_rows(table, frame, columns, groups, empty, reading, said)
    left_out: list[str] = []
    groups = settle_repeats(table, frame, columns, groups, times, values, repeated, said, left_out)
    grid = replace(choose_grid(table, times, groups, reading, said), zone=zone)
    series = [
        build_series(table, frame, columns, grid, name, rows, times, values, left_out)
        for name, rows in groups
    ]
    series = [each for each in series if each is not None]
    if not series:
        raise DataError(f"{table.name}: no series has a value to learn from")
    say_gaps(series, said)
    found = choose_season(series, grid, season, said)
    return SeriesSet(series, columns, grid, found, said, left_out)


def written_covariates(table: Table, frame: pl.DataFrame, names: Sequence[str]) -> list[str]:
    """Return the covariates that are numbers written in another way than plain.

    Raises:
        DataError: They may mean this or that.
    """
    sample = frame.head(SAMPLE)
    return [
        name for name in names if table.is_number(name, sample) and table.notation(name) is not None
    ]


def rows_by_series(
    table: Table, frame: pl.DataFrame, columns: Columns
) -> Iterable[tuple[str, NDArray[np.int64]]]:
    """Yield each series' name and the rows that belong to it, in the order of the table."""
    if columns.id is None:
        yield "", np.arange(len(frame))
        return
    nameless = frame[columns.id].is_null().arg_true()
    if len(nameless):
        raise DataError(f"{table.place(frame, nameless[0], columns.id)}: names no series")
    places = frame.select(pl.col(columns.id).cast(pl.String)).with_row_index("place")
    grouped = places.group_by(columns.id, maintain_order=True).agg("place")
    for name, rows in grouped.iter_rows():
        yield name, np.array(rows, dtype=np.int64)


def build_series(
    table: Table,
    frame: pl.DataFrame,
    columns: Columns,
    grid: Frequency,
    name: str,
    rows: NDArray[np.int64],
    times: NDArray[Any],
    values: Array,
    left_out: list[str],
) -> Series | None:
    """Return one series on its grid; None, and a word, where it has no value."""
    places = grid.numbers(times[rows])
    if places.max() - places.min() > MOST_STEPS:
        raise DataError(
            f"{table.name}: from {times[rows].min()} to {times[rows].max()} there are "
            f"{places.max() - places.min():,.0f} steps of a {grid}; mend the times, or give "
            "--frequency"
        )
    own = put_on_grid(places, values[rows])
    there = ~np.isnan(own.values)
    empty = [columns.targets[k] for k in range(there.shape[1]) if not there[:, k].any()]
    if empty:
        left_out.append(f"series {name!r} is left out: no value of {', '.join(empty)}")
        return None
    steps = np.flatnonzero(there.any(axis=1))
    first, last = int(steps[0]), int(steps[-1])
    filled, missing = fill_gaps(own.values[first : last + 1])
    beyond = len(own.values) - first
    nearest = np.round(places).astype(np.int64)
    known = {
        each: last_by_step(nearest, told_cells(frame[each].gather(rows)), own.start + first, beyond)
        for each in columns.known
    }
    static = {each: first_value(told_cells(frame[each].gather(rows))) for each in columns.static}
    return Series(name, own.start + first, filled, missing, known, static)


def first_value(column: pl.Series) -> Any:
    """Return the first value there is, or None."""
    there = column.drop_nulls()
    return there[0] if len(there) else None


def say_gaps(series: Sequence[Series], said: list[str]) -> None:
    """Say how much was filled in."""
    filled = sum(int(each.missing.sum()) for each in series)
    if filled:
        total = sum(each.missing.size for each in series)
        said.append(
            f"{filled:,} of {total:,} values were missing: filled by lines between neighbours, "
            "marked, and not measured on"
        )


def choose_season(
    series: Sequence[Series], grid: Frequency, season: int | None, said: list[str]
) -> int:
    """Return the season that is given, usual for the frequency, or found in the values."""
    if season is not None:
        if season < 1:
            raise DataError(f"--season {season}: 1 or more steps")
        return season
    if grid.unit != "step":
        said.append(
            f"a season is {grid.season} steps; --season names another"
            if grid.season > 1
            else f"a step of {grid} has no usual season; --season names one"
        )
        return grid.season
    found = find_season([each.values[:, 0] for each in series])
    said.append(
        f"values repeat after {found} steps: taken as the season; --season names another"
        if found > 1
        else "no season found; --season names one"
    )
    return found

"""What the columns of a table of series mean: the series, the time, the targets, the covariates."""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from gatewise.data.source import DataError
from gatewise.data.tables.table import Table
from gatewise.data.time_series.times import read_times

IDS = ("unique_id", "item_id", "series_id", "series", "id", "sku", "ticker", "symbol", "store")
TIMES = (
    "ds",
    "date",
    "datetime",
    "timestamp",
    "time",
    "month",
    "week",
    "day",
    "quarter",
    "year",
    "step",
)
TARGETS = ("y", "target", "value")


class Columns(NamedTuple):
    """The columns of a table of series.

    Attributes:
        id: Names the series; None where all rows are one series.
        time: When a row was; None where rows are steps.
        targets: What is forecast.
        known: What is known of the future too.
        static: What holds for a whole series.
    """

    id: str | None
    time: str | None
    targets: tuple[str, ...]
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()


def find_columns(
    table: Table,
    id: str | None = None,
    time: str | None = None,
    targets: Sequence[str] = (),
    known: Sequence[str] = (),
    static: Sequence[str] = (),
) -> tuple[Columns, list[str]]:
    """Take the columns that are named, and guess the others.

    Args:
        table: The rows.
        id: See `Columns`; `""` says that there is none. So for `time`.
        time: See `Columns`.
        targets: See `Columns`.
        known: See `Columns`.
        static: See `Columns`.

    Returns:
        The columns, and what was guessed, in words.

    Raises:
        DataError: A named column is not there, or nothing is left to forecast.
    """
    sample, said = table.head(), []
    known = tuple(table.find(name, "--known") for name in known)
    static = tuple(table.find(name, "--static") for name in static)
    targets = tuple(table.find(name, "--target") for name in targets)
    taken = {*known, *static, *targets}
    if time is None:
        time = guess_time(table, sample, taken, id)
        said.append(f"time is column {time!r}" if time else "no column of times: rows are steps")
    else:
        time = table.find(time, "--time") if time else None
    if id is None:
        id = guess_id(table, sample, taken | {time or ""}, time)
        if id is not None:
            said.append(f"series are told apart by column {id!r}")
    else:
        id = table.find(id, "--id") if id else None
    if not targets:
        targets = guess_targets(table, sample, {*known, *static, id, time})
        said.append(f"to forecast: {shorten(targets)}")
    refuse_repetition([each for each in (id, time, *targets, *known, *static) if each], table.name)
    return Columns(id, time, targets, known, static), said


def guess_time(table: Table, sample: pl.DataFrame, taken: set[str], id: str | None) -> str | None:
    """Return the column that holds times: by its name, its type, or how its values are written."""
    free = [name for name in table.names if name not in taken and name != id]
    for name in free:
        if table.columns[name].is_temporal():
            return name
    for known in TIMES:
        for name in free:
            if name.strip().lower() == known:
                return name
    for name in free:
        if not table.is_number(name, sample) and reads_as_times(sample[name]):
            return name
    return None


def reads_as_times(column: pl.Series) -> bool:
    """Say whether a column of texts can be read as times."""
    if column.dtype != pl.String or column.null_count():
        return False
    try:
        read_times(column, lambda _: "")
    except DataError:
        return False
    return True


def guess_id(table: Table, sample: pl.DataFrame, taken: set[str], time: str | None) -> str | None:
    """Return the column that tells series apart: by its name, or the only one of words."""
    free = [name for name in table.names if name not in taken]
    for known in IDS:
        for name in free:
            if name.strip().lower() == known:
                return name
    words = [name for name in free if not table.is_number(name, sample)]
    if time is None or not words:
        return None
    # a column of words is an id only if times come again, once for each series
    whole = table.guarded(table.frame.select(time, words[0]).collect)
    return words[0] if whole[time].n_unique() < len(whole) else None


def guess_targets(table: Table, sample: pl.DataFrame, taken: set[str | None]) -> tuple[str, ...]:
    """Return the columns to forecast: one that is called so, or all of numbers."""
    free = [name for name in table.names if name not in taken]
    for known in TARGETS:
        for name in free:
            if name.strip().lower() == known:
                return (name,)
    numbers = tuple(name for name in free if table.is_number(name, sample))
    if not numbers:
        raise DataError(
            f"{table.name}: no column of numbers to forecast among {', '.join(table.names[:20])}; "
            "name it with --target"
        )
    return numbers


def refuse_repetition(names: Sequence[str], where: str) -> None:
    """Raise `DataError` where a column has two meanings."""
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{where}: column {name!r} is named twice; it can mean one thing only")


def shorten(names: Sequence[str], most: int = 8) -> str:
    """Show names, the rest as a number."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")

"""Rows of one series that have the same time: which of their values counts."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gatewise.data.source import DataError
from gatewise.data.tables.table import ROW, Table, told_cells
from gatewise.data.time_series.columns import Columns
from gatewise.data.time_series.zones import is_sunday

Array = NDArray[np.float64]
Group = tuple[str, NDArray[np.int64]]
"""A series' name, and its rows in the order of the table."""
RULES = ("mean", "sum", "last")


class Ordered(NamedTuple):
    """Rows by series and time, those of one time as in the table.

    Attributes:
        rows: `(N,)`.
        begins: `(n,)`, where among them each time of a series begins.
        series: `(n,)`, the series of each time.
    """

    rows: NDArray[np.int64]
    begins: NDArray[np.int64]
    series: NDArray[np.int64]


def settle_repeats(
    table: Table,
    frame: pl.DataFrame,
    columns: Columns,
    groups: Sequence[Group],
    times: NDArray[Any],
    values: Array,
    rule: str | None,
    said: list[str],
    left_out: list[str],
) -> list[Group]:
    """Return the series whose rows of one time agree, or were made to.

    Rows agree where no value of a target or a known column differs; what one of them leaves empty
    the other tells. `values`, `(N, C)`, is changed: the first such row has the value that counts,
    the others none.

    Args:
        table: The table.
        frame: Its rows.
        columns: What its columns mean.
        groups: The rows of each series.
        times: Of each row.
        values: Of the targets.
        rule: One of `RULES`, which makes rows agree; None leaves such series out.
        said: What was done is added to it.
        left_out: A sentence is added for each series that is left out.

    Raises:
        DataError: There is no such rule, or half of the series would be left out: a time that comes
            so often shows that the column that tells series apart is another.
    """
    if rule is not None and rule not in RULES:
        raise DataError(f"--repeated {rule}: is none of {', '.join(RULES)}")
    ordered = sort_rows(groups, times)
    order, begins, _ = ordered
    counts = np.diff(np.r_[begins, len(order)])
    if (counts == 1).all():
        return list(groups)
    apart = find_contradictions(frame, columns, values, order, begins)
    settled = merge(values[order], begins, rule or "last")
    values[order] = np.nan
    values[order[begins]] = settled
    if rule is None and apart.any():
        return leave_out(table, frame, groups, times, ordered, apart, left_out)
    again = int((counts - 1).sum())
    hour = repeated_hour(times[order[begins[counts > 1]]])
    what = f"their {rule} counts" if rule else "they agree, and count once" + hour
    rows = "1 row repeats" if again == 1 else f"{again:,} rows repeat"
    said.append(f"{rows} the time of another row of the series: {what}")
    return list(groups)


def leave_out(
    table: Table,
    frame: pl.DataFrame,
    groups: Sequence[Group],
    times: NDArray[Any],
    ordered: Ordered,
    apart: NDArray[np.bool_],
    left_out: list[str],
) -> list[Group]:
    """Return the series without rows that contradict each other, or raise `DataError`.

    See `settle_repeats`; `apart`, `(n,)`, says of which times the rows do.
    """
    order, begins, owners = ordered
    first = {int(owners[k]): int(begins[k]) for k in np.flatnonzero(apart)[::-1]}
    reasons = {
        series: describe(table, frame, groups[series][0], order[begin : begin + 2])
        for series, begin in sorted(first.items())
    }
    if 2 * len(reasons) > len(groups):
        more = f", and so for {len(reasons):,} of {len(groups):,} series" if len(groups) > 1 else ""
        raise DataError(
            f"{table.name}: {next(iter(reasons.values()))}{more}; name the column that tells "
            "series apart: --id, or say which value counts: --repeated mean, sum or last"
            + repeated_hour(times[order[begins[apart]]])
        )
    left_out.extend(
        f"{reason}: the series is left out; --repeated mean, sum or last says which value counts"
        for reason in reasons.values()
    )
    return [group for number, group in enumerate(groups) if number not in reasons]


def sort_rows(groups: Sequence[Group], times: NDArray[Any]) -> Ordered:
    """Sort rows by series and time."""
    rows = np.concatenate([rows for _, rows in groups])
    series = np.repeat(np.arange(len(groups)), [len(rows) for _, rows in groups])
    sorting = np.lexsort((times[rows], series))  # stable
    order, series = rows[sorting], series[sorting]
    moments = times[order]
    new = np.r_[True, (moments[1:] != moments[:-1]) | (series[1:] != series[:-1])]
    begins = np.flatnonzero(new)
    return Ordered(order, begins, series[begins])


def find_contradictions(
    frame: pl.DataFrame,
    columns: Columns,
    values: Array,
    order: NDArray[np.int64],
    begins: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Return which times have rows that differ in a target or a known column."""
    ranks = [told_cells(frame[name]).rank("dense").cast(pl.Float64) for name in columns.known]
    told = np.column_stack([values, *(each.to_numpy() for each in ranks)])[order]
    low, high = np.fmin.reduceat(told, begins), np.fmax.reduceat(told, begins)
    return np.logical_or.reduce(low < high, axis=1)


def merge(values: Array, begins: NDArray[np.int64], rule: str) -> Array:
    """Return the value of each time, NaN where no row tells one.

    Args:
        values: `(N, C)`, those of one time together.
        begins: `(n,)`, where each time begins.
        rule: One of `RULES`.

    Returns:
        `(n, C)`.

    Example:
        >>> values = np.array([[1.0], [np.nan], [4.0], [5.0]])
        >>> [merge(values, np.array([0, 3]), rule)[:, 0].tolist() for rule in RULES]
        [[2.5, 5.0], [5.0, 5.0], [4.0, 5.0]]
    """
    there = ~np.isnan(values)
    if rule == "last":
        places = np.where(there, np.arange(len(values))[:, None], -1)
        last = np.maximum.reduceat(places, begins)
        return np.where(last < 0, np.nan, np.take_along_axis(values, last, axis=0))
    sums = np.add.reduceat(np.where(there, values, 0.0), begins)
    counts = np.add.reduceat(there.astype(np.float64), begins)
    with np.errstate(invalid="ignore"):
        means = sums / np.where(counts > 0, counts, np.nan)
    return means if rule == "mean" else means * counts


def describe(table: Table, frame: pl.DataFrame, name: str, rows: NDArray[np.int64]) -> str:
    """Say which rows have the same time."""
    first, second = (int(frame[ROW][int(row)]) for row in rows)
    series = f"series {name!r}" if name else "the series"
    return f"row {second}: {series} has this time already in row {first}"


def repeated_hour(again: NDArray[Any]) -> str:
    """Say what to do where local times repeat the hour after which daylight saving ends."""
    if again.dtype.kind != "M":
        return ""
    midnights = again.astype("datetime64[D]")
    early = (again - midnights < np.timedelta64(4, "h")) & (again > midnights)
    if not (is_sunday(again) & early).all():
        return ""
    return (
        "; if it is the hour that comes twice when daylight saving ends, name the zone whose times "
        "these are, such as --time-zone Europe/Berlin, or write them with their offset, such as "
        f"{again[0].astype('datetime64[m]')!s}+01:00"
    )

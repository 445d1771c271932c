"""Read a column of times, however they are written."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gatewise.data.source import DataError
from gatewise.data.time_series.zones import as_array

DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y")
NAMED = ("%d %B %Y", "%d-%B-%Y", "%B %d, %Y")  # the months may be cut short
AMBIGUOUS = ("%d/%m/%Y", "%m/%d/%Y")
CLOCKS = ("", " %H:%M:%S%.f", "T%H:%M:%S%.f", " %H:%M", "T%H:%M", " %I:%M %p", " %I:%M:%S %p")
MONTHS = re.compile(r"(\d{4})(?:[-/. ]?M(\d{1,2})|[-/.](\d{1,2}))$", re.IGNORECASE)
QUARTERS = re.compile(r"(\d{4})[-/. ]?Q([1-4])$", re.IGNORECASE)
WHOLE = r"^[+-]?\d{1,18}$"
OFFSET = r"\d:\d\d\S* ?(Z|UTC|GMT|[+-]\d\d:?(\d\d)?)$"  # behind a clock
WITHOUT_SECONDS = r"^(\S+[T ]\d\d:\d\d) ?(Z|[+-]\d\d:?\d\d)$"

Place = Callable[[int], str]
"""Names a cell of the column for a message, from its place in the column, from 0."""


class Times(NamedTuple):
    """Times as they are written.

    Attributes:
        values: `datetime64[us]`, or int64 where the column counts steps.
        absolute: Whether they are moments in UTC, because an offset, a zone or seconds since 1970
            say so; else they are what some clock shows.
    """

    values: NDArray[Any]
    absolute: bool


def read_times(column: pl.Series, place: Place, form: str | None = None) -> Times:
    """Read a column of times.

    Args:
        column: Dates, texts, or whole numbers: `19580329`, `195803`, years, seconds since 1970, or
            the number of a step.
        place: See `Place`.
        form: How texts are written, in the letters of `strptime`; None finds out.

    Raises:
        DataError: A value is no time; the message names the first such cell.
    """
    empty = column.is_null().arg_true()
    if len(empty):
        raise DataError(f"{place(empty[0])}: no time; give one, or leave the row out")
    if column.dtype.is_temporal():
        zoned = zone_of(column) is not None
        if zoned:
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return Times(as_array(column.cast(pl.Datetime("us"))), zoned)
    if column.dtype.is_integer():
        return read_whole_numbers(column)
    if column.dtype.is_float():
        return read_whole_numbers(as_whole_numbers(column, place))
    if column.dtype != pl.String:
        raise DataError(f"{place(0)}: {column.dtype} is no kind of time")
    return read_texts(column.str.strip_chars(), place, form)


def zone_of(column: pl.Series) -> str | None:
    """Return the time zone of a column's type, or None."""
    return column.dtype.time_zone if isinstance(column.dtype, pl.Datetime) else None


def as_whole_numbers(column: pl.Series, place: Place) -> pl.Series:
    """Return floating-point numbers as whole ones, or raise `DataError`."""
    whole = column.cast(pl.Int64, strict=False)
    wrong = ((whole.cast(pl.Float64) != column).fill_null(True)).arg_true()
    if len(wrong):
        raise DataError(
            f"{place(wrong[0])}: {column[wrong[0]]} is no time; give dates, or whole numbers"
        )
    return whole


def read_whole_numbers(column: pl.Series) -> Times:
    """Read whole numbers as dates where they all can be, else as seconds, else as steps."""
    numbers = column.cast(pl.Int64).to_numpy()
    low, high = int(numbers.min()), int(numbers.max())
    for ending, smallest, largest in (("", 10000101, 99991231), ("01", 150001, 250012)):
        if smallest <= low and high <= largest:
            texts = column.cast(pl.String) + pl.Series([ending])
            days = texts.str.to_date("%Y%m%d", strict=False)
            if days.null_count() == 0:
                return Times(as_array(days.cast(pl.Datetime("us"))), False)
    if low >= 1500 and high <= 2500:
        return Times((numbers - 1970).astype("datetime64[Y]").astype("datetime64[us]"), False)
    for unit, smallest in (("us", 10**14), ("ms", 10**11), ("s", 10**8)):
        if low >= smallest:
            return Times(numbers.astype(f"datetime64[{unit}]").astype("datetime64[us]"), True)
    return Times(numbers, False)


def read_texts(column: pl.Series, place: Place, form: str | None) -> Times:
    """Read texts as times."""
    if form is not None:
        found = parse(column, form)
        refuse_unread(column, found, place, f"does not follow {form}")
        return Times(as_array(found), "%z" in form)
    if column.str.contains(WHOLE).all():
        return read_whole_numbers(column.cast(pl.Int64))
    months = read_months(column)
    if months is not None:
        return Times(months, False)
    whole = column.str.replace(WITHOUT_SECONDS, "${1}:00${2}")
    zoned = whole.str.to_datetime("%+", time_unit="us", strict=False, time_zone="UTC")
    found = {"": zoned.dt.replace_time_zone(None)}
    if found[""].null_count() == 0:
        return Times(as_array(found[""]), bool(column.str.contains(OFFSET).any()))
    for date in (*DATES, *AMBIGUOUS, *NAMED):
        for clock in CLOCKS:
            found[date + clock] = parse(column, date + clock)
            if found[date + clock].null_count() == 0:
                if date == AMBIGUOUS[0]:
                    refuse_ambiguity(column, found[date + clock], clock, place)
                return Times(as_array(found[date + clock]), False)
    best = min(found.values(), key=lambda times: times.null_count())
    refuse_unread(column, best, place, "is no time that can be read")
    raise AssertionError  # the best has nulls


def refuse_ambiguity(column: pl.Series, found: pl.Series, clock: str, place: Place) -> None:
    """Raise `DataError` where day and month could be exchanged."""
    other = parse(column, AMBIGUOUS[1] + clock)
    if other.null_count() == 0 and not (other == found).all():
        raise DataError(
            f"{place(0)}: {column[0]!r} may be day/month or month/day; say which: "
            f"--time-format '{AMBIGUOUS[0]}{clock}' or '{AMBIGUOUS[1]}{clock}'"
        )


def parse(column: pl.Series, form: str) -> pl.Series:
    """Parse times, null where that fails."""
    if any(sign in form for sign in ("%H", "%I", "%s", "%T", "%+")):
        found = column.str.to_datetime(form, time_unit="us", strict=False)
        return found.dt.replace_time_zone(None)  # of offsets, polars makes UTC
    return column.str.to_date(form, strict=False).cast(pl.Datetime("us"))


def read_months(column: pl.Series) -> NDArray[Any] | None:
    """Read `1949-01`, `1949M1` or `1949Q1`, or return None."""
    for pattern, months in ((QUARTERS, 3), (MONTHS, 1)):
        if not pattern.match(column[0]):
            continue
        found = [pattern.match(text) for text in column]
        if not all(found):
            return None
        years = np.array([int(match[1]) for match in found if match])
        parts = np.array([int(match[2] or match[match.lastindex or 2]) for match in found if match])
        if parts.min() < 1 or parts.max() > 12 // months:
            return None
        numbers = (years - 1970) * 12 + (parts - 1) * months
        return numbers.astype("datetime64[M]").astype("datetime64[us]")
    return None


def refuse_unread(column: pl.Series, found: pl.Series, place: Place, why: str) -> None:
    """Raise `DataError` for the first value that became no time."""
    wrong = found.is_null().arg_true()
    if len(wrong):
        raise DataError(
            f"{place(wrong[0])}: {column[wrong[0]]!r} {why}; mend it, or say how times are "
            "written: --time-format '%Y-%m-%d %H:%M'"
        )

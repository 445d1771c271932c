"""Local times of a zone such as Europe/Berlin, and the moments that they mean."""

import difflib
from collections.abc import Callable, Iterable
from typing import Any
from zoneinfo import available_timezones

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gatewise.data.source import DataError

Moments = NDArray[Any]
LONGEST_SHIFT = 3600  # seconds by which daylight saving moves the clock at most


def check_zone(name: str) -> str:
    """Return the name of a time zone.

    Raises:
        DataError: There is no such zone.
    """
    if is_zone(name):
        return name
    near = difflib.get_close_matches(name, available_timezones(), 1, 0.5)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise DataError(
        f"--time-zone {name}: no such zone{hint}; zones are called as in Europe/Berlin, "
        "America/New_York or UTC"
    )


def is_zone(name: str) -> bool:
    """Say whether there is a time zone of this name."""
    try:
        pl.Series([], dtype=pl.Datetime).dt.replace_time_zone(name)
    except pl.exceptions.PolarsError:
        return False
    return True


def as_clock(moments: Moments, zone: str) -> Moments:
    """Return what the clock of a zone shows at moments in UTC.

    Example:
        >>> as_clock(np.array(["2024-07-01T10:00"], dtype="datetime64[us]"), "Europe/Berlin")
        array(['2024-07-01T12:00:00.000000'], dtype='datetime64[us]')
    """
    return as_array(in_zone(moments, zone).dt.replace_time_zone(None))


def in_zone(moments: Moments, zone: str) -> pl.Series:
    """Return moments in UTC as a column of times of a zone."""
    return pl.Series(moments).dt.replace_time_zone("UTC").dt.convert_time_zone(zone)


def as_moments(clock: Moments, zone: str, groups: Iterable[NDArray[np.int64]]) -> Moments:
    """Return the moments in UTC at which a clock showed times; NaT where it never did.

    In autumn an hour comes twice. Rows tell which is meant: the second time has come from the row
    on that does not come later on the clock than the row before it.

    Args:
        clock: `(N,)`, `datetime64[us]`.
        zone: Whose clock it is.
        groups: The rows of each series, in the order of the table, rising or falling in time.

    Example:
        >>> hours = np.array(["2024-10-27T02", "2024-10-27T02"], dtype="datetime64[us]")
        >>> as_moments(hours, "Europe/Berlin", [np.arange(2)]).astype("datetime64[h]")
        array(['2024-10-27T00', '2024-10-27T01'], dtype='datetime64[h]')
    """
    column = pl.Series(clock)

    def read(ambiguous: Any) -> Moments:
        placed = column.dt.replace_time_zone(zone, ambiguous=ambiguous, non_existent="null")
        return as_array(placed.dt.convert_time_zone("UTC").dt.replace_time_zone(None))

    first, second = read("earliest"), read("latest")
    twice = (first != second) & ~np.isnat(first)
    again = np.zeros(len(clock), bool)
    for rows in groups:
        doubtful = rows[twice[rows]]
        if clock[rows[0]] > clock[rows[-1]]:
            doubtful = doubtful[::-1]
        months = clock[doubtful].astype("datetime64[M]")
        for month in np.unique(months):
            own = doubtful[months == month]
            again[own] = comes_again(clock[own])
    return np.where(again, second, first)


def comes_again(clock: Moments) -> NDArray[np.bool_]:
    """Return which rows come after the clock was set back, `(n,)`, for rows in order of time."""
    back = np.r_[False, clock[1:] <= clock[:-1]]
    return np.logical_or.accumulate(back)


def refuse_skipped(
    clock: Moments,
    moments: Moments,
    zone: str,
    place: Callable[[int], str],
    empty: NDArray[np.bool_],
) -> None:
    """Raise `DataError` for a row at a time that the clock never shows, unless it is empty."""
    wrong = np.flatnonzero(np.isnat(moments) & ~empty)
    if len(wrong):
        raise DataError(
            f"{place(int(wrong[0]))}: there is no {clock[wrong[0]].astype('datetime64[s]')!s} in "
            f"{zone}, where daylight saving begins and the clock is set forward; if times do not "
            "follow daylight saving, leave --time-zone out, or name a zone such as UTC or Etc/GMT-1"
        )


def is_sunday(times: Moments) -> NDArray[np.bool_]:
    """Say which times lie on a Sunday."""
    return (times.astype("datetime64[D]").astype(np.int64) + 4) % 7 == 0  # day 0 was a Thursday


def as_array(found: pl.Series) -> Moments:
    """Return a column of times as an array."""
    return found.to_numpy().astype("datetime64[us]")

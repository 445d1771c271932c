"""The regular grid that times of a series lie on: find it, and count along it."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatewise.data.source import DataError
from gatewise.data.time_series.zones import as_clock

UNITS = {"year": 12, "quarter": 3, "month": 1}  # in months
SECONDS = {"week": 604800, "day": 86400, "hour": 3600, "minute": 60, "second": 1}
SEASONS = {"quarter": 4, "month": 12, "week": 52, "day": 7, "business day": 5, "hour": 24}
DAY = 86400
ROUND = (  # customary steps, in seconds
    *(count * unit for unit in (1, 60) for count in (1, 2, 5, 10, 15, 20, 30)),
    *(count * 3600 for count in (1, 2, 3, 4, 6, 8, 12)),
    DAY,
    7 * DAY,
)
NEARLY_ROUND = 0.1  # a usual distance that differs by less is one of them


@dataclass(frozen=True)
class Frequency:
    """A regular grid of times.

    Attributes:
        unit: `"month"`, `"second"`, `"business day"`, or `"step"` where there are no times.
        count: How many units lie between two steps.
        phase: Where the grid lies: a time of it in its units, modulo the step; seconds and months
            since 1970, or the number of a step.
        day: For months, the day of the month, 0 for the last one.
        zone: Whose clock shows these times, which are moments in UTC; empty where times are what
            a clock shows, or have no zone.
    """

    unit: str
    count: int = 1
    phase: int = 0
    day: int = 1
    zone: str = ""

    def numbers(self, times: NDArray[Any]) -> NDArray[np.float64]:
        """Return the place of times on the grid; a whole number for those that lie on it.

        Args:
            times: `datetime64[us]`, or int64 for `"step"`.
        """
        if self.unit == "step":
            return (times.astype(np.float64) - self.phase) / self.count
        if self.unit == "month":
            return (times.astype("datetime64[M]").astype(np.int64) - self.phase) / self.count
        if self.unit == "business day":
            return business_numbers(times).astype(np.float64)
        return (times.astype("datetime64[us]").astype(np.int64) / 1e6 - self.phase) / self.count

    def times(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        """Return the times at places of the grid: `datetime64[us]`, or int64 for `"step"`."""
        if self.unit == "step":
            return numbers * self.count + self.phase
        if self.unit == "month":
            return self._days_of_months(numbers * self.count + self.phase).astype("datetime64[us]")
        if self.unit == "business day":
            days = np.busday_offset("1970-01-01", numbers, roll="forward")
            return days.astype("datetime64[us]")
        return (numbers * self.count + self.phase).astype("datetime64[s]").astype("datetime64[us]")

    def clock(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        """Return what the clock of the zone shows at places of the grid, like `times`."""
        return as_clock(self.times(numbers), self.zone) if self.zone else self.times(numbers)

    def _days_of_months(self, months: NDArray[np.int64]) -> NDArray[Any]:
        first = months.astype("datetime64[M]").astype("datetime64[D]")
        last = (months + 1).astype("datetime64[M]").astype("datetime64[D]") - 1
        return last if self.day == 0 else np.minimum(first + (self.day - 1), last)

    @property
    def season(self) -> int:
        """The usual steps of a season: a year of months or weeks, a week of days, else a day."""
        name, count = self.name
        if name in SEASONS:
            return max(1, SEASONS[name] // count)
        if self.unit == "second":
            return DAY // self.count if DAY % self.count == 0 and self.count < DAY else 1
        return 1

    @property
    def name(self) -> tuple[str, int]:
        """The largest unit that divides the step, and how many of it."""
        table = {"month": UNITS, "second": SECONDS}.get(self.unit, {self.unit: 1})
        for name, size in table.items():
            if self.count % size == 0:
                return name, self.count // size
        return self.unit, self.count

    def __str__(self) -> str:
        name, count = self.name
        return name if count == 1 else f"{count} {name}s"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return asdict(self)


def business_numbers(times: NDArray[Any]) -> NDArray[np.int64]:
    """Count weekdays since 1970-01-01."""
    days = times.astype("datetime64[D]")
    return np.busday_count("1970-01-01", days).astype(np.int64)


def find_frequency(groups: Sequence[NDArray[Any]]) -> tuple[Frequency, bool]:
    """Find the regular grid that times lie on.

    Args:
        groups: The times of each series, rising: `datetime64[us]` or int64.

    Returns:
        The grid, and whether all times lie on it. Where they do not, its step is the commonest
        distance, or where none is common the middle one, made round.

    Raises:
        DataError: No series has two times.
    """
    gaps = [np.diff(times) for times in groups if len(times) > 1]
    if not gaps:
        raise DataError("no series has two steps; a grid of times needs at least two")
    every = np.concatenate(gaps)
    times = np.concatenate([each for each in groups if len(each)])
    if times.dtype.kind != "M":
        step = int(np.gcd.reduce(every))
        return Frequency("step", max(1, step), int(times[0]) % max(1, step)), True
    return (
        find_months(times, every) or find_business_days(times, every) or find_seconds(times, every)
    )


def find_months(times: NDArray[Any], gaps: NDArray[Any]) -> tuple[Frequency, bool] | None:
    """Return a grid of months where times lie on one day of the month, or on its last."""
    if gaps.min() < np.timedelta64(28, "D"):
        return None
    days = times.astype("datetime64[D]")
    if (days.astype("datetime64[us]") != times.astype("datetime64[us]")).any():
        return None
    months = days.astype("datetime64[M]")
    place = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    tomorrow = (days + 1).astype("datetime64[M]")
    at_end = bool((tomorrow > months).all())
    if not at_end and place.min() != place.max():
        return None
    count = int(np.gcd.reduce(np.unique(np.diff(np.unique(months)).astype(np.int64)), initial=0))
    if count == 0:
        return None
    day = 0 if at_end and place.max() > 28 else int(place[0])
    return Frequency("month", count, int(months[0].astype(np.int64)) % count, day), True


def find_business_days(times: NDArray[Any], gaps: NDArray[Any]) -> tuple[Frequency, bool] | None:
    """Return a grid of weekdays where times are days, most of them in a row, never on weekends."""
    days = times.astype("datetime64[D]")
    whole = (days.astype("datetime64[us]") == times.astype("datetime64[us]")).all()
    if not whole or not np.is_busday(days).all():
        return None
    steps = gaps.astype("timedelta64[D]").astype(np.int64)
    weekends = (steps == 3).sum()
    if (steps == 1).mean() < 0.5 or weekends < 2:
        return None
    return Frequency("business day"), True


def find_seconds(times: NDArray[Any], gaps: NDArray[Any]) -> tuple[Frequency, bool]:
    """Return a grid of seconds: the commonest distance, or where none is common a usual one.

    Of readings that come about once an hour hardly two distances are equal.
    """
    seconds = gaps.astype("timedelta64[us]").astype(np.int64) / 1e6
    values, counts = np.unique(np.round(seconds), return_counts=True)
    values, counts = values[values > 0], counts[values > 0]
    if len(values) == 0:
        raise DataError("times lie less than a second apart; number the steps instead")
    first = int(times.min().astype("datetime64[s]").astype(np.int64))
    step = int(values[counts.argmax()])
    frequency = Frequency("second", step, first % step)
    places = frequency.numbers(times)
    regular = bool((np.abs(places - np.round(places)) < 1e-6).all())
    if regular or counts.max() * 2 >= counts.sum():
        return frequency, regular
    step = nearest_round(float(np.median(seconds[seconds > 0])))
    return Frequency("second", step, first % step), False


def nearest_round(seconds: float) -> int:
    """Return the customary step that a distance nearly is, else the distance in whole seconds."""
    nearest = min(ROUND, key=lambda step: abs(step - seconds))
    near = abs(nearest - seconds) < NEARLY_ROUND * nearest
    return nearest if near else max(1, round(seconds))


def parse_frequency(text: str, first: Any) -> Frequency:
    """Read a frequency such as `hour`, `15 minutes`, `business day`, `month` or `2 steps`.

    Args:
        text: Number and unit.
        first: A time that lies on the grid: `datetime64[us]`, or int64 for steps.

    Raises:
        DataError: It is none, or does not suit the times.
    """
    match = re.fullmatch(r"(\d*)\s*(business day|[a-z]+?)s?", text.strip().lower())
    count, unit = (int(match[1] or 1), match[2]) if match else (0, "")
    if count < 1 or unit not in (*UNITS, *SECONDS, "business day", "step"):
        raise DataError(
            f"--frequency {text}: a number and a unit, such as hour, 15 minutes, day, "
            "business day, week, month, quarter, year or step"
        )
    if (unit == "step") != (np.asarray(first).dtype.kind != "M"):
        raise DataError(f"--frequency {text}: does not suit the column of times")
    if unit == "step":
        return Frequency("step", count, int(first) % count)
    if unit == "business day":
        return Frequency("business day")
    if unit in UNITS:
        count *= UNITS[unit]
        month = first.astype("datetime64[M]")
        day = int((first.astype("datetime64[D]") - month.astype("datetime64[D]")).astype(int)) + 1
        return Frequency("month", count, int(month.astype(np.int64)) % count, day)
    count *= SECONDS[unit]
    seconds = int(first.astype("datetime64[s]").astype(np.int64))
    return Frequency("second", count, seconds % count)

import numpy as np
import pytest

from gatewise.data.source import DataError
from gatewise.data.time_series.calendar import Frequency, find_frequency, parse_frequency


def days(*texts):
    return np.array(texts, dtype="datetime64[us]")


def every(begin, count, unit, step=1):
    first = np.datetime64(begin).astype(f"datetime64[{unit}]")
    return (first + step * np.arange(count)).astype("datetime64[us]")


@pytest.mark.parametrize(
    ("times", "said", "season"),
    [
        (every("2020-01", 30, "M"), "month", 12),
        (every("2020-03", 9, "M", 3), "quarter", 4),
        (every("2020", 9, "Y"), "year", 1),
        (every("2020-01-04", 9, "D", 7), "week", 52),
        (every("2020-01-04", 9, "D"), "day", 7),
        (every("2020-01-04T00", 99, "h"), "hour", 24),
        (every("2020-01-04T00", 99, "m", 15), "15 minutes", 96),
        (every("2020-01-04T00", 99, "h", 6), "6 hours", 4),
        (np.arange(3, 30, 3), "3 steps", 1),
    ],
)
def test_regular_times_are_recognised(times, said, season):
    found, regular = find_frequency([times])
    assert regular
    assert str(found) == said
    assert found.season == season
    places = found.numbers(times)
    assert (np.diff(places) == 1).all()
    assert (found.times(places.astype(np.int64)) == times).all()


def test_ends_of_months_stay_at_the_end():
    times = days("2019-12-31", "2020-01-31", "2020-02-29", "2020-03-31")
    found, regular = find_frequency([times])
    assert regular
    ahead = found.times(found.numbers(times).astype(np.int64) + 2)
    assert ahead.astype("datetime64[D]").astype(str).tolist()[-1] == "2020-05-31"
    assert ahead.astype("datetime64[D]").astype(str).tolist()[0] == "2020-02-29"


def test_weekdays_skip_the_weekend():
    whole = every("2020-01-01", 40, "D")
    times = whole[np.is_busday(whole.astype("datetime64[D]"))]
    found, regular = find_frequency([times])
    assert (str(found), found.season, regular) == ("business day", 5, True)
    friday = np.datetime64("2020-01-03").astype("datetime64[us]")
    number = found.numbers(np.array([friday])).astype(np.int64)
    assert str(found.times(number + 1)[0])[:10] == "2020-01-06"


@pytest.mark.parametrize(
    ("step", "late", "said"),
    [(3600, 1500, "hour"), (300, 90, "5 minutes"), (86400, 30_000, "day"), (2537, 900, None)],
)
def test_times_that_come_late_now_and_then_have_a_round_step(step, late, said):
    random = np.random.default_rng(0)
    places = np.delete(np.arange(2_000), random.integers(0, 2_000, 60))
    seconds = places * step + random.integers(0, late, len(places))
    found, regular = find_frequency([np.datetime64("2023-01-01", "us") + seconds * 10**6])
    assert not regular
    assert str(found) == said if said else abs(found.count - step) < step / 50


def test_gaps_do_not_change_the_grid():
    times = np.delete(every("2020-01-04T00", 99, "h"), [3, 4, 50])
    found, regular = find_frequency([times])
    assert (str(found), regular) == ("hour", True)


def test_times_on_no_grid_are_said_to_be_irregular():
    times = days("2020-01-01T00:00", "2020-01-01T01:00", "2020-01-01T02:00", "2020-01-01T02:47")
    found, regular = find_frequency([times])
    assert (str(found), regular) == ("hour", False)


def test_one_time_is_no_grid():
    with pytest.raises(DataError, match="at least two"):
        find_frequency([days("2020-01-01")])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hour", Frequency("second", 3600, 1800)),
        ("15 minutes", Frequency("second", 900, 0)),
        ("business day", Frequency("business day")),
        ("2 months", Frequency("month", 2, 0, 7)),
        ("year", Frequency("month", 12, 2, 7)),
    ],
)
def test_a_frequency_can_be_named(text, found):
    assert parse_frequency(text, days("2020-03-07T00:30")[0]) == found
    assert Frequency(**found.to_dict()) == found


@pytest.mark.parametrize("text", ["", "0 days", "fortnight", "3", "day 3", "step"])
def test_what_is_no_frequency_is_refused(text):
    with pytest.raises(DataError, match="--frequency"):
        parse_frequency(text, days("2020-03-07")[0])

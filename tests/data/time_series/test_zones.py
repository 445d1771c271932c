import numpy as np
import pytest

from gatewise.data.source import DataError
from gatewise.data.time_series.zones import as_clock, as_moments, check_zone

BERLIN = "Europe/Berlin"


def moments(*clock, groups=None):
    clock = np.array(clock, dtype="datetime64[us]")
    return as_moments(clock, BERLIN, groups or [np.arange(len(clock))])


def hours(found):
    return [int(each.astype("datetime64[h]").astype(int) % 24) for each in found]


AUTUMN = [f"2024-10-27T{hour}" for hour in ("01:00", "02:00", "02:00", "03:00")]


def test_the_order_of_rows_tells_the_hours_of_autumn_apart():
    assert hours(moments(*AUTUMN)) == [23, 0, 1, 2]
    assert hours(moments(*AUTUMN[::-1])) == [2, 1, 0, 23]
    quarters = [f"2024-10-27T02:{minute}" for minute in ("10", "40", "05", "50")]
    assert hours(moments(*quarters)) == [0, 0, 1, 1]  # none is written twice
    one = moments("2024-10-27T02:00", "2024-10-27T03:00")
    assert hours(one) == [0, 2]  # the first, where only one is there


def test_each_series_and_each_autumn_has_its_own_order():
    both = [*AUTUMN, *AUTUMN, "2025-10-26T02:00", "2025-10-26T02:00"]
    found = moments(*both, groups=[np.arange(4), np.arange(4, 10)])
    assert hours(found) == [23, 0, 1, 2, 23, 0, 1, 2, 0, 1]


def test_what_the_clock_never_shows_in_spring_is_no_moment():
    found = moments("2024-03-31T01:00", "2024-03-31T02:00", "2024-03-31T03:00")
    assert np.isnat(found).tolist() == [False, True, False]
    assert found[2] - found[0] == np.timedelta64(1, "h")


def test_moments_become_what_the_clock_shows_again():
    found = moments(*AUTUMN)
    assert as_clock(found, BERLIN).astype("datetime64[m]").astype(str).tolist() == AUTUMN


def test_a_zone_that_there_is_not_is_refused_with_the_nearest_name():
    with pytest.raises(DataError, match=r"Europe/Berln: no such zone \(did you mean Europe/Berlin"):
        check_zone("Europe/Berln")

import math

import numpy as np
import pytest

from gatewise.data.time_series.series import read_series
from gatewise.data.time_series.windows import pack_rows
from gatewise.training.forecast.backtest import correct, points_of
from gatewise.training.forecast.minimum import find_minimums, place_floors, read_minimum
from tests.frames import long_frame


def pack(channels=(0,), **series):
    found = read_series(long_frame(**series))
    ends = np.array([each.steps for each in found.series])
    return pack_rows(found.series, ends, list(channels)), ends


@pytest.mark.parametrize(
    ("values", "minimum"),
    [
        ([3, 1, 2], 0.0),  # passengers
        ([0.5, 0, 0, 2.5], 0.0),  # rain
        ([3.5, 1.2, 2.1], "none"),  # degrees of a summer
        ([3, -1, 2], "none"),
        ([3, None, 2], 0.0),  # what is filled in is not looked at
    ],
)
def test_what_counts_something_is_not_below_zero(values, minimum):
    rows, ends = pack(A=values)
    assert find_minimums(rows, ends, 1) == [minimum]


def test_what_is_not_learned_from_is_not_looked_at():
    rows, ends = pack(A=[3, 1, 2, -5])
    assert find_minimums(rows, ends - 1, 1) == [0.0]


def test_one_series_below_zero_speaks_for_all_of_a_target():
    rows, ends = pack(A=[1, 2], B=[-1, 2])
    assert find_minimums(rows, ends, 1) == ["none"]


def test_a_series_that_was_below_what_was_found_goes_there_again():
    rows, _ = pack(A=[1, 2], B=[-1, 2])
    assert place_floors(rows, None, [0.0]).tolist() == [0, -math.inf]
    assert place_floors(rows, 0, [0.0]).tolist() == [0, 0]  # but not if the user says so
    assert place_floors(rows, "none", [0.0]).tolist() == [-math.inf] * 2


def test_a_target_never_met_has_what_all_others_have():
    rows, _ = pack(channels=(2,), A=[1, 2])
    assert place_floors(rows, None, [0.0, 0.0]).tolist() == [0]
    assert place_floors(rows, None, [0.0, "none"]).tolist() == [-math.inf]


def test_every_method_and_quantile_keeps_its_floor():
    network = np.array([[[-3.0, -1.0, 2.0]]])
    naives = dict.fromkeys(("naive", "seasonal naive", "Naive2"), np.array([[-2.0]]))
    points = points_of(network, naives, np.zeros(1))
    assert min(each.min() for each in points.values()) == 0
    assert points["blend"].tolist() == [[[0, 0, 1]]]
    offsets = np.array([[-5.0, 0.0, 1.0]])
    assert correct(network, offsets, np.ones(1), np.zeros(1)).tolist() == [[[0, 0, 3]]]


def test_a_minimum_is_a_number_or_none():
    assert [read_minimum(text) for text in ("0", "-1.5", "None")] == [0, -1.5, "none"]
    for text in ("zero", "nan", "inf", ""):
        with pytest.raises(ValueError, match="neither a number nor none"):
            read_minimum(text)

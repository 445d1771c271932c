import math

import numpy as np
import pytest
import torch
from torchmetrics.functional import (
    mean_squared_error,
    symmetric_mean_absolute_percentage_error,
)

from gatewise.tasks.forecast_metrics import (
    Outcome,
    coverage,
    mean_by_row,
    measure_accuracy,
    seasonal_differences,
    symmetric_percentage_error,
)


def outcome(true, differences, unit, row):
    return Outcome(
        np.array(true, float), np.array(differences, float), np.array(unit, float), np.array(row)
    )


def test_all_measures_by_hand():
    """One series, history 1 3 5 7 with differences of 2; 9 and 11 came, 8 and 12 were told."""
    came = outcome([[9, 11]], [2], [4], [0])
    found = measure_accuracy(np.array([[8.0, 12.0]]), came)
    assert found.mse == pytest.approx(1 / 16)
    assert found.mae == pytest.approx(1 / 4)
    assert found.smape == pytest.approx((200 / 17 + 200 / 23) / 2)
    assert found.mase == pytest.approx(1 / 2)
    assert found.owa == 1.0


def test_owa_is_the_mean_of_two_ratios():
    came = outcome([[10.0]], [1], [1], [0])
    naive2 = measure_accuracy(np.array([[6.0]]), came)
    found = measure_accuracy(np.array([[8.0]]), came, naive2)
    assert found.owa == pytest.approx(((200 * 2 / 18) / (200 * 4 / 16) + 2 / 4) / 2)


def test_series_count_alike_however_many_origins_they_have():
    came = outcome([[1.0], [1.0], [1.0], [5.0]], [1] * 4, [1] * 4, [0, 0, 0, 3])
    assert measure_accuracy(np.array([[0.0], [0], [0], [1]]), came).mae == (1 + 4) / 2


def test_missing_values_and_series_without_a_scale_do_not_count():
    came = outcome([[1.0, math.nan], [7.0, 7.0]], [1, math.nan], [1, 1], [0, 1])
    found = measure_accuracy(np.array([[3.0, 99.0], [7.0, 8.0]]), came)
    assert found.mae == (2 + 0.5) / 2
    assert found.mase == 2.0
    assert math.isnan(mean_by_row(np.full((1, 2), math.nan), np.array([0])))


def test_measures_agree_with_torchmetrics():
    draw = np.random.default_rng(0)
    true, found = draw.normal(size=(2, 5, 7))
    came = outcome(true, np.ones(5), np.ones(5), np.zeros(5, int))
    measured = measure_accuracy(found, came)
    one, two = torch.from_numpy(found), torch.from_numpy(true)
    assert measured.mse == pytest.approx(float(mean_squared_error(one, two)))
    theirs = float(symmetric_mean_absolute_percentage_error(one, two))
    assert measured.smape == pytest.approx(100 * theirs)


def test_two_zeros_are_no_error():
    assert symmetric_percentage_error(np.zeros(1), np.zeros(1)).tolist() == [0]


def test_seasonal_differences_by_hand():
    history = np.array([1.0, 5, 2, 7, 4, 4])
    none = np.zeros(6, bool)
    found = seasonal_differences(history, none, 2, np.array([2, 3, 4, 6]))
    # with two steps known there is no whole season: steps differ by 4; then |2-1|; then |7-5| too
    assert found.tolist() == [4, 1, 1.5, (1 + 2 + 2 + 3) / 4]


def test_filled_values_and_constant_histories_have_no_difference():
    missing = np.array([False, True, False, False])
    found = seasonal_differences(np.array([1.0, 9, 3, 6]), missing, 1, np.array([2, 4]))
    assert math.isnan(found[0])
    assert found[1] == 3
    assert math.isnan(seasonal_differences(np.ones(4), np.zeros(4, bool), 1, np.array([4]))[0])


def test_the_future_is_no_part_of_the_differences():
    draw = np.random.default_rng(0)
    one = draw.normal(size=30)
    two = np.concatenate([one[:20], draw.normal(size=10)])
    none, origins = np.zeros(30, bool), np.array([5, 12, 20])
    first = seasonal_differences(one, none, 4, origins)
    assert np.array_equal(first, seasonal_differences(two, none, 4, origins))


def test_coverage():
    true = np.array([[1.0, 2.0, math.nan, 4.0]])
    assert coverage(true, np.full((1, 4), 1.5), np.full((1, 4), 4.0)) == pytest.approx(2 / 3)
    assert math.isnan(coverage(true * math.nan, true, true))

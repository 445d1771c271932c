import math

import numpy as np
import pytest

from gatewise.data.time_series.series import read_series
from gatewise.data.time_series.windows import pack_rows
from gatewise.tasks.forecast_metrics import Accuracy
from gatewise.tasks.forecasting import ForecastNetwork
from gatewise.training.forecast.backtest import (
    METHODS,
    Origins,
    best_method,
    calibrate,
    compare,
    correct,
    forecast_by_rule,
    forecast_windows,
    measure_coverage,
    observe,
    place_origins,
    points_of,
)
from tests.frames import long_frame, seasonal


def pack(**series):
    found = read_series(long_frame(**series))
    return pack_rows(found.series, np.array([each.steps for each in found.series]), [0])


def whole(rows):
    return rows.steps * 0, rows.steps


def test_moments_end_with_the_last_that_leaves_a_horizon():
    rows = pack(A=range(10), B=range(6), C=range(3))
    begin = np.array([4, 4, 2])
    where, stride = place_origins(rows, begin, rows.steps, 2, 2, 1000)
    assert stride == 2
    assert where.rows.tolist() == [0, 0, 0, 1]  # C has one step left, and two are needed
    assert where.steps.tolist() == [4, 6, 8, 4]


def test_the_stride_grows_until_there_are_few_enough_moments():
    rows = pack(A=range(100))
    where, stride = place_origins(rows, np.array([20]), rows.steps, 5, None, 10)
    assert stride == 8
    assert len(where.rows) == 10
    assert where.steps[-1] == 95


def test_no_moment_lies_before_the_first_value():
    rows = pack(A=range(5))
    where, _ = place_origins(rows, *whole(rows), 1, 1, 1000)
    assert where.steps.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("kind", ["naive", "seasonal naive", "Naive2"])
def test_rules_forecast_many_moments_as_one_by_one(kind):
    rows = pack(A=seasonal(60), B=seasonal(40, seed=1))
    where = Origins(np.array([0, 0, 1, 1, 0]), np.array([1, 30, 39, 5, 59]))
    together = forecast_by_rule(kind, rows, where, 4, 7)
    alone = [
        forecast_by_rule(kind, rows, Origins(where.rows[[k]], where.steps[[k]]), 4, 7)[0]
        for k in range(5)
    ]
    assert np.allclose(together, alone)


@pytest.mark.parametrize("kind", ["naive", "seasonal naive", "Naive2", "network"])
def test_no_forecast_reads_the_future(kind):
    """Everything behind the origin is replaced; the forecast stays the same."""
    network = ForecastNetwork(lookback=14, horizon=4, hidden=8, segment=7, season=7)
    for parameter in network.parameters():
        parameter.data.normal_(std=0.2)
    values = seasonal(50).tolist()
    values[5] = values[38] = values[39] = None  # a gap that reaches the origin
    others = [*values[:40], *(-100 * seasonal(10, seed=5)).tolist()]
    found = []
    for each in (values, others):
        series = read_series(long_frame(A=each)).series
        rows = pack_rows(series, np.array([38]), [0])
        where = Origins(np.array([0]), np.array([40]))
        if kind == "network":
            found.append(forecast_windows(network, rows, where)[0])
        else:
            found.append(forecast_by_rule(kind, rows, where, 4, 7))
    assert np.array_equal(*found)


def test_a_network_forecasts_in_the_units_of_each_series():
    network = ForecastNetwork(lookback=8, horizon=3, hidden=8, segment=2, scaling="window")
    rows = pack(A=seasonal(40), B=1000 * seasonal(40))
    where = Origins(np.array([0, 1]), np.array([40, 40]))
    found, spread = forecast_windows(network, rows, where)
    assert np.allclose(found[0], rows.values[39], rtol=1e-5)  # a new network forecasts its anchor
    assert np.allclose(found[1], 1000 * found[0], rtol=1e-5)
    assert spread[1] == pytest.approx(1000 * spread[0])


def test_calibration_makes_quantiles_true():
    draw = np.random.default_rng(0)
    quantiles = (0.1, 0.5, 0.9)
    spread = draw.uniform(1, 5, size=4000)
    true = draw.normal(size=(4000, 2)) * spread[:, None] * np.array([1.0, 3.0])
    point = np.zeros((4000, 2, 1))
    offsets = calibrate(point[:2000], true[:2000], spread[:2000], quantiles)
    assert offsets[:, 1].tolist() == [0, 0]
    assert np.allclose(offsets[:, 2], [1.28, 3.84], atol=0.25)
    told = correct(point[2000:], offsets, spread[2000:], np.full(2000, -np.inf))
    assert told.shape == (2000, 2, 3)
    (share,) = measure_coverage(told, true[2000:], quantiles).values()
    assert share == pytest.approx(0.8, abs=0.03)


def test_few_moments_share_one_correction_and_none_has_none():
    true = np.array([[1.0, 3.0], [math.nan, 2.0]])
    offsets = calibrate(np.zeros((2, 2, 1)), true, np.ones(2), (0.25, 0.5, 0.75))
    assert np.allclose(offsets, [[1.5, 0, 2.5]] * 2)
    assert not calibrate(
        np.zeros((1, 2, 1)), true[:1] * math.nan, np.ones(1), (0.1, 0.5, 0.9)
    ).any()


def test_methods_are_compared_on_the_same_moments():
    rows = pack(A=seasonal(60, noise=0))
    where, _ = place_origins(rows, np.array([40]), rows.steps, 7, 1, 1000)
    naives = {name: forecast_by_rule(name, rows, where, 7, 7) for name in METHODS[2:]}
    outcome = observe(rows, where, 7, 7)
    perfect = outcome.true[:, :, None]
    floors = np.full(len(where.rows), -np.inf)
    found = compare(points_of(perfect, naives, floors), outcome)
    assert list(found) == list(METHODS)
    assert found["network"].mase == 0
    assert found["Naive2"].owa == 1
    assert found["blend"].mae == pytest.approx(found["Naive2"].mae / 2)
    # trend 0.5 a step: a season later everything is 3.5 higher, which is also the difference
    assert found["seasonal naive"].mase == pytest.approx(1.0)
    assert best_method(found) == "network"


def test_a_naive_forecast_is_kept_unless_something_is_clearly_better():
    def accuracy(mase):
        return Accuracy(mse=1, mae=1, smape=1, mase=mase, owa=1)

    naives = {name: accuracy(1.0) for name in METHODS[2:]} | {"naive": accuracy(0.9)}
    for blend, best in ((0.895, "naive"), (0.88, "blend")):
        found = {"network": accuracy(1.0), "blend": accuracy(blend), **naives}
        assert best_method(found) == best

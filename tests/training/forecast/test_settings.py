import math

import pytest

from gatewise.data.time_series.series import read_series
from gatewise.data.time_series.split import split_series
from gatewise.training.forecast.settings import ForecastSettings, choose_segment
from tests.frames import long_frame, seasonal


def chosen(steps, horizon, **changes):
    series = read_series(long_frame(A=seasonal(steps)))
    settings = ForecastSettings(horizon=horizon, **changes)
    return settings.chosen_for(series, split_series([steps], horizon))


def test_what_is_left_open_follows_from_the_series():
    found = chosen(1000, 14)
    assert (found.lookback, found.segment) == (35, 1)
    assert (found.hidden, found.batch_size) == (64, 49)
    assert chosen(60_000, 14).hidden == 128


def test_the_look_back_is_whole_segments_and_leaves_something_to_learn_from():
    assert chosen(1000, 14, lookback=30, segment=7).lookback == 35
    short = chosen(60, 10)
    assert short.lookback <= 20


def test_what_is_given_stays():
    found = chosen(500, 7, hidden=5, dropout=0.0, learning_rate=0.5, batch_size=3)
    assert (found.hidden, found.dropout, found.learning_rate, found.batch_size) == (5, 0.0, 0.5, 3)


@pytest.mark.parametrize(
    ("season", "horizon", "lookback", "segment"),
    [(24, 96, 720, 24), (12, 18, 36, 6), (52, 52, 156, 26), (7, 14, 28, 1), (1, 8, 16, 2)],
)
def test_segments_divide_a_season(season, horizon, lookback, segment):
    assert choose_segment(season, horizon, lookback) == segment


def test_budgets():
    assert ForecastSettings().budget(10).steps == 1500
    assert ForecastSettings().budget(100).steps == 10_000
    assert ForecastSettings().budget(10).minutes == 5
    assert ForecastSettings(epochs=2.5).budget(10).steps == 25
    assert ForecastSettings(minutes=1).budget(10).steps is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"horizon": 0}, "horizon is at least 1"),
        ({"lookback": 0}, "lookback is at least 1"),
        ({"decoding": "x"}, "decoding: 'x'"),
        ({"scaling": "x"}, "scaling: 'x'"),
        ({"loss": "x"}, "loss: 'x'"),
        ({"anchor": "x"}, "anchor: 'x'"),
        ({"minimum": math.nan}, "minimum: nan is neither"),
        ({"optimizer": "x"}, "optimizer: 'x'"),
        ({"quantiles": (0.1,)}, "quantiles"),
        ({"dropout": 1.0}, "dropout"),
        ({"minutes": 0}, "minutes is a number above 0"),
        ({"learning_rate": float("inf")}, "learning-rate is a number above 0"),
        ({"validation": -1}, "validation is at least 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        ForecastSettings(**changes)

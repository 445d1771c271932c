import numpy as np
import pytest

from gatewise.tasks.naive import (
    NAIVES,
    find_seasonal,
    forecast_naively,
    repeat_adjusted,
    seasonal_indices,
)


def test_naive_and_seasonal_naive_by_hand():
    history = np.array([[1.0, 2, 3, 4, 5], [9, 8, 7, 6, 5]])
    assert forecast_naively("naive", history, 2, 3).tolist() == [[5, 5], [5, 5]]
    found = forecast_naively("seasonal naive", history, 4, 3)
    assert found.tolist() == [[3, 4, 5, 3], [7, 6, 5, 7]]
    assert forecast_naively("seasonal naive", history, 2, 6).tolist() == [[5, 5], [5, 5]]


def test_the_indices_of_an_exact_season_are_found():
    season = np.array([0.5, 1.0, 1.5])
    level = 10 + np.arange(12.0)
    found = seasonal_indices((level * np.tile(season, 4))[None], 3, multiplicative=True)
    # a moving average of a line times a season is not exactly the line
    assert np.allclose(found, season / season.mean(), atol=0.03)
    added = seasonal_indices((level + np.tile(season, 4))[None], 3, multiplicative=False)
    assert np.allclose(added, season - season.mean())


def test_an_even_season_by_hand():
    """Values 1 2 3 4 | 5 6 7 9: the centred averages of steps 2 to 5 are 3, 4, 5, 6.125."""
    history = np.array([[1.0, 2, 3, 4, 5, 6, 7, 9]])
    found = seasonal_indices(history, 4, multiplicative=False)
    rest = np.array([5 - 5, 6 - 6.125, 3 - 3, 4 - 4])
    assert np.allclose(found, [rest - rest.mean()])


def test_naive2_by_hand():
    """A season of 1, 3 around a level of 20: adjusted, the last value is 20."""
    history = np.tile([10.0, 30.0], 6)[None]
    found = repeat_adjusted(history, 3, 2)
    assert np.allclose(found, [[10, 30, 10]])
    odd = repeat_adjusted(history[:, :-1], 3, 2)
    assert np.allclose(odd, [[30, 10, 30]])


def test_naive2_adds_where_values_are_not_positive():
    history = np.tile([-1.0, 1.0], 6)[None]
    assert np.allclose(repeat_adjusted(history, 2, 2), [[-1, 1]])


def test_naive2_without_a_season_is_naive():
    draw = np.random.default_rng(1)
    history = draw.normal(size=(1, 40)) + 10
    assert not find_seasonal(history, 12).any()
    assert np.allclose(repeat_adjusted(history, 3, 12), history[:, -1:])


@pytest.mark.parametrize(("steps", "seasonal"), [(35, False), (36, True)])
def test_a_season_needs_three_of_it(steps, seasonal):
    history = (np.arange(steps) % 12 == 0)[None] * 1.0 + 5
    assert find_seasonal(history, 12).tolist() == [seasonal]


def test_the_test_of_a_season_by_hand():
    """Bartlett's limit for lag 2 is 1.645 / sqrt(n) * sqrt(1 + 2 r1²)."""
    history = np.array([[1.0, 5, 2, 6, 1, 7, 3, 5]])
    centred = history[0] - history.mean()
    r = [(centred[lag:] * centred[:-lag]).sum() / (centred**2).sum() for lag in (1, 2)]
    limit = 1.645 / np.sqrt(8) * np.sqrt(1 + 2 * r[0] ** 2)
    assert find_seasonal(history, 2).tolist() == [bool(abs(r[1]) > limit)]


def test_series_that_never_change():
    history = np.full((1, 48), 3.0)
    for kind in NAIVES:
        assert forecast_naively(kind, history, 2, 12).tolist() == [[3, 3]]


def test_series_side_by_side_are_as_series_alone():
    draw = np.random.default_rng(0)
    history = np.abs(draw.normal(size=(6, 60))) + np.tile([1.0, 5, 2, 9], 15)
    history[2] -= 20
    history[3] = draw.normal(size=60).cumsum()
    together = forecast_naively("Naive2", history, 7, 4)
    alone = [forecast_naively("Naive2", row[None], 7, 4)[0] for row in history]
    assert np.allclose(together, alone)


def test_what_cannot_be_forecast_is_refused():
    with pytest.raises(ValueError, match="without a value"):
        forecast_naively("naive", np.zeros((1, 0)), 2, 1)
    with pytest.raises(ValueError, match="none of naive"):
        forecast_naively("best", np.zeros((1, 3)), 2, 1)
    with pytest.raises(ValueError, match="two seasons"):
        seasonal_indices(np.zeros((1, 7)), 4, multiplicative=False)

import numpy as np
import pytest

from gatewise.data.time_series.seasons import find_season


@pytest.mark.parametrize("season", [4, 7, 24, 90])
def test_a_repeating_pattern_is_found_below_trend_and_noise(season):
    draw = np.random.default_rng(season)
    steps = np.arange(8 * season)
    pattern = draw.normal(size=season)[steps % season]
    assert find_season([pattern + 0.1 * steps + 0.2 * draw.normal(size=len(steps))]) == season


def test_random_walks_and_noise_have_none():
    draw = np.random.default_rng(0)
    assert find_season([draw.normal(size=500)]) == 1
    assert find_season([draw.normal(size=500).cumsum()]) == 1


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 40, list(range(40))])
def test_what_never_varies_has_none(values):
    assert find_season([np.array(values, dtype=float)]) == 1


def test_a_panel_of_walks_with_seasons_shows_its_season():
    """Steps and trends hide a season in the levels, not in the changes."""
    draw = np.random.default_rng(3)
    panel = []
    for _ in range(40):
        steps = int(draw.integers(60, 140))
        pattern = 1 + draw.normal(size=12) * draw.choice([0.0, 0.1])
        walk = np.exp(draw.normal(7, 2) + draw.normal(0, 0.05, size=steps).cumsum())
        panel.append(walk * pattern[np.arange(steps) % 12])
    assert find_season(panel) == 12

import numpy as np
import pytest
import torch

from gatewise.tasks.anchors import ANCHORS, mean_season, place_anchor
from gatewise.tasks.naive import seasonal_indices


@pytest.mark.parametrize("season", [2, 3, 4, 7])
@pytest.mark.parametrize("steps", [14, 15, 16, 23])  # at least two seasons
def test_a_season_on_a_line_is_found_exactly(season, steps):
    pattern = torch.arange(season, dtype=torch.float64).square()
    k = torch.arange(steps + season)
    values = (pattern - pattern.mean())[k % season] + 0.5 * k
    past = values[None, :steps]
    expected = (pattern - pattern.mean())[k[steps - season : steps] % season]
    assert torch.allclose(mean_season(past, season)[0], expected)
    # the trend goes on from the last value as a level
    found = place_anchor("adjusted", past, season, season)[0]
    level = past[0, -1] - (pattern - pattern.mean())[(steps - 1) % season]
    assert torch.allclose(found, level + (pattern - pattern.mean())[k[steps:] % season])


def test_the_mean_season_is_that_of_the_decomposition():
    draw = np.random.default_rng(0)
    past = draw.normal(size=(3, 48))
    ours = mean_season(torch.from_numpy(past), 12).numpy()
    assert np.allclose(ours, seasonal_indices(past, 12, multiplicative=False))


def test_anchors_by_hand():
    past = torch.tensor([[1.0, 2.0, 3.0, 9.0]])
    assert place_anchor("last", past, 2, 2).tolist() == [[9, 9]]
    assert place_anchor("seasonal", past, 3, 2).tolist() == [[3, 9, 3]]
    assert place_anchor("none", past, 2, 2).tolist() == [[0, 0]]


@pytest.mark.parametrize("kind", ANCHORS)
def test_without_a_season_all_are_the_last_value(kind):
    found = place_anchor(kind, torch.tensor([[1.0, 5.0]]), 2, 1).tolist()
    assert found == ([[0, 0]] if kind == "none" else [[5, 5]])

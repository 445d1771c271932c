"""The forecasts that any model must beat: naive, seasonal naive and Naive2."""

import numpy as np
from numpy.typing import NDArray

NAIVES = ("naive", "seasonal naive", "Naive2")
HISTORY = 3000  # steps that Naive2 looks back over; longer than any seasonal series of the M4 set
CRITICAL = 1.645  # of the normal distribution: a one-sided test at 5 %

Array = NDArray[np.float64]


def forecast_naively(kind: str, history: Array, horizon: int, season: int) -> Array:
    """Forecast several series of one length with one of `NAIVES`.

    Args:
        kind: Which.
        history: `(B, T)`, no value missing.
        horizon: F, steps to forecast.
        season: m, steps of a season; 1 for none.

    Returns:
        `(B, F)`.

    Raises:
        ValueError: No such forecast, or no history.
    """
    if kind not in NAIVES:
        raise ValueError(f"{kind!r} is none of {', '.join(NAIVES)}")
    if history.shape[1] == 0:
        raise ValueError("a series without a value cannot be forecast")
    rule = dict(zip(NAIVES, (repeat_last, repeat_season, repeat_adjusted), strict=True))[kind]
    return rule(history, horizon, season)


def repeat_last(history: Array, horizon: int, season: int = 1) -> Array:
    """Forecast the last value for every step.

    Example:
        >>> repeat_last(np.array([[1.0, 5.0]]), 2)
        array([[5., 5.]])
    """
    return np.repeat(history[:, -1:], horizon, axis=1)


def repeat_season(history: Array, horizon: int, season: int) -> Array:
    """Forecast the value one season before; the last value where there is no whole season.

    Example:
        >>> repeat_season(np.array([[1.0, 2.0, 3.0]]), 3, 2)
        array([[2., 3., 2.]])
    """
    if history.shape[1] < season:
        return repeat_last(history, horizon)
    return history[:, history.shape[1] - season + np.arange(horizon) % season]


def repeat_adjusted(history: Array, horizon: int, season: int) -> Array:
    """Forecast the last seasonally adjusted value, the season put back: Naive2.

    As in the M4 competition (Makridakis, Spiliotis & Assimakopoulos 2020): a series that
    `test_season` finds seasonal is adjusted by classical multiplicative decomposition. Two
    deviations: additive where a value is not above zero, and of a long series the last 3,000 steps.
    """
    history = history[:, -HISTORY:]
    found = repeat_last(history, horizon)
    seasonal = find_seasonal(history, season)
    if not seasonal.any():
        return found
    chosen = history[seasonal]
    positive = (chosen > 0).all(axis=1)
    ahead = (history.shape[1] + np.arange(horizon)) % season
    forecasts = np.empty((len(chosen), horizon))
    for multiplicative in (True, False):
        part = positive == multiplicative
        if not part.any():
            continue
        indices = seasonal_indices(chosen[part], season, multiplicative)
        now = indices[:, [(history.shape[1] - 1) % season]]
        last = chosen[part][:, -1:]
        level = last / now if multiplicative else last - now
        forecasts[part] = level * indices[:, ahead] if multiplicative else level + indices[:, ahead]
    found[seasonal] = forecasts
    return found


def find_seasonal(history: Array, season: int) -> NDArray[np.bool_]:
    """Test for which series the autocorrelation one season back is significant, `(B,)`.

    At least three seasons are needed; the limit is 1.645 standard errors by Bartlett's formula
    (the test of the M4 competition's benchmarks).
    """
    B, T = history.shape
    if season < 2 or 3 * season > T:
        return np.zeros(B, bool)
    centred = history - history.mean(axis=1, keepdims=True)
    power = (centred * centred).sum(axis=1)
    flat = power <= 0
    lags = [
        (centred[:, lag:] * centred[:, :-lag]).sum(axis=1) / np.where(flat, 1, power)
        for lag in range(1, season + 1)
    ]
    before = sum((lag * lag for lag in lags[:-1]), np.zeros(B))
    limit = CRITICAL / np.sqrt(T) * np.sqrt(1 + 2 * before)
    return ~flat & (np.abs(lags[-1]) > limit)


def seasonal_indices(history: Array, season: int, multiplicative: bool) -> Array:
    """Return the indices of a classical decomposition, `(B, m)`, the first for step 0.

    The trend is a centred moving average over one season; an index is the mean of what is left at
    its place, and all indices have mean one (multiplicative) or zero (additive).

    Raises:
        ValueError: There are fewer than two seasons.
    """
    T = history.shape[1]
    if 2 * season > T:
        raise ValueError(f"a decomposition needs two seasons: {2 * season} steps, not {T}")
    half = season // 2
    weights = np.ones(season) if season % 2 else np.r_[0.5, np.ones(season - 1), 0.5]
    windows = np.lib.stride_tricks.sliding_window_view(history, len(weights), axis=1)
    trend = windows @ (weights / season)
    middle = history[:, half : half + trend.shape[1]]
    rest = middle / trend if multiplicative else middle - trend
    places = (half + np.arange(trend.shape[1])) % season
    indices = np.stack([rest[:, places == place].mean(axis=1) for place in range(season)], axis=1)
    mean = indices.mean(axis=1, keepdims=True)
    return indices / mean if multiplicative else indices - mean

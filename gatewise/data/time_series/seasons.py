"""Find the season of series whose times tell nothing."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LONGEST = 1024  # steps of a season that is looked for
SERIES = 200  # looked at
LEAST = 0.3  # autocorrelation of levels that counts as a season
LEAST_OF_CHANGES = 0.1  # of changes, where trends and steps hide less
ERRORS = (2.0, 4.0)  # standard errors that those of levels and of changes stand above zero

Array = NDArray[np.float64]


def find_season(series: Sequence[Array]) -> int:
    """Return the distance at which values resemble themselves most, or 1.

    It is the highest peak of the mean autocorrelation of the series without their straight lines,
    or, where that has none, of their changes from step to step. A peak stands between two lower
    neighbours, and its distance fits three times into the shorter half of the series.

    Example:
        >>> find_season([np.sin(np.arange(120) * 2 * np.pi / 12) + np.arange(120)])
        12
    """
    usual = int(np.median([len(each) for each in series])) if len(series) else 0
    longest = min(LONGEST, usual // 3)
    if longest < 3:
        return 1
    chosen = [each for each in series if len(each) >= 3 * longest][:SERIES]
    error = 1 / np.sqrt(sum(map(len, chosen)))
    levels = np.mean([autocorrelation(straightened(each), longest + 1) for each in chosen], axis=0)
    changes = np.mean([autocorrelation(np.diff(each), longest + 1) for each in chosen], axis=0)
    return (
        highest_peak(levels, max(LEAST, ERRORS[0] * error))
        or highest_peak(changes, max(LEAST_OF_CHANGES, ERRORS[1] * error))
        or 1
    )


def highest_peak(found: Array, least: float) -> int:
    """Return the first of the highest peaks above a limit, or 0.

    A peak stands half that limit above the lowest point before it: what only falls off unevenly
    has none.
    """
    inner = found[1:-1]
    risen = inner - np.minimum.accumulate(found)[1:-1] > least / 2
    peaks = (inner > found[:-2]) & (inner >= found[2:]) & (inner > least) & risen
    lags = np.flatnonzero(peaks) + 1
    # two seasons resemble as much as one: the first of those that are about as high
    strong = lags[found[lags] >= 0.9 * found[lags].max(initial=0.0)]
    return int(strong[0]) if len(strong) else 0


def straightened(values: Array) -> Array:
    """Return a series without its straight line."""
    steps = np.arange(len(values))
    return values - np.polyval(np.polyfit(steps, values, 1), steps)


def autocorrelation(values: Array, lags: int) -> Array:
    """Return the autocorrelation at lags from 0 to `lags`."""
    centred = values - values.mean()
    spectrum = np.fft.rfft(centred, 2 * len(centred))
    power = np.fft.irfft(spectrum * spectrum.conj())[: lags + 1]
    varies = power[0] > 1e-12 * np.square(values).sum()
    return power / power[0] if varies else np.zeros(lags + 1)

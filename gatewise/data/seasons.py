"""Find the season of series whose times tell nothing."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LONGEST = 1024  # steps of a season that is looked for
SERIES = 50  # looked at
LEAST = 0.3  # autocorrelation that counts as a season


def find_season(series: Sequence[NDArray[np.float64]]) -> int:
    """Return the distance at which values resemble themselves most, or 1.

    It is the highest peak of the mean autocorrelation of the series without their straight lines;
    a peak stands between two lower neighbours, and every distance fits three times into a series.

    Example:
        >>> find_season([np.sin(np.arange(120) * 2 * np.pi / 12) + np.arange(120)])
        12
    """
    longest = min(LONGEST, max((len(each) for each in series), default=0) // 3)
    if longest < 3:
        return 1
    chosen = [each for each in series if len(each) >= 3 * longest][:SERIES]
    found = np.mean([autocorrelation(each, longest + 1) for each in chosen], axis=0)
    inner = found[1:-1]
    peaks = np.flatnonzero((inner > found[:-2]) & (inner >= found[2:]) & (inner > LEAST)) + 1
    # the first of peaks that are about as high: two seasons resemble as much as one
    best = found[peaks].max(initial=0.0)
    strong = peaks[found[peaks] >= 0.9 * best]
    return int(strong[0]) if len(strong) else 1


def autocorrelation(values: NDArray[np.float64], lags: int) -> NDArray[np.float64]:
    """Return the autocorrelation at lags from 0 to `lags`, without the series' straight line."""
    steps = np.arange(len(values))
    rest = values - np.polyval(np.polyfit(steps, values, 1), steps)
    spectrum = np.fft.rfft(rest, 2 * len(rest))
    power = np.fft.irfft(spectrum * spectrum.conj())[: lags + 1]
    return power / power[0] if power[0] > 0 else np.zeros(lags + 1)

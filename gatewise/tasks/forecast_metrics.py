"""How good forecasts are: the measures of the M4 competition and of the long-horizon papers."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def symmetric_percentage_error(true: Array, found: Array) -> Array:
    """Return 200 |y - f| / (|y| + |f|), in per cent; 0 where both are 0.

    Makridakis, Spiliotis & Assimakopoulos (2020), equation for sMAPE in section 2.

    Example:
        >>> symmetric_percentage_error(np.array([100.0, 0.0]), np.array([50.0, 0.0]))
        array([66.66666667,  0.        ])
    """
    size = np.abs(true) + np.abs(found)
    return 200 * np.abs(true - found) / np.where(size > 0, size, 1)


def seasonal_differences(
    history: Array, missing: NDArray[np.bool_], season: int, origins: NDArray[np.int64]
) -> Array:
    """Return the mean absolute change over one season before each origin: what MASE divides by.

    Hyndman & Koehler (2006), Another look at measures of forecast accuracy, section 2.

    Args:
        history: `(T,)`, gaps filled.
        missing: `(T,)`, true where filled; differences with such a value do not count.
        season: m; one step where a history is not longer than one season.
        origins: `(N,)`, how many steps of the series each forecast knows.

    Returns:
        `(N,)`, NaN where there is no difference but zero.

    Example:
        >>> seasonal_differences(np.array([1.0, 2, 4, 7]), np.zeros(4, bool), 1, np.array([2, 4]))
        array([1., 2.])
    """
    found = np.full(len(origins), np.nan)
    for m, chosen in ((season, origins > season), (1, origins <= season)):
        if not chosen.any() or len(history) <= m:
            continue
        counts = ~(missing[m:] | missing[:-m])
        changes = np.where(counts, np.abs(history[m:] - history[:-m]), 0.0)
        total, number = (np.concatenate([[0.0], np.cumsum(each)]) for each in (changes, counts))
        last = np.clip(origins[chosen] - m, 0, None)
        means = total[last] / np.where(number[last] > 0, number[last], np.nan)
        found[chosen] = np.where(means > 0, means, np.nan)
    return found


@dataclass(frozen=True)
class Accuracy:
    """Errors of one method: means over steps and origins of a series, then over series.

    Attributes:
        mse: Squared error of series standardised by the part that is learned from, as the papers
            on long horizons state it.
        mae: Absolute error, likewise.
        smape: Symmetric absolute percentage error, in per cent.
        mase: Absolute error divided by the seasonal difference of what was known.
        owa: Overall weighted average against Naive2: the mean of the ratios of sMAPE and of MASE
            (Makridakis, Spiliotis & Assimakopoulos 2020).
    """

    mse: float
    mae: float
    smape: float
    mase: float
    owa: float


class Outcome(NamedTuple):
    """What came true, for N origins.

    Attributes:
        true: `(N, F)`, NaN where a value is missing, which does not count.
        differences: `(N,)`, the seasonal difference of each origin's history; NaN counts as none.
        unit: `(N,)`, the standard deviation that the series is standardised by.
        row: `(N,)` int64, which series an origin belongs to.
    """

    true: Array
    differences: Array
    unit: Array
    row: NDArray[np.int64]


def measure_accuracy(found: Array, outcome: Outcome, naive2: Accuracy | None = None) -> Accuracy:
    """Measure forecasts.

    Args:
        found: `(N, F)`, the forecasts.
        outcome: What came true.
        naive2: The accuracy of Naive2 on the same; None where this is Naive2.

    Returns:
        Means, NaN where nothing counts; a series without seasonal difference has no MASE.
    """
    error = np.abs(outcome.true - found)
    standard = error / outcome.unit[:, None]
    smape = mean_by_row(symmetric_percentage_error(outcome.true, found), outcome.row)
    mase = mean_by_row(error / outcome.differences[:, None], outcome.row)
    owa = 1.0
    if naive2 is not None:
        known = naive2.smape > 0 and naive2.mase > 0
        owa = (smape / naive2.smape + mase / naive2.mase) / 2 if known else float("nan")
    return Accuracy(
        mean_by_row(np.square(standard), outcome.row),
        mean_by_row(standard, outcome.row),
        smape,
        mase,
        owa,
    )


def mean_by_row(values: Array, row: NDArray[np.int64]) -> float:
    """Return the mean over rows of the means of `(N, F)`; NaN does not count."""
    there = ~np.isnan(values)
    sums = np.bincount(row, np.where(there, values, 0.0).sum(axis=1))
    counts = np.bincount(row, there.sum(axis=1))
    counted = counts > 0
    return float((sums[counted] / counts[counted]).mean()) if counted.any() else float("nan")


def coverage(true: Array, lower: Array, upper: Array) -> float:
    """Return the share of values, `(N, F)`, within their intervals; NaN does not count."""
    there = ~np.isnan(true)
    inside = (true >= lower) & (true <= upper)
    return float(inside[there].mean()) if there.any() else float("nan")

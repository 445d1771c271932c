"""How good forecasts are: the measures of the M4 competition and of the long-horizon papers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def squared_error(true: Array, found: Array) -> Array:
    """Return squared errors."""
    return np.square(true - found)


def absolute_error(true: Array, found: Array) -> Array:
    """Return absolute errors."""
    return np.abs(true - found)


def symmetric_percentage_error(true: Array, found: Array) -> Array:
    """Return 200 |y - f| / (|y| + |f|), in per cent; 0 where both are 0.

    Makridakis, Spiliotis & Assimakopoulos (2020), equation for sMAPE in section 2.

    Example:
        >>> symmetric_percentage_error(np.array([100.0, 0.0]), np.array([50.0, 0.0]))
        array([66.66666667,  0.        ])
    """
    size = np.abs(true) + np.abs(found)
    return 200 * np.abs(true - found) / np.where(size > 0, size, 1)


def seasonal_difference(history: Array, season: int) -> float:
    """Return the mean absolute change over one season, which MASE divides by.

    Hyndman & Koehler (2006), Another look at measures of forecast accuracy, section 2.

    Args:
        history: `(T,)`; NaN where a value is missing, differences with it do not count.
        season: m; 1 where the history is not longer than one season.

    Returns:
        NaN where there is no difference, or none but zero.

    Example:
        >>> seasonal_difference(np.array([1.0, 2.0, 4.0, 7.0]), 1)
        2.0
    """
    m = season if len(history) > season else 1
    changes = np.abs(history[m:] - history[:-m])
    changes = changes[~np.isnan(changes)]
    mean = float(changes.mean()) if len(changes) else 0.0
    return mean if mean > 0 else float("nan")


@dataclass(frozen=True)
class Accuracy:
    """Errors of one method, averaged over steps and origins, then over series.

    Attributes:
        mse: Mean squared error.
        mae: Mean absolute error.
        smape: Symmetric mean absolute percentage error, in per cent.
        mase: Mean absolute scaled error; NaN where no series has a scale.
        owa: Overall weighted average against Naive2: the mean of both ratios of means; NaN without.
    """

    mse: float
    mae: float
    smape: float
    mase: float
    owa: float = float("nan")


class ErrorSum:
    """Adds up one method's errors, series by series."""

    def __init__(self):
        self.rows: dict[str, list[float]] = {name: [] for name in ("mse", "mae", "smape", "mase")}

    def add(self, true: Array, found: Array, differences: Array) -> None:
        """Add the forecasts of one series.

        Args:
            true: `(N, F)` for N origins; NaN where a value is missing, which does not count.
            found: `(N, F)`, the forecasts.
            differences: `(N,)`, the seasonal difference of each origin's history, NaN for none.
        """
        there = ~np.isnan(true)
        if not there.any():
            return
        error = absolute_error(true, found)
        self.rows["mse"].append(float(squared_error(true, found)[there].mean()))
        self.rows["mae"].append(float(error[there].mean()))
        self.rows["smape"].append(float(symmetric_percentage_error(true, found)[there].mean()))
        scaled = error / differences[:, None]
        scaled = scaled[~np.isnan(scaled)]
        if len(scaled):
            self.rows["mase"].append(float(scaled.mean()))

    def accuracy(self, naive2: Accuracy | None = None) -> Accuracy:
        """Return the means over series; with those of Naive2 the overall weighted average too."""
        means = {
            name: float(np.mean(row)) if row else float("nan") for name, row in self.rows.items()
        }
        owa = float("nan")
        if naive2 is not None and naive2.smape > 0 and naive2.mase > 0:
            owa = (means["smape"] / naive2.smape + means["mase"] / naive2.mase) / 2
        return Accuracy(**means, owa=owa)


def coverage(true: Array, lower: Array, upper: Array) -> float:
    """Return the share of values, `(N, F)`, within their intervals; NaN does not count."""
    there = ~np.isnan(true)
    inside = (true >= lower) & (true <= upper)
    return float(inside[there].mean()) if there.any() else float("nan")

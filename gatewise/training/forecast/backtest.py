"""Rolling-origin evaluation: forecast from many past moments, compare with what came true."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from gatewise.data.time_series.windows import Rows
from gatewise.tasks.forecast_metrics import (
    Accuracy,
    Outcome,
    coverage,
    measure_accuracy,
    seasonal_differences,
)
from gatewise.tasks.forecasting import ForecastNetwork, Windows
from gatewise.tasks.naive import HISTORY, NAIVES, forecast_naively

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
BATCH = 1024  # windows forecast at once
MARGIN = 0.01  # by which what was learned must be better than what was not
METHODS = ("network", "blend", *NAIVES)
"""Ways to forecast; `"blend"` is the mean of the network's forecast and Naive2's."""


class Origins(NamedTuple):
    """Moments to forecast from.

    Attributes:
        rows: `(N,)`, the row of each.
        steps: `(N,)`, how many of its steps are known.
    """

    rows: Numbers
    steps: Numbers


class Backtest(NamedTuple):
    """What a model and the naive forecasts are worth on the same moments.

    Attributes:
        accuracy: By one of `METHODS`.
        coverage: The share of values within each interval, by its lower and upper quantile.
        origins: How many moments there were.
        series: Of how many series and targets.
        stride: Steps between two moments of a series.
        left_out: Which series are not among them and why, a sentence for each.
    """

    accuracy: dict[str, Accuracy]
    coverage: dict[tuple[float, float], float]
    origins: int
    series: int
    stride: int
    left_out: tuple[str, ...] = ()


def place_origins(
    rows: Rows, begin: Numbers, end: Numbers, horizon: int, stride: int | None, most: int
) -> tuple[Origins, int]:
    """Place moments to forecast from, back from the last one that a part allows.

    Args:
        rows: What is forecast.
        begin: `(R,)`, where the part begins in each row: the first moment.
        end: `(R,)`, where it ends.
        horizon: F.
        stride: Steps between moments; None is 1, or more where there are more than `most`.
        most: See `stride`.

    Returns:
        The moments, and the stride.
    """
    first = np.maximum(begin, first_known(rows))
    last = end - horizon
    possible = np.maximum(last - first + 1, 0)
    if stride is None:
        stride = max(1, -(-int(possible.sum()) // most))
    counts = -(-possible // stride)
    owners = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    steps = last[owners] - stride * (counts[owners] - 1 - number)
    return Origins(owners, steps.astype(np.int64)), stride


def first_known(rows: Rows) -> Numbers:
    """Return the first moment with a known value in each row, `(R,)`."""
    found = [
        int(np.argmax(rows.latest[begin : begin + steps] >= 0)) + 1
        for begin, steps in zip(rows.begin, rows.steps, strict=True)
    ]
    return np.array(found, dtype=np.int64)


def observe(rows: Rows, where: Origins, horizon: int, season: int) -> Outcome:
    """Return what came true."""
    differences = np.full(len(where.rows), np.nan)
    for row in np.unique(where.rows):
        own = where.rows == row
        part = slice(rows.begin[row], rows.begin[row] + rows.steps[row])
        differences[own] = seasonal_differences(
            rows.values[part], rows.missing[part], season, where.steps[own]
        )
    true = rows.true(where.rows, where.steps, horizon)
    return Outcome(true, differences, rows.deviation[where.rows], where.rows)


def forecast_windows(network: ForecastNetwork, rows: Rows, where: Origins) -> tuple[Array, Array]:
    """Forecast from moments with a network.

    Returns:
        Quantiles, `(N, F, Q)` in the rows' own units, and the spread that each window was divided
        by, `(N,)`, in the same.
    """
    found, spreads = [], []
    network.eval()
    device = next(network.parameters()).device
    with torch.inference_mode():
        for begin in range(0, len(where.rows), BATCH):
            part = slice(begin, begin + BATCH)
            own = where.rows[part]
            cut = rows.cut(own, where.steps[part], network.lookback, network.horizon)
            windows = Windows(*(each.to(device) for each in window_of(cut)))
            scaled, scale = network(windows)
            units = scale.undo(scaled.double()).cpu().numpy()
            found.append(units * rows.unit[own, None, None] + rows.shift[own, None, None])
            spreads.append(scale.spread.double().cpu().numpy() * rows.unit[own])
    if not found:
        return np.zeros((0, network.horizon, network.outputs)), np.zeros(0)
    return np.concatenate(found), np.concatenate(spreads)


def window_of(cut: NamedTuple) -> Windows:
    """Return the part of a cut that a network may see."""
    return Windows(*(getattr(cut, name) for name in Windows._fields))


def forecast_by_rule(kind: str, rows: Rows, where: Origins, horizon: int, season: int) -> Array:
    """Forecast from moments with one of `NAIVES`, `(N, F)` in the rows' own units."""
    longest = {"naive": 1, "seasonal naive": season, "Naive2": HISTORY}[kind]
    lengths = np.minimum(where.steps, longest)
    found = np.empty((len(lengths), horizon))
    for length in np.unique(lengths):
        same = np.flatnonzero(lengths == length)
        for part in np.array_split(same, -(-len(same) // 256)):
            history = rows.history(where.rows[part], where.steps[part], int(length))
            found[part] = forecast_naively(kind, history, horizon, season)
    return found


def calibrate(
    found: Array, true: Array, spread: Array, quantiles: tuple[float, ...]
) -> NDArray[np.float64]:
    """Find what has to be added to quantiles so that they are true of what came.

    The correction of a quantile is that quantile of the errors, in units of each window's spread:
    split conformal prediction, one-sided for each quantile (Romano, Patterson & Candès 2019). The
    median stays. Corrections are made for each step where there are enough windows, else for all.

    Args:
        found: `(N, F, Q)`, or `(N, F, 1)` for a forecast without quantiles.
        true: `(N, F)`, NaN where missing.
        spread: `(N,)`.
        quantiles: Q of them.

    Returns:
        `(F, Q)`, zero where nothing is known.
    """
    horizon = true.shape[1]
    found = np.broadcast_to(found, (*true.shape, len(quantiles)))
    offsets = np.zeros((horizon, len(quantiles)))
    for number, quantile in enumerate(quantiles):
        if quantile == 0.5:
            continue
        errors = (true - found[:, :, number]) / spread[:, None]
        seen = (~np.isnan(errors)).sum(axis=0)
        enough = len(errors) > 0 and seen.min() >= 10 / min(quantile, 1 - quantile)
        if enough:
            offsets[:, number] = np.nanquantile(errors, quantile, axis=0)
        elif seen.any():
            offsets[:, number] = np.nanquantile(errors, quantile)
    return offsets


def correct(found: Array, offsets: Array, spread: Array, floors: Array) -> Array:
    """Return calibrated quantiles, `(N, F, Q)`, rising in the last dimension.

    Args:
        found: `(N, F, Q)`.
        offsets: What `calibrate` returned.
        spread: `(N,)`.
        floors: `(N,)`, what no quantile may fall below.
    """
    calibrated = np.sort(found + offsets[None] * spread[:, None, None], axis=2)
    return np.maximum(calibrated, floors[:, None, None])


def measure_coverage(
    found: Array, true: Array, quantiles: tuple[float, ...]
) -> dict[tuple[float, float], float]:
    """Return the coverage of each pair of quantiles around the median."""
    last = len(quantiles) - 1
    return {
        (quantiles[k], quantiles[last - k]): coverage(true, found[:, :, k], found[:, :, last - k])
        for k in range(len(quantiles) // 2)
    }


def points_of(network: Array, naives: dict[str, Array], floors: Array) -> dict[str, Array]:
    """Return each method's forecasts, `(N, F, Q)`, from the network's and the naive ones.

    None falls below its floor, `(N,)`: of Naive2 an additive season may.
    """
    lowest = floors[:, None, None]
    points = {"network": np.maximum(network, lowest)}
    naive = {name: np.maximum(found[:, :, None], lowest) for name, found in naives.items()}
    return points | {"blend": (points["network"] + naive["Naive2"]) / 2} | naive


def compare(points: dict[str, Array], outcome: Outcome) -> dict[str, Accuracy]:
    """Return the accuracy of each method's medians."""
    middle = {name: found[:, :, found.shape[2] // 2] for name, found in points.items()}
    naive2 = measure_accuracy(middle["Naive2"], outcome)
    return {
        name: naive2 if name == "Naive2" else measure_accuracy(found, outcome, naive2)
        for name, found in middle.items()
    }


def best_method(accuracy: dict[str, Accuracy]) -> str:
    """Return the method with the smallest MASE, or absolute error where no series has a scale.

    A naive forecast, which nothing was chosen for, is kept unless the network or the blend is
    better by a hundredth.
    """

    def error(name: str) -> float:
        measured = accuracy[name]
        return measured.mae if np.isnan(measured.mase) else measured.mase

    learned = min((name for name in accuracy if name not in NAIVES), key=error)
    naive = min(NAIVES, key=error)
    return learned if error(learned) < (1 - MARGIN) * error(naive) else naive

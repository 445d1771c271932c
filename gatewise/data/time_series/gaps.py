"""Values on a regular grid: what lies between steps, and what is missing."""

from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Gridded(NamedTuple):
    """Columns on a regular grid.

    Attributes:
        start: The grid's number of the first step.
        values: `(T, C)`, NaN where nothing was there.
        merged: How many values were averaged into another's step.
    """

    start: int
    values: Array
    merged: int


def put_on_grid(places: Array, values: Array) -> Gridded:
    """Put values to the nearest step of a grid; those of one step are averaged.

    Args:
        places: `(N,)` in steps of the grid, in any order.
        values: `(N, C)`, NaN where missing.

    Example:
        >>> grid = put_on_grid(np.array([3.0, 4.1, 3.9, 6.0]), np.array([[1.0], [2], [4], [5]]))
        >>> grid.start, grid.values[:, 0], grid.merged
        (3, array([ 1.,  3., nan,  5.]), 1)
    """
    steps = np.round(places).astype(np.int64)
    start, T = int(steps.min()), int(steps.max() - steps.min()) + 1
    there = ~np.isnan(values)
    sums, counts = np.zeros((T, values.shape[1])), np.zeros((T, values.shape[1]))
    np.add.at(sums, steps - start, np.where(there, values, 0.0))
    np.add.at(counts, steps - start, there)
    with np.errstate(invalid="ignore"):
        means = sums / np.where(counts > 0, counts, np.nan)
    return Gridded(start, means, int((counts - 1).clip(min=0).sum()))


def fill_gaps(values: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Fill what is missing by lines between neighbours, beyond the ends by the nearest value.

    Args:
        values: `(T, C)`, NaN where missing; each column has at least one value.

    Returns:
        The values without NaN, and where they were missing.

    Example:
        >>> fill_gaps(np.array([[np.nan], [1.0], [np.nan], [3.0]]))[0][:, 0]
        array([1., 1., 2., 3.])
    """
    missing = np.isnan(values)
    filled = values.copy()
    steps = np.arange(len(values))
    for column, gaps in zip(filled.T, missing.T, strict=True):
        if gaps.any():
            column[gaps] = np.interp(steps[gaps], steps[~gaps], column[~gaps])
    return filled, missing


def last_by_step(steps: NDArray[np.int64], column: pl.Series, start: int, count: int) -> list[Any]:
    """Return the value of each step of the grid, None where there is none."""
    found: list[Any] = [None] * count
    for step, value in zip((steps - start).tolist(), column, strict=True):
        if value is not None and 0 <= step < count:
            found[step] = value
    return found

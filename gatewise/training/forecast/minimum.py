"""The least that a forecast may be: nothing below zero of what was never below zero."""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gatewise.data.time_series.columns import Columns, shorten
from gatewise.data.time_series.windows import Rows

Array = NDArray[np.float64]
Minimum = float | Literal["none"]


def read_minimum(text: str) -> Minimum:
    """Read what a user wrote: a number, or none.

    Raises:
        ValueError: It is neither.

    Example:
        >>> read_minimum("-1.5"), read_minimum("none")
        (-1.5, 'none')
    """
    if text.strip().lower() == "none":
        return "none"
    try:
        return check_minimum(float(text))
    except ValueError:
        raise ValueError(f"minimum: {text!r} is neither a number nor none") from None


def check_minimum(minimum: Minimum) -> Minimum:
    """Return a minimum, or raise `ValueError` where it is neither a finite number nor none."""
    if minimum == "none" or (isinstance(minimum, int | float) and math.isfinite(minimum)):
        return minimum
    raise ValueError(f"minimum: {minimum!r} is neither a number nor 'none'")


def find_minimums(rows: Rows, ends: NDArray[np.int64], channels: int) -> list[Minimum]:
    """Find the minimum of each target: zero for counts and amounts, else none.

    A target counts something if it was never below zero, and is whole everywhere or zero somewhere:
    sales, passengers, rain. Prices and temperatures of a summer are none.

    Args:
        rows: All targets of all series.
        ends: `(R,)`, where the part that is learned from ends.
        channels: How many targets there are.
    """
    found: list[Minimum] = []
    for channel in range(channels):
        parts = [
            rows.values[begin : begin + end][~rows.missing[begin : begin + end]]
            for begin, end, own in zip(rows.begin, ends, rows.channel, strict=True)
            if own == channel
        ]
        values = np.concatenate(parts)
        counted = (values == 0).any() or (values == np.round(values)).all()
        found.append(0.0 if counted and (values >= 0).all() else "none")
    return found


def place_floors(rows: Rows, minimum: Minimum | None, found: list[Minimum]) -> Array:
    """Return what no forecast of a row may fall below, `(R,)`, -inf for nothing.

    Args:
        rows: All targets of all series.
        minimum: What the user asked for, which holds for every row.
        found: Without that, what was found for each target that the model learned. It does not hold
            for a series that was below it itself; a target never met has it if all have the same.
    """
    if minimum is not None:  # asked for
        return np.full(len(rows.steps), number_of(minimum))
    numbers = [number_of(each) for each in found]
    floors = np.array([*numbers, min(numbers)])[rows.channel]
    return np.where(rows.least >= floors, floors, -math.inf)


def describe_minimum(minimum: Minimum | None, found: list[Minimum], columns: Columns) -> str:
    """Say what forecasts do not fall below, and why."""
    if minimum == "none":
        return "forecasts may take any value, as asked"
    if minimum is not None:
        return f"forecasts do not fall below {minimum:g}, as asked"
    held = [name for name, each in zip(columns.targets, found, strict=True) if each != "none"]
    if not held:
        return "forecasts may take any value; --minimum says otherwise"
    return (
        f"forecasts of {shorten(held)} do not fall below 0, where the past never did; "
        "--minimum none lifts it"
    )


def number_of(minimum: Minimum) -> float:
    """Return a minimum as a number."""
    return -math.inf if minimum == "none" else float(minimum)

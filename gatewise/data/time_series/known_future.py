"""Which series can be forecast: those whose covariates are told for the steps behind their end."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gatewise.data.source import DataError
from gatewise.data.time_series.covariates import Encoding
from gatewise.data.time_series.series import Series, SeriesSet


def leave_out_untold(series: SeriesSet, known: Sequence[Encoding], horizon: int) -> SeriesSet:
    """Return the series whose covariates are told for every step to forecast, and say the others.

    A covariate that was empty at times in training may be empty here too, in rows that are there:
    it counts as it did then. To fill in any other would be a guess: the series is left out.

    Args:
        series: What is to be forecast.
        known: How its covariates become numbers.
        horizon: F, steps behind the last target of each series.

    Raises:
        DataError: No series is left.
    """
    faults = [find_untold(each, series, known, horizon) for each in series.series]
    left = [each for each, fault in zip(series.series, faults, strict=True) if fault is None]
    reasons = [fault for fault in faults if fault is not None]
    if not left:
        more = f"; no other of {len(faults):,} series can be forecast" if len(faults) > 1 else ""
        raise DataError(reasons[0] + more)
    out = [f"not forecast: {reason}" for reason in reasons]
    return replace(series, series=left, left_out=[*series.left_out, *out]) if out else series


def find_untold(
    one: Series, series: SeriesSet, known: Sequence[Encoding], horizon: int
) -> str | None:
    """Return what is not told of the steps to forecast of one series; None if all is."""
    for each in known:
        values = one.known[each.name]
        ahead = values[one.steps : one.steps + horizon]
        if len(ahead) == horizon and (each.gaps or None not in ahead):
            continue
        step = one.steps + (len(ahead) if each.gaps or None not in ahead else ahead.index(None))
        time = series.frequency.clock(np.array([one.start + step]))[0]
        whose = f" of series {one.name!r}" if one.name else ""
        return (
            f"covariate {each.name!r}{whose} has no value at {written(time)}, but {horizon} "
            "steps behind the last target are needed: add rows with the target empty"
        )
    return None


def written(time: Any) -> str:
    """Write a time for a message, without parts of a second and without a clock at midnight."""
    text = str(time.astype("datetime64[s]") if time.dtype.kind == "M" else time)
    return text.removesuffix("T00:00:00")

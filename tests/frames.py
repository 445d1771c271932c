"""Tables of series for tests."""

import datetime
from collections.abc import Sequence

import numpy as np
import polars as pl


def long_frame(**series: Sequence[float | None]) -> pl.DataFrame:
    """Daily series in long format, each with its own name."""
    first = datetime.date(2020, 1, 1)
    rows = [
        (name, first + datetime.timedelta(days=step), value)
        for name, values in series.items()
        for step, value in enumerate(values)
    ]
    schema = {"unique_id": pl.String, "ds": pl.Date, "y": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row", strict=False)


def seasonal(steps: int, season: int = 7, trend: float = 0.5, noise: float = 0.3, seed: int = 0):
    """A series with season, trend and noise."""
    draw = np.random.default_rng(seed)
    pattern = 5 * np.sin(2 * np.pi * np.arange(season) / season)
    k = np.arange(steps)
    return 50 + trend * k + pattern[k % season] + noise * draw.normal(size=steps)

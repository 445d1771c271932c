"""Windows of series: their pasts and futures cut out of one long array, many at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatewise.data.time_series.covariates import Encoding
from gatewise.data.time_series.series import Series

Numbers = NDArray[np.int64]
SMALLEST = 1e-9  # of the level; less variation is rounding


class Cut(NamedTuple):
    """Windows that were cut out; the series are standardised.

    Attributes:
        past: `(B, L)`, filled in where there is none.
        missing: `(B, L)`, 1 where it is filled in.
        future: `(B, F)`, filled in where there is none.
        there: `(B, F)`, 1 where it is true.
        channel: `(B,)` int64, which target; the number of targets for one never met.
        known: `(B, L + F, K)`.
        static: `(B, S)`.
    """

    past: Tensor
    missing: Tensor
    future: Tensor
    there: Tensor
    channel: Tensor
    known: Tensor
    static: Tensor


@dataclass(frozen=True)
class Rows:
    """All targets of all series, one after the other: R rows.

    Attributes:
        values: `(N,)` float64, filled in, in their own units.
        missing: `(N,)`, true where filled in.
        begin: `(R,)`, where a row begins.
        steps: `(R,)`, how long it is.
        series: `(R,)`, which series it belongs to.
        channel: `(R,)`, which target it is.
        shift: `(R,)`, its mean in the part that is learned from, or zero.
        unit: `(R,)`, its standard deviation there, or one.
        deviation: `(R,)`, its standard deviation there; see `spread` where it does not vary.
        least: `(R,)`, its smallest value there; infinite where it has none.
        latest: `(N,)`, the last step at or before each one that is not filled in; -1 for none.
        known: `(M, K)` float32, covariates of all series.
        known_begin: `(R,)`, where those of a row begin.
        known_steps: `(R,)`, how many there are.
        static: `(R, S)` float32.
    """

    values: NDArray[np.float64]
    missing: NDArray[np.bool_]
    latest: Numbers
    begin: Numbers
    steps: Numbers
    series: Numbers
    channel: Numbers
    shift: NDArray[np.float64]
    unit: NDArray[np.float64]
    deviation: NDArray[np.float64]
    least: NDArray[np.float64]
    known: Tensor
    known_begin: Numbers
    known_steps: Numbers
    static: Tensor

    def history(self, rows: Numbers, origins: Numbers, steps: int) -> NDArray[np.float64]:
        """Return the last steps before origins, `(B, steps)`, in the rows' own units.

        What is missing right before an origin is the last value there was: a line to the next
        value would tell the future.
        """
        before = origins[:, None] + np.arange(-steps, 0)
        return self.values[self.begin[rows, None] + self.told(rows, origins, before)]

    def told(self, rows: Numbers, origins: Numbers, steps: Numbers) -> Numbers:
        """Return the steps, `(B, n)`, that stand for those before origins, inside the rows."""
        last = self.latest[self.begin[rows] + np.maximum(origins, 1) - 1]
        return np.clip(steps, 0, np.maximum(last, 0)[:, None])

    def true(self, rows: Numbers, origins: Numbers, horizon: int) -> NDArray[np.float64]:
        """Return what follows origins, `(B, F)` in its own units; NaN where there is none."""
        steps = origins[:, None] + np.arange(horizon)
        inside = steps < self.steps[rows, None]
        places = self.begin[rows, None] + np.minimum(steps, self.steps[rows, None] - 1)
        return np.where(inside & ~self.missing[places], self.values[places], np.nan)

    def cut(self, rows: Numbers, origins: Numbers, lookback: int, horizon: int) -> Cut:
        """Cut windows out: `lookback` steps before each origin, `horizon` steps from it on.

        What lies before the first step is its value, marked as missing.
        """
        steps = origins[:, None] + np.arange(-lookback, horizon)
        last = self.steps[rows, None] - 1
        begin = self.begin[rows, None]
        told = np.concatenate(
            [
                self.told(rows, origins, steps[:, :lookback]),
                np.clip(steps[:, lookback:], 0, last),
            ],
            axis=1,
        )
        scaled = (self.values[begin + told] - self.shift[rows, None]) / self.unit[rows, None]
        values = torch.from_numpy(scaled.astype(np.float32))
        absent = self.missing[begin + np.clip(steps, 0, last)] | (steps < 0) | (steps > last)
        missing = torch.from_numpy(absent.astype(np.float32))
        ahead = self.known_begin[rows, None] + np.clip(steps, 0, self.known_steps[rows, None] - 1)
        known = self.known[torch.from_numpy(ahead if self.known.shape[1] else ahead * 0)]
        numbers = torch.from_numpy(rows)
        return Cut(
            values[:, :lookback],
            missing[:, :lookback],
            values[:, lookback:],
            1 - missing[:, lookback:],
            torch.from_numpy(self.channel[rows]),
            known,
            self.static[numbers],
        )


def pack_rows(
    series: Sequence[Series],
    ends: Numbers,
    channels: Sequence[int],
    known: Sequence[Encoding] = (),
    static: Sequence[Encoding] = (),
    centred: bool = True,
    scaled: bool = True,
) -> Rows:
    """Put series one after the other.

    Args:
        series: What to pack.
        ends: `(S,)`, where the part that scales are measured on ends in each series.
        channels: For each target of the series, which target of the model it is.
        known: How covariates of each step become numbers.
        static: How covariates of a series become numbers.
        centred: Whether to take out each row's mean.
        scaled: Whether to take out each row's standard deviation.
    """
    columns = [each.values[:, k] for each in series for k in range(len(channels))]
    gaps = [each.missing[:, k] for each in series for k in range(len(channels))]
    owners = np.repeat(np.arange(len(series)), len(channels))
    learned = [
        column[:end][~gap[:end]]
        for column, gap, end in zip(columns, gaps, ends[owners], strict=True)
    ]
    shift = np.array([part.mean() if len(part) else 0.0 for part in learned])
    deviation = np.array([spread(part) for part in learned])
    steps = np.array([len(column) for column in columns], dtype=np.int64)
    ahead = [encode_known(each, known) for each in series]
    ahead_steps = np.array([len(each) for each in ahead], dtype=np.int64)
    return Rows(
        np.concatenate(columns),
        np.concatenate(gaps),
        np.concatenate([latest_steps(gap) for gap in gaps]),
        np.cumsum(steps) - steps,
        steps,
        owners,
        np.tile(np.array(channels, dtype=np.int64), len(series)),
        shift if centred else np.zeros_like(shift),
        deviation if scaled else np.ones_like(deviation),
        deviation,
        np.array([part.min(initial=np.inf) for part in learned]),
        torch.from_numpy(np.concatenate(ahead)),
        (np.cumsum(ahead_steps) - ahead_steps)[owners],
        ahead_steps[owners],
        torch.from_numpy(encode_static(series, static)[owners]),
    )


def latest_steps(missing: NDArray[np.bool_]) -> Numbers:
    """Return the last step at or before each one that is not missing; -1 for none.

    Example:
        >>> latest_steps(np.array([True, False, True])).tolist()
        [-1, 1, 1]
    """
    return np.maximum.accumulate(np.where(missing, -1, np.arange(len(missing))))


def spread(values: NDArray[np.float64]) -> float:
    """Return the standard deviation; the level where values do not vary, one where that is zero."""
    if not len(values):
        return 1.0
    deviation, level = float(values.std()), float(np.abs(values).mean())
    return deviation if deviation > SMALLEST * level else level or 1.0


def encode_known(series: Series, known: Sequence[Encoding]) -> NDArray[np.float32]:
    """Return a series' covariates of each step, `(T + F, K)`."""
    if not known:
        return np.zeros((series.steps, 0), np.float32)
    return np.concatenate([each.encode(series.known[each.name]) for each in known], axis=1)


def encode_static(series: Sequence[Series], static: Sequence[Encoding]) -> NDArray[np.float32]:
    """Return the covariates of whole series, `(S, ...)`."""
    if not static:
        return np.zeros((len(series), 0), np.float32)
    return np.concatenate(
        [each.encode([one.static[each.name] for one in series]) for each in static], axis=1
    )

"""Where series are cut: learned from, measured on in training, and measured on in the end."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gatewise.data.source import DataError

SHARE = 0.1  # of a series, for validation and for the test
Ends = NDArray[np.int64]


class Split(NamedTuple):
    """Where the parts of S series end, in steps from their beginning.

    Attributes:
        training: `(S,)`.
        validation: `(S,)`; that of training where a series is too short to have one.
        test: `(S,)`; that of validation where a series is too short to have one.
    """

    training: Ends
    validation: Ends
    test: Ends


def split_series(
    lengths: Sequence[int],
    horizon: int,
    training: int | None = None,
    validation: float | None = None,
    test: float | None = None,
) -> Split:
    """Cut series in time: the last steps are the test, those before it the validation.

    Args:
        lengths: Steps of each series.
        horizon: F; a part holds at least so many steps, or is left out.
        training: Steps to learn from; None is what the others leave. Given, what lies behind the
            test is left out.
        validation: Steps from 1 on, a share of the series below; None is a tenth, at least one
            horizon, or two where a series has eight.
        test: As validation.

    Raises:
        DataError: A size cannot be.

    Example:
        >>> split_series([144, 30], 12)
        Split(training=array([96, 18]), validation=array([120,  30]), test=array([144,  30]))
    """
    rows = [split_one(length, horizon, training, validation, test) for length in lengths]
    return Split(*np.array(rows, dtype=np.int64).reshape(-1, 3).T)


def split_end(lengths: Sequence[int], horizon: int, test: float | None = None) -> Split:
    """Cut a test off the end of series that nothing is learned from.

    Args:
        lengths: Steps of each series.
        horizon: F.
        test: See `split_series`; a series that keeps no two steps before it has none.

    Example:
        >>> split_end([30, 12], 12).validation.tolist()
        [18, 12]
    """
    kept = [length - part_size(test, length, horizon) for length in lengths]
    begin = np.array(
        [steps if steps >= 2 else length for steps, length in zip(kept, lengths, strict=True)],
        dtype=np.int64,
    )
    return Split(begin, begin, np.array(lengths, dtype=np.int64))


def split_one(
    length: int,
    horizon: int,
    training: int | None,
    validation: float | None,
    test: float | None,
) -> tuple[int, int, int]:
    """Return where the parts of one series end."""
    least = horizon + 2  # a window to learn from
    measured, tested = (part_size(each, length, horizon) for each in (validation, test))
    if training is not None:
        ends = (training, training + measured, training + measured + tested)
        return ends if ends[2] <= length else (length, length, length)
    if length - measured - tested < least:
        if test is None:
            tested = horizon if length - 2 * horizon >= least else 0
        if validation is None:
            measured = horizon
        if length - measured - tested < least:
            return length, length, length
    return length - measured - tested, length - tested, length


def part_size(size: float | None, length: int, horizon: int) -> int:
    """Return the steps of a part."""
    if size is None:
        return max(int(SHARE * length), 2 * horizon if length >= 8 * horizon else horizon)
    if size < 0 or (size >= 1 and size != int(size)):
        raise DataError(f"a part of {size}: give a number of steps, or a share below 1")
    steps = int(size) if size >= 1 else int(size * length)
    return 0 if size == 0 else max(steps, horizon)

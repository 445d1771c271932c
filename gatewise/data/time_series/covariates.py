"""Covariates as numbers: numbers standardised, words by a place for each of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gatewise.data.source import DataError

MOST_LEVELS = 100
SMALLEST = 1e-9  # of the mean; less variation is rounding


@dataclass(frozen=True)
class Encoding:
    """How one covariate becomes numbers.

    Attributes:
        name: The column.
        levels: The words it had, each one number (1 where it is that word); None for a number.
        mean: Of a number, subtracted.
        spread: Of a number, its standard deviation, divided by.
        gaps: Whether it was empty at times in what was learned from.
    """

    name: str
    levels: tuple[str, ...] | None
    mean: float = 0.0
    spread: float = 1.0
    gaps: bool = False

    @property
    def size(self) -> int:
        """How many numbers it becomes."""
        return 1 if self.levels is None else len(self.levels)

    def encode(self, values: Sequence[Any]) -> NDArray[np.float32]:
        """Return `(n, size)`; what is missing, or a word never met, is zero.

        Raises:
            DataError: A value should be a number, and is none.
        """
        if self.levels is None:
            numbers = [np.nan if value is None else as_number(value) for value in values]
            if None in numbers:
                wrong = values[numbers.index(None)]
                raise DataError(f"covariate {self.name!r}: {wrong!r} is no number")
            scaled = (np.array(numbers, dtype=np.float64) - self.mean) / self.spread
            return np.nan_to_num(scaled).astype(np.float32)[:, None]
        places = {level: place for place, level in enumerate(self.levels)}
        found = np.zeros((len(values), self.size), np.float32)
        for row, value in enumerate(values):
            place = places.get(str(value))
            if place is not None:
                found[row, place] = 1.0
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Rebuild from `to_dict`."""
        levels = data["levels"]
        return cls(**{**data, "levels": None if levels is None else tuple(levels)})


def find_encoding(name: str, values: Sequence[Any]) -> Encoding:
    """Find how a covariate becomes numbers: as numbers if all are, else as words.

    Args:
        name: The column.
        values: What is learned from, None where missing.

    Raises:
        DataError: It never has a value, or too many different words.

    Example:
        >>> find_encoding("day", ["mon", "tue", "mon"]).encode(["tue", "sun"]).tolist()
        [[0.0, 1.0], [0.0, 0.0]]
    """
    there = [value for value in values if value is not None]
    if not there:
        raise DataError(f"covariate {name!r}: has no value; leave it out")
    gaps = len(there) < len(values)
    numbers = [as_number(value) for value in there]
    if None not in numbers:
        mean, spread = float(np.mean(np.array(numbers))), float(np.std(np.array(numbers)))
        return Encoding(name, None, mean, spread if spread > SMALLEST * abs(mean) else 1.0, gaps)
    levels = tuple(sorted({str(value) for value in there}))
    if len(levels) > MOST_LEVELS:
        raise DataError(
            f"covariate {name!r}: {len(levels):,} different words such as {levels[0]!r}, at most "
            f"{MOST_LEVELS} can be told apart; group them, or leave it out"
        )
    return Encoding(name, levels, gaps=gaps)


def as_number(value: Any) -> float | None:
    """Return a value as a finite number, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None

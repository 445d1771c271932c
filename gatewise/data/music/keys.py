"""The keys of a piano: what stands in a roll, and how notes are called."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

KEYS = 88
LOWEST = 21
"""The MIDI number of the lowest key, A0; the highest, C8, is 108."""
MIDDLE_C = 60

Roll = NDArray[np.uint8]
"""What sounds: `(T, 88)`, 1 where a key is held in a step, else 0."""

NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def name_of(key: int) -> str:
    """Return how a key is called.

    Example:
        >>> name_of(0), name_of(39), name_of(87)
        ('A0', 'C4', 'C8')
    """
    number = key + LOWEST
    return f"{NAMES[number % 12]}{number // 12 - 1}"


def transposed(roll: Roll, semitones: int) -> Roll:
    """Return music moved up; no key may leave the keyboard.

    Args:
        roll: `(T, 88)`.
        semitones: How far; below 0 is down.

    Raises:
        ValueError: A key would leave the keyboard.
    """
    low, high = room(roll)
    if not low <= semitones <= high:
        raise ValueError(f"semitones lie from {low} to {high} for this music, not at {semitones}")
    return np.roll(roll, semitones, axis=1)


def room(roll: Roll) -> tuple[int, int]:
    """Return how far music can be moved down (0 or below) and up."""
    used = np.flatnonzero(roll.any(0))
    if not len(used):
        return 0, 0
    return -int(used[0]), KEYS - 1 - int(used[-1])


def shares_of(pieces: Sequence[Roll]) -> NDArray[np.float64]:
    """Return how often each key is held, `(88,)`; never quite never."""
    steps = np.concatenate(pieces)
    return (steps.sum(0) + 0.5) / (len(steps) + 1)

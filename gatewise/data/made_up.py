"""Sequences that are made up: sines, and strings of the Reber grammar."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gatewise.data.labelled.examples import Examples, listed_examples

REBER: dict[int, tuple[tuple[str, int], ...]] = {
    0: (("B", 1),),
    1: (("T", 2), ("P", 3)),
    2: (("S", 2), ("X", 4)),
    3: (("T", 3), ("V", 5)),
    4: (("X", 3), ("S", 6)),
    5: (("P", 4), ("V", 6)),
    6: (("E", 7),),
}
"""The arcs of each state (Reber 1967): what is said, and the state after it; 7 is the last."""
LAST = 7


def sines(count: int, seed: int, length: int = 60) -> list[np.ndarray]:
    """Return noisy sines `(T, 1)` of random frequency, phase and size.

    Periods are even in their logarithm from 8 to 30 steps, amplitudes even from 0.5 to 1; the noise
    has a standard deviation of 0.03.
    """
    draw = np.random.default_rng(seed)
    period = np.exp(draw.uniform(np.log(8), np.log(30), (count, 1)))
    phase, size = draw.uniform(0, 2 * np.pi, (count, 1)), draw.uniform(0.5, 1, (count, 1))
    waves = size * np.sin(2 * np.pi * np.arange(length) / period + phase)
    return list((waves + draw.normal(0, 0.03, waves.shape)).astype(np.float32)[..., None])


def reber_strings(count: int, seed: int) -> list[str]:
    """Return strings of the Reber grammar, each arc of a state as likely as the other.

    Example:
        >>> reber_strings(3, 0)
        ['BPVVE', 'BTSSSSSXSE', 'BPVVE']
    """
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        state, text = 0, ""
        while state != LAST:
            arcs = REBER[state]
            symbol, state = arcs[draw.integers(len(arcs))]
            text += symbol
        found.append(text)
    return found


def is_reber(text: str) -> bool:
    """Say whether the Reber grammar has a string.

    Example:
        >>> is_reber("BTXSE"), is_reber("BTXE")
        (True, False)
    """
    state = 0
    for symbol in text:
        state = dict(REBER.get(state, ())).get(symbol, -1)
    return state == LAST


MADE_UP: dict[str, Callable[[int, int], list[Any]]] = {"sine": sines, "reber": reber_strings}
"""What makes so many sequences from a seed, by name."""


def make_up(name: str, count: int, seed: int) -> Examples:
    """Return made-up sequences as examples."""
    made = listed_examples(MADE_UP[name](count, seed))
    return Examples(name, made.kind, made.read, False, made.channels, unit=made.unit)

"""How calls are divided among threads. The limits were measured on two threads."""

from __future__ import annotations

UNIT_BYTES = 256 << 10
"""Weights below are multiplied in less time than threads need to wait for each other."""

UNIT_SEQUENCES = {UNIT_BYTES: 3, 2 << 20: 8, 3 << 20: 16}
"""For more weights than so many bytes: up to so many sequences for each thread, weights are read
rather than used. Those beyond 2 MiB fit in no second-level cache; half of them may."""

FEW_STEPS, FEW_STEPS_SEQUENCES = 4, 16
"""In so few steps, packing takes most of the time: up to so many sequences for each thread, it is
better to multiply the weights that the thread itself has packed."""

BLOCK_BYTES, MANY_BLOCK_BYTES = 256 << 10, 2 << 20
"""What a thread computes ahead for a block of steps, at least and at most."""

HALVED_BYTES, HALVED_SEQUENCES, HALVED_ROWS = 1 << 20, 16, 512
"""Backward passes with no more weights, but so many sequences and rows (steps times sequences), add
gradients up in two halves."""

THREAD_WORK = 1 << 19
"""Multiplications that take a thread longer than it takes to wake it."""

PACKING_WORK = 8
"""Packing a weight takes as long as so many multiplications with it."""

PAIR_BYTES = 3 << 19
"""More weights than these do not stay in the cache of one thread."""


def divides_units(weights: int, T: int, B: int, team: int) -> bool:
    """Whether threads share the units of all sequences instead of the sequences.

    They do where weights are many for few sequences: each thread then reads its share of them
    alone, which stays in its cache, at the price of waiting for the others in every step.

    Args:
        weights: bytes that are read.
        T: steps.
        B: sequences.
        team: threads.
    """
    sequences = FEW_STEPS_SEQUENCES if T <= FEW_STEPS else _sequences(weights)
    return team > 1 and weights >= UNIT_BYTES and sequences * team >= B


def _sequences(weights: int) -> int:
    """The same for many steps."""
    return max((n for least, n in UNIT_SEQUENCES.items() if weights >= least), default=0)


def parts_of(weights: int, T: int, B: int) -> list[int]:
    """Into how many sequences a backward pass is divided, each part with sums of its own.

    Threads that add up gradients together read what the others have written, which takes long
    compared with small products. What is divided depends on sizes alone, not on threads.

    Args:
        weights: bytes that are read in a forward run.
        T: steps.
        B: sequences.
    """
    divided = weights <= HALVED_BYTES and B >= HALVED_SEQUENCES and T * B >= HALVED_ROWS
    return [B - B // 2, B // 2] if divided else [B]


def block_bytes(weights: int) -> int:
    """What a thread computes ahead for a block of steps.

    It stays in the second-level cache, unless weights are many: they are read once for each block,
    so that it is better to read and write more of what is computed.

    Args:
        weights: bytes that are read for a block.
    """
    return max(BLOCK_BYTES, min(2 * weights, MANY_BLOCK_BYTES))


def useful_threads(weights: int, T: int, B: int) -> int:
    """How many threads have enough to do for it to be worth waking them.

    Args:
        weights: how many there are.
        T: steps.
        B: sequences.
    """
    return max(1, (T * B + PACKING_WORK) * weights // THREAD_WORK)


def pairs_well(weights: int, T: int, B: int, team: int) -> bool:
    """Whether two such calls are faster side by side, on half of a team each, than in turn.

    Nearly always: who has fewer threads waits less and reads its weights for more sequences. But
    where units are divided because weights are many, half of the threads may be too few to hold
    them in their caches.
    """
    if team < 2:
        return False
    return not divides_units(weights, T, B, team) or weights <= PAIR_BYTES * (team // 2)

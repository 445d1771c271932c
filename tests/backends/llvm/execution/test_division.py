"""How calls are divided: what was measured, as rules that hold for any size."""

from __future__ import annotations

from itertools import pairwise

import pytest

from gatewise.backends.llvm.execution.division import (
    BLOCK_BYTES,
    MANY_BLOCK_BYTES,
    block_bytes,
    divides_units,
)

MIB = 1 << 20


@pytest.mark.parametrize(
    ("weights", "B", "divides"),
    [
        (MIB // 8, 1, False),  # multiplied sooner than another thread is waited for
        (MIB // 2, 6, True),
        (MIB // 2, 7, False),
        (2 * MIB, 16, True),  # in no second-level cache
        (2 * MIB, 17, False),
        (8 * MIB, 32, True),
        (8 * MIB, 33, False),
    ],
)
def test_two_threads_share_units_where_weights_are_many_for_the_sequences(weights, B, divides):
    assert divides_units(weights, 100, B, 2) is divides
    assert not divides_units(weights, 100, B, 1)


def test_few_steps_are_divided_by_units_for_more_sequences():
    assert divides_units(MIB // 2, 4, 32, 2)
    assert not divides_units(MIB // 2, 5, 32, 2)


def test_more_weights_never_divide_fewer_sequences():
    limits = [
        max(B for B in range(200) if B == 0 or divides_units(weights, 100, B, 2))
        for weights in range(MIB // 8, 8 * MIB, MIB // 8)
    ]
    assert all(a <= c for a, c in pairwise(limits))


def test_more_is_computed_ahead_for_more_weights_within_limits():
    sizes = [block_bytes(weights) for weights in (0, BLOCK_BYTES, MIB, 100 * MIB)]
    assert sizes == [BLOCK_BYTES, 2 * BLOCK_BYTES, 2 * MIB, MANY_BLOCK_BYTES]

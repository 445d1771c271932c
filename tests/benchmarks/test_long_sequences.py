"""The benchmark of long sequences counts bytes as it says, and prints whole rows."""

from __future__ import annotations

import time

import pytest
import torch

import gatewise as gw
from benchmarks.long_sequences import bytes_kept, marking, ratios, recomputing

pytestmark = pytest.mark.kernels


def test_bytes_are_those_of_storages_that_are_not_the_callers():
    layer, x = gw.Recurrent("lstm", 16, 16), torch.randn(60, 2, 16)
    kept = bytes_kept(layer, x)
    # four gates, the cell state and the output, at least; not x, nor twice the same storage
    assert 6 * 60 * 2 * 16 * 4 <= kept < 12 * 60 * 2 * 16 * 4
    with torch.no_grad():
        assert bytes_kept(layer, x) == 0
    assert bytes_kept(gw.Recurrent("lstm", 16, 16, recompute=6), x) < 0.3 * kept


def test_ratios_are_to_the_first():
    now = [0]

    def takes(seconds):
        def run():
            now[0] += seconds
            time.sleep(0.03)  # longer than a turn: one call makes one

        return run

    found = ratios({"short": takes(2), "long": takes(6)}, lambda: now[0], 0.01)
    assert found == {"short": 1, "long": 3}


def test_rows():
    row = recomputing("lstm", time.process_time, 0.01, (600, 2, 8))
    assert row.startswith("| lstm | 0 | 0 | ")
    assert row.count("|") == 6
    row = marking("lstm", (6, 3, 8), time.process_time, 0.01)
    assert row.startswith("| lstm | 6, 3, 8 | ")
    assert row.count("|") == 8

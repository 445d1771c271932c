"""The benchmark of traces runs what it names; and a trace costs what it promises."""

import statistics

import pytest
import torch

import gatewise as gw
from benchmarks import tracing
from benchmarks.clock import CLOCKS, seconds_of_turns

pytestmark = pytest.mark.kernels


def test_every_run_computes_what_it_is_called():
    layer, x = gw.Recurrent("lstm", 4, 5), torch.randn(3, 2, 4)
    runs = tracing.runs_of(layer, x)
    expected, state = runs["plain"]()
    assert expected.requires_grad
    h, c = runs["states read"]()
    assert torch.equal(h, expected)
    assert torch.equal(c[-1:], state.c)
    assert len(runs["all read"]()) == 6
    assert runs["traced"]() == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", [gw.LSTM, gw.GRU, torch.nn.LSTM])
def test_a_trace_costs_a_fifth_at_most(kind):
    layer, x = kind(256, 256), torch.randn(100, 32, 256)
    runs = tracing.runs_of(layer, x)
    wanted = {name: runs[name] for name in ("plain", "traced")}
    taken = seconds_of_turns(wanted, CLOCKS["cpu"], 3)  # one thread: its time, others' apart
    ratios = [a / b for a, b in zip(taken["traced"], taken["plain"], strict=True)]
    assert statistics.median(ratios) < 1.2

"""The benchmark measures what it says: equal results, arithmetic counted, tables whole."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks import clock, recurrence
from benchmarks.cases import Case, cases_of
from benchmarks.peak import peak_run
from benchmarks.peers import PEERS, Task, absent, ours

pytestmark = pytest.mark.kernels


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("peer", ["torch", "onnxruntime", "jax", "loop"])
def test_peers_compute_what_we_do(peer, cell):
    if absent(peer):
        pytest.skip(f"{peer} is not installed")
    task = Task(Case(cell, B=3, T=4, I=5, H=6, training=False))
    with torch.no_grad():
        found, expected = PEERS[peer](task)(), ours(task)()
    found = found if isinstance(found, Tensor) else torch.from_numpy(np.array(found))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_cells_with_further_inputs_are_given_them():
    for cell in ("cfc", "gru_d"):
        task = Task(Case(cell, B=3, T=4, I=5, H=6, training=False))
        torch.testing.assert_close(ours(task)(), PEERS["loop"](task)())


def test_training_computes_every_gradient():
    task = Task(Case("lstm", B=3, T=4, I=5, H=6, training=True))
    PEERS["torch"](task)()
    assert all(value.grad is not None for value in task.module.parameters())


def test_arithmetic_is_that_of_the_products():
    lstm = Case("lstm", B=2, T=3, I=5, H=7, training=False)
    assert lstm.operations == 2 * 2 * 3 * 4 * 7 * (5 + 7)
    assert Case("lstm", *lstm.size, training=True).operations == 3 * lstm.operations


def test_cells_that_need_equal_sizes_are_measured_where_they_are_equal():
    sizes = [(2, 3, 5, 7), (2, 3, 7, 7)]
    assert {case.size for case in cases_of(["sru"], sizes)} == {(2, 3, 7, 7)}
    assert len(cases_of(["lstm"], sizes)) == 4


def test_runs_take_turns(monkeypatch):
    monkeypatch.setattr(clock, "TURN", 0)
    order = []
    runs = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    clock.seconds_of_turns(runs, time.perf_counter, 0.0)
    measured = "".join(order)[6:]  # after three calls of each to warm it
    assert measured == "aabb" * clock.FEWEST


def test_only_measured_calls_are_counted():
    ticks = iter(range(1000))
    found = clock.seconds_of_turns({"a": lambda: time.sleep(0.03)}, lambda: float(next(ticks)), 0.0)
    assert set(found["a"]) == {1.0}  # one tick from start to end, one call a turn


def test_the_peak_is_near_what_a_core_can_do():
    run, operations = peak_run()
    start = time.process_time()
    run()
    rate = operations / (time.process_time() - start)
    assert 1e9 < rate < 1e13


def record(cell: str, ours: float, torch_: float, tuned: bool = False, training: bool = True):
    times = {"ours": ours, "torch": torch_}
    size = dict(B=1, T=2, I=3, H=4)
    rates = dict(gflops=1.0, share_of_peak=0.5, threads=1)
    return dict(cell=cell, milliseconds=times, tuned=tuned, training=training, **size, **rates)


def test_runs_of_both_allocators_become_one_row():
    rows = recurrence.merged([record("lstm", 2.0, 3.0), record("lstm", 2.0, 2.5, tuned=True)])
    (row,) = rows
    assert row["ratios"] == {"torch": 1.5, "torch tuned": 1.25}


def test_the_summary_has_the_geometric_mean_and_the_worst():
    rows = recurrence.merged([record("lstm", 1.0, 2.0), record("gru", 1.0, 8.0)])
    assert recurrence.geometric_mean([2.0, 8.0]) == pytest.approx(4.0)
    table = recurrence.summary_of(rows)
    assert table.row_count == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cells", "lstn"], "no cell 'lstn'"),
        (["--peers", "keras"], "no peer 'keras'"),
        (["--sizes", "1,2,3"], "four numbers"),
        (["--sizes", "1,2,3,x"], "whole numbers"),
        (["--threads", "0"], "one thread at least"),
        (["--clock", "cpu", "--threads", "2"], "--threads 1"),
    ],
)
def test_a_wrong_option_is_named(options, message, capsys):
    with pytest.raises(SystemExit):
        recurrence.main(options)
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_measures_and_prints_json(capsys):
    given = ["--cells", "gru", "--sizes", "2,3,4,5", "--threads", "1", "--seconds", "0.01"]
    recurrence.main([*given, "--peers", "torch,loop", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [r["training"] for r in found["records"]] == [False, True]
    for row in found["records"]:
        assert set(row["ratios"]) == {"torch", "loop", "torch tuned"}
        assert 0 < row["share_of_peak"] < 1

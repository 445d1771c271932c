"""Threads of our own, where torch's pool is out of reach: the same bits, and nobody is stuck."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import threading
import time
import warnings

import pytest
import torch

import gatewise as gw
from gatewise.backends.llvm.execution import threads
from gatewise.backends.llvm.execution.pool import Pool, Task, Team
from gatewise.backends.llvm.ir.job import WORDS, beginnings
from gatewise.backends.llvm.kernel import Kernel
from gatewise.backends.llvm.operation import backward_call, forward_call
from tests.backends.llvm.comparison import (
    LLVM,
    assert_equal,
    inference,
    lstm_case,
    moderate,
    training,
)


@pytest.fixture(autouse=True)
def _threads_are_left_alone():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def own_pool(monkeypatch):
    """From here on as where there is no libgomp."""

    def switch() -> None:
        monkeypatch.setattr(threads, "_openmp", lambda: None)
        _forget_calls()

    yield switch
    monkeypatch.undo()
    _forget_calls()


def _forget_calls() -> None:
    forward_call.cache_clear()
    backward_call.cache_clear()


def ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "gatewise"]


@pytest.mark.parametrize("by_unit", [False, True], ids=["sequences", "units"])
@pytest.mark.parametrize("name", ["lstm", "gru_original", "lstm_layer_norm"])
def test_bits_are_those_of_torchs_pool(name, by_unit, own_pool, monkeypatch):
    monkeypatch.setattr(Kernel, "divides_units", lambda kernel, T, B, team: by_unit and team > 1)
    _forget_calls()
    case = moderate(gw.cells.get(name).graph, T=9, B=5, I=5, H=37)
    torch.set_num_threads(2)
    expected = {**training(LLVM, case), **inference(LLVM, case)}
    own_pool()
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        assert_equal({**training(LLVM, case), **inference(LLVM, case)}, expected, 0)
    assert len(ours()) >= 2  # it was not one thread that did all


def test_two_directions_share_it(own_pool):
    layer, x = gw.LSTM(5, 7, bidirectional=True), torch.randn(9, 1, 5)
    torch.set_num_threads(1)
    expected, _ = layer(x)
    own_pool()
    torch.set_num_threads(2)
    assert torch.equal(layer(x)[0], expected)


def test_nothing_is_said_of_one_thread(own_pool):
    own_pool()
    torch.set_num_threads(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inference(LLVM, lstm_case())
    assert threads.available() == 2
    assert "own pool, at most 2 threads" in threads.pool_name()


def test_several_callers_at_once(own_pool):
    cases = [lstm_case(seed=seed, B=3 + seed) for seed in range(3)]
    expected = [training(LLVM, case) for case in cases]
    own_pool()
    torch.set_num_threads(2)
    failures, before = [], len(ours())

    def work(k: int) -> None:
        try:
            for _ in range(5):
                assert_equal(training(LLVM, cases[k]), expected[k], 0)
        except BaseException as error:
            failures.append(error)

    callers = [threading.Thread(target=work, args=(k,)) for k in range(len(cases))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert not failures
    assert not any(caller.is_alive() for caller in callers)
    callers.clear()
    gc.collect()
    assert _soon(lambda: len(ours()) <= before)  # teams go with their callers


def _soon(condition, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


PART = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


class Recorded:
    """In place of a kernel: notes who took which part, and waits until a whole team is there."""

    def __init__(self, team: int, slowly: float = 0):
        self.parts: list[tuple[int, int]] = []
        self.barrier, self.slowly = threading.Barrier(team), slowly
        self.function = PART(self.run)
        address = ctypes.cast(self.function, ctypes.c_void_p).value
        self.words = (ctypes.c_int64 * len(WORDS))(address)
        self.job = ctypes.addressof(self.words)

    def run(self, _: int, thread: int, team: int) -> None:
        self.barrier.wait(20)
        time.sleep(self.slowly)
        self.parts.append((thread, team))


@pytest.fixture
def begin():
    threads.provide_symbols()
    return beginnings(False)


@pytest.mark.parametrize("team", [1, 2, 4])
def test_all_parts_run_at_the_same_time(team, begin):
    record = Recorded(team)
    Pool(begin).run(record.job, team)
    assert sorted(record.parts) == [(k, team) for k in range(team)]


def test_a_team_grows_and_serves_fewer(begin):
    team = Team(begin)
    for count in (2, 4, 1):
        record = Recorded(count)
        team.run(record.job, count)
        assert sorted(record.parts) == [(k, count) for k in range(count)]


def test_a_part_is_done_once(begin):
    record = Recorded(1)
    task = Task(record.job, 1)
    for _ in range(3):
        begin.lead(task.address)
    assert record.parts == [(0, 1)]


def test_an_interruption_waits_for_the_kernel(begin):
    """Ctrl-C after a helper has begun, and before the caller has: both do their parts first."""
    record, team = Recorded(2), Team(begin)
    team.run(Recorded(2).job, 2)  # there is a helper now
    (inbox,) = team._inboxes

    class Interrupting:
        times = 0

        def put(self, task: Task | None) -> None:
            inbox.put(task)
            self.times += 1
            if self.times == 1:
                raise KeyboardInterrupt

    team._inboxes = [Interrupting()]  # type: ignore[list-item]
    with pytest.raises(KeyboardInterrupt):
        team.run(record.job, 2)
    assert sorted(record.parts) == [(0, 2), (1, 2)]  # all of it, and once


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*")
def test_a_forked_child_runs_alone(own_pool):
    own_pool()
    torch.set_num_threads(2)
    case = lstm_case(B=8)
    expected = inference(LLVM, case)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert_equal(inference(LLVM, case), expected, 0)
            code = 0
        finally:
            os._exit(code)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        time.sleep(0.02)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise AssertionError("the child waited for threads that it does not have")
    assert status == 0

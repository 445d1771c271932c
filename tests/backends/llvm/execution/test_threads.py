"""Kernels on several threads, in processes of their own, and in teams smaller than asked for."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import gatewise as gw
from gatewise.backends.llvm.execution import threads
from tests.backends.llvm.comparison import (
    LLVM,
    REFERENCE,
    assert_equal,
    inference,
    leaves_of,
    loss_of,
    lstm_case,
    moderate,
    training,
)
from tests.recurrences import Sample

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="torch's OpenMP on Linux")


class TestThreads:
    @pytest.mark.parametrize("B", [1, 2, 7, 32])
    @pytest.mark.parametrize("name", ["lstm", "gru_original"])
    def test_results_are_bitwise_equal_for_any_number(self, name, B):
        case = moderate(gw.cells.get(name).graph, T=9, B=B, I=5, H=7)
        expected = {**training(LLVM, case), **inference(LLVM, case)}
        for count in (2, 3, 5):
            torch.set_num_threads(count)
            assert_equal({**training(LLVM, case), **inference(LLVM, case)}, expected, 0)

    def test_python_threads_call_at_once(self):
        cases = [lstm_case(seed=seed, B=3 + seed) for seed in range(4)]
        expected = [training(LLVM, case) for case in cases]
        torch.set_num_threads(2)
        failures = []

        def work(k: int) -> None:
            try:
                for _ in range(10):
                    assert_equal(training(LLVM, cases[k]), expected[k], 0)
            except BaseException as error:
                failures.append(error)

        workers = [threading.Thread(target=work, args=(k,)) for k in range(len(cases))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        assert not failures
        assert not any(worker.is_alive() for worker in workers)

    def test_many_threads_may_compile_one_kernel_at_once(self):
        case = moderate(gw.cells.janet.graph, T=3, B=2, I=3, H=6)
        found, start = [], threading.Barrier(4)

        def work() -> None:
            start.wait()
            found.append(training(LLVM, case))

        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        assert len(found) == 4
        for other in found[1:]:
            assert_equal(other, found[0], 0)

    def test_the_number_of_threads_is_left_alone(self):
        torch.set_num_threads(2)
        case = lstm_case(B=32)
        assert_equal(training(LLVM, case), training(REFERENCE, case), 1e-10)
        assert torch.get_num_threads() == 2


def _child_results(case: Sample, queue) -> None:
    # a forked child computes alone, and may start torch's own operators
    results = {name: value.tolist() for name, value in training(LLVM, case).items()}
    queue.put((results, threads.available()))


class _Runs(Dataset):
    """A data set whose items are computed by a kernel."""

    def __init__(self, case: Sample):
        self.case = case

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> torch.Tensor:
        return inference(LLVM, self.case)["y"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*")
class TestProcesses:
    def test_a_forked_child_runs_alone(self):
        torch.set_num_threads(2)
        case = lstm_case(B=8)
        expected = training(LLVM, case)  # the parent's team has been at work
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        child = context.Process(target=_child_results, args=(case, queue))
        child.start()
        results, count = queue.get(timeout=60)
        child.join(60)
        assert child.exitcode == 0
        assert count == 1
        for name, value in expected.items():
            assert torch.equal(torch.tensor(results[name], dtype=value.dtype), value), name

    def test_a_worker_of_a_data_loader_runs_kernels(self):
        torch.set_num_threads(2)
        case = lstm_case(B=8)
        expected = inference(LLVM, case)["y"]
        found = list(DataLoader(_Runs(case), num_workers=1, batch_size=None))
        assert len(found) == 4
        assert all(torch.equal(y, expected) for y in found)

    def test_memory_leased_before_the_fork_is_the_childs_own(self):
        case = lstm_case()
        leaves = leaves_of(case)
        loss = loss_of(case, leaves)
        child = os.fork()
        if child == 0:
            try:
                loss.backward()
                inference(LLVM, lstm_case(seed=3))
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        assert status == 0
        found = torch.autograd.grad(loss, list(leaves.values()))
        expected = training(LLVM, case)
        for name, gradient in zip(leaves, found, strict=True):
            assert torch.equal(gradient, expected[f"gradient of {name}"])


ALONE = """
import torch
torch.set_num_threads(2)
from tests.backends.llvm.comparison import LLVM, REFERENCE, assert_equal, moderate, training
import gatewise as gw
case = moderate(gw.cells.lstm.graph, T=4, B=8, I=5, H=7)
assert_equal(training(LLVM, case), training(REFERENCE, case), 1e-10)
layer, x = gw.LSTM(5, 7, bidirectional=True), torch.randn(4, 2, 5)  # side by side in halves of one
with gw.use_backend("reference"):
    wanted, _ = layer(x)
torch.testing.assert_close(layer(x)[0], wanted)
print("equal")
"""


@linux
@pytest.mark.parametrize("variable", ["OMP_THREAD_LIMIT", "OMP_DYNAMIC"])
def test_a_team_smaller_than_asked_for_computes_everything(variable):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
    environment[variable] = "true" if variable == "OMP_DYNAMIC" else "1"
    command = [sys.executable, "-c", ALONE]
    found = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert found.stdout == "equal\n", found.stderr

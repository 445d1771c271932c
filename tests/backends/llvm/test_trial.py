"""A kernel that differs from the equations is not used, and says so."""

from __future__ import annotations

import warnings

import pytest
import torch

import gatewise as gw
from gatewise.backends.llvm import backend, trial
from gatewise.backends.llvm.backend import kernel_for
from gatewise.backends.llvm.compiler import cache_directory
from gatewise.backends.llvm.kernel import _kernel
from gatewise.backends.recurrence import Recurrence
from gatewise.equations.rewrite import with_lengths, with_reset
from tests.backends.llvm.comparison import LLVM, REFERENCE, assert_equal, moderate, training


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["lstm", "taugru", "slstm", "lstm_layer_norm", "antisymmetric"])
def test_no_kernel_is_mistrusted(name, dtype):
    graph = gw.cells.get(name).graph
    recurrence = Recurrence(graph, {"I": 18, "H": 18, "P": 5}, reverse=len(name) % 2 == 0)
    made = kernel_for(recurrence, dtype, dtype == torch.float64, ())
    assert trial.mistrust(made, recurrence, dtype) is None


def test_lengths_and_resets_are_tried_too():
    graph = with_lengths(with_reset(gw.cells.get("lstm").graph))
    recurrence = Recurrence(graph, {"I": 3, "H": 18}, False)
    made = kernel_for(recurrence, torch.float32, True, ("x",))
    assert trial.mistrust(made, recurrence, torch.float32) is None


@pytest.fixture
def broken(monkeypatch, tmp_path):
    """A compiler whose kernels add a thousandth to their output."""
    monkeypatch.setenv("GATEWISE_CACHE", str(tmp_path))
    run_kernel = trial.run_kernel

    def wrong(*arguments):
        y, states, values = run_kernel(*arguments)
        return y + 1e-2, states, values

    monkeypatch.setattr(trial, "run_kernel", wrong)
    kernel_for.cache_clear()
    _kernel.cache_clear()
    yield
    kernel_for.cache_clear()
    _kernel.cache_clear()


def test_a_wrong_kernel_warns_and_the_reference_runs(broken):
    case = moderate(gw.cells.get("janet").graph, T=4, B=3, I=5, H=6)
    with pytest.warns(RuntimeWarning, match="janet .* differs from the equations"):
        found = training(LLVM, case)
    assert_equal(found, training(REFERENCE, case), 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        training(LLVM, case)  # says it once


def test_a_wrong_kernel_leaves_the_cache(broken):
    case = moderate(gw.cells.get("janet").graph, T=4, B=3, I=5, H=6)
    with pytest.warns(RuntimeWarning, match="differs"):
        training(LLVM, case)
    directory = cache_directory()
    assert directory is not None
    assert not list(directory.glob("*.o"))


def test_a_kernel_from_the_cache_is_not_tried_again(monkeypatch, tmp_path):
    monkeypatch.setenv("GATEWISE_CACHE", str(tmp_path))
    recurrence = Recurrence(gw.cells.get("janet").graph, {"I": 5, "H": 7}, False)
    kernel_for(recurrence, torch.float32, False, ())
    kernel_for.cache_clear()
    monkeypatch.setattr(trial, "mistrust", lambda *_: pytest.fail("was tried again"))
    _kernel.cache_clear()
    made = backend.kernel_for(recurrence, torch.float32, False, ())
    assert not made.is_new

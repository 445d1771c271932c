"""A kernel that differs from the equations is not used, and says so."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import gatewise as gw
from gatewise.backends import explaining, run
from gatewise.backends.llvm import backend, trial
from gatewise.backends.llvm.compiler import cache_directory
from gatewise.backends.llvm.kernel import _kernel
from gatewise.backends.llvm.selection import kernel_for
from gatewise.backends.recurrence import Recurrence
from gatewise.equations import (
    U,
    W,
    absolute,
    b,
    cell,
    exp,
    log,
    maximum,
    minimum,
    p,
    relu,
    s,
    sigmoid,
    softplus,
    sqrt,
    tanh,
)
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


def test_a_cell_that_divides_by_what_grows_with_time_is_trusted():
    @cell(states=("h",), inputs=dict(x="I", dt=1))
    def implicit(x, dt, h):
        share = dt / (softplus(W.tau @ x + U.tau @ h + b.tau) + 0.1)
        h = (h + share * tanh(W.a @ x + U.a @ h + b.a)) / (1 + share)
        return dict(h=h)

    recurrence = Recurrence(implicit.graph, {"I": 64, "H": 126}, False)
    made = kernel_for(recurrence, torch.float32, True, ())
    assert trial.mistrust(made, recurrence, torch.float32) is None


def test_rounding_of_the_equations_themselves_is_no_mistake():
    exact = torch.tensor([1.0, 2.003]).double()
    rounded = torch.tensor([1.0, 2.002])  # the reference's own numbers
    assert trial._is_rounding(torch.tensor([1.0, 2.0]), rounded, exact)
    assert not trial._is_rounding(torch.tensor([1.0, 2.1]), rounded, exact)
    assert not trial._is_rounding(torch.tensor([1.0, 2.0]), exact.float(), exact)


def test_a_cell_that_divides_by_almost_nothing_is_trusted():
    @cell(states=("h",))
    def liquid(x, h, *, dt=0.1):
        f = sigmoid(W.f @ x + U.f @ h + b.f)
        h = (h + dt * f * p.A) / (1 + dt * (1 / p.tau + f))
        return dict(h=h)

    recurrence = Recurrence(liquid.graph, {"I": 64, "H": 512}, False)
    made = kernel_for(recurrence, torch.float32, True, ())
    assert trial.mistrust(made, recurrence, torch.float32) is None


@cell
def root(x, h):
    return dict(h=relu(sqrt(p.a) * h + W.h @ x))


@cell(output="y")
def logarithm(x, h):
    h = absolute(log(p.a * h) + W.h @ x)
    return dict(h=h, y=maximum(h, log(h)))


@cell
def shrinking(x, h):
    r = exp(-softplus(p.a))
    return dict(h=relu(sqrt(s.q - r * r) * h + U.h @ h + W.h @ x))


@cell
def lowest(x, h):
    return dict(h=minimum(sqrt(h), W.h @ x))


@cell
def never_a_number(x, h):
    return dict(h=relu(sqrt(-1 - h * h) + W.h @ x) + log(-1 - x * x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "made", [root, logarithm, shrinking, lowest, never_a_number], ids=lambda made: made.name
)
def test_numbers_that_a_cell_cannot_take_are_no_mistake(made, dtype):
    recurrence = Recurrence(made.graph, {"I": 5, "H": 5}, False)
    kernel = kernel_for(recurrence, dtype, True, ("x",))
    assert trial.mistrust(kernel, recurrence, dtype) is None


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """No kernel has been compiled on this machine."""
    monkeypatch.setenv("GATEWISE_CACHE", str(tmp_path))
    kernel_for.cache_clear()
    _kernel.cache_clear()
    yield
    kernel_for.cache_clear()
    _kernel.cache_clear()


@pytest.fixture
def broken(fresh, monkeypatch):
    """A compiler whose kernels add a hundredth to their output."""
    run_kernel = trial.run_kernel

    def wrong(*arguments):
        result = run_kernel(*arguments)
        return result._replace(output=result.output + 1e-2)

    monkeypatch.setattr(trial, "run_kernel", wrong)


def test_a_wrong_kernel_warns_and_the_reference_runs(broken):
    case = moderate(gw.cells.get("janet").graph, T=4, B=3, I=5, H=6)
    with pytest.warns(RuntimeWarning, match="janet .* differs from the equations"):
        found = training(LLVM, case)
    assert_equal(found, training(REFERENCE, case), 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        training(LLVM, case)  # says it once
    with explaining() as found, pytest.warns(RuntimeWarning, match="differs"):
        run(case.recurrence, case.operands)
    assert found[0].backend == "reference"  # that of evaluation is mistrusted too
    assert "janet" in found[0].reason


def test_a_wrong_kernel_leaves_the_cache(broken):
    case = moderate(gw.cells.get("janet").graph, T=4, B=3, I=5, H=6)
    with pytest.warns(RuntimeWarning, match="differs"):
        training(LLVM, case)
    directory = cache_directory()
    assert directory is not None
    assert not list(directory.glob("*.o"))


def test_a_kernel_from_the_cache_is_not_tried_again(fresh, monkeypatch):
    recurrence = Recurrence(gw.cells.get("janet").graph, {"I": 5, "H": 7}, False)
    kernel_for(recurrence, torch.float32, False, ())
    kernel_for.cache_clear()
    monkeypatch.setattr(trial, "mistrust", lambda *_: pytest.fail("was tried again"))
    _kernel.cache_clear()
    made = backend.kernel_for(recurrence, torch.float32, False, ())
    assert not made.is_new


@pytest.mark.usefixtures("fresh")
def test_a_trial_stands_apart_from_what_the_caller_does():
    """Inside a checkpoint, whose tensors are counted; under autocast; with fake tensors."""
    layer, x = gw.GRU(3, 5), torch.randn(4, 2, 3, requires_grad=True)

    def run(x):
        with gw.use_backend("llvm"):
            return layer(x)[0]

    with torch.autocast("cpu", torch.bfloat16):
        y = torch.utils.checkpoint.checkpoint(run, x, use_reentrant=False)
    _kernel.cache_clear()  # computed again with a new trial
    kernel_for.cache_clear()
    y.sum().backward()
    assert x.grad is not None
    with FakeTensorMode():
        kernel_for(layer.recurrences()[0][0], torch.float64, True, ("x",))

"""Lyapunov exponents: of linear networks they are known, whatever the input."""

import math

import pytest
import torch

import gatewise as gw
from gatewise.lens import jacobian
from gatewise.lens.lyapunov import lyapunov_exponents
from tests.recorded_runs import random_run, record_layer


def linear_network(matrix: torch.Tensor, reverse: bool = False):
    """relu(U h + x) with everything positive is U h + x."""
    size = len(matrix)
    layer = gw.RNN(size, size, nonlinearity="relu", bias=False, bidirectional=reverse).double()
    suffix = "_l0_reverse" if reverse else "_l0"
    with torch.no_grad():
        getattr(layer, "weight_ih" + suffix).copy_(torch.eye(size))
        getattr(layer, "weight_hh" + suffix).copy_(matrix)
    return layer


@pytest.mark.parametrize("reverse", [False, True])
def test_exponents_are_the_logarithms_of_the_factors(reverse):
    factors = torch.tensor([0.5, 1.25, 0.9], dtype=torch.float64)
    layer = linear_network(torch.diag(factors), reverse)
    run = record_layer(layer, torch.rand(30, 2, 3).double() + 0.1, reverse=reverse)
    found = lyapunov_exponents(run)
    expected = factors.log().sort(descending=True).values.expand(2, 3)
    torch.testing.assert_close(found.exponents, expected)
    assert "0.223 per step over 30 steps: nearby states part" in str(found)
    first, second, _ = found.table().splitlines()[1:]
    assert first.split()[-1] == f"{math.log(2) / math.log(1.25):.4g}"
    assert "halves in" in second


def test_eigenvalues_of_a_matrix_after_a_warm_up():
    matrix = torch.tensor([[0.6, 0.3], [0.2, 0.5]], dtype=torch.float64)  # eigenvalues 0.8 and 0.3
    run = record_layer(linear_network(matrix), torch.rand(200, 1, 2).double() + 0.1)
    found = lyapunov_exponents(run, warm_up=50)
    expected = torch.tensor([[0.8, 0.3]]).double().log()
    torch.testing.assert_close(found.exponents, expected, rtol=1e-6, atol=1e-6)
    assert found.steps == 150
    one = lyapunov_exponents(run, warm_up=50, count=1)
    torch.testing.assert_close(one.exponents, expected[:, :1], rtol=1e-6, atol=1e-6)


def test_a_lost_direction_is_minus_infinity():
    layer = linear_network(torch.zeros(2, 2, dtype=torch.float64))
    found = lyapunov_exponents(record_layer(layer, torch.rand(3, 1, 2).double()))
    assert found.exponents.eq(-torch.inf).all()


def test_blocks_make_no_difference(monkeypatch):
    run = random_run(gw.cells.lstm.graph, reverse=True)
    whole = lyapunov_exponents(run).exponents
    monkeypatch.setattr(jacobian, "BLOCK", 4 * 2 * 8 * 8)
    torch.testing.assert_close(lyapunov_exponents(run).exponents, whole)


@pytest.mark.parametrize("name", gw.cells.names())
def test_every_cell(name):
    run = random_run(gw.cells.get(name).graph, dtype=torch.float32)
    found = lyapunov_exponents(run)
    assert found.exponents.dtype == torch.float64
    assert not found.exponents.isnan().any()
    assert (found.exponents.diff(dim=-1).nan_to_num(0) <= 0).all()


def test_refusals():
    run = random_run(gw.cells.lstm.graph)
    with pytest.raises(ValueError, match="warm_up=6: of 6 steps"):
        lyapunov_exponents(run, warm_up=6)
    layer = gw.LSTM(3, 4)
    with pytest.raises(ValueError, match="sequences of one length"):
        lyapunov_exponents(record_layer(layer, torch.randn(4, 2, 3), lengths=[4, 2]))

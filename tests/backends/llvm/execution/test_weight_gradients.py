"""Gradients of weights: written into tensors of their own, or put together from sums."""

from __future__ import annotations

import pytest
import torch

import gatewise as gw
from gatewise.backends.llvm.execution.backward import BACKWARD_ROWS
from gatewise.equations import U, W, b, cell, sigmoid, tanh
from tests.backends.llvm.comparison import assert_float64_equals_reference, moderate

pytestmark = pytest.mark.kernels


@cell(states=("h", "c"))
def used_twice(x, h, c):
    """A matrix of two vectors, and two matrices whose products have one gradient."""
    i = sigmoid(W.i @ x + U.i @ h + b.i)
    c = c * i + tanh(W.n @ x + W.m @ x + U.n @ h + U.i @ c)
    return dict(h=tanh(c) * sigmoid(W.o @ x + b.i), c=c)


@pytest.mark.parametrize("T", [1, 6, BACKWARD_ROWS], ids=["rows", "block", "blocks"])
@pytest.mark.parametrize(("I", "H"), [(1, 9), (11, 16), (40, 24)])
def test_a_cell_that_uses_weights_twice_equals_the_reference(T, I, H):
    assert_float64_equals_reference(moderate(used_twice.graph, T=T, B=3, I=I, H=H))


def gradients(layer: torch.nn.Module, x: torch.Tensor, backend: str) -> dict[str, torch.Tensor]:
    """Of all weights that learn."""
    layer.zero_grad()
    with gw.use_backend(backend):
        layer(x)[0].square().sum().backward()
    return {name: p.grad for name, p in layer.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", ["lstm", used_twice], ids=["lstm", "used_twice"])
@pytest.mark.parametrize("H", [13, 16])
@pytest.mark.parametrize("frozen", ["", "W_l0", "b_l0"])
def test_stacked_weights_some_of_which_learn(name, H, frozen):
    torch.manual_seed(0)
    layer = gw.Recurrent(name, 20, H, dtype=torch.float64)
    for own, parameter in layer.named_parameters():
        parameter.requires_grad_(own != frozen)
    x = torch.randn(BACKWARD_ROWS // 2, 5, 20, dtype=torch.float64)
    found, expected = (gradients(layer, x, backend) for backend in ("llvm", "reference"))
    assert found.keys() == expected.keys()
    for own, gradient in found.items():
        assert gradient.is_contiguous()
        torch.testing.assert_close(gradient, expected[own], rtol=1e-9, atol=1e-9)


def test_a_gradient_stays_when_the_next_is_computed():
    layer = gw.LSTM(200, 200)
    x = torch.randn(3, 2, 200)
    first = gradients(layer, x, "llvm")
    copies = {name: gradient.clone() for name, gradient in first.items()}
    gradients(layer, 2 * x, "llvm")
    for name, gradient in first.items():
        assert torch.equal(gradient, copies[name])

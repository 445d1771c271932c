"""Torch's own checks of first and second derivatives, for every cell."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import gatewise as gw
from tests.layers.recurrent_layers import CELLS, further, layer_of, x_of

STEPS, BATCH = 3, 2
FEW = ["gru", "lstm_layer_norm", "peephole", "rhn", "slstm", "t_lstm"]  # one of each make


def detaches(layer) -> bool:
    """Whether the cell holds a gradient back, which finite differences know nothing of."""
    return any(node.operation == "detach" for node in layer.graph.order)


def as_function(name):
    """A layer's call as a function of tensors alone: x, what else it reads, states and weights."""
    layer = layer_of(name)
    more = further(layer.graph, STEPS, BATCH)
    conditions = {key: value for key, value in more.items() if key == "m"}
    inputs = {"x": x_of(STEPS, BATCH), **{k: v for k, v in more.items() if k not in conditions}}
    state = layer(x_of(2, BATCH), **further(layer.graph, 2, BATCH))[1]
    weights = dict(layer.named_parameters())
    values = [*inputs.values(), *state, *weights.values()]

    def run(*values):
        rest = list(values)
        x, *others = (rest.pop(0) for _ in inputs)
        start = type(state)(*(rest.pop(0) for _ in state))
        given = dict(zip([k for k in inputs if k != "x"], others, strict=True))
        call = dict(zip(weights, rest, strict=True)), (x, start), {**given, **conditions}
        y, last = torch.func.functional_call(layer, *call)
        return y if detaches(layer) else (y, *last)

    return run, tuple(value.detach().clone().requires_grad_() for value in values)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
def test_derivatives_of_the_equations(name, check):
    run, values = as_function(name)
    assert check(run, values, fast_mode=True)


def check_kernels(name):
    with gw.use_backend("llvm"):
        run, values = as_function(name)
        assert gradcheck(run, values, fast_mode=True)


@pytest.mark.kernels
@pytest.mark.parametrize("name", FEW)
def test_derivatives_of_kernels(name):
    check_kernels(name)


@pytest.mark.slow
@pytest.mark.kernels
@pytest.mark.parametrize("name", [name for name in CELLS if name not in FEW])
def test_derivatives_of_every_kernel(name):
    check_kernels(name)

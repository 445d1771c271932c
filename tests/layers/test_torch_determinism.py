"""Bitwise equal results across runs and numbers of threads, with torch's deterministic mode on."""

from __future__ import annotations

import pytest
import torch

import gatewise as gw

T = 9
MAKE = {
    "LSTM": lambda: gw.LSTM(144, 72, num_layers=2, bidirectional=True, dropout=0.3),
    "GRU": lambda: gw.GRU(48, 96, dropout=0.0),
    "RNN": lambda: gw.RNN(48, 96),
    "peephole": lambda: gw.Recurrent("peephole", 48, 96, recurrent_dropout=0.2, zoneout=0.1),
    "slstm": lambda: gw.Recurrent("slstm", 40, 40),
}


@pytest.fixture
def _deterministic():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def everything(kind: str, threads: int, B: int) -> list[torch.Tensor]:
    """Outputs, states and gradients of a training step from one seed."""
    torch.set_num_threads(threads)
    torch.manual_seed(5)
    layer = MAKE[kind]()
    x = torch.randn(T, B, layer.input_size).requires_grad_()
    lengths = torch.arange(B) % T + 1
    y, state = layer(x, lengths=lengths, reset=torch.rand(T, B) < 0.1)
    y.square().sum().backward()
    parts = [state] if isinstance(state, torch.Tensor) else list(state)
    return [y, *parts, x.grad, *(value.grad for value in layer.parameters())]


@pytest.mark.kernels
@pytest.mark.usefixtures("_deterministic")
@pytest.mark.parametrize("kind", MAKE)
def test_kernels_are_equal_across_runs_and_threads(kind):
    B = 13  # no multiple of a tile, nor of the number of threads
    with gw.use_backend("llvm"):
        first = everything(kind, 1, B)
        for threads in (1, 3):
            again = everything(kind, threads, B)
            assert all(map(torch.equal, first, again)), f"{threads} threads"


@pytest.mark.usefixtures("_deterministic")
@pytest.mark.parametrize("kind", MAKE)
def test_the_reference_is_equal_across_runs(kind):
    """Across threads it is as torch's products are, which promise nothing."""
    assert all(map(torch.equal, everything(kind, 1, 5), everything(kind, 1, 5)))

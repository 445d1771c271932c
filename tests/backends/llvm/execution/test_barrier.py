"""Threads that share the units of all sequences compute what one thread computes, bit for bit."""

from __future__ import annotations

import pytest
import torch

import gatewise as gw
from gatewise.backends.llvm.kernel import Kernel
from gatewise.backends.llvm.operation import backward_call, forward_call
from gatewise.equations.rewrite import with_lengths, with_reset
from tests.backends.llvm.comparison import LLVM, inference, moderate, training

KINDS = ("lstm", "gru_original", "lstm_projection", "lstm_layer_norm", "rhn", "slstm", "gru_d")
"""One of each kind of step: one sweep, several, sums over units, single numbers as states."""


@pytest.fixture
def divide(monkeypatch):
    """Choose how a call is divided, and on how many threads."""
    before = torch.get_num_threads()

    def choose(by_unit: bool, team: int) -> None:
        forward_call.cache_clear()
        backward_call.cache_clear()
        monkeypatch.setattr(Kernel, "divides_units", lambda *_: by_unit)
        torch.set_num_threads(team)

    yield choose
    torch.set_num_threads(before)
    forward_call.cache_clear()
    backward_call.cache_clear()


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def assert_divided_alike(divide, case, teams=(2, 3)) -> None:
    divide(False, 1)
    expected, inferred = training(LLVM, case), inference(LLVM, case)
    for team in teams:
        divide(True, team)
        for found, wanted in ((training(LLVM, case), expected), (inference(LLVM, case), inferred)):
            assert found.keys() == wanted.keys()
            for name, value in wanted.items():
                assert torch.equal(found[name], value), f"{name}, {team} threads"


@pytest.mark.parametrize("name", KINDS)
def test_sharing_units_changes_no_bit(name, divide):
    reverse = len(name) % 2 == 0
    case = moderate(gw.cells.get(name).graph, T=9, B=3, I=5, H=37, P=18, reverse=reverse)
    assert_divided_alike(divide, case)


def test_one_sequence_and_more_threads_than_units(divide):
    case = moderate(gw.cells.get("lstm").graph, T=5, B=1, I=2, H=3)
    assert_divided_alike(divide, case, teams=(2, 4))


def test_lengths_and_resets(divide):
    graph = with_lengths(with_reset(gw.cells.get("gru").graph))
    assert_divided_alike(divide, moderate(graph, T=7, B=4, I=3, H=33))


def test_sequences_of_several_blocks(divide):
    """More steps than are computed ahead, and than a block of the backward pass has."""
    case = moderate(gw.cells.get("gru").graph, T=700, B=2, I=3, H=18)
    assert_divided_alike(divide, case, teams=(2,))


@pytest.mark.slow
@pytest.mark.parametrize("name", gw.cells.names())
def test_every_cell(name, divide):
    case = moderate(gw.cells.get(name).graph, T=4, B=3, I=5, H=35, P=17)
    assert_divided_alike(divide, case, teams=(2,))


def test_few_sequences_with_many_weights_share_units(two_threads):
    layer = gw.LSTM(8, 256)
    wide, narrow = torch.randn(3, 1, 8), torch.randn(3, 64, 8)
    with gw.use_backend("llvm"), torch.no_grad():
        told = [layer.explain(x)[0].details for x in (wide, narrow)]
    assert "units of all sequences" in told[0]
    assert "units of all sequences" not in told[1]


def test_few_steps_share_units(two_threads):
    layer, x = gw.Recurrent("gru", 8, 256), torch.randn(40, 32, 8)
    with torch.no_grad():
        told = [layer.explain(x[:T])[0].details for T in (4, 40)]
    assert "units of all sequences" in told[0]
    assert "units of all sequences" not in told[1]

"""Timescales: known where a gate is forced, and true of what the ledger keeps."""

import math

import pytest
import torch

import gatewise as gw
from gatewise.equations import EquationError
from gatewise.equations.additive import additive_states
from gatewise.equations.rewrite import with_expected_zoneout, with_reset
from gatewise.lens.ledger import memory_ledger
from gatewise.lens.timescales import timescales
from tests.recorded_runs import B, H, T, random_run, record_layer

ADDITIVE = [name for name in gw.cells.names() if additive_states(gw.cells.get(name).graph)]


def test_a_bias_is_a_timescale():
    """With no input and no last state, f = σ(b): chosen so that τ is 2, 10 and 100 steps."""
    layer = gw.LSTM(1, 3).double()
    tau = torch.tensor([2.0, 10.0, 100.0], dtype=torch.float64)
    with torch.no_grad():
        for value in layer.parameters():
            value.zero_()
        layer.bias_ih_l0[3:6] = torch.logit(torch.exp(-1 / tau))
    (found,) = timescales(record_layer(layer, torch.zeros(20, 2, 1).double()))
    assert (found.gate, found.state) == ("f", "c")
    torch.testing.assert_close(found.steps, tau)
    torch.testing.assert_close(found.by_sequence, tau.expand(2, 3))
    torch.testing.assert_close(found.at_rest, tau)
    assert "half of its 3 units fall to 1/e within 10 steps" in str(found)
    assert found.table().splitlines()[1].split() == ["2", "100", "100"]


@pytest.mark.parametrize("name", ADDITIVE)
def test_what_is_left_at_the_end_follows(name):
    """exp(−T/τ) is the product of all factors: the ledger's survival of what was there first."""
    run = random_run(gw.cells.get(name).graph)
    for found in timescales(run):
        ledger = memory_ledger(run, found.state)
        start = run.operands.states[found.state]
        left = torch.exp(-T / found.by_sequence) * start
        torch.testing.assert_close(left.abs(), ledger.initial.abs())
        assert found.steps.shape == (H,)
        assert found.by_sequence.shape == (B, H)


def test_a_gate_that_replaces_counts_the_other_way():
    layer = gw.Recurrent("lightru", 2, 3)
    with torch.no_grad():
        for value in layer.weights().values():
            value.zero_()
        layer.weights()["b.f"].fill_(-math.log(math.e - 1))  # f = 1/e is let in, 1 − 1/e is kept
    (found,) = timescales(record_layer(layer, torch.zeros(5, 1, 2)))
    expected = torch.full((3,), -1 / math.log(1 - 1 / math.e))
    torch.testing.assert_close(found.steps, expected)
    torch.testing.assert_close(found.at_rest, expected)


def test_steps_past_the_end_do_not_count():
    layer, x = gw.LSTM(3, 4), torch.randn(T, 2, 3)
    (short,) = timescales(record_layer(layer, x[:2]))
    (padded,) = timescales(record_layer(layer, x, lengths=[T, 2]))
    torch.testing.assert_close(padded.by_sequence[1], short.by_sequence[1])


def test_open_and_shut_gates_have_the_limits():
    layer = gw.LSTM(1, 2)
    with torch.no_grad():
        for value in layer.parameters():
            value.zero_()
        layer.bias_ih_l0[2:4] = torch.tensor([200.0, -200.0])
    (found,) = timescales(record_layer(layer, torch.zeros(3, 1, 1)))
    assert found.steps.tolist() == [torch.inf, 0.0]


def test_a_cell_that_never_forgets():
    (found,) = timescales(random_run(gw.cells.lstm_no_forget.graph))
    assert found.gate is None
    assert found.steps.eq(torch.inf).all()
    assert str(found).startswith("c: half of its 4 units")


def test_zoneout_keeps_longer():
    """p of the old state stays for certain, the rest under the gate: p + (1 − p) f."""
    graph = with_expected_zoneout(gw.cells.lstm.graph, (("c", 0.5),))
    run = random_run(graph)
    (found,) = timescales(run)
    w = run.operands.parameters
    f = torch.sigmoid(run.operands.x @ w["W.f"].T + run.before("h") @ w["U.f"].T + w["b.f"])
    torch.testing.assert_close(found.by_sequence, -1 / (0.5 + 0.5 * f).log().mean(0))


def test_a_reset_is_no_forgetting():
    run = random_run(with_reset(gw.cells.lstm.graph))
    (found,) = timescales(run)
    assert found.gate == "f"
    assert found.steps.gt(0).all()


def test_a_cell_that_adds_nothing_up_is_refused():
    with pytest.raises(EquationError, match=r"'rnn' has no additive state"):
        timescales(random_run(gw.cells.rnn.graph))

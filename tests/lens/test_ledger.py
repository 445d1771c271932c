"""The memory ledger: exact, and known where the gates are forced."""

import pytest
import torch

import gatewise as gw
from gatewise.equations import EquationError
from gatewise.equations.additive import additive_states
from gatewise.equations.rewrite import with_reset
from gatewise.lens.ledger import memory_ledger
from gatewise.lens.recorded import states_after
from tests.recorded_runs import B, T, random_run, record_layer

ADDITIVE = [name for name in gw.cells.names() if additive_states(gw.cells.get(name).graph)]


def forced_lstm(forget: float, reverse: bool = False):
    """f is the same number at every step: what was written k steps ago has f^k left."""
    layer = gw.LSTM(3, 4, bidirectional=reverse).double()
    suffix = "_l0_reverse" if reverse else "_l0"
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            rows = getattr(layer, name + suffix)[4:8]  # torch's order: i, f, g, o
            rows.fill_(torch.logit(torch.tensor(forget)) if name == "bias_ih" else 0.0)
    return layer


@pytest.mark.parametrize("reverse", [False, True])
def test_forced_forget_gate(reverse):
    run = record_layer(forced_lstm(0.75, reverse), torch.randn(T, B, 3).double(), reverse=reverse)
    ledger = memory_ledger(run)
    ages = torch.arange(T).flip(0) if not reverse else torch.arange(T)
    expected = (0.75 ** ages.double())[:, None, None].expand(T, B, 4)
    torch.testing.assert_close(ledger.survival, expected, rtol=1e-6, atol=0)
    assert ledger.error < 1e-15


def test_entries_of_an_lstm_by_hand():
    run = random_run(gw.cells.lstm.graph)
    ledger = memory_ledger(run, step=3)
    w, x, h = run.operands.parameters, run.operands.x, run.before("h")
    i, f, g = (x @ w[f"W.{k}"].T + h @ w[f"U.{k}"].T + w[f"b.{k}"] for k in "ifg")
    i, f, g = i.sigmoid(), f.sigmoid(), g.tanh()
    torch.testing.assert_close(ledger.contributions[3], (i * g)[3])
    torch.testing.assert_close(ledger.contributions[1], (f[3] * f[2] * i[1] * g[1]))
    torch.testing.assert_close(ledger.initial, f[:4].prod(0) * run.operands.states["c"])
    assert ledger.contributions[4:].eq(0).all()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", ADDITIVE)
def test_identity_for_every_additive_cell(name, reverse):
    run = random_run(gw.cells.get(name).graph, reverse)
    for state in additive_states(run.recurrence.graph):
        for step in (None, 2, -2):
            ledger = memory_ledger(run, state, step)
            assert ledger.error < 1e-12
            expected = states_after(run)[state][{None: 0 if reverse else T - 1}.get(step, step)]
            torch.testing.assert_close(ledger.value, expected, rtol=0, atol=0)


def test_identity_in_float32():
    layer = gw.LSTM(8, 32, forget_bias=2.0)
    ledger = memory_ledger(record_layer(layer, torch.randn(100, 4, 8)))
    assert ledger.error < 1e-6
    assert ledger.contributions.dtype == torch.float32


def test_a_reset_ends_every_entry_before_it():
    run = random_run(with_reset(gw.cells.lstm.graph))
    reset = run.operands.inputs["reset"][..., 0] > 0.5
    ledger = memory_ledger(run)
    assert ledger.error < 1e-12
    for row in range(B):
        last = int(reset[:, row].nonzero().max())
        assert ledger.survival[:last, row].eq(0).all()
        assert ledger.survival[last:, row].gt(0).all()
        assert ledger.initial[row].eq(0).all()


def test_one_step_for_each_sequence():
    run = random_run(gw.cells.lstm.graph)
    ledger = memory_ledger(run, step=torch.tensor([1, 4]))
    torch.testing.assert_close(ledger.value[0], memory_ledger(run, step=1).value[0])
    torch.testing.assert_close(ledger.value[1], memory_ledger(run, step=4).value[1])
    assert ledger.error < 1e-12


def test_sequences_of_different_lengths():
    layer, x = gw.GRU(3, 4).double(), torch.randn(T, B, 3).double()
    ledger = memory_ledger(record_layer(layer, x, lengths=[T, 2]))
    assert ledger.error < 1e-12
    assert ledger.contributions[2:, 1].eq(0).all()  # the state waits past the end
    torch.testing.assert_close(ledger.survival[1, 1], torch.ones(4).double())


def test_shares_sum_to_one_with_the_start():
    run = random_run(gw.cells.lstm.graph)
    ledger = memory_ledger(run)
    start = ledger.initial.abs().sum(-1)
    total = ledger.contributions.abs().sum((0, 2)) + start
    torch.testing.assert_close(ledger.shares().sum(0) + start / total, torch.ones(B).double())


def test_table_names_what_stood_there():
    layer = forced_lstm(0.5)
    ledger = memory_ledger(record_layer(layer, torch.randn(3, 1, 3).double()))
    lines = ledger.table(labels=["I", "speak", "French"]).splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["I", "speak", "French"]
    assert [line.split()[-1] for line in lines[1:]] == ["0.25", "0.5", "1"]


def test_refusals():
    with pytest.raises(EquationError, match=r"rnn.*no additive state: h is not updated by adding"):
        memory_ledger(random_run(gw.cells.rnn.graph))
    with pytest.raises(EquationError, match=r"'lstm': h is not updated by adding"):
        memory_ledger(random_run(gw.cells.lstm.graph), "h")
    with pytest.raises(IndexError, match="step 6: there are 6 steps"):
        memory_ledger(random_run(gw.cells.lstm.graph), step=T)


def test_table_of_one_unit_shows_its_entries():
    ledger = memory_ledger(random_run(gw.cells.lstm.graph))
    header, *lines = ledger.table(row=1, count=T, unit=2).splitlines()
    assert header.split()[1:] == ["in", "c", "of", "unit", "2", "survives"]
    shown = [float(line.split()[1]) for line in lines]
    assert shown == pytest.approx(ledger.contributions[:, 1, 2].tolist(), rel=1e-3)


def test_identity_of_a_trained_model_in_float32():
    """Training drives states away from zero, where rounding is larger."""
    layer, head = gw.LSTM(3, 12), torch.nn.Linear(12, 3)
    optimizer = torch.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.03)
    for _ in range(60):
        x = torch.randn(20, 16, 3)
        loss = (head(layer(x)[0]) - x.cumsum(0)).pow(2).mean()  # to sum up what was read
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    run = record_layer(layer, torch.randn(200, 4, 3))
    ledger = memory_ledger(run)
    assert ledger.value.abs().max() > 1
    assert ledger.error < 1e-6


def test_a_changed_layer_is_accounted_for_as_it_ran():
    layer, x = gw.LSTM(3, 4).double(), torch.randn(T, 2, 3).double()
    frozen, shut = gw.freeze("", gate="f", steps=slice(1, 4)), gw.clamp("", "f", 0.0, steps=4)
    with gw.intervene(layer, frozen, shut), gw.trace(layer) as t:
        layer(x)
    ledger = memory_ledger(t.only)
    assert ledger.state == "c"
    assert ledger.error < 1e-15
    assert ledger.survival[:4].eq(0).all()  # nothing passes the shut gate

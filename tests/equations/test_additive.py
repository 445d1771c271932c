"""new = kept * old + written: found in the equations, and true of every cell it is found in."""

from dataclasses import replace

import pytest
import torch

import gatewise as gw
from gatewise.equations import EquationError, U, W, b, cell, p, tanh, total, where
from gatewise.equations.additive import additive_states, additive_update
from gatewise.equations.rewrite import with_clamp, with_lengths, with_reset
from gatewise.lens.recorded import Run, evaluate, states_after, states_before
from tests.recorded_runs import random_run

CASES = [
    (name, state)
    for name in gw.cells.names()
    for state in additive_states(gw.cells.get(name).graph)
]


def test_gates_of_the_lstm_are_the_parts():
    graph = gw.cells.lstm.graph
    update = additive_update(graph, "c")
    assert update.kept is graph.values["f"]
    assert update.written is graph.values["i"] * graph.values["g"]


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("lstm", ["c"]),
        ("peephole", ["c"]),  # the gates peep at c, which is still kept by f alone
        ("gru", ["h"]),
        ("lstm_no_forget", ["c"]),
        ("lem", ["y", "z"]),
        ("slstm", ["c", "n"]),
        ("scrn", ["s"]),
        ("antisymmetric", ["h"]),
        ("rnn", []),
        ("indrnn", []),
        ("nas", []),
    ],
)
def test_states_of_known_cells(name, states):
    assert additive_states(gw.cells.get(name).graph) == states


@pytest.mark.parametrize(("name", "state"), CASES, ids=lambda value: value)
@pytest.mark.parametrize("rewrite", [lambda g: g, with_reset, with_lengths], ids=["", "r", "l"])
def test_split_is_an_identity(name, state, rewrite):
    run = random_run(rewrite(gw.cells.get(name).graph))
    update = additive_update(run.recurrence.graph, state)
    kept, written = evaluate(run, [update.kept, update.written])
    torch.testing.assert_close(
        kept * states_before(run)[state] + written, states_after(run)[state], rtol=0, atol=1e-12
    )


@pytest.mark.parametrize(("name", "state"), CASES, ids=lambda value: value)
def test_nothing_that_is_written_has_the_old_state_as_a_summand(name, state):
    """Else part of what was kept would count as new: split what is written once more."""
    graph = gw.cells.get(name).graph
    written = additive_update(graph, state).written
    again = replace(graph, new_states={**graph.new_states, state: written})
    assert state not in additive_states(again)


def test_a_clamped_step_writes_the_clamp_and_keeps_nothing():
    run = random_run(with_clamp(gw.cells.lstm.graph, "c"))
    update = additive_update(run.recurrence.graph, "c")
    inputs = {
        **run.operands.inputs,
        "clamped_c": torch.ones_like(run.past["c"]),
        "clamp_c": torch.full_like(run.past["c"], 0.25),
    }
    operands = type(run.operands)(inputs, run.operands.states, run.operands.parameters)
    kept, written = evaluate(Run(run.recurrence, operands, run.past), [update.kept, update.written])
    assert kept.eq(0).all()
    assert written.eq(0.25).all()


def test_refusals_say_what_the_state_goes_through():
    with pytest.raises(EquationError, match=r"rnn.*anew.*only through tanh"):
        additive_update(gw.cells.rnn.graph, "h")
    with pytest.raises(EquationError, match=r"x_last.*enters nowhere"):
        additive_update(gw.cells.t_lstm.graph, "x_last")
    with pytest.raises(EquationError, match="no state 'q'; it has h, c"):
        additive_update(gw.cells.lstm.graph, "q")


def test_waiting_past_the_end_is_no_memory():
    with pytest.raises(EquationError, match="anew"):
        additive_update(with_lengths(gw.cells.rnn.graph), "h")


def test_a_matrix_that_mixes_units_is_refused():
    @cell
    def linear(x, h):
        h = W.h @ x + U.h @ h
        return dict(h=h)

    with pytest.raises(EquationError, match=r"U\.h @ h` a matrix mixes its units"):
        additive_update(linear.graph, "h")


def test_a_sum_over_units_is_refused():
    @cell
    def summed(x, h):
        h = W.h @ x + 0.5 * h + 0.1 * total(h)
        return dict(h=h)

    with pytest.raises(EquationError, match=r"`total\(h\)` adds its units up"):
        additive_update(summed.graph, "h")


def test_a_square_is_refused():
    @cell
    def square(x, h):
        h = p.h * h * h + tanh(W.h @ x + b.h)
        return dict(h=h)

    with pytest.raises(EquationError, match="multiplies it with itself"):
        additive_update(square.graph, "h")


def test_what_is_kept_on_either_side_of_a_choice():
    @cell
    def leaky(x, h):
        n = tanh(W.n @ x + b.n)
        h = where(n > 0, 0.5 * h + n, n - h)
        return dict(h=h, n=n)

    update = additive_update(leaky.graph, "h")
    assert str(update.kept).startswith("where(")
    assert additive_states(leaky.graph) == ["h"]

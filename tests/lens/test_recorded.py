"""What analyses read of a trace: all of it, unchanged, in a known order."""

import pytest
import torch

import gatewise as gw
from gatewise.equations.rewrite import with_lengths
from gatewise.lens import TraceError, memory_ledger
from gatewise.lens.recorded import (
    alive_steps,
    counted_steps,
    evaluate,
    in_running_order,
    position_of,
    state_sizes,
    states_after,
    states_before,
)
from tests.recorded_runs import B, T, random_run, record_layer


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", gw.cells.names())
def test_each_step_starts_from_what_the_last_one_left(name, reverse):
    run = random_run(gw.cells.get(name).graph, reverse)
    before, after = states_before(run), states_after(run)
    for state, first in run.operands.states.items():
        started, left = (in_running_order(v[state], run.recurrence) for v in (before, after))
        torch.testing.assert_close(started[1:], left[:-1], rtol=0, atol=1e-13)
        torch.testing.assert_close(started[0], first)


def test_expressions_made_of_a_graphs_values():
    run = random_run(gw.cells.lstm.graph)
    values = run.recurrence.graph.values
    f, kept, product = evaluate(run, [values["f"], 1 - values["f"], values["i"] * values["g"]])
    torch.testing.assert_close(f + kept, torch.ones(T, B, 4).double())
    i, g = evaluate(run, [values["i"], values["g"]])
    torch.testing.assert_close(product, i * g)


def test_sizes_are_those_of_the_cell():
    layer = gw.Recurrent("lstm_projection", 3, 5, proj_size=2)
    assert state_sizes(record_layer(layer, torch.randn(4, 2, 3)).recurrence) == {"h": 2, "c": 5}


@pytest.mark.parametrize(
    ("reverse", "step", "expected"),
    [(False, None, 5), (True, None, 5), (False, 1, 1), (True, 1, 4), (False, -1, 5), (True, -1, 0)],
)
def test_a_readers_step_in_running_order(reverse, step, expected):
    run = random_run(gw.cells.gru.graph, reverse)
    assert position_of(step, run).tolist() == [expected] * B


def test_steps_that_count():
    run = random_run(with_lengths(gw.cells.gru.graph))
    assert torch.equal(alive_steps(run), run.operands.inputs["alive"][..., 0] > 0.5)
    assert alive_steps(random_run(gw.cells.gru.graph)).all()
    values = torch.zeros(3, 2, 4)
    values[2, 1, 3] = torch.nan
    assert counted_steps(values, None).tolist() == [[True, True], [True, True], [True, False]]
    with pytest.raises(ValueError, match="not one for each step"):
        counted_steps(values, torch.ones(2, 3, dtype=torch.bool))


def test_a_thinned_trace_is_refused():
    layer, x = gw.LSTM(3, 4), torch.randn(6, 2, 3)
    with gw.trace(layer, every=2) as t:
        layer(x)
    with pytest.raises(ValueError, match="trace without every= and units="):
        memory_ledger(t.only)


def test_nothing_recorded_is_nothing_to_analyse():
    layer = gw.Recurrent("lstm", 3, 4)
    run = record_layer(layer, torch.randn(0, 2, 3))
    with pytest.raises(ValueError, match="0 steps of 2 sequences were recorded"):
        memory_ledger(run)


def test_weights_that_have_changed_are_refused():
    layer, x = gw.LSTM(3, 4), torch.randn(6, 2, 3)
    run = record_layer(layer, x)
    with torch.no_grad():
        layer.weight_hh_l0.mul_(2)
    with pytest.raises(TraceError, match="changed in place"):
        memory_ledger(run)

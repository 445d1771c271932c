"""Contextual decomposition: the paper's LSTM by hand, exact sums for every other cell."""

import pytest
import torch

import gatewise as gw
from gatewise.equations import EquationError, U, W, b, cell, exp, log, mean, p, sigmoid, total
from gatewise.equations.rewrite import with_lengths
from gatewise.lens.contextual_decomposition import contextual_decomposition, readout_gates
from gatewise.lens.recorded import evaluate
from tests.recorded_runs import T, random_run, record_layer

REFUSED = {"slstm", "minlstm", "lstm_layer_norm", "rum"}
SPLIT = [name for name in gw.cells.names() if name not in REFUSED]


def three(b, c, d, f):
    """What b and c have of f(b + c + d), by the mean of both orders, and what the bias d has."""
    first = ((f(b + d) - f(d)) + (f(b + c + d) - f(c + d))) / 2
    second = ((f(c + d) - f(d)) + (f(b + c + d) - f(b + d))) / 2
    return first, second, f(d)


def lstm_by_hand(run, span):
    """The equations of the paper, written out."""
    w, x = run.operands.parameters, run.operands.x
    bh, bc = (torch.zeros_like(run.operands.states[name]) for name in ("h", "c"))
    gh, gc = run.operands.states["h"], run.operands.states["c"]
    outputs = []
    for t in range(len(x)):
        within = t in span
        xb, xg = (x[t], 0 * x[t]) if within else (0 * x[t], x[t])
        split = {
            k: three(
                xb @ w[f"W.{k}"].T + bh @ w[f"U.{k}"].T,
                xg @ w[f"W.{k}"].T + gh @ w[f"U.{k}"].T,
                w[f"b.{k}"].expand_as(bc),
                torch.tanh if k == "g" else torch.sigmoid,
            )
            for k in "ifgo"
        }
        (ib, ig, i0), (fb, fg, f0), (zb, zg, z0) = (split[k] for k in "ifg")
        written = ib * (zb + z0) + i0 * zb, ig * (zb + zg + z0) + (ib + i0) * zg
        bc, gc = (fb + f0) * bc, (fb + fg + f0) * gc + fg * bc
        bc, gc = bc + written[0], gc + written[1]
        bc, gc = (bc + i0 * z0, gc) if within else (bc, gc + i0 * z0)
        o = sum(split["o"])
        tb = (torch.tanh(bc) + torch.tanh(bc + gc) - torch.tanh(gc)) / 2
        bh, gh = o * tb, o * (torch.tanh(bc + gc) - tb)
        outputs.append(bh)
    return torch.stack(outputs)


@pytest.mark.parametrize("span", [range(1), range(2, 4), range(5, 6), range(6)])
def test_lstm_of_the_paper(span):
    run = random_run(gw.cells.lstm.graph)
    found = contextual_decomposition(run, span)
    torch.testing.assert_close(found.relevant, lstm_by_hand(run, span))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", SPLIT)
def test_parts_sum_to_the_output_of_every_cell(name, reverse):
    run = random_run(gw.cells.get(name).graph, reverse)
    found = contextual_decomposition(run, slice(2, 4))
    assert found.error < 1e-13
    (output,) = evaluate(run, [run.recurrence.graph.output])
    torch.testing.assert_close(found.relevant + found.rest, output)
    before = slice(4, None) if reverse else slice(0, 2)
    assert found.relevant[before].eq(0).all()  # the span has not come yet
    assert found.relevant[2:4].ne(0).any()


@pytest.mark.parametrize("name", SPLIT)
def test_a_span_of_all_steps_is_all_but_what_was_there_before(name):
    layer = gw.Recurrent(name, 4, 4, initial={}).double()
    x = torch.rand(4, 2, 4).double()
    extra = {
        key: torch.rand(4, 2, 4 if size == "I" else 1).double()
        for key, size in layer.graph.inputs.items()
        if key != "x"
    }
    run = record_layer(layer, x, **extra)
    if any(value.ne(0).any() for value in run.operands.states.values()):
        pytest.skip("its first state is not zero")
    found = contextual_decomposition(run, slice(None))
    torch.testing.assert_close(found.rest, torch.zeros_like(found.rest), rtol=0, atol=1e-12)


def test_a_linear_network_is_split_by_superposition():
    """relu(U h + x) with everything positive: the span's part is the network run on the span."""
    layer = gw.RNN(3, 3, nonlinearity="relu", bias=False).double()
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.eye(3))
        layer.weight_hh_l0.copy_(0.3 * torch.rand(3, 3))
    x = torch.rand(5, 2, 3).double() + 0.1
    only = torch.zeros_like(x)
    only[1:3] = x[1:3]
    found = contextual_decomposition(record_layer(layer, x), slice(1, 3))
    torch.testing.assert_close(found.relevant, layer(only)[0].detach())


@pytest.mark.parametrize(
    ("name", "gates"),
    [
        ("lstm", ("o",)),
        ("peephole", ("o",)),
        ("lstm_projection", ("o",)),
        ("mclstm", ("o", "m")),
        ("lstm_full_gate_recurrence", ("o",)),
        ("gru", ()),
        ("rnn", ()),
    ],
)
def test_gates_that_only_read_out(name, gates):
    assert readout_gates(gw.cells.get(name).graph) == gates


def test_gates_of_many_small_steps():
    """Paths through values that are read several times are without number."""

    @cell(states=("h", "c"))
    def small_steps(x, h, c):
        o = sigmoid(W.o @ x)
        c = c + W.c @ x
        h = o * c
        for _ in range(60):
            h = h * (1 - 0.1 * h)
        return dict(o=o, c=c, h=h)

    assert readout_gates(small_steps.graph) == ("o",)


def test_which_gates_are_whole_may_be_said():
    run = random_run(gw.cells.lstm.graph)
    split = contextual_decomposition(run, slice(2, 4), whole=())
    assert split.error < 1e-13
    assert (split.relevant - contextual_decomposition(run, slice(2, 4)).relevant).abs().max() > 1e-4
    with pytest.raises(EquationError, match="no value q; it has i, f, g, o, c, h"):
        contextual_decomposition(run, slice(2, 4), whole=["q"])


def test_float32_and_lengths():
    run = random_run(with_lengths(gw.cells.lstm.graph), dtype=torch.float32)
    found = contextual_decomposition(run, slice(0, 3))
    assert found.relevant.dtype == torch.float32
    assert found.error < 1e-6


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("slstm", "divides by n"),
        ("minlstm", "divides by `"),
        ("lstm_layer_norm", "divides by the deviation of `"),
        ("rum", "takes the sqrt of `total"),
    ],
)
def test_quotients_are_refused(name, by):
    with pytest.raises(EquationError, match=by):
        contextual_decomposition(random_run(gw.cells.get(name).graph), slice(1, 2))


def test_what_an_intervention_changed_is_split_as_it_ran():
    layer, x = gw.LSTM(3, 4), torch.randn(T, 2, 3)
    frozen, clamped = gw.freeze("", gate="f", steps=slice(1, 4)), gw.clamp("", "i", 0.3, units=2)
    with gw.intervene(layer, frozen, clamped), gw.trace(layer) as t, torch.no_grad():
        y, _ = layer(x)
    found = contextual_decomposition(t.only, slice(2, 4))
    torch.testing.assert_close(found.relevant + found.rest, y)
    assert readout_gates(t.only.graph) == ("o",)


@pytest.mark.parametrize("span", [slice(6, 9), range(4, 8), range(0)])
def test_a_span_without_steps(span):
    with pytest.raises(IndexError, match=f"of the {T} there are"):
        contextual_decomposition(random_run(gw.cells.lstm.graph), span)


def test_sums_over_units_are_split_part_by_part():
    @cell
    def centred(x, h):
        n = W.n @ x + U.n @ h + b.n
        h = n - mean(n) + 0.1 * total(h)
        return dict(n=n, h=h)

    run = random_run(centred.graph)
    found = contextual_decomposition(run, slice(2, 4))
    assert found.error < 1e-10
    early = contextual_decomposition(run, slice(2, 3)), contextual_decomposition(run, slice(3, 4))
    # all is linear: what two steps bring is the sum of what each brings, but for the biases
    start = found.relevant[:2]
    assert not start.any()
    torch.testing.assert_close(found.relevant, early[0].relevant + early[1].relevant)


def test_logarithms_are_refused():
    @cell
    def logarithmic(x, h):
        h = log(exp(W.h @ x) + exp(p.h * h))
        return dict(h=h)

    with pytest.raises(EquationError, match="takes the log of `"):
        contextual_decomposition(random_run(logarithmic.graph), slice(1, 2))

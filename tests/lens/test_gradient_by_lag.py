"""The gradient inside a recurrence: against finite differences, loops by hand, and closed forms."""

import pytest
import torch

import gatewise as gw
from gatewise.equations import EquationError
from gatewise.equations.symbol import topological
from gatewise.lens import gradient_by_lag, inner_gradients

T, B, I, H = 6, 2, 3, 4
STEP = 1e-6


def make(layer):
    layer = layer.double()
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(T, B, layer.input_size, generator=generator, dtype=torch.float64)
    weight = torch.randn(B, layer.hidden_size, generator=generator, dtype=torch.float64)
    return layer, x, weight


def fields(state):
    return (state,) if isinstance(state, torch.Tensor) else tuple(state)


@pytest.mark.parametrize(
    "layer",
    [gw.RNN(I, H), gw.LSTM(I, H), gw.GRU(I, H), gw.Recurrent("peephole", I, H)],
    ids=["rnn", "lstm", "gru", "peephole"],
)
@pytest.mark.parametrize("lag", [1, 2, 5])
def test_hidden_state_against_finite_differences(layer, lag):
    """Stop after T - lag steps, change one unit of h, go on: an independent route to ∂L/∂h."""
    layer, x, weight = make(layer)
    (inner,) = inner_gradients(lambda: (layer(x)[0][-1] * weight).sum())
    _, state = layer(x[:-lag])

    def loss_after(change):
        h, *rest = fields(state)
        given = (h + change, *rest) if rest else h + change
        return (layer(x[-lag:], given)[0][-1] * weight).sum()

    with torch.no_grad():
        for unit in range(H):
            for row in range(B):
                change = torch.zeros(1, B, H, dtype=torch.float64)
                change[0, row, unit] = STEP
                expected = float(loss_after(change) - loss_after(-change)) / (2 * STEP)
                found = float(inner.values["h"][T - 1 - lag, row, unit])
                assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_both_states_of_an_lstm_against_a_loop_by_hand():
    layer, x, weight = make(gw.LSTM(I, H))
    w = {name: value.detach() for name, value in layer.weights().items()}
    inner = inner_gradients(lambda: (layer(x)[0] * weight).pow(2).sum())[0]

    h = c = torch.zeros(B, H, dtype=torch.float64)
    hs, cs = [], []
    for step in x:
        i, f, g, o = (step @ w[f"W.{k}"].T + h @ w[f"U.{k}"].T + w[f"b.{k}"] for k in "ifgo")
        c = (f.sigmoid() * c + i.sigmoid() * g.tanh()).requires_grad_()
        c.retain_grad()
        h = o.sigmoid() * c.tanh()
        h.retain_grad()
        hs.append(h)
        cs.append(c)
    (torch.stack(hs) * weight).pow(2).sum().backward()
    for name, series in (("h", hs), ("c", cs)):
        expected = torch.stack([value.grad for value in series])
        torch.testing.assert_close(inner.values[name], expected, rtol=1e-12, atol=1e-14)


def test_diagonal_linear_network_decays_by_its_weight():
    """h = relu(u h + x) with all positive is h = u h + x: the gradient k steps back is u^k."""
    layer = gw.RNN(H, H, nonlinearity="relu", bias=False).double()
    u = torch.tensor([0.2, 0.5, 0.9, 1.1], dtype=torch.float64)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.eye(H))
        layer.weight_hh_l0.copy_(torch.diag(u))
    x = torch.rand(T, 1, H, dtype=torch.float64) + 0.1
    (inner,) = inner_gradients(lambda: layer(x)[0][-1].sum())
    lags = torch.arange(T - 1, -1, -1, dtype=torch.float64)
    torch.testing.assert_close(inner.values["h"][:, 0], u ** lags[:, None], rtol=1e-13, atol=0)
    by_lag = gradient_by_lag(inner.values["h"])[:, 0]
    expected = (u ** lags.flip(0)[:, None]).norm(dim=1)
    torch.testing.assert_close(by_lag, expected, rtol=1e-13, atol=0)


def test_output_gradient_shows_nothing_where_the_inner_one_does():
    """The reason this exists: retain_grad on the output sees one step only."""
    layer, x, weight = make(gw.LSTM(I, H))
    y, _ = layer(x)
    y.retain_grad()
    (y[-1] * weight).sum().backward()
    assert y.grad[:-1].eq(0).all()
    (inner,) = inner_gradients(lambda: (layer(x)[0][-1] * weight).sum())
    assert inner.values["h"][:-1].norm(dim=-1).gt(0).all()


def test_lag_counts_from_the_end_of_each_sequence():
    gradient = torch.arange(1.0, 7.0).reshape(3, 2, 1)  # step t, row b: 1 + 2 t + b
    by_lag = gradient_by_lag(gradient, torch.tensor([2, 1]))
    expected = torch.tensor([[5.0, 4.0], [3.0, 2.0], [1.0, torch.nan]])
    torch.testing.assert_close(by_lag, expected, equal_nan=True)


def test_steps_past_the_end_have_no_gradient():
    layer, x, weight = make(gw.Recurrent("gru", I, H))
    lengths = torch.tensor([T, T - 3])
    (inner,) = inner_gradients(
        lambda: (layer(x, lengths=lengths)[1].h[0] * weight).sum(), names=["h"]
    )
    norms = inner.values["h"].norm(dim=-1)
    assert norms[T - 3 :, 1].eq(0).all()
    assert norms[: T - 3, 1].gt(0).all()
    assert norms[:, 0].gt(0).all()


def test_stacked_and_bidirectional_layers_come_in_order():
    layer, x, _ = make(gw.LSTM(I, H, num_layers=2, bidirectional=True))
    found = inner_gradients(lambda: layer(x)[0][-1].sum())
    assert [inner.reverse for inner in found] == [False, True, False, True]
    top_reverse = found[3].values["h"].norm(dim=-1)
    assert top_reverse[-1].gt(0).all()  # it enters the sequence at the last step,
    assert top_reverse[:-1].eq(0).all()  # so earlier steps, which it runs later, do not matter
    assert found[1].values["h"].norm(dim=-1).gt(0).all()


def only_handed_on(graph):
    """States that no other state of the same step is made of: to change them is to change what the
    next step is given."""
    return [
        name
        for name, value in graph.new_states.items()
        if not value.operands
        or all(
            value not in topological([other])
            for key, other in graph.new_states.items()
            if key != name
        )
    ]


PLAIN = [name for name in gw.cells.names() if len(gw.cells.get(name).graph.inputs) == 1]


@pytest.mark.parametrize("name", PLAIN)
def test_every_cell_against_finite_differences(name):
    layer, x, _ = make(gw.Recurrent(name, H, H))
    stop = 3
    (inner,) = inner_gradients(lambda: layer(x)[0][-1].sum())
    _, state = layer(x[:stop])
    tested = only_handed_on(layer.graph)
    assert tested
    for state_name in tested:
        direction = torch.randn_like(getattr(state, state_name))
        with torch.no_grad():
            plus, minus = (
                layer(x[stop:], state._replace(**{state_name: getattr(state, state_name) + change}))
                for change in (STEP * direction, -STEP * direction)
            )
        expected = float(plus[0][-1].sum() - minus[0][-1].sum()) / (2 * STEP)
        found = float((inner.values[state_name][stop - 1] * direction[0]).sum())
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-8), state_name


@pytest.mark.parametrize("name", PLAIN)
def test_looking_changes_nothing(name):
    layer, x, _ = make(gw.Recurrent(name, H, H))
    seen = []

    def loss():
        seen.append(layer(x)[0])
        return seen[0].sum()

    inner_gradients(loss)
    assert torch.equal(seen[0], layer(x)[0])


def test_errors_say_what_to_do():
    layer, x, _ = make(gw.GRU(I, H))
    with pytest.raises(EquationError, match="has no value 'q'; it has r, z, n, h"):
        inner_gradients(lambda: layer(x)[0].sum(), names=["q"])
    with pytest.raises(ValueError, match="no layer of Gatewise ran"):
        inner_gradients(lambda: x.sum())
    with pytest.raises(ValueError, match="depends on no recurrence"):
        inner_gradients(lambda: layer(x)[0].detach().sum())

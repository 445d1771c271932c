"""One step at a time equals the layers that run whole sequences."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

import gatewise as gw
from gatewise.backends import use_backend
from tests.layers.recurrent_layers import further

T, B, I, H = 4, 3, 4, 4


@pytest.mark.parametrize("name", gw.cells.names())
def test_loop_of_steps_equals_the_layer(name):
    layer = gw.Recurrent(name, I, H, dtype=torch.float64)
    step = gw.Step(name, I, H, dtype=torch.float64)
    assert step.cell is layer.cell
    with torch.no_grad():
        for key, value in step.weights().items():
            value.copy_(layer.weights()[key])
    x, more = torch.randn(T, B, I, dtype=torch.float64), further(layer.graph, T, B)
    y, last = layer(x, **more)
    state, outputs = None, []
    for t in range(T):
        output, state = step(x[t], state, **{k: v[t] for k, v in more.items()})
        outputs.append(output)
    torch.testing.assert_close(torch.stack(outputs), y)
    for found, expected in zip(state, last, strict=True):
        torch.testing.assert_close(found, expected[0])
    alone, end = step(x[0, 1], **{k: v[0, 1] for k, v in more.items()})
    torch.testing.assert_close(alone, y[0, 1])
    assert [part.dim() for part in end] == [1] * len(end)


class TestStep:
    def test_gradient_flows_through_the_loop(self):
        step = gw.Step("gru", 2, 3, dtype=torch.float64)
        x = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)

        def loop(x):
            state = None
            for one in x:
                y, state = step(one, state)
            return y

        assert torch.autograd.gradcheck(loop, (x,))

    def test_one_state_may_be_a_tensor(self):
        step, x, h = gw.Step("gru", 2, 3), torch.randn(5, 2), torch.randn(5, 3)
        torch.testing.assert_close(step(x, h)[0], step(x, (h,))[0])
        torch.testing.assert_close(step(x[0], h[0])[0], step(x, h)[0][0])

    def test_further_input_may_be_a_number(self):
        step = gw.Step("cfc", 2, 3)
        x = torch.randn(5, 2)
        y, _ = step(x, dt=torch.full((5, 1), 0.5))
        torch.testing.assert_close(step(x, dt=torch.full((5,), 0.5))[0], y)
        torch.testing.assert_close(step(x[0], dt=0.5)[0], y[0])
        torch.testing.assert_close(step(x[0], dt=torch.tensor(0.5))[0], y[0])

    def test_options(self):
        step = gw.Step("lstm", 2, 3, bias=False, dtype=torch.float64, initial={"c": 2.0})
        assert "b.f" not in step.weights()
        _, state = step(torch.randn(1, 2, dtype=torch.float64))
        assert step(torch.zeros(1, 2, dtype=torch.float64))[1].c.tolist() == [[1.0] * 3]
        assert state._fields == ("h", "c")
        assert (gw.Step("lstm", 2, 3, forget_bias=1.0).weights()["b.f"] == 1.0).all()

    @pytest.mark.parametrize(
        "option", ["num_layers", "bidirectional", "batch_first", "dropout", "residual"]
    )
    def test_options_of_sequences_are_refused(self, option):
        with pytest.raises(ValueError, match=f"{option} is for sequences"):
            gw.Step("lstm", 2, 3, **{option: 1})

    def test_wrong_calls(self):
        step = gw.Step("lstm", 2, 3)
        with pytest.raises(ValueError, match="one step has one layer"):
            gw.Step("lstm", 2, [3, 3])
        with pytest.raises(ValueError, match="1D or 2D, got 3D"):
            step(torch.zeros(1, 1, 2))
        with pytest.raises(RuntimeError, match="Expected 2, got 3"):
            step(torch.zeros(1, 3))
        with pytest.raises(ValueError, match=r"\(h, c\), but 1 were given"):
            step(torch.zeros(1, 2), torch.zeros(1, 3))
        with pytest.raises(RuntimeError, match="Expected hidden size"):
            step(torch.zeros(1, 2), (torch.zeros(2, 3), torch.zeros(2, 3)))

    def test_copies(self):
        step, x = gw.Step("peephole", 2, 3), torch.randn(5, 2)
        for other in (copy.deepcopy(step), pickle.loads(pickle.dumps(step))):
            torch.testing.assert_close(other(x)[0], step(x)[0])


def pair(kind, **options):
    name, _, nonlinearity = kind.partition(" ")
    if nonlinearity:
        options["nonlinearity"] = nonlinearity
    theirs = getattr(nn, name)(I, H, **options)
    ours = getattr(gw, name)(I, H, **options)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours, theirs


KINDS = ["LSTMCell", "GRUCell", "RNNCell", "RNNCell relu"]


def parts(value):
    return value if isinstance(value, tuple) else (value,)


@pytest.mark.parametrize("backend", ["torch", "reference"])
@pytest.mark.parametrize("kind", KINDS)
class TestTorchCells:
    @pytest.mark.parametrize("bias", [True, False])
    @pytest.mark.parametrize("batch", [None, 0, 3])
    @pytest.mark.parametrize("given", [False, True])
    def test_equal_torch(self, kind, backend, given, batch, bias):
        ours, theirs = pair(kind, bias=bias, dtype=torch.float64)
        leading = () if batch is None else (batch,)
        x = torch.randn(*leading, I, dtype=torch.float64, requires_grad=True)
        hx = [torch.randn(*leading, H, dtype=torch.float64, requires_grad=True) for _ in range(2)]
        state = (tuple(hx) if "LSTM" in kind else hx[0]) if given else None
        used = ([*hx] if "LSTM" in kind else hx[:1]) if given else []
        with use_backend(backend):
            mine = parts(ours(x, state))
        torchs = parts(theirs(x, state))
        for found, expected in zip(mine, torchs, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
        if batch == 0:
            return
        gradients = [
            torch.autograd.grad(sum(p.sin().sum() for p in result), [*layer.parameters(), x, *used])
            for result, layer in ((mine, ours), (torchs, theirs))
        ]
        for found, expected in zip(*gradients, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)

    @pytest.mark.parametrize(
        ("x", "state"),
        [
            ((1, 2, I), None),
            ((2, I + 1), None),
            ((I + 1,), None),
            ((2, I), (3, H)),
            ((2, I), (2, H + 1)),
            ((2, I), (1, 2, H)),
            ((2, I), (H,)),
            ((I,), (1, H)),
            ((I,), (H + 1,)),
            ((2, I), "double"),
            ("double", None),
        ],
    )
    def test_wrong_input_raises_the_kind_of_error_that_torch_raises(self, kind, backend, x, state):
        ours, theirs = pair(kind)
        given = torch.zeros(2, I).double() if x == "double" else torch.zeros(*x)
        h = None
        if state is not None:
            h = torch.zeros(2, H).double() if state == "double" else torch.zeros(*state)
            h = (h, h) if "LSTM" in kind else h
        with pytest.raises(Exception) as expected:  # noqa: PT011  torch decides which
            theirs(given, h)
        with use_backend(backend), pytest.raises(type(expected.value)):
            ours(given, h)

    def test_same_weights_and_look(self, kind, backend):
        del backend
        torch.manual_seed(5)
        ours = pair(kind)[0]
        torch.manual_seed(5)
        theirs = pair(kind)[1]
        assert list(ours.state_dict()) == list(theirs.state_dict())
        assert torch.equal(ours.weight_hh, theirs.weight_hh)
        assert repr(ours) == repr(theirs)
        again = pickle.loads(pickle.dumps(ours))
        x = torch.randn(2, I)
        for found, expected in zip(parts(again(x)), parts(ours(x)), strict=True):
            torch.testing.assert_close(found, expected)


def test_lstm_cell_takes_two_states():
    with use_backend("reference"), pytest.raises(RuntimeError, match="expects the states h, c"):
        gw.LSTMCell(I, H)(torch.zeros(2, I), (torch.zeros(2, H),))

"""Windows of a long sequence give what one call gives; gradients end where a window starts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import gatewise as gw
from tests.layers.recurrent_layers import B, H, I, close, close_states, further, layer_of, x_of

T = 11


@pytest.mark.parametrize("steps", [1, 4, 11, 20])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("name", ["lstm", "cfc", "sru"])
def test_equal_one_call(name, batch_first, steps):
    layer = layer_of(name, 2, batch_first=batch_first, learn_initial=True)
    order = (B, T) if batch_first else (T, B)
    x, more = x_of(*order), further(layer.graph, *order)
    marks = dict(lengths=[5, 0, T], reset=torch.rand(order) < 0.3)
    y, state = layer(x, **marks, **more)
    pieces = []
    for window in gw.windows(x, steps, inputs=more, batch_first=batch_first, **marks):
        piece, last = window(layer)
        pieces.append(piece)
    close(torch.cat(pieces, 1 if batch_first else 0), y)
    close_states(last, state)


@pytest.mark.parametrize("side", ["left", "right"])
def test_masks_on_either_side(side):
    layer, x = layer_of("lstm"), x_of(T, B)
    mask = torch.arange(T)[:, None] < torch.tensor([5, 0, T])
    mask = mask.flip(0) if side == "left" else mask
    y, state = layer(x, lengths=mask)
    pieces = [window(layer) for window in gw.windows(x, 3, lengths=mask)]
    close(torch.cat([piece for piece, _ in pieces]), y)
    close_states(pieces[-1][1], state)


@pytest.mark.parametrize("kind", [gw.LSTM, gw.GRU, gw.RNN, nn.LSTM, nn.GRU])
def test_layers_of_torchs_form(kind):
    layer, x = kind(I, H, 2), torch.randn(T, B, I)
    y, _ = layer(x)
    pieces = [window(layer)[0] for window in gw.windows(x, 4)]
    torch.testing.assert_close(torch.cat(pieces), y)


def test_gradients_end_at_the_start_of_a_window():
    layer, x = layer_of("lstm"), x_of(8, B).requires_grad_()
    for window in gw.windows(x, 4):
        y, state = window(layer)
        assert state.h.requires_grad
        (gradient,) = torch.autograd.grad(y[-1].sum(), x)
        inside = slice(window.start, window.start + 4)
        assert gradient[inside].all()
        assert not gradient[: window.start].any()


def test_each_module_has_its_own_state():
    lower, upper, x = layer_of("lstm"), layer_of("gru"), x_of(T, B)
    pieces = []
    for window in gw.windows(x, 4):
        between, _ = window(lower)
        window.x = between
        pieces.append(window(upper)[0])
    close(torch.cat(pieces), upper(lower(x)[0])[0])


def test_model_of_ones_own():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.head = layer_of("lstm"), nn.Linear(H, 1, dtype=torch.float64)

        def forward(self, x, state=None):
            y, state = self.layer(x, state)
            return self.head(y), state

    model, x = Model(), x_of(T, B)
    close(torch.cat([window(model)[0] for window in gw.windows(x, 4)]), model(x)[0])


def test_state_to_start_from():
    layer, x = layer_of("lstm"), x_of(T, B)
    _, begin = layer(x_of(3, B))
    pieces = [window(layer, begin if window.start == 0 else None)[0] for window in gw.windows(x, 4)]
    close(torch.cat(pieces), layer(x, begin)[0])


def test_what_a_window_has():
    x, target = x_of(T, B), torch.randn(T, B)
    found = gw.windows(x, 4, target=target, reset=torch.zeros(T, B))
    assert len(found) == 3
    assert [window.start for window in found] == [0, 4, 8]
    for window in found:  # a second time from the start
        assert torch.equal(window.target, target[window.start : window.start + 4])
        assert torch.equal(window.x, x[window.start : window.start + 4])
    with pytest.raises(AttributeError, match="has start, x, reset, target, not 'weight'"):
        _ = window.weight
    assert len(gw.windows(x[:0], 4)) == 0


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda x: gw.windows(x, 0), "steps=0: a window has at least one"),
        (lambda x: gw.windows(x[0], 2), r"T, B and I, not shape \(3, 4\)"),
        (lambda x: gw.windows([1.0], 2), "T, B and I, not <class 'list'>"),
        (lambda x: gw.windows(x, 2, target=x[1:]), r"target has shape \(10, 3, 4\); .*\(11, 3\)"),
        (lambda x: gw.windows(x, 2, reset=torch.zeros(B)), "reset has shape"),
        (lambda x: gw.windows(x, 2, lengths=[1, 2]), "windows: lengths are 3 whole numbers"),
    ],
)
def test_wrong_call(make, says):
    with pytest.raises(ValueError, match=says):
        make(x_of(T, B))


def test_two_directions_are_refused():
    (window, *_) = gw.windows(x_of(T, B), 4)
    with pytest.raises(ValueError, match="reads the whole sequence"):
        window(layer_of("lstm", bidirectional=True))

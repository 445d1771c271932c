"""What a record holds, when its values are lost, and what of it is kept."""

import pytest
import torch
from torch import nn

import gatewise as gw
from gatewise.lens import TraceError

T, B, I, H = 6, 3, 4, 5
CLOSE = dict(rtol=0, atol=1e-6)


def test_pre_activations_and_products():
    layer = gw.LSTM(I, H)
    x = torch.randn(T, B, I)
    with gw.trace(layer) as t:
        layer(x)
    record, weights = t.only, layer.weights()
    torch.testing.assert_close(record.pre.f.sigmoid(), record.f, **CLOSE)
    torch.testing.assert_close(record.pre["g"].tanh(), record.g, **CLOSE)
    torch.testing.assert_close(record.products["W.f"], x @ weights["W.f"].T, **CLOSE)
    parts = record.products["W.f"] + record.products["U.f"] + weights["b.f"]
    torch.testing.assert_close(parts, record.pre.f, **CLOSE)
    assert record.gates == ("i", "f", "g", "o")
    assert torch.equal(record.before("c")[1:], record.c[:-1])


@pytest.mark.parametrize("change", ["step", "load", "x"])
def test_changed_weights_are_an_error(change):
    layer, x = nn.LSTM(I, H), torch.randn(T, B, I)
    with gw.trace(layer) as t:
        y, _ = layer(x)
    h = t.only.h
    if change == "x":
        x.add_(1)
    elif change == "load":
        layer.load_state_dict(nn.LSTM(I, H).state_dict())
    else:
        y.sum().backward()
        torch.optim.SGD(layer.parameters(), 0.1).step()
    assert torch.equal(t.only.h, h)  # what was read stays
    with pytest.raises(TraceError, match=r"was changed in place .* gw.trace\(model, values="):
        _ = t.only.f


def test_states_of_our_layers_outlive_the_weights():
    layer, x = gw.Recurrent("lstm", I, H), torch.randn(T, B, I)
    with gw.trace(layer) as t:
        y, state = layer(x)
    with torch.no_grad():
        layer.W_l0.add_(1)
    assert torch.equal(t.only.h, y.detach())
    assert torch.equal(t.only.c[-1:], state.c.detach())
    with pytest.raises(TraceError, match="changed in place"):
        _ = t.only.f


@pytest.mark.parametrize("layer", [nn.LSTM(I, H, 2), gw.Recurrent("lstm", I, H, 2)])
def test_chosen_values_outlive_the_weights(layer):
    x = torch.randn(T, B, I)
    with gw.trace(layer) as whole:
        layer(x)
    expected = [(record.f, record.pre.o, record.c) for record in whole]
    with gw.trace(layer, values=("f", "pre.o", "c")) as t:
        layer(x)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.mul_(2)
    for record, (f, pre, c) in zip(t, expected, strict=True):
        assert torch.equal(record.f, f)
        assert torch.equal(record.pre.o, pre)
        assert torch.equal(record.c, c)
        with pytest.raises(TraceError, match=r"only f, pre\.o, c were kept"):
            _ = record.i


def test_units_and_steps_are_cut():
    layer, x = nn.LSTM(I, H, batch_first=True), torch.randn(B, T, I)
    with gw.trace(layer) as whole:
        layer(x)
    with gw.trace(layer, units=[4, 1], every=2) as t:
        layer(x)
    for name in (*t.only.names, "pre.f", "U.f"):
        torch.testing.assert_close(t.only[name], whole.only[name][:, ::2][..., [4, 1]], **CLOSE)
    assert t.only.before("c").shape == (3, B, H)


@pytest.mark.parametrize("block", [1, 4 * B * H])
def test_values_are_the_same_in_blocks_of_any_size(block, monkeypatch):
    layer, x = gw.Recurrent("peephole", I, H, bidirectional=True), torch.randn(T, B, I)
    with gw.trace(layer, units=[1, 2]) as t:
        layer(x, lengths=[6, 1, 4])
    expected = [record.series("pre.o") for record in t]
    monkeypatch.setattr("gatewise.lens.evaluation.BLOCK", block)
    with gw.trace(layer, units=[1, 2]) as t:
        layer(x, lengths=[6, 1, 4])
    for record, value in zip(t, expected, strict=True):
        torch.testing.assert_close(record.series("pre.o"), value, equal_nan=True, **CLOSE)


def test_values_nobody_has_are_an_error():
    layer = nn.GRU(I, H)
    with pytest.raises(TraceError, match="no layer has a value f"), gw.trace(layer, values=("f",)):
        layer(torch.randn(T, B, I))
    with pytest.raises(ValueError, match="Linear has no recurrent layer to trace"):
        gw.trace(nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"units=\[1, 5\]: '' has 5 hidden units, from 0"):
        gw.trace(layer, units=[1, 5])
    with pytest.raises(
        TypeError, match=r"Tensor is no torch\.nn\.Module, and no model of gw\.load"
    ):
        gw.trace(torch.zeros(3))
    with pytest.raises(ValueError, match="every=0"):
        gw.trace(layer, every=0)

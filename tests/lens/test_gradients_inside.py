"""gw.trace(model, grads=True): gradients inside recurrences, of torch's layers too."""

import pytest
import torch
from torch import nn

import gatewise as gw
from gatewise.equations import U, W, cell, tanh
from gatewise.lens import TraceError, inner_gradients

T, B, I, H = 6, 2, 3, 4
EXACT = dict(rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("options", [{}, dict(num_layers=2, bidirectional=True)])
def test_torch_layers_against_ours(kind, options):
    theirs = getattr(nn, kind)(I, H, **options).double()
    ours = getattr(gw, kind)(I, H, **options).double()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(T, B, I, dtype=torch.float64)
    expected = inner_gradients(lambda: ours(x)[0].pow(2).sum())
    with gw.trace(theirs, grads=True) as t:
        y, _ = theirs(x)
        y.pow(2).sum().backward()
    torch.testing.assert_close(y, ours(x)[0], **EXACT)
    for record, inner in zip(t, expected, strict=True):
        assert set(record.grad) == set(inner.values)
        for name, value in inner.values.items():
            torch.testing.assert_close(record.gradient(name), value, **EXACT)
    weight = theirs.weight_hh_l0.grad.clone()
    theirs.zero_grad()
    theirs(x)[0].pow(2).sum().backward()
    torch.testing.assert_close(weight, theirs.weight_hh_l0.grad, **EXACT)


def test_against_finite_differences_in_evaluation_mode():
    model = nn.LSTM(I, H, batch_first=True, dropout=0.0).double().eval()
    x = torch.randn(B, T, I, dtype=torch.float64)
    with gw.trace(model, grads=("f", "c")) as t:
        model(x)[0][:, -1].sum().backward()
    step, unit, change = 2, 1, 1e-6

    def loss(gate):
        held = gw.clamp("", gate="f", units=unit, value=gate, steps=step)
        with torch.no_grad(), gw.intervene(model, held):
            return model(x)[0][:, -1].sum(1)

    value = t.only.f[:, step, unit]
    for row in range(B):
        more, less = (loss(float(value[row]) + sign * change)[row] for sign in (1, -1))
        expected = float(more - less) / (2 * change)
        assert float(t.only.grad.f[row, step, unit]) == pytest.approx(expected, rel=1e-6)


def test_gradients_are_there_after_backward_only():
    layer, x = nn.GRU(I, H), torch.randn(T, B, I)
    with gw.trace(layer, grads=True) as t:
        y, _ = layer(x)
    with pytest.raises(TraceError, match=r"call loss.backward\(\)"):
        _ = t.only.grad.h
    y.sum().backward()
    assert t.only.grad.h.shape == (T, B, H)
    with pytest.raises(AttributeError, match="no 'r' here; there are h"):
        _ = t.only.grad.r
    with pytest.raises(KeyError, match="the gradient of 'r' was not traced, but of h"):
        t.only.gradient("r")


def test_what_the_loss_does_not_depend_on_has_gradient_zero():
    @cell(states=("h", "count"))
    def counting(x, h, count):
        h = tanh(W.h @ x + U.h @ h)
        return dict(h=h, count=count + 1)

    layer = gw.Recurrent(counting, I, H)
    with gw.trace(layer, grads=True) as t:
        layer(torch.randn(T, B, I))[0].sum().backward()
    assert t.only.grad.h.all()
    assert torch.equal(t.only.grad.count, torch.zeros(T, B, H))


def test_without_gradients_there_is_no_detour():
    layer, x = nn.LSTM(I, H), torch.randn(T, B, I)
    with torch.no_grad():
        expected, _ = layer(x)
        with gw.trace(layer, grads=True) as t:
            y, _ = layer(x)
    assert torch.equal(y, expected)
    assert not t.only.grad


def test_units_and_steps_of_gradients():
    layer, x = gw.LSTM(I, H), torch.randn(T, B, I)
    with gw.trace(layer, grads=True) as whole:
        layer(x)[0].sum().backward()
    with gw.trace(layer, grads=True, units=[2], every=3) as t:
        layer(x)[0].sum().backward()
    assert torch.equal(t.only.grad.c, whole.only.grad.c[::3][..., [2]])


@pytest.mark.kernels
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_the_backward_kernel_gives_them(name):
    layer, x = gw.Recurrent(name, I, H, bidirectional=True), torch.randn(T, B, I)
    with gw.trace(layer, grads=True) as t:
        layer(x)[0].pow(2).sum().backward()
    with gw.use_backend("reference"):
        expected = inner_gradients(lambda: layer(x)[0].pow(2).sum())
    (track,) = layer.tracks()[0][:1]
    assert gw.backends.choose(track.recurrence, t.records[0].operands).backend.name == "llvm"
    for record, inner in zip(t, expected, strict=True):
        for key, value in inner.values.items():
            torch.testing.assert_close(record.gradient(key), value, rtol=1e-5, atol=1e-6)

"""A layer step by step: the same numbers as one call, with NumPy and torch."""

import numpy as np
import pytest
import torch

import gatewise as gw
from gatewise.equations import cell, tanh

pytestmark = pytest.mark.kernels


def with_start(layer):
    with torch.no_grad():
        layer.initial_h_l1.uniform_(-1, 1)
    return layer


@cell
def weightless(x, h, *, keep=0.9):
    return dict(h=keep * h + (1 - keep) * tanh(x))


LAYERS = {
    "LSTM": lambda: gw.LSTM(3, 20),
    "GRU, two layers": lambda: gw.GRU(3, 5, num_layers=2),
    "RNN": lambda: gw.RNN(3, 5),
    "projection": lambda: gw.LSTM(3, 6, proj_size=4),
    "second phase": lambda: gw.Recurrent("peephole_full", 3, 7),
    "start above zero": lambda: gw.Recurrent("slstm", 3, 7),
    "residual": lambda: gw.Recurrent("mgu", 3, 7, num_layers=2, residual=True),
    "layer norm": lambda: gw.Recurrent("mgu", 3, 7, 2, layer_norm=True, dropout=0.5).eval(),
    "zoneout": lambda: gw.LSTM(3, 7, zoneout=0.4).eval(),
    "learned start": lambda: with_start(gw.GRU(3, 7, 2, learn_initial=True)),
    "no weights": lambda: gw.Recurrent(weightless, 3, 3),
    "float64": lambda: gw.Recurrent("gru_original", 3, 7).double(),
}


def expected(layer, x):
    with torch.no_grad(), gw.use_backend("reference"):
        return layer(x)[0]


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("name", LAYERS)
def test_steps_equal_one_call(name, batch_size):
    layer = LAYERS[name]()
    dtype = torch.float64 if name == "float64" else torch.float32
    x = torch.randn(6, batch_size, 3, dtype=dtype)
    stream = layer.stream(batch_size)
    for t, wanted in enumerate(expected(layer, x)):
        torch.testing.assert_close(stream.step(x[t]), wanted, rtol=1e-4, atol=1e-6)


def test_numpy_in_numpy_out_and_rows_without_a_batch():
    layer, x = gw.GRU(3, 5), torch.randn(4, 1, 3)
    stream = layer.stream()
    for t, wanted in enumerate(expected(layer, x)):
        y = stream.step(x[t, 0].numpy())
        assert isinstance(y, np.ndarray)
        np.testing.assert_allclose(y, wanted[0].numpy(), rtol=1e-4, atol=1e-6)


def test_state_is_saved_and_restored(tmp_path):
    layer, x = gw.LSTM(3, 5, num_layers=2), torch.randn(5, 2, 3)
    stream = layer.stream(2)
    for row in x[:3]:
        stream.step(row)
    stream.save(str(tmp_path / "state.npz"))
    kept = stream.state
    wanted = [stream.step(row).clone() for row in x[3:]]
    stream.load(str(tmp_path / "state.npz"))
    for row, y in zip(x[3:], wanted, strict=True):
        assert torch.equal(stream.step(row), y)
    stream.state = kept
    assert torch.equal(stream.step(x[3]), wanted[0])
    other = gw.GRU(3, 5).stream()
    with pytest.raises(ValueError, match="this layer's state is"):
        other.load(str(tmp_path / "state.npz"))


def warm(layer, batch=2):
    """What the layer says of six steps in one call, and of the last three alone in a stream."""
    x = torch.randn(6, batch, 3)
    with torch.no_grad():
        wanted, (_, state) = layer(x)[0], layer(x[:3])
    stream = layer.stream(batch)
    stream.state = state
    return torch.stack([stream.step(row).clone() for row in x[3:]]), wanted[3:]


@pytest.mark.parametrize(
    "make",
    [
        lambda: gw.LSTM(3, 5, num_layers=2),
        lambda: gw.GRU(3, 5, num_layers=2, state_batch_first=True),
        lambda: gw.Recurrent("slstm", 3, [5, 4]),
    ],
)
def test_goes_on_from_what_a_call_returned(make):
    torch.testing.assert_close(*warm(make()), rtol=1e-4, atol=1e-6)
    layer, x = make(), torch.randn(4, 3)
    with torch.no_grad():
        wanted, (_, state) = layer(x)[0], layer(x[:3])
    stream = layer.stream()
    stream.state = state
    torch.testing.assert_close(stream.step(x[3]), wanted[3], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([{"h": np.zeros((2, 5))}], "the state is h, c, not h"),
        ([{"h": np.zeros((2, 5)), "c": np.zeros((1, 5))}], r"'c' is \(1, 5\)"),
        ([], "has 1 layers, not 0"),
        ((torch.zeros(1, 2, 5),), "but 1 were given"),
        ((torch.zeros(1, 3, 5), torch.zeros(1, 3, 5)), "Expected hidden size"),
    ],
)
def test_another_state_is_refused_and_changes_nothing(state, message):
    stream = gw.LSTM(3, 5).stream(2)
    stream.step(torch.randn(2, 3))
    before = stream.state
    with pytest.raises((ValueError, RuntimeError), match=message):
        stream.state = state
    assert all((stream.state[0][name] == before[0][name]).all() for name in "hc")


def test_what_has_another_shape_is_refused_and_not_repeated():
    stream = gw.Recurrent("cfc", 3, 5).stream(2)
    for x in (torch.randn(3), torch.randn(2, 1), torch.randn(1, 3)):
        with pytest.raises(ValueError, match=r"a step of this stream takes \(2, 3\)"):
            stream.step(x, dt=torch.ones(2))
    for dt in (1.0, torch.ones(1), torch.ones(2, 3)):
        with pytest.raises(ValueError, match=r"'dt' is .*takes \(2, 1\) or \(2,\)"):
            stream.step(torch.randn(2, 3), dt=dt)
    with pytest.raises(TypeError, match="reads x, dt at every step; it was given x, delta"):
        stream.step(torch.randn(2, 3), delta=torch.ones(2))
    assert stream.step(torch.randn(2, 3), dt=torch.ones(2, 1)).shape == (2, 5)
    alone = gw.Recurrent("cfc", 3, 5).stream()
    assert alone.step(torch.randn(3), dt=0.5).shape == (5,)


def test_reset_returns_to_the_start():
    layer, x = gw.Recurrent("slstm", 3, 5), torch.randn(2, 1, 3)
    stream = layer.stream()
    first = stream.step(x[0]).clone()
    stream.step(x[1])
    stream.reset()
    assert torch.equal(stream.step(x[0]), first)


def test_refresh_reads_changed_weights_and_keeps_the_state():
    layer, x = gw.Recurrent("mgu", 3, 5), torch.randn(2, 1, 3)
    stream = layer.stream()
    stream.step(x[0])
    state = {name: torch.tensor(value) for name, value in stream.state[0].items()}
    with torch.no_grad():
        for weight in layer.parameters():
            weight.mul_(0.5)
    stream.refresh()
    with torch.no_grad(), gw.use_backend("reference"):
        wanted, _ = layer(x[1:], tuple(value.unsqueeze(0) for value in state.values()))
    torch.testing.assert_close(stream.step(x[1]), wanted[0], rtol=1e-4, atol=1e-6)


def test_further_inputs():
    layer = gw.Recurrent("cfc", 3, 5)
    x, dt = torch.randn(4, 2, 3), torch.rand(4, 2)
    stream = layer.stream(2)
    with torch.no_grad(), gw.use_backend("reference"):
        wanted, _ = layer(x, dt=dt)
    for t in range(4):
        y = stream.step(x[t], dt=dt[t])
        torch.testing.assert_close(y, wanted[t], rtol=1e-4, atol=1e-6)
    with pytest.raises(TypeError, match="reads x, dt"):
        stream.step(x[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gw.LSTM(3, 5, bidirectional=True).stream(), "goes forward only"),
        (lambda: gw.LSTM(3, 5).to(torch.bfloat16).stream(), "float32 or float64"),
        (lambda: gw.LSTM(3, 5).stream(0), "at least one"),
    ],
)
def test_what_cannot_be_streamed_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()

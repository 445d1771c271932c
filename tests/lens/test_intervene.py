"""Interventions against loops by hand, on our layers and torch's, with traces and gradients."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import gatewise as gw

T, B, I, H = 7, 3, 4, 5
CLOSE = dict(rtol=0, atol=1e-6)


def lstm_by_hand(layer, x, act):
    """An LSTM of torch as a loop; `act` may change the gates, and the states it starts from."""
    W, U = layer.weight_ih_l0, layer.weight_hh_l0
    b = layer.bias_ih_l0 + layer.bias_hh_l0
    h = c = x.new_zeros(B, H)
    outputs = []
    for t, step in enumerate(x):
        values = act(t, dict(h=h, c=c))
        h, c = values["h"], values["c"]
        i, f, g, o = (step @ W.T + h @ U.T + b).chunk(4, -1)
        gates = dict(i=i.sigmoid(), f=f.sigmoid(), g=g.tanh(), o=o.sigmoid())
        gates = act(t, gates)
        c = gates["f"] * c + gates["i"] * gates["g"]
        h = act(t, dict(y=gates["o"] * c.tanh()))["y"]
        outputs.append(h)
    return torch.stack(outputs)


@pytest.fixture
def lstm():
    return nn.LSTM(I, H)


@pytest.fixture
def x():
    return torch.randn(T, B, I)


def test_clamp_over_a_span(lstm, x):
    def act(t, values):
        if "f" in values and 2 <= t < 5:
            values["f"] = values["f"].clone()
            values["f"][:, 3] = 1.0
        return values

    with gw.intervene(lstm, gw.clamp("", gate="f", units=3, value=1.0, steps=slice(2, 5))):
        y, _ = lstm(x)
    torch.testing.assert_close(y, lstm_by_hand(lstm, x, act), **CLOSE)
    assert not torch.allclose(y, lstm(x)[0])


def test_freeze_holds_the_first_value_of_the_span(lstm, x):
    held = {}

    def act(t, values):
        if "o" in values and t in (1, 2, 3, 5, 6):
            if t in (1, 5):
                held["o"] = values["o"]
            values["o"] = torch.cat((held["o"][:, :2], values["o"][:, 2:]), -1)
        return values

    frozen = gw.freeze("", gate="o", units=[0, 1], steps=[1, 2, 3, 5, 6])
    with gw.intervene(lstm, frozen), gw.trace(lstm) as t:
        y, (h, _) = lstm(x)
    torch.testing.assert_close(y, lstm_by_hand(lstm, x, act), **CLOSE)
    assert torch.equal(h[0], y[-1])
    record = t.only
    torch.testing.assert_close(record.o[2, :, :2], record.o[1, :, :2], **CLOSE)
    assert not torch.equal(record.o[5, :, :2], record.o[1, :, :2])
    assert record.states == ("h", "c")
    assert record.gates == ("i", "f", "g", "o")
    torch.testing.assert_close(record.pre.o[0].sigmoid(), record.o[0], **CLOSE)


def test_ablate_to_zero_and_to_a_mean(lstm, x):
    mean = torch.randn(1)

    def act(t, values):
        if "y" in values:
            y = values["y"].clone()
            y[:, 4], y[:, 0] = 0.0, mean
            values["y"] = y
        return values

    zero, fixed = gw.ablate("", units=[4]), gw.ablate("", units=0, mode="mean", mean=mean)
    with gw.intervene(lstm, zero, fixed):
        y, _ = lstm(x)
    torch.testing.assert_close(y, lstm_by_hand(lstm, x, act), **CLOSE)


def test_mean_of_the_call_is_that_of_the_undisturbed_run(x):
    layer = gw.Recurrent("gru", I, H, bidirectional=True)
    lengths = torch.tensor([7, 3, 5])
    plain, _ = layer(x, lengths=lengths)
    alive = torch.arange(T)[:, None] < lengths
    expected = plain[alive].mean(0)[H + 2]
    with gw.intervene(layer, gw.ablate("", 2, "mean", direction="reverse")):
        y, _ = layer(x, lengths=lengths)
    torch.testing.assert_close(y[..., H + 2][alive], expected.expand(int(alive.sum())), **CLOSE)
    assert y[~alive].eq(0).all()
    assert torch.equal(y[..., :H], plain[..., :H])


def test_replace_a_state(lstm, x):
    other = torch.randn(B, H)

    def act(t, values):
        return {**values, "c": other} if "c" in values and t == 4 else values

    with gw.intervene(lstm, gw.replace_state("", "c", other, steps=4)):
        y, _ = lstm(x)
    torch.testing.assert_close(y, lstm_by_hand(lstm, x, act), **CLOSE)


def test_replacing_by_the_own_state_changes_nothing(x):
    layer = gw.Recurrent("peephole", I, H, 2, batch_first=True, bidirectional=True)
    reset = torch.rand(B, T) < 0.3
    with gw.trace(layer) as t:
        expected, _ = layer(x.transpose(0, 1), reset=reset)
    changes = [
        gw.replace_state(
            "", "c", r.arrange(r.before("c")), None, ~reset, layer=r.layer, direction="forward"
        )
        for r in t
        if r.direction == "forward"
    ]
    with gw.intervene(layer, *changes):
        y, _ = layer(x.transpose(0, 1), reset=reset)
    torch.testing.assert_close(y, expected, **CLOSE)


def test_a_replaced_state_comes_after_a_reset(x):
    layer = gw.Recurrent("gru", I, H)
    reset = torch.zeros(T, B, dtype=torch.bool)
    reset[3] = True
    with gw.intervene(layer, gw.replace_state("", "h", 0.5, steps=3)):
        y, _ = layer(x, reset=reset)
    expected, _ = layer(x[3:], torch.full((1, B, H), 0.5))
    torch.testing.assert_close(y[3:], expected, **CLOSE)


def test_in_any_order_and_nested_alike(lstm, x):
    changes = [
        gw.clamp("", gate="f", units=[0], value=0.9, steps=[1]),
        gw.clamp("", gate="f", units=[1, 2], value=torch.tensor([0.1, 0.2])),
        gw.freeze("", gate="i", units=[3], steps=slice(2, None)),
        gw.ablate("", units=[4]),
        gw.replace_state("", "h", -0.5, units=[1], steps=[5]),
    ]
    with gw.intervene(lstm, *changes):
        expected, _ = lstm(x)
    with gw.intervene(lstm, *changes[::-1]):
        assert torch.allclose(lstm(x)[0], expected, **CLOSE)
    with gw.intervene(lstm, *changes[3:]), gw.intervene(lstm, changes[1]):
        with gw.intervene(lstm, changes[2]), gw.intervene(lstm, changes[0]):
            assert torch.allclose(lstm(x)[0], expected, **CLOSE)
        assert not torch.allclose(lstm(x)[0], expected, **CLOSE)


def test_where_two_disagree_the_later_and_the_inner_one_holds(lstm, x):
    low, high = (gw.clamp("", gate="f", value=v) for v in (0.0, 1.0))
    with gw.intervene(lstm, low, high), gw.trace(lstm) as t:
        lstm(x)
    assert t.only.f.eq(1).all()
    with gw.intervene(lstm, high), gw.trace(lstm) as t, gw.intervene(lstm, low):
        lstm(x)
    assert t.only.f.eq(0).all()


def test_the_model_is_as_before(lstm, x):
    expected, _ = lstm(x)
    before = dict(vars(lstm))
    with gw.intervene(lstm, gw.ablate("")):
        assert lstm(x)[0].eq(0).all()
    assert dict(vars(lstm)) == before
    with pytest.raises(RuntimeError, match="input_size"), gw.intervene(lstm, gw.ablate("")):
        lstm(x[..., :2])
    assert dict(vars(lstm)) == before
    assert torch.equal(lstm(x)[0], expected)


def test_gradients_are_those_of_the_changed_model(x):
    layer = nn.LSTM(I, H).double()
    x = x.double().requires_grad_()
    gate = torch.rand(H, dtype=torch.float64, requires_grad=True)

    def run(x, gate):
        with gw.intervene(layer, gw.clamp("", "f", gate, steps=[2, 3]), gw.ablate("", 1)):
            return layer(x)[0]

    assert torch.autograd.gradcheck(run, (x, gate))
    run(x, gate).sum().backward()
    assert gate.grad.ne(0).tolist() == [True, False, True, True, True]  # one unit is taken out
    assert layer.weight_hh_l0.grad is not None


def test_gradients_inside_go_with_interventions(lstm, x):
    shut = gw.clamp("", gate="f", value=0.0, steps=4)
    with gw.trace(lstm, grads=True) as t, gw.intervene(lstm, shut):
        lstm(x)[0][-1].sum().backward()
    with gw.trace(lstm, grads=True) as plain:
        lstm(x)[0][-1].sum().backward()
    assert t.only.f[4].eq(0).all()
    assert not torch.allclose(t.only.grad.c[3], plain.only.grad.c[3])


@pytest.mark.parametrize("lengths", [[7, 4, 2], [3, 7, 5]])
def test_packed_sequences_keep_their_order(lstm, x, lengths):
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    changed = gw.clamp("", gate="o", units=[0], value=torch.randn(B, 1))
    with gw.intervene(lstm, changed), gw.trace(lstm) as t:
        y, (h, _) = lstm(packed)
    padded, _ = nn.utils.rnn.pad_packed_sequence(y)
    alive = torch.arange(T)[:, None] < torch.tensor(lengths)
    torch.testing.assert_close(t.only.h[alive], padded[alive], **CLOSE)
    last = padded[torch.tensor(lengths) - 1, torch.arange(B)]
    torch.testing.assert_close(h[0], last, **CLOSE)
    for row in range(B):
        with gw.intervene(lstm, gw.clamp("", "o", changed.value[row], units=[0])):
            alone, _ = lstm(x[: lengths[row], row])
        torch.testing.assert_close(padded[: lengths[row], row], alone, **CLOSE)


def test_projections_and_unbatched_input():
    layer = nn.LSTM(I, H, proj_size=2, batch_first=True)
    with gw.intervene(layer, gw.ablate("", 1)):
        y, (h, c) = layer(torch.randn(T, I))
    assert y[:, 1].eq(0).all()
    assert (h.shape, c.shape) == ((1, 2), (1, H))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, gw.RNN])
def test_one_layer_of_a_stack(kind, x):
    layer = kind(I, H, 3, bidirectional=True)
    with gw.intervene(layer, gw.ablate("", layer=1, direction="reverse")), gw.trace(layer) as t:
        layer(x)
    for record in t:
        gone = (record.layer, record.direction) == (1, "reverse")
        assert record.h.eq(0).all() == gone


@pytest.mark.parametrize("name", gw.cells.names())
def test_every_value_of_every_cell_can_be_held(name):
    cell = gw.cells.get(name)
    size = H if cell.graph.sizes.equal else I
    layer = gw.Recurrent(name, size, H, bidirectional=True)
    x = torch.randn(T, B, size)
    extra = {
        key: torch.rand(T, B, size if units == "I" else 1) + 0.5
        for key, units in layer.graph.inputs.items()
        if key != "x"
    }
    made = [key for key, value in layer.graph.values.items() if value.operands]
    for key in made:
        with gw.intervene(layer, gw.clamp("", key, 0.25, steps=2)), gw.trace(layer) as t:
            layer(x, **extra)
        for record in t:
            assert record[key][2].eq(0.25).all()
    key = made[0]
    with gw.intervene(layer, gw.freeze("", key, steps=slice(2, 5))), gw.trace(layer) as t:
        layer(x, **extra)
    for record in t:
        torch.testing.assert_close(record[key][2], record[key][4], **CLOSE)


def test_mistakes_are_told():
    model = nn.ModuleDict({"lstm": nn.LSTM(I, H, 2)})

    def enter(change):
        with gw.intervene(model, change):
            return model["lstm"](torch.randn(T, B, I))

    for change, message in (
        (gw.ablate("gru"), "no recurrent layer 'gru'; it has 'lstm'"),
        (gw.clamp("lstm", "q", 1.0), "has no 'q' to change; it has i, f, g, o, c, h"),
        (gw.ablate("lstm", units=5), "units=5, but there are 5, from 0"),
        (gw.ablate("lstm", layer=2), "no layer 2 : it has 2 layers, forward only"),
        (gw.ablate("lstm", direction="back"), "direction='back'"),
        (gw.replace_state("lstm", "f", 0.0), "has no 'f' to change; it has h, c"),
        (gw.ablate("lstm", steps=9), "steps=9, but there are 7, from 0"),
        (gw.clamp("lstm", "f", torch.zeros(4)), r"shape \(4,\) does not fit \(T, B, units\)"),
        (gw.clamp("lstm", "f", 1.0, steps=torch.ones(3, dtype=torch.bool)), "steps of shape"),
    ):
        with pytest.raises(ValueError, match=message):
            enter(change)
    with pytest.raises(ValueError, match="mode='none'"):
        gw.ablate("lstm", mode="none")


@pytest.mark.kernels
def test_kernels_run_interventions():
    layer, x = gw.Recurrent("lstm", 8, 8, bidirectional=True), torch.randn(T, B, 8)
    changes = [
        gw.clamp("", "f", 0.5, units=[1], steps=[2, 3]),
        gw.freeze("", "o", steps=slice(1, 4)),
        gw.ablate("", 7),
        gw.replace_state("", "c", 0.1, steps=5),
    ]
    found = []
    for backend in ("llvm", "reference"):
        layer.zero_grad()
        with gw.use_backend(backend), gw.intervene(layer, *changes):
            y, _ = layer(x)
            y.pow(2).sum().backward()
        found.append((y, layer.U_l0.grad.clone()))
    for kernel, reference in zip(*found, strict=True):
        torch.testing.assert_close(kernel, reference, rtol=1e-5, atol=1e-6)

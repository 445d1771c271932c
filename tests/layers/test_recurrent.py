"""gw.Recurrent: depth, sizes, further inputs, marks, weights, and what it refuses."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import gatewise as gw
from gatewise.equations import R, U, V, W, b, block_diagonal, cell, p, s, sigmoid, tanh
from tests.layers.recurrent_layers import (
    B,
    H,
    I,
    T,
    close,
    close_states,
    copy_weights,
    further,
    layer_of,
    x_of,
)


@cell(states=dict(h="P", c="H", k=1), inputs=dict(x="I", dt=1, note="J"))
def mine(x, dt, note, h, c, k, *, rate=0.5, depth=1, heads=1):
    """A cell with everything: sizes, further inputs, constants of each kind."""
    n = tanh(W.n @ x + V.n @ note + U.n @ h + b.n)
    for layer in range(depth):
        n = tanh(block_diagonal(R["n", layer], heads) @ n + p.c * c)
    f = sigmoid(W.f @ x - rate * dt + b.f)
    c = f * c + (1 - f) * n * s.c
    h = R.h @ c
    return dict(n=n, f=f, c=c, h=h, k=k + dt)


class TestDepth:
    @pytest.mark.parametrize("bidirectional", [False, True])
    def test_list_of_hidden_sizes(self, bidirectional):
        layer = gw.Recurrent("lstm", 3, [5, 2, 4], bidirectional=bidirectional)
        directions = 2 if bidirectional else 1
        assert (layer.hidden_size, layer.num_layers) == ((5, 2, 4), 3)
        assert layer.W_l1.shape == (4 * 2, 5 * directions)
        y, state = layer(torch.randn(T, B, 3))
        assert y.shape == (T, B, 4 * directions)
        sizes = [n for n in (5, 2, 4) for _ in range(directions)]
        assert [part.shape for part in state.h] == [(B, n) for n in sizes]
        _, last = layer(torch.randn(T, B, 3), state)
        layer(torch.randn(T, B, 3), last.detach())
        one, alone = layer(torch.randn(T, 3))
        assert one.shape == (T, 4 * directions)
        assert [part.shape for part in alone.c] == [(n,) for n in sizes]
        layer(torch.randn(T, 3), alone)

    def test_list_of_equal_sizes_is_the_same_as_a_number(self):
        layer = gw.Recurrent("gru", 3, [4, 4])
        assert layer.hidden_size == 4
        assert layer(torch.randn(T, B, 3))[1].h.shape == (2, B, 4)

    def test_residual(self):
        single = [layer_of("gru") for _ in range(3)]
        layer, x = layer_of("gru", 3, residual=True), x_of(T, B)
        for k, one in enumerate(single):
            copy_weights(one, layer, k)
        first = single[0](x)[0]
        second = first + single[1](first)[0]
        close(layer(x)[0], second + single[2](second)[0])

    def test_dropout_between_layers(self):
        torch.manual_seed(0)

        @cell
        def passes(x, h):
            return dict(h=x + 0 * h)

        layer = gw.Recurrent(passes, 200, 200, 2, dropout=0.3)
        x = torch.ones(10, 4, 200)
        y, _ = layer(x)
        assert y.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
        assert abs(float((y == 0).double().mean()) - 0.3) < 0.02
        assert not torch.equal(layer(x)[0], y)
        assert torch.equal(layer.eval()(x)[0], x)


class TestInputsAndSizes:
    def layer(self, **options):
        torch.manual_seed(1)
        sizes = dict(J=2, P=3)
        return gw.Recurrent(mine, I, 6, sizes=sizes, dtype=torch.float64, **options)

    def test_sizes(self):
        layer = self.layer()
        y, state = layer(x_of(T, B), **further(mine.graph, T, B, sizes={"J": 2}))
        assert y.shape == (T, B, 3)
        assert [part.shape for part in state] == [(1, B, 3), (1, B, 6), (1, B, 1)]
        assert layer.weights()["V.n"].shape == (6, 2)
        assert layer.weights()["R.h"].shape == (3, 6)

    def test_proj_size_is_the_size_p(self):
        y, _ = gw.Recurrent("lstm_projection", I, 6, proj_size=2)(torch.randn(T, B, I))
        assert y.shape == (T, B, 2)

    def test_scalar_input_may_lack_its_dimension(self):
        layer = self.layer(bidirectional=True, num_layers=2)
        more = further(mine.graph, T, B, sizes={"J": 2})
        x = x_of(T, B)
        y, state = layer(x, **more)
        assert y.shape == (T, B, 6)
        close(layer(x, **{**more, "dt": more["dt"].squeeze(-1)})[0], y)
        close(state.k[0], more["dt"].sum(0))
        alone = {name: value[:, 0] for name, value in more.items()}
        close(layer(x[:, 0], **{**alone, "dt": alone["dt"].squeeze(-1)})[0], y[:, 0])

    def test_float_constant(self):
        more = further(mine.graph, T, B, sizes={"J": 2})
        layer, same = self.layer(constants={"rate": 0.9}), self.layer()
        same.load_state_dict(layer.state_dict())
        x = x_of(T, B)
        assert not torch.allclose(layer(x, **more)[0], same(x, **more)[0])
        again = self.layer(constants={"rate": 0.5})
        again.load_state_dict(layer.state_dict())
        close(again(x, **more)[0], same(x, **more)[0])

    def test_constants_that_shape_the_graph(self):
        layer = self.layer(constants={"depth": 3, "heads": 2})
        named = layer.weights()
        assert [named[f"R.n_{k}"].shape for k in range(3)] == [(6, 3)] * 3
        layer(x_of(T, B), **further(mine.graph, T, B, sizes={"J": 2}))

    @pytest.mark.parametrize(
        ("change", "error", "says"),
        [
            (lambda m: m.pop("dt"), TypeError, "reads x, dt, note at every step; got x, note"),
            (lambda m: m.update(speed=m["dt"]), TypeError, "got x, dt, note, speed"),
            (lambda m: m.update(dt=m["dt"][:2]), ValueError, r"dt has shape \(2, 3, 1\)"),
            (lambda m: m.update(note=m["note"][..., :1]), ValueError, "note has shape.*size = 2"),
            (lambda m: m.update(note=m["note"][0]), ValueError, "note has shape"),
            (lambda m: m.update(dt=torch.zeros(B)), ValueError, r"expected \(T, B, size\)"),
        ],
    )
    def test_wrong_further_input(self, change, error, says):
        more = further(mine.graph, T, B, sizes={"J": 2})
        change(more)
        with pytest.raises(error, match=says):
            self.layer()(x_of(T, B), **more)

    def test_cell_without_weights(self):
        @cell
        def average(x, h, *, rate=0.5):
            return dict(h=(1 - rate) * h + rate * x)

        layer = gw.Recurrent(average, 2, 2)
        y, state = layer(torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]]))
        assert y.squeeze(1).tolist() == [[0.5, 1.0], [1.75, 2.5]]
        assert state.h.squeeze().tolist() == [1.75, 2.5]
        assert list(layer.parameters()) == []


class TestSteps:
    def test_marks_in_the_padding_reset_nothing(self):
        layer = layer_of("lstm", bidirectional=True)
        x, lengths = x_of(T, B), [2, 3, 5]
        state = layer(x_of(2, B))[1]
        reset = torch.zeros(T, B, dtype=torch.bool)
        y, last = layer(x, state, lengths=lengths, reset=reset)
        for k, length in enumerate(lengths):
            reset[length:, k] = True
        other, end = layer(x, state, lengths=lengths, reset=reset)
        close(other, y)
        close_states(end, last)

    def test_reset_goes_to_the_cells_initial_state(self):
        layer = layer_of("lstm", initial={"c": 0.5, "h": -0.25})
        x = x_of(1, B)
        reset = torch.ones(1, B, dtype=torch.bool)
        zeros = layer(x)[1]._replace(
            h=torch.zeros(1, B, H).double(), c=torch.zeros(1, B, H).double()
        )
        close(layer(x, zeros, reset=reset)[0], layer(x)[0])
        assert not torch.allclose(layer(x, zeros)[0], layer(x)[0])

    def test_reset_of_any_dtype_and_layout(self):
        layer = layer_of("gru", batch_first=True)
        x = x_of(B, T)
        reset = torch.rand(B, T) < 0.5
        y, _ = layer(x, reset=reset)
        for same in (reset.double(), reset.long(), reset[..., None], reset.tolist()):
            close(layer(x, reset=same)[0], y)
        alone, _ = layer(x[1], reset=reset[1])
        close(alone, y[1])

    def test_state_may_be_any_tuple_or_for_one_state_a_tensor(self):
        layer = layer_of("gru")
        x, h = x_of(T, B), torch.randn(1, B, H, dtype=torch.float64)
        y, _ = layer(x, h)
        for same in ((h,), [h], ([h[0]],)):
            close(layer(x, same)[0], y)

    @pytest.mark.parametrize(
        ("call", "error", "says"),
        [
            (lambda f, x: f(x[0, 0]), ValueError, "Expected input to be 2D or 3D, got 1D"),
            (lambda f, x: f([[1.0]]), TypeError, "a tensor or a PackedSequence, not .*list"),
            (lambda f, x: f(x[..., :1]), RuntimeError, "Expected 4, got 1"),
            (lambda f, x: f(x.float()), ValueError, r"convert with x.to\(torch.float64\)"),
            (lambda f, x: f(x, lengths=[1, 2]), ValueError, "lengths are 3 whole numbers"),
            (lambda f, x: f(x, lengths=[1, 2, 6]), ValueError, "between 0 and T = 5"),
            (lambda f, x: f(x, lengths=[1, -2, 3]), ValueError, "between 0 and T = 5"),
            (lambda f, x: f(x, lengths=[1.0, 2.0, 3.0]), ValueError, "whole numbers"),
            (lambda f, x: f(x, reset=torch.zeros(T, B + 1)), ValueError, "reset has shape"),
            (lambda f, x: f(x, reset=torch.zeros(T, B, 2)), ValueError, "reset has shape"),
            (lambda f, x: f(x, reset=True), ValueError, "reset has shape"),
            (lambda f, x: f(x, 3), ValueError, r"is \(h, c\), but got 3"),
            (lambda f, x: f(x, torch.zeros(1, B, H)), ValueError, "but 1 were given"),
            (lambda f, x: f(x, (torch.zeros(2, B, H),) * 2), RuntimeError, "state 'h'"),
            (lambda f, x: f(x, (torch.zeros(1, B, 9),) * 2), RuntimeError, "state 'h'"),
            (lambda f, x: f(x, (torch.zeros(B, H),) * 2), RuntimeError, "Expected hidden size"),
            (lambda f, x: f(x[:, 0], (torch.zeros(1, 1, H),) * 2), RuntimeError, "Expected hidden"),
            (lambda f, x: f(x, speed=x), TypeError, "got x, speed"),
            (
                lambda f, x: f(pack_padded_sequence(x, torch.tensor([5, 4, 3])), lengths=[5, 4, 3]),
                ValueError,
                "knows its lengths",
            ),
        ],
    )
    def test_wrong_call(self, call, error, says):
        with pytest.raises(error, match=says):
            call(layer_of("lstm"), x_of(T, B))

    def test_no_steps_and_no_sequences(self):
        layer = layer_of("lstm", bidirectional=True)
        y, state = layer(x_of(0, B))
        assert y.shape == (0, B, 2 * H)
        assert not state.h.any()
        y, state = layer(x_of(0, B), reset=torch.zeros(0, B))
        y, state = layer(x_of(T, 0), lengths=[])
        assert (y.shape, state.h.shape) == ((T, 0, 2 * H), (2, 0, H))

    def test_autocast(self):
        layer = gw.Recurrent("peephole", I, H)
        x = torch.randn(T, B, I)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y, _ = layer(x)
        torch.testing.assert_close(y.float(), layer(x)[0], rtol=5e-2, atol=5e-2)

    def test_gradients_are_those_of_finite_differences(self):
        layer = gw.Recurrent("peephole", 2, 2, bidirectional=True, dtype=torch.float64)
        x = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda x: layer(x, lengths=[3, 1])[0], (x,))


class TestWeights:
    def test_names_and_order(self):
        layer = gw.Recurrent("gru", 3, 5, num_layers=2, bidirectional=True)
        names = ["W_l0", "U_l0", "b_l0", "W_l0_reverse", "U_l0_reverse", "b_l0_reverse"]
        assert list(layer.state_dict())[:6] == names
        assert layer.W_l0.shape == (15, 3)

    def test_views_write_through(self):
        layer = layer_of("lstm")
        x = x_of(T, B)
        y, _ = layer(x)
        with torch.no_grad():
            layer.weights()["U.f"].zero_()
            layer.weights()["b.o"].fill_(-50.0)
        assert not layer.U_l0[H : 2 * H].any()
        assert torch.allclose(layer(x)[0], torch.zeros_like(y), atol=1e-12)

    @pytest.mark.parametrize(("layer", "reverse"), [(1, False), (-1, False), (0, True)])
    def test_no_such_layer(self, layer, reverse):
        with pytest.raises(IndexError, match=r"there are 1 layers in 1 direction"):
            layer_of("lstm").weights(layer, reverse)

    def test_parametrizations_and_functional_call(self):
        layer, x = layer_of("mgu"), x_of(T, B)
        nn.utils.parametrizations.weight_norm(layer, "W_l0")
        y, _ = layer(x)
        y.sum().backward()
        assert layer.parametrizations["W_l0"].original0.grad is not None
        plain = layer_of("mgu")
        doubled = {name: 2 * value.detach() for name, value in plain.named_parameters()}
        y, _ = torch.func.functional_call(plain, doubled, (x,))
        plain.load_state_dict(doubled)
        close(y, plain(x)[0])

    def test_deep_cell_survives_pickle(self):
        @cell
        def deep(x, h, *, depth=500):
            n = W.n @ x
            for _ in range(depth):
                n = tanh(n + h)
            return dict(h=U.h @ n)

        layer = gw.Recurrent(deep, 2, 3)
        again = pickle.loads(pickle.dumps(layer))
        x = torch.randn(2, 1, 2)
        torch.testing.assert_close(again(x)[0], layer(x)[0])


@pytest.mark.parametrize(
    ("arguments", "options", "error", "says"),
    [
        (("lstmm", I, H), {}, KeyError, "did you mean"),
        (("lstm", 0, H), {}, ValueError, "input_size=0"),
        (("lstm", "3", H), {}, ValueError, "input_size='3'"),
        (("lstm", I, 0), {}, ValueError, "hidden_size=0"),
        (("lstm", I, [4, -1]), {}, ValueError, "whole numbers above zero"),
        (("lstm", I, []), {}, ValueError, "whole numbers above zero"),
        (("lstm", I, 4.0), {}, ValueError, "whole numbers above zero"),
        (("lstm", I, [4, 4], 3), {}, ValueError, "hidden_size lists 2 layers"),
        (("lstm", I, H, 0), {}, ValueError, "num_layers"),
        (("lstm", I, H), dict(dropout=1.5), ValueError, "dropout=1.5"),
        (("lstm", I, H), dict(proj_size=2), ValueError, "no size 'P'"),
        (("lstm_projection", I, H), dict(proj_size=-2), ValueError, "P = -2"),
        (("lstm_projection", I, H), dict(sizes={"Q": 2}), ValueError, "'Q'; it has P"),
        (("lstm", I, [4, 5]), dict(residual=True), ValueError, "layers of one size"),
        (("lstm", I, H), dict(constants={"k": 1.0}), ValueError, "no constant 'k'"),
        (("lstm", I, H), dict(initial={"b.x": 1.0}), ValueError, "names no parameter or state"),
        (("lstm", I, H), dict(initial={"b.f": "orthogonal"}), ValueError, "for matrices"),
        (("lstm", I, H), dict(initial={"U": "random"}), ValueError, "is no rule"),
        (("lstm", I, H), dict(initial={"b": 1.0}, bias=False), ValueError, "names no parameter"),
        (("lstm", I, H), dict(initial={"h": (0, 1)}), ValueError, "starts at a number"),
        (("rnn", I, H), dict(forget_bias=1.0), ValueError, "no forget gate"),
        (("lstm", I, H), dict(forget_bias=1.0, bias=False), ValueError, "no forget gate"),
        (("lstm", I, H), dict(forget_bias=1.0, chrono=9), ValueError, "not both"),
        (("lstm", I, H), dict(chrono=1), ValueError, "must exceed 2"),
        (("sru", 3, 4), {}, ValueError, "I = H is needed, not I = 3 and H = 4"),
        (("slstm", 3, 5), dict(constants={"heads": 2}), ValueError, "2 blocks do not divide"),
    ],
)
def test_wrong_options_are_explained(arguments, options, error, says):
    with pytest.raises(error, match=says):
        gw.Recurrent(*arguments, **options)


@pytest.mark.parametrize("option", [dict(dropout=0.5), dict(residual=True)])
def test_option_that_does_nothing_is_a_warning(option):
    with pytest.warns(UserWarning, match="acts between layers, but there is one"):
        gw.Recurrent("lstm", I, H, **option)


def test_representation_shows_what_is_not_usual():
    layer = gw.Recurrent("lstm", 3, [4, 5], batch_first=True, dropout=0.1, bidirectional=True)
    assert repr(layer) == (
        "Recurrent('lstm', 3, (4, 5), num_layers=2, batch_first=True, dropout=0.1, "
        "bidirectional=True)"
    )
    assert repr(gw.Recurrent("lstm", 3, 4)) == "Recurrent('lstm', 3, 4)"

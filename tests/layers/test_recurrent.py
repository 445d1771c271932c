"""gw.Recurrent: every cell of the catalogue, with every option, against simpler layers."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

import gatewise as gw
from gatewise.equations import R, U, V, W, b, block_diagonal, cell, p, s, sigmoid, tanh

T, B, I, H = 5, 3, 4, 4  # some cells read x unit by unit, so I = H
CELLS = gw.cells.names()


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


def further(graph, *leading, sizes=None):
    """What the cell reads besides x, positive, and 0 or 1 where it says what was observed."""
    sizes = {"I": I, "H": H, **(sizes or {})}
    found = {}
    for name, size in graph.inputs.items():
        if name != "x":
            number = size if isinstance(size, int) else sizes.get(size, H)
            drawn = torch.rand(*leading, number, dtype=torch.float64)
            found[name] = drawn.round() if name == "m" else drawn
    return found


def layer_of(name, num_layers=None, **options):
    torch.manual_seed(1)
    return gw.Recurrent(name, I, H, num_layers, dtype=torch.float64, **options)


def fits(name, bidirectional=False, num_layers=1):
    """Whether a cell may be used so: some read their input unit by unit."""
    graph = gw.cells.get(name).graph
    shared = any(size == "I" for key, size in graph.inputs.items() if key != "x")
    return not (num_layers > 1 and (shared or (bidirectional and graph.sizes.equal)))


def copy_weights(to, source, layer=0, reverse=False):
    with torch.no_grad():
        for name, value in to.weights().items():
            value.copy_(source.weights(layer, reverse)[name])


def x_of(*leading):
    return torch.randn(*leading, I, dtype=torch.float64)


def close(a, c):
    torch.testing.assert_close(a, c, rtol=1e-10, atol=1e-10)


def close_states(a, c):
    assert a._fields == c._fields
    for mine_, other in zip(a, c, strict=True):
        close(mine_, other)


@pytest.mark.parametrize("name", CELLS)
class TestCatalogue:
    def test_two_directions_are_two_layers_side_by_side(self, name):
        both, forward, backward = layer_of(name, bidirectional=True), layer_of(name), layer_of(name)
        copy_weights(forward, both)
        copy_weights(backward, both, reverse=True)
        x, more = x_of(T, B), further(both.graph, T, B)
        y, state = both(x, **more)
        ahead, last = forward(x, **more)
        back, first = backward(x.flip(0), **{n: v.flip(0) for n, v in more.items()})
        close(y, torch.cat([ahead, back.flip(0)], -1))
        for found, one, other in zip(state, last, first, strict=True):
            close(found, torch.cat([one, other]))

    def test_two_layers_are_one_above_the_other(self, name):
        if not fits(name, num_layers=2):
            with pytest.raises(ValueError, match="num_layers=1"):
                layer_of(name, 2)
            return
        two, lower, upper = layer_of(name, 2), layer_of(name), layer_of(name)
        if two.output_size != I:
            return
        copy_weights(lower, two, 0)
        copy_weights(upper, two, 1)
        x, more = x_of(T, B), further(two.graph, T, B)
        y, state = two(x, **more)
        between, low = lower(x, **more)
        above, high = upper(between, **more)
        close(y, above)
        for found, one, other in zip(state, low, high, strict=True):
            close(found, torch.cat([one, other]))

    @pytest.mark.parametrize("bidirectional", [False, True])
    def test_lengths_equal_running_each_sequence_alone(self, name, bidirectional):
        layer = layer_of(name, bidirectional=bidirectional)
        lengths = [3, 0, 5]
        x, more = x_of(T, B), further(layer.graph, T, B)
        state = layer(x_of(2, B), **further(layer.graph, 2, B))[1]
        y, last = layer(x, state, lengths=lengths, **more)
        for k, length in enumerate(lengths):
            one = {n: v[:length, k : k + 1] for n, v in more.items()}
            start = type(state)(*(part[:, k : k + 1] for part in state))
            alone, end = layer(x[:length, k : k + 1], start, **one)
            close(y[:length, k : k + 1], alone)
            assert not y[length:, k].any()
            for found, expected in zip(last, end, strict=True):
                close(found[:, k : k + 1], expected)

    def test_reset_equals_splitting(self, name):
        layer = layer_of(name, bidirectional=True)
        x, more = x_of(T, B), further(layer.graph, T, B)
        state = layer(x_of(2, B), **further(layer.graph, 2, B))[1]
        reset = torch.zeros(T, B, dtype=torch.bool)
        reset[2, 1] = reset[4, 1] = reset[0, 2] = True
        y, last = layer(x, state, reset=reset, **more)
        n = layer.output_size // 2
        for k, starts in enumerate([[0], [0, 2, 4], [0]]):
            ends = [*starts[1:], T]
            for start, end in zip(starts, ends, strict=True):
                part = {name: v[start:end, k : k + 1] for name, v in more.items()}
                begin = type(state)(*(p_[:, k : k + 1] for p_ in state))
                fresh = layer(x[start:end, k : k + 1], **part)
                given = layer(x[start:end, k : k + 1], begin, **part)
                # the state that was given begins each direction, unless a reset stands there
                from_start = start == 0 and not reset[0, k]
                ahead = (given if from_start else fresh)[0][..., :n]
                back = (given if end == T else fresh)[0][..., n:]
                close(y[start:end, k : k + 1], torch.cat([ahead, back], -1))
                for found, with_given, anew in zip(last, given[1], fresh[1], strict=True):
                    if end == T:
                        close(found[0, k], (with_given if from_start else anew)[0, 0])
                    if start == 0:
                        close(found[1, k], (with_given if end == T else anew)[1, 0])

    def test_state_handed_on_equals_one_long_call(self, name):
        layer = layer_of(name)
        x, more = x_of(T, B), further(layer.graph, T, B)
        y, state = layer(x, **more)
        first, middle = layer(x[:2], **{n: v[:2] for n, v in more.items()})
        second, last = layer(x[2:], middle, **{n: v[2:] for n, v in more.items()})
        close(y, torch.cat([first, second]))
        close_states(last, state)

    def test_shapes_without_batch_and_batch_first(self, name):
        layer, first = layer_of(name), layer_of(name, batch_first=True)
        x, more = x_of(T, B), further(layer.graph, T, B)
        y, state = layer(x, **more)
        swapped = {n: v.transpose(0, 1) for n, v in more.items()}
        other, state_first = first(x.transpose(0, 1), **swapped)
        close(other, y.transpose(0, 1))
        close_states(state_first, state)
        one = {n: v[:, 0] for n, v in more.items()}
        for layout in (layer, first):
            alone, end = layout(x[:, 0], **one)
            close(alone, y[:, 0])
            for found, expected in zip(end, state, strict=True):
                close(found, expected[:, 0])

    @pytest.mark.parametrize("sort", [False, True])
    def test_packed_equals_lengths(self, name, sort):
        layer = layer_of(name, bidirectional=True)
        lengths = torch.tensor([5, 3, 2] if sort else [2, 5, 3])
        x, more = x_of(T, B), further(layer.graph, T, B)
        packed = pack_padded_sequence(x, lengths, enforce_sorted=sort)
        y, last = layer(packed, **more)
        expected, state = layer(x, lengths=lengths, **more)
        assert isinstance(y, PackedSequence)
        found, counts = pad_packed_sequence(y)
        assert torch.equal(counts, lengths)
        close(found, expected)
        close_states(last, state)

    def test_copies(self, name):
        layer = layer_of(name, bidirectional=True)
        x, more = x_of(T, B), further(layer.graph, T, B)
        y, _ = layer(x, **more)
        for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
            close(other(x, **more)[0], y)
            assert repr(other) == repr(layer)
            other.load_state_dict(layer.state_dict())
            with torch.no_grad():
                next(other.parameters()).mul_(3)
            assert not torch.equal(next(layer.parameters()), next(other.parameters()))

    def test_every_weight_has_a_gradient_and_a_name(self, name):
        layer = layer_of(name)
        y, state = layer(x_of(T, B), **further(layer.graph, T, B))
        (y.sin().sum() + sum(part.sin().sum() for part in state)).backward()
        for stored in layer.parameters():
            assert stored.grad is not None
            assert torch.isfinite(stored.grad).all()
        count = sum(value.numel() for value in layer.weights().values())
        assert count == sum(value.numel() for value in layer.parameters())
        assert count == layer.cell.parameter_count(I, H)

    def test_without_bias(self, name):
        with_bias, without = layer_of(name), layer_of(name, bias=False)
        assert not any(key.startswith("b") for key in without.state_dict())
        with torch.no_grad():
            for key, value in with_bias.weights().items():
                value.zero_() if key.startswith("b.") else value.copy_(without.weights()[key])
        x, more = x_of(T, B), further(without.graph, T, B)
        close(without(x, **more)[0], with_bias(x, **more)[0])


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


class TestInitialValues:
    def test_uniform_as_in_torch(self):
        layer = gw.Recurrent("lstm", 3, 100)
        for value in layer.parameters():
            assert float(value.detach().abs().max()) <= 0.1
        assert float(layer.U_l0.detach().std()) == pytest.approx(0.1 / 3**0.5, rel=0.02)

    def test_initial(self):
        initial = {"b": 0.0, "b.f": 1.0, "U": "orthogonal", "U.g": "identity", "W": (2.0, 3.0)}
        for order in (initial, dict(reversed(initial.items()))):
            layer = gw.Recurrent("lstm", 3, 5, num_layers=2, bidirectional=True, initial=order)
            named = {name: value.detach() for name, value in layer.weights(1, reverse=True).items()}
            assert (named["b.f"] == 1.0).all()
            assert not named["b.i"].any()
            assert torch.equal(named["U.g"], torch.eye(5))
            torch.testing.assert_close(named["U.i"] @ named["U.i"].T, torch.eye(5))
            assert 2 <= float(named["W.o"].min()) <= float(named["W.o"].max()) <= 3

    def test_rules_fill_block_by_block(self):
        @cell
        def heads(x, h):
            return dict(h=tanh(W.h @ x + block_diagonal(U.h, 2) @ h))

        layer = gw.Recurrent(heads, 3, 6, initial={"U": "identity"})
        assert torch.equal(layer.weights()["U.h"].detach(), torch.eye(3).repeat(2, 1))
        layer = gw.Recurrent(heads, 3, 6, initial={"U": "orthogonal"})
        for block in layer.weights()["U.h"].detach().chunk(2):
            torch.testing.assert_close(block @ block.T, torch.eye(3))

    def test_initial_state(self):
        layer = gw.Recurrent("lstm", 3, 5, initial={"c": 0.5})
        _, state = layer(torch.zeros(0, 2, 3))
        assert (state.c == 0.5).all()
        assert not state.h.any()

    def test_the_cells_own_come_first_then_yours(self):
        @cell(initial={"b.h": 3.0, "U": "identity", "h": 2.0})
        def own(x, h):
            return dict(h=tanh(W.h @ x + U.h @ h + b.h))

        named = gw.Recurrent(own, 2, 3, initial={"b": -1.0}).weights()
        assert (named["b.h"] == -1.0).all()
        assert torch.equal(named["U.h"].detach(), torch.eye(3))
        assert (gw.Recurrent(own, 2, 3)(torch.zeros(0, 1, 2))[1].h == 2.0).all()
        assert (
            gw.Recurrent(own, 2, 3, initial={"h": 0.25})(torch.zeros(0, 1, 2))[1].h == 0.25
        ).all()

    def test_forget_bias(self):
        named = gw.Recurrent("lstm", 3, 5, num_layers=2, forget_bias=1.5).weights(1)
        assert (named["b.f"] == 1.5).all()
        # an open gate of the MGU replaces the state, so remembering means a negative bias
        assert (gw.Recurrent("mgu", 3, 5, forget_bias=1.5).weights()["b.f"] == -1.5).all()

    def test_chrono(self):
        torch.manual_seed(0)
        named = gw.Recurrent("lstm", 3, 500, chrono=50).weights()
        forget = named["b.f"].detach()
        assert torch.equal(named["b.i"].detach(), -forget)
        assert 0 <= float(forget.min()) < float(forget.exp().max()) <= 49.01
        assert float(forget.exp().mean()) == pytest.approx(25, rel=0.1)

    def test_reset_parameters_draws_anew(self):
        layer = gw.Recurrent("lstm", 3, 5, forget_bias=1.0)
        before = layer.W_l0.detach().clone()
        layer.reset_parameters()
        assert not torch.equal(before, layer.W_l0)
        assert (layer.weights()["b.f"] == 1.0).all()


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

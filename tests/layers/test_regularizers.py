"""Dropout of inputs, states and weights, and zoneout: against the same by hand."""

from __future__ import annotations

import pytest
import torch

import gatewise as gw
from gatewise.backends import Operands, Recurrence, Stacked
from gatewise.backends.noise import noise
from gatewise.equations import U, W, b, cell, tanh
from gatewise.layers.regularizers import Regularizers
from tests.layers.recurrent_layers import CELLS, B, H, I, T, close, further, layer_of, x_of

LSTM = gw.cells.lstm.graph


def operands_of(layer, steps=T, batch=B):
    (track,) = layer.tracks()[0]
    states = {name: torch.randn(batch, H).double() for name in layer.graph.states}
    return Operands({"x": x_of(steps, batch)}, states, track.parameters)


class TestInputDropout:
    def test_one_mask_for_all_steps(self):
        x = torch.ones(50, 40, 30)
        found = Regularizers(input_dropout=0.3).drop_input(x)
        assert (found == found[:1]).all()
        assert found.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
        assert abs(float((found == 0).double().mean()) - 0.3) < 0.05
        assert not torch.equal(found[0, 0], found[0, 1])

    def test_every_layer_reads_a_dropped_input(self):
        @cell
        def passes(x, h):
            return dict(h=x + 0 * h)

        layer = gw.Recurrent(passes, 30, 30, 2, input_dropout=0.5)
        y, _ = layer(torch.ones(4, 20, 30))
        assert y.unique().tolist() == [0.0, 4.0]
        assert (y == y[:1]).all()
        assert torch.equal(layer.eval()(torch.ones(4, 20, 30))[0], torch.ones(4, 20, 30))


class TestRecurrentDropout:
    def test_masks_are_one_per_sequence_and_scaled(self):
        noise = Regularizers(recurrent_dropout=0.25)
        layer = layer_of("lstm")
        drawn = noise.draw(LSTM, operands_of(layer, batch=2000))
        assert set(drawn.givens) == {"mask_h"}  # no product of the LSTM reads c
        mask = drawn.givens["mask_h"]
        assert mask.shape == (2000, H)
        assert mask.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
        assert float(mask.mean()) == pytest.approx(1.0, abs=0.03)

    def test_products_alone_read_the_mask(self):
        """A cell whose state passes by its product: only the product is dropped."""

        @cell
        def carries(x, h):
            return dict(h=h + U.h @ h)

        layer = gw.Recurrent(carries, 3, 3, recurrent_dropout=0.999, initial={"U": 5.0, "h": 1.0})
        y, _ = layer(torch.zeros(6, 4, 3))
        assert float((y == 1.0).double().mean()) > 0.9

    @pytest.mark.parametrize(
        ("name", "states"), [("scrn", "h"), ("gru_d", "h"), ("taugru", "h h8")]
    )
    def test_states_that_products_read(self, name, states):
        graph = gw.cells.get(name).graph
        masked = Regularizers(recurrent_dropout=0.5).noisy(graph)
        assert [n for n in masked.givens if n.startswith("mask_")] == [
            f"mask_{state}" for state in states.split()
        ]


class TestWeightDrop:
    def test_recurrent_matrices_alone(self):
        layer = layer_of("lstm")
        operands = operands_of(layer)
        drawn = Regularizers(weight_drop=0.5).draw(LSTM, operands).parameters
        assert isinstance(drawn, Stacked)
        for name, value in operands.parameters.items():
            if name.startswith("U."):
                kept = drawn[name] != 0
                close(drawn[name][kept], 2 * value[kept])
                assert 0 < int(kept.sum()) < kept.numel()
            else:
                assert torch.equal(drawn[name], value)

    def test_stacks_with_other_matrices_are_taken_apart(self):
        graph = gw.cells.get("rhn").graph  # U.n_2 reads what this step computed
        layer = gw.Recurrent("rhn", I, H, weight_drop=0.5, dtype=torch.float64)
        drawn = layer.options.regularizers.draw(graph, operands_of(layer)).parameters
        changed = {n for n, v in layer.weights().items() if not torch.equal(drawn[n], v)}
        assert changed == {"U.n_1", "U.t_1"}

    def test_same_weights_at_every_step_and_contiguous_gradients(self):
        layer = layer_of("rnn", weight_drop=0.5)
        x = torch.zeros(9, B, I, dtype=torch.float64)
        _, state = layer(x[:1])
        operands = operands_of(layer)
        torch.manual_seed(5)
        y, _ = layer(x, state)
        torch.manual_seed(5)
        dropped = layer.options.regularizers.draw(layer.graph, operands).parameters
        h = state.h[0]
        for t in range(9):
            h = torch.tanh(h @ dropped["U.h"].mT + dropped["b.h"])
            close(y[t], h)
        y.sum().backward()
        assert layer.U_l0.grad.is_contiguous()
        assert (layer.U_l0.grad[dropped["U.h"] == 0] == 0).all()


class TestZoneout:
    def test_by_hand_in_training(self):
        """Krueger et al. (2017), equations 4 and 5."""
        rates = {"h": 0.3, "c": 0.6}
        layer = layer_of("lstm", zoneout=rates)
        x, named = x_of(T, B), layer.weights()
        torch.manual_seed(7)
        y, last = layer(x)
        torch.manual_seed(7)
        operands = Operands({"x": x}, {n: torch.zeros(B, H).double() for n in "hc"}, named)
        drawn = layer.options.regularizers.draw(LSTM, operands)
        seeds, step = drawn.givens, drawn.inputs["zoneout_step"]
        held = {n: noise(seeds[f"zoneout_seed_{n}"], step) < rate for n, rate in rates.items()}
        assert 0 < held["h"].double().mean() < held["c"].double().mean() < 1
        h = c = torch.zeros(B, H).double()
        for t in range(T):
            gates = {
                k: x[t] @ named[f"W.{k}"].mT + h @ named[f"U.{k}"].mT + named[f"b.{k}"]
                for k in "ifgo"
            }
            i, f, o = (torch.sigmoid(gates[k]) for k in "ifo")
            new = f * c + i * torch.tanh(gates["g"])
            h = torch.where(held["h"][t], h, o * torch.tanh(new))
            c = torch.where(held["c"][t], c, new)
            close(y[t], h)
        close(last.h[0], h)
        close(last.c[0], c)

    def test_evaluation_takes_the_expectation(self):
        @cell
        def counts(x, h):
            return dict(h=x)

        layer = gw.Recurrent(counts, 1, 1, zoneout=0.25).eval()
        y, state = layer(torch.tensor([[[1.0]], [[2.0]]]))
        assert y.flatten().tolist() == [0.75, 0.25 * 0.75 + 0.75 * 2.0]
        assert state.h.item() == y[-1].item()
        many = gw.Recurrent(counts, 4000, 4000, zoneout=0.25)
        mean = many(torch.ones(1, 5, 4000))[0].mean()
        assert mean.item() == pytest.approx(0.75, abs=0.02)

    def test_masks_take_what_the_documentation_says(self):
        layer = layer_of("lstm", zoneout=0.5)
        drawn = Regularizers(zoneout=0.5).draw(LSTM, operands_of(layer))
        assert [drawn.givens[f"zoneout_seed_{n}"].numel() for n in "hc"] == [B * H] * 2
        assert drawn.inputs["zoneout_step"].untyped_storage().nbytes() == T * 8

    @pytest.mark.parametrize("name", CELLS)
    def test_of_everything_keeps_everything(self, name):
        layer = layer_of(name, zoneout=1.0, learn_initial=True)
        start = layer(x_of(0, B), **further(layer.graph, 0, B))[1]
        for training in (True, False):
            layer.train(training)
            _, last = layer(x_of(T, B), **further(layer.graph, T, B))
            for found, expected in zip(last, start, strict=True):
                close(found, expected)

    def test_state_that_is_handed_on_beside_the_output(self):
        """SCRN's output is neither of its states: zoneout of s changes it a step later."""
        plain, zoned = layer_of("scrn"), layer_of("scrn", zoneout={"s": 1.0})
        x = x_of(2, B)
        assert torch.equal(plain(x)[0][0], zoned(x)[0][0])
        assert not torch.allclose(plain(x)[0][1], zoned(x)[0][1])


@pytest.mark.parametrize(
    "options",
    [
        {"input_dropout": 0.5},
        {"recurrent_dropout": 0.5},
        {"weight_drop": 0.5},
        {"zoneout": 0.5},
        {"zoneout": {"c": 0.5}},
    ],
)
class TestNoise:
    def test_seeds_repeat_it_and_calls_differ(self, options):
        layer, x = layer_of("lstm", 2, bidirectional=True, **options), x_of(T, B)
        torch.manual_seed(3)
        y, _ = layer(x)
        assert not torch.equal(layer(x)[0], y)
        torch.manual_seed(3)
        assert torch.equal(layer(x)[0], y)

    def test_evaluation_has_none(self, options):
        layer, plain = layer_of("lstm", **options).eval(), layer_of("lstm").eval()
        x = x_of(T, B)
        assert torch.equal(layer(x)[0], layer(x)[0])
        assert torch.equal(layer(x)[0], plain(x)[0]) == ("zoneout" not in options)

    def test_gradients_are_those_of_finite_differences(self, options):
        layer = gw.Recurrent("lstm", 2, 2, dtype=torch.float64, **options)

        def run(x):
            torch.manual_seed(0)
            y, state = layer(x, lengths=[3, 2], reset=torch.tensor([[0, 0], [1, 0], [0, 1]]))
            return y, *state

        x = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(run, (x,))

    @pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
    def test_drop_in_layers(self, options, kind):
        options = {"zoneout": {"h": 0.5}} if isinstance(options.get("zoneout"), dict) else options
        layer, x = getattr(gw, kind)(I, H, **options), torch.randn(T, B, I)
        torch.manual_seed(3)
        y, _ = layer(x)
        assert not torch.equal(layer(x)[0], y)
        torch.manual_seed(3)
        assert torch.equal(layer(x)[0], y)
        assert next(iter(options)) in repr(layer)
        layer.eval()
        assert torch.equal(layer(x)[0], layer(x)[0])


def test_layers_and_directions_have_masks_of_their_own():
    layer = layer_of("rnn", bidirectional=True, recurrent_dropout=0.5)
    seen = []
    original = Regularizers.draw

    def watch(self, graph, operands):
        drawn = original(self, graph, operands)
        seen.append(drawn.givens["mask_h"])
        return drawn

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Regularizers, "draw", watch)
        layer(x_of(T, 50))
    assert len(seen) == 2
    assert not torch.equal(*seen)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"zoneout": {"z": 0.5}}, "no state 'z'; its states: h, c"),
        ({"zoneout": {"c": 2}}, "zoneout of 'c'=2: a probability"),
        ({"zoneout": -0.1}, "zoneout=-0.1: a probability"),
        ({"input_dropout": 1.5}, "input_dropout=1.5: a probability"),
        ({"recurrent_dropout": "a"}, "recurrent_dropout='a': a probability"),
        ({"weight_drop": None}, "weight_drop=None: a probability"),
    ],
)
@pytest.mark.parametrize("kind", [gw.LSTM, lambda *a, **o: gw.Recurrent("lstm", *a, **o)])
def test_wrong_options(kind, options, says):
    with pytest.raises(ValueError, match=says):
        kind(I, H, **options)


@pytest.mark.parametrize("option", ["recurrent_dropout", "weight_drop"])
def test_cells_without_recurrent_products_say_so(option):
    with pytest.raises(ValueError, match=f"{option}: cell 'sru' multiplies no last state"):
        gw.Recurrent("sru", H, H, **{option: 0.5})


def test_recurrent_products_of_a_cell_of_ones_own():
    @cell
    def mine(x, h):
        r = tanh(W.r @ x + b.r)
        return dict(r=r, h=tanh(U.h @ (r * h)))

    noisy = Regularizers(recurrent_dropout=0.5).noisy(mine.graph)
    assert repr(noisy.values["h"]) == "tanh(U.h @ (tanh(W.r @ x + b.r) * (h * mask_h)))"
    assert Recurrence(noisy, {"I": 2, "H": 2}).output_size == 2

"""The initial values of a layer's weights and states: torch's, the cell's, and yours."""

from __future__ import annotations

import pytest
import torch

import gatewise as gw
from gatewise.equations import U, W, b, block_diagonal, cell, tanh


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


def test_cell_without_a_forget_gate_is_told_of_its_biases_alone():
    with pytest.raises(
        ValueError, match=r'out, or set another bias, as in initial=\{"b.h": 1.0\}\.$'
    ):
        gw.Recurrent("rnn", 3, 4, forget_bias=1.0)
    with pytest.raises(ValueError, match=r"leave forget_bias and chrono out\.$"):
        gw.Recurrent("rnn", 3, 4, forget_bias=1.0, bias=False)

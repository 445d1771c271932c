"""How weights are stacked into parameters, and the names they get."""

from __future__ import annotations

import pytest
import torch

import gatewise as gw
from gatewise.backends import Stacked
from gatewise.equations import R, U, V, W, b, block_diagonal, cell, p, s, tanh
from gatewise.equations.rewrite import without_bias
from gatewise.layers.torch_weights import named_weights
from gatewise.layers.weights import stacking, stacks


@cell(states=dict(h="H", q="P"))
def various(x, h, q):
    a = tanh(W.a @ x + U.a @ h + V.a @ q + b.a)
    c = tanh(W.c @ x + U.c @ (a * h) + block_diagonal(U.d, 2) @ h + b.c * s.one + s.two)
    q = R.q @ (a + c) + b.q
    h = p.h * h + c
    return dict(a=a, c=c, q=q, h=h)


SIZES = {"I": 3, "H": 4, "P": 2}


def test_one_stack_per_namespace_operand_and_shape():
    found = {
        stack.name: ([q.name for q in stack.members], stack.stacked_shape)
        for stack in stacks(various.graph, SIZES)
    }
    assert found == {
        "W": (["W.a", "W.c"], (8, 3)),
        "U": (["U.a"], (4, 4)),
        "V": (["V.a"], (4, 2)),
        "b": (["b.a", "b.c"], (8,)),
        "U_c": (["U.c"], (4, 4)),
        "U_d": (["U.d"], (4, 2)),
        "s": (["s.one", "s.two"], (2,)),
        "R": (["R.q"], (2, 4)),
        "b_q": (["b.q"], (2,)),
        "p": (["p.h"], (4,)),
    }


def test_names_that_would_meet_are_told_apart():
    @cell(states=("h", "c", "d"))
    def joined(x, h, c, d):
        h = tanh(U.first @ h + W.a @ x)
        c = tanh(U.a @ c + U.b @ c + h)
        d = tanh(U.a_b @ d + c)
        return dict(h=h, c=c, d=d)

    layer = gw.Recurrent(joined, 3, 4)
    names = [name for name, _ in layer.named_parameters()]
    assert names == ["U_l0", "W_l0", "U_a_b_l0", "U_a_b_again_l0"]
    assert list(layer.weights()) == ["U.first", "W.a", "U.a", "U.b", "U.a_b"]


@pytest.mark.parametrize("name", gw.cells.names())
def test_every_weight_stands_in_one_stack(name):
    cell_ = gw.cells.get(name)
    numbers = {"I": 4, "H": 4}
    made = stacks(cell_.graph, numbers)
    members = [q.name for stack in made for q in stack.members]
    assert sorted(members) == sorted(cell_.parameters)
    assert len({stack.name for stack in made}) == len(made)
    for stack in made:
        stored = torch.randn(stack.stacked_shape)
        views = Stacked([stored], stacking([stack]))
        assert list(views) == [q.name for q in stack.members]
        together = [v.reshape(-1) for v in views.values()]
        assert torch.equal(torch.cat(together), stored.reshape(-1))
        assert all(v is stored or v._base is stored for v in views.values())


def test_torchs_two_biases_become_one():
    stored = {
        name: torch.randn(8, 3 if name == "weight_ih" else 2) for name in ("weight_ih", "weight_hh")
    }
    stored |= {name: torch.randn(8) for name in ("bias_ih", "bias_hh")}
    named = named_weights("ifgo", stored, gw.cells.lstm.graph)
    torch.testing.assert_close(named["b.g"], (stored["bias_ih"] + stored["bias_hh"])[4:6])
    assert torch.equal(named["U.o"], stored["weight_hh"][6:])
    assert set(named) == set(gw.cells.lstm.parameters)


def test_gru_keeps_the_bias_inside_the_reset_apart():
    stored = {"weight_ih": torch.randn(6, 3), "weight_hh": torch.randn(6, 2)}
    assert set(named_weights("rzn", stored, without_bias(gw.cells.gru.graph))) == {
        f"{letter}.{gate}" for letter in "WU" for gate in "rzn"
    }
    stored |= {"bias_ih": torch.randn(6), "bias_hh": torch.randn(6)}
    named = named_weights("rzn", stored, gw.cells.gru.graph)
    assert torch.equal(named["b.n"], stored["bias_ih"][4:])
    assert torch.equal(named["b.nh"], stored["bias_hh"][4:])
    torch.testing.assert_close(named["b.r"], (stored["bias_ih"] + stored["bias_hh"])[:2])
